//! What the tests stand on: a vault whose process can be started again, and a key store that can
//! fail or garble from a chosen write on.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectStore, PutOptions, PutPayload, PutResult};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::catalog::MemoryCatalog;
use crate::clock::{MovableClock, SharedClock, StoppedClock};
use crate::error::Result;
use crate::ids::OrderId;
use crate::keys::{KeyStore, MasterKey, MasterKeys};
use crate::limits::Limits;
use crate::order::{Client, Order, Policy};
use crate::store::Store;
use crate::store::passes_on::passes_on;
use crate::vault::Vault;

/// A key store that dies before a chosen write, and may garble the one before.
#[derive(Debug, Default)]
pub(super) struct Frail {
    inner: InMemory,
    /// Writes until it dies; negative: never.
    left: AtomicI64,
    /// Writes until one is garbled; negative: never.
    garbles: AtomicI64,
    /// Lets others go first, as the seed says.
    turns: Mutex<Option<StdRng>>,
}

impl Frail {
    /// From now on who comes first is a matter of this seed.
    pub(super) fn shuffles(&self, seed: u64) {
        *self.turns.lock().unwrap() = Some(StdRng::seed_from_u64(seed));
    }

    async fn turn(&self) {
        let chance = |rng: &mut StdRng| rng.random_range(0..6);
        let turns = self.turns.lock().unwrap().as_mut().map_or(0, chance);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn dies_after(&self, writes: i64) {
        self.left.store(writes, Ordering::SeqCst);
    }

    pub(super) fn garbles_after(&self, writes: i64) {
        self.garbles.store(writes, Ordering::SeqCst);
    }

    pub(super) fn sound(&self) {
        self.dies_after(-1);
        self.garbles_after(-1);
    }

    fn write(&self) -> object_store::Result<bool> {
        if self.left.load(Ordering::SeqCst) == 0 {
            return Err(object_store::Error::Generic {
                store: "frail",
                source: "it died".into(),
            });
        }
        if self.left.load(Ordering::SeqCst) > 0 {
            self.left.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(self.garbles.fetch_sub(1, Ordering::SeqCst) == 0)
    }
}

impl fmt::Display for Frail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("frail")
    }
}

#[async_trait]
impl ObjectStore for Frail {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.turn().await;
        let payload = if self.write()? {
            PutPayload::from_static(b"{\"v\":1,\"mas")
        } else {
            payload
        };
        self.inner.put_opts(location, payload, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        if let Err(error) = self.write() {
            return futures::stream::iter([Err(error)]).boxed();
        }
        self.inner.delete_stream(locations)
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.turn().await;
        self.inner.get_opts(location, options).await
    }

    passes_on!(inner: put_multipart_opts, list, list_with_delimiter, copy_opts);
}

/// What outlives a process.
pub(super) struct House {
    pub(super) frail: Arc<Frail>,
    pub(super) clock: Arc<MovableClock>,
    bucket: Arc<InMemory>,
    catalog: Arc<MemoryCatalog>,
    folder: tempfile::TempDir,
    pub(super) masters: Vec<MasterKey>,
}

impl House {
    pub(super) fn new() -> Self {
        let start = StoppedClock::new("2026-01-05T09:00:00Z".parse().unwrap());
        let house = Self {
            frail: Arc::new(Frail::default()),
            clock: Arc::new(MovableClock::new(Arc::new(start))),
            bucket: Arc::new(InMemory::new()),
            catalog: Arc::new(MemoryCatalog::new()),
            folder: tempfile::tempdir().unwrap(),
            masters: vec![MasterKey::random()],
        };
        house.frail.sound();
        house.write_masters();
        house
    }

    /// Puts a new master key in front; returns its id.
    pub(super) fn new_master(&mut self) -> String {
        self.masters.insert(0, MasterKey::random());
        self.write_masters();
        self.masters[0].id().to_owned()
    }

    /// Leaves only the first master key in the file.
    pub(super) fn forget_old_masters(&mut self) {
        self.masters.truncate(1);
        self.write_masters();
    }

    pub(super) fn write_masters(&self) {
        let text: String = self.masters.iter().map(MasterKey::reveal).collect();
        std::fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("master.key")
    }

    /// A process on all of it.
    pub(super) async fn start(&self) -> Result<Vault> {
        let masters = MasterKeys::read(&self.file()).unwrap().unwrap();
        let keys = Store::of("keys", Arc::<Frail>::clone(&self.frail));
        let bucket = |name| Store::of(name, Arc::<InMemory>::clone(&self.bucket));
        let vault = Vault::new(
            Arc::<MemoryCatalog>::clone(&self.catalog),
            bucket("working"),
            bucket("archive"),
            KeyStore::open(keys, masters).await?,
            Arc::<MovableClock>::clone(&self.clock) as SharedClock,
            Limits::default(),
        );
        vault.recover().await?;
        Ok(vault)
    }

    /// The raw object of a key in the key store.
    pub(super) async fn object(&self, path: &Path) -> Option<Bytes> {
        let keys = Store::of("keys", Arc::<Frail>::clone(&self.frail));
        keys.get_opt(path).await.unwrap()
    }

    pub(super) async fn put_object(&self, path: &Path, bytes: Bytes) {
        let keys = Store::of("keys", Arc::<Frail>::clone(&self.frail));
        keys.put_now(path, bytes).await.unwrap();
    }

    pub(super) fn pass(&self, days: u64) {
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        self.clock.advance(day * u32::try_from(days).unwrap());
    }
}

pub(super) async fn create(vault: &Vault, number: u32) -> Order {
    let number = format!("2026-{number:04}").try_into().unwrap();
    vault
        .orders
        .create(number, Client::default())
        .await
        .unwrap()
}

/// Decides the purge of an order without sessions; its two years pass.
pub(super) async fn purging(house: &House, vault: &Vault, order: OrderId) -> Order {
    let policy = Policy {
        working_days: 90,
        archive_months: 24,
        time_zone: chrono_tz::UTC,
    };
    vault.orders.complete(order, policy).await.unwrap();
    house.pass(750);
    let now = house.clock_now();
    vault
        .core
        .change(order, |order| order.purging(now, false))
        .await
        .unwrap()
}

impl House {
    fn clock_now(&self) -> chrono::DateTime<chrono::Utc> {
        use crate::clock::Clock;
        self.clock.now()
    }
}
