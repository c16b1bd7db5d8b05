//! A studio of several processes over stores in memory, whose archive fails, hangs or garbles when it
//! is told to; and whether what was archived comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use stemvault_config::Settings;
use stemvault_scheduler::{Jobs, Outcome, Run, RunRequest};
use stemvault_storage::archive::{ArchivedFile, Turn};
use stemvault_storage::catalog::MemoryCatalog;
use stemvault_storage::clock::{MovableClock, SharedClock, StoppedClock};
use stemvault_storage::ids::{OrderId, SessionId, UploadId};
use stemvault_storage::intake::NewUpload;
use stemvault_storage::keys::{KeyStore, MasterKey, MasterKeys};
use stemvault_storage::order::{Client, Policy, Stage};
use stemvault_storage::path::SessionPath;
use stemvault_storage::paths;
use stemvault_storage::session::{Form, Kind, Rules};
use stemvault_storage::store::Store;
use stemvault_storage::tables;
use stemvault_storage::upload::Role;
use stemvault_storage::{Limits, Vault};
use tokio::sync::Notify;

pub const POLICY: Policy = Policy {
    working_days: 90,
    archive_months: 24,
    time_zone: chrono_tz::Tz::UTC,
};

/// The archive store, with what was put into it.
#[derive(Debug)]
pub struct Watched {
    inner: InMemory,
    pub puts: Mutex<Vec<Path>>,
    /// From this put on nothing goes well.
    pub good: AtomicU64,
    /// It hangs then, as for a process that dies; otherwise it fails.
    hangs: bool,
    /// Told when it begins to hang.
    pub hung: Notify,
    /// The put that is changed on its way.
    pub rotten: Mutex<Option<usize>>,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watched")
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        // Whose it is says nothing of what goes on in it.
        if location.prefix_matches(&paths::marks()) {
            return self.inner.put_opts(location, payload, options).await;
        }
        let nth = self.puts.lock().unwrap().len();
        if nth as u64 >= self.good.load(Ordering::SeqCst) {
            if self.hangs {
                self.hung.notify_one();
                std::future::pending::<()>().await;
            }
            return Err(object_store::Error::NotImplemented {
                operation: "put".into(),
                implementer: "a store that fails".into(),
            });
        }
        self.puts.lock().unwrap().push(location.clone());
        let mut bytes = Vec::from_iter(payload.iter().flatten().copied());
        if self
            .rotten
            .lock()
            .unwrap()
            .take_if(|at| *at == nth)
            .is_some()
        {
            *bytes.last_mut().unwrap() ^= 1;
        }
        let payload = PutPayload::from_bytes(bytes.into());
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What outlives a process.
pub struct Studio {
    catalog: Arc<MemoryCatalog>,
    working: Arc<InMemory>,
    archive: InMemory,
    keys: Arc<InMemory>,
    master: MasterKeys,
    pub clock: Arc<MovableClock>,
}

/// A process.
pub struct Node {
    pub vault: Arc<Vault>,
    jobs: Jobs,
    pub archive: Arc<Watched>,
    pub clock: Arc<MovableClock>,
}

impl Studio {
    pub fn new() -> Self {
        let start = "2026-01-05T09:00:00Z".parse().unwrap();
        Self {
            catalog: Arc::default(),
            working: Arc::default(),
            archive: InMemory::new(),
            keys: Arc::default(),
            master: MasterKeys::from(MasterKey::random()),
            clock: Arc::new(MovableClock::new(Arc::new(StoppedClock::new(start)))),
        }
    }

    /// A node whose archive takes `good` puts.
    pub async fn node(&self, good: u64, hangs: bool) -> Node {
        let archive = Arc::new(Watched {
            // A clone shares what is in it.
            inner: self.archive.clone(),
            puts: Mutex::default(),
            good: AtomicU64::new(good),
            hangs,
            hung: Notify::new(),
            rotten: Mutex::default(),
        });
        let keys = Store::of("keys", Arc::clone(&self.keys) as Arc<dyn ObjectStore>);
        let keys = KeyStore::open(keys, self.master.clone()).await.unwrap();
        let vault = Arc::new(Vault::new(
            Arc::clone(&self.catalog) as _,
            Store::of("working", Arc::clone(&self.working) as _),
            Store::of("archive", Arc::clone(&archive) as _),
            keys,
            Arc::clone(&self.clock) as SharedClock,
            Limits {
                floor_bytes: 0,
                floor_percent: 0,
                archive_threads: 2,
                ..Limits::default()
            },
        ));
        let settings = Settings::defaults("/nowhere".as_ref()).unwrap();
        let jobs = Jobs::new(Arc::clone(&vault), &settings);
        Node {
            vault,
            jobs,
            archive,
            clock: Arc::clone(&self.clock),
        }
    }

    pub fn minutes_pass(&self) {
        self.clock.advance(Duration::from_secs(180));
    }
}

pub type Files = BTreeMap<String, Vec<u8>>;

impl Node {
    /// An order with these files, submitted and completed.
    pub async fn completed(&self, files: &Files) -> (OrderId, SessionId) {
        let number = "2026-0117".to_owned().try_into().unwrap();
        let order = self.vault.orders.create(number, Client::default()).await;
        let order = order.unwrap().id;
        for (path, content) in files {
            let new = NewUpload {
                id: UploadId::random(),
                link: None,
                sum: None,
                at_once: false,
                kind: Kind::Material,
                path: SessionPath::parse(path).unwrap(),
                metadata: [].into(),
                length: Some(content.len() as u64),
                role: Role::File,
            };
            let upload = self.vault.uploads.create(order, new).await.unwrap().id;
            if !content.is_empty() {
                let writer = self.vault.appends.begin_append(order, upload, 0);
                let mut writer = Box::pin(writer).await.unwrap();
                writer.push(content).await.unwrap();
                writer.flush().await.unwrap();
            }
        }
        let (kind, form, rules) = (Kind::Material, Form::new(), Rules::new());
        let submit = self.vault.sessions.submit(order, kind, form, rules);
        let session = Box::pin(submit).await.unwrap().row.session;
        self.vault.orders.complete(order, POLICY).await.unwrap();
        (order, session)
    }

    /// The archive job's turn.
    pub async fn archive(&self) -> Run {
        let mut runs = self.jobs.run(RunRequest::default()).await.unwrap();
        runs.swap_remove(0)
    }

    pub async fn turn(&self, order: OrderId) -> Turn {
        let at = self.vault.core.settled(order).await.unwrap();
        self.vault.archiver.claim_attempt(&at).await.unwrap()
    }

    pub async fn stage(&self, order: OrderId) -> Stage {
        self.vault.core.order(order).await.unwrap().stage()
    }

    pub fn puts(&self) -> BTreeSet<Path> {
        self.archive.puts.lock().unwrap().iter().cloned().collect()
    }

    /// Every file comes back from the proven attempt.
    pub async fn comes_back(&self, order: OrderId, session: SessionId, files: &Files) {
        let order = self.vault.core.order(order).await.unwrap();
        assert_eq!(order.stage(), Stage::Archived);
        let proof = order.proof().unwrap();
        assert_eq!(proof.files, files.len() as u64);
        let folder = paths::attempt(order.id, proof.attempt);
        let listed = self.vault.core.archive().list(&folder);
        let stored: u64 = listed.await.unwrap().iter().map(|(_, size)| size).sum();
        assert_eq!(proof.stored_bytes, stored);
        let index = self
            .vault
            .manifests
            .index(order.id, proof.attempt)
            .await
            .unwrap();
        let archived = index.session(session).unwrap();
        let lengths = |file: &ArchivedFile| {
            file.blocks
                .iter()
                .map(|block| u64::from(block.length))
                .sum::<u64>()
        };
        for file in &archived.files {
            assert_eq!(
                lengths(file),
                files[&file.path].len() as u64,
                "{}",
                file.path
            );
        }
        let rows = tables::all_progress(order.id);
        assert_eq!(
            self.vault.core.catalog().scan_prefix(&rows).await.unwrap(),
            []
        );
        // 90 days later there is nothing but the archive.
        self.clock.advance(Duration::from_secs(91 * 24 * 3600));
        while !matches!(self.stage(order.id).await, Stage::Released) {
            let runs = self.jobs.run(RunRequest {
                allow_many: true,
                ..RunRequest::default()
            });
            let runs = runs.await.unwrap();
            assert!(
                runs.iter().all(|run| run.outcome != Outcome::Failed),
                "{runs:?}"
            );
            self.clock.advance(Duration::from_secs(180));
        }
        let until = self.vault.core.clock().now() + chrono::TimeDelta::days(1);
        let recalled = self
            .vault
            .core
            .change(order.id, |order| order.recall(until))
            .await;
        recalled.unwrap();
        for (path, content) in files {
            let source = self
                .vault
                .outlet
                .file(order.id, session, path)
                .await
                .unwrap();
            assert!(source.is_archived());
            let read = source.stream(0..content.len() as u64);
            let read: Vec<_> = read.try_collect().await.unwrap();
            assert_eq!(read.concat(), *content, "{path}");
        }
    }
}
