//! A store: an object store (theirs) and what we ask of it beyond its interface.
//!
//! Puts are plain and whole, start only while their [`Lease`] is fresh, are given up after [`TRIED`]
//! and have landed, or never will, within [`PUT_LONGEST`]; so [`QUIET_AFTER`] a gate has changed,
//! nothing that rested on the old one can still land. "Not found" on delete is success. Local
//! folders are synced where the crate does not. Every request is counted
//! (`stemvault_store_requests_total`), and every failure says what to check.

mod advice;
mod asked;
mod cloud;
mod direct;
mod hurry;
mod local;
mod mirror;
pub(crate) mod passes_on;
mod patience;
mod read_only;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use url::Url;

use crate::clock::SharedClock;
use crate::error::{Error, Result};
use direct::Direct;
pub(crate) use hurry::hurried;
use local::Local;
use patience::{Patience, Patient};

pub use mirror::Mirror;

/// No put starts later than this after its gate was read.
pub const LEASE: Duration = Duration::from_secs(30);

/// A put is given up after this, retries included.
pub const TRIED: Duration = Duration::from_secs(60);

/// A store that has the whole of a put, but whose answer we no longer wait for, finishes it within
/// this or never.
const LANDS_WITHIN: Duration = Duration::from_secs(30);

/// No put lands later than this after it began.
pub const PUT_LONGEST: Duration = Duration::from_secs(TRIED.as_secs() + LANDS_WITHIN.as_secs());

/// From then on nothing can land that rested on a gate which has changed.
pub const QUIET_AFTER: Duration = Duration::from_secs(LEASE.as_secs() + PUT_LONGEST.as_secs());

/// How many deletes run at once: enough to hide a round trip, few enough to stay polite.
const DELETES_AT_ONCE: usize = 8;

/// The moment at which a gate was read: puts that rest on it start soon, or not at all.
#[derive(Clone, Debug)]
pub struct Lease {
    clock: SharedClock,
    read_at: Duration,
    order: String,
}

impl Lease {
    /// A lease from now on; take it *before* reading the gate. `order` is for messages.
    #[must_use]
    pub fn new(clock: &SharedClock, order: &impl ToString) -> Self {
        Self {
            clock: Arc::clone(clock),
            read_at: clock.monotonic(),
            order: order.to_string(),
        }
    }

    /// Whether half of it is over: time to read the gate again.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.clock.monotonic().saturating_sub(self.read_at) > LEASE / 2
    }

    fn check(&self) -> Result<()> {
        if self.clock.monotonic().saturating_sub(self.read_at) > LEASE {
            return Err(Error::TooLate {
                order: self.order.clone(),
            });
        }
        Ok(())
    }
}

/// One of the three stores: working, archive, keys.
#[derive(Clone, Debug)]
pub struct Store {
    name: &'static str,
    place: String,
    inner: Arc<dyn ObjectStore>,
    local: Option<Arc<Local>>,
    /// Whether it is another machine, with a clock of its own.
    has_clock: bool,
    patience: Patience,
}

impl Store {
    /// Opens the store behind a URL (`file:`, `s3:`, `az:`, `gs:`). `options` are the string-keyed
    /// ones of the `object_store` crate. A local folder is made if it is missing.
    ///
    /// # Errors
    /// When the URL or an option is not understood, or the folder cannot be made.
    pub fn open(name: &'static str, url: &Url, options: Vec<(String, String)>) -> Result<Self> {
        let is_local = url.scheme() == "file";
        let fail = |source| Error::Store {
            store: name,
            verb: "open",
            path: url.to_string(),
            said: advice::in_words(&source, is_local),
            cause: Box::new(source),
        };
        if is_local {
            let folder = std::path::PathBuf::from(
                percent_encoding::percent_decode_str(url.path())
                    .decode_utf8_lossy()
                    .into_owned(),
            );
            let local = Local::open(folder.clone()).map_err(|error| fail(generic(error)))?;
            let patience = Patience::default();
            let inner = LocalFileSystem::new_with_prefix(folder)
                .map_err(fail)?
                .with_fsync(true);
            return Ok(Self {
                name,
                place: url.to_string(),
                inner: Arc::new(Patient::new(Direct::new(inner), patience.clone())),
                local: Some(Arc::new(local)),
                has_clock: false,
                patience,
            });
        }
        let (inner, path) = cloud::open(name, url, options).map_err(fail)?;
        let inner: Arc<dyn ObjectStore> = if path.as_ref().is_empty() {
            inner
        } else {
            Arc::new(PrefixStore::new(inner, path))
        };
        Ok(Self {
            name,
            place: url.to_string(),
            inner,
            local: None,
            has_clock: true,
            patience: Patience::default(),
        })
    }

    /// Any other object store, as simulations and fault tests need.
    #[must_use]
    pub fn of(name: &'static str, inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            name,
            place: name.to_owned(),
            inner,
            local: None,
            has_clock: false,
            patience: Patience::default(),
        }
    }

    /// The same store with another object store around its own: faults, counters.
    #[must_use]
    pub fn wrapped(self, wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self {
            inner: wrap(self.inner),
            ..self
        }
    }

    /// The same store, to read and no more: nothing is written to it, swept from it or made in it.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self {
            inner: Arc::new(read_only::ReadOnly(self.inner)),
            local: None,
            ..self
        }
    }

    /// Working, archive or keys.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its address, for messages.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it is a folder of this machine: then no put outlives the process.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Whether it has a clock of its own, which may be asked.
    #[must_use]
    pub fn has_clock(&self) -> bool {
        self.has_clock
    }

    /// Puts an object; durable when it returns. Replaces what is there: never skipped, because
    /// what is there may not be what it seems.
    ///
    /// # Errors
    /// [`Error::TooLate`] if the lease is over; [`Error::Store`] if the store fails or takes longer
    /// than [`TRIED`]: what was put may be there all the same, now or until [`PUT_LONGEST`] is over.
    pub async fn put(&self, path: &Path, bytes: Bytes, lease: &Lease) -> Result<()> {
        lease.check()?;
        self.put_now(path, bytes).await
    }

    /// Puts an object that rests on no gate: keys, tombstones.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn put_now(&self, path: &Path, bytes: Bytes) -> Result<()> {
        let put = self.inner.put(path, PutPayload::from_bytes(bytes));
        let done = match tokio::time::timeout(hurried(TRIED), put).await {
            Ok(done) => done.map(drop),
            Err(late) => Err(generic(late)),
        };
        self.told("put", path, done)
    }

    /// The whole object, or `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn get_opt(&self, path: &Path) -> Result<Option<Bytes>> {
        let read = async { self.inner.get(path).await?.bytes().await };
        let read = match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(source),
        };
        self.told("get", path, read)
    }

    /// Paths and sizes of all objects below a folder.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, folder: &Path) -> Result<Vec<(Path, u64)>> {
        let objects = self.inner.list(Some(folder));
        let objects = objects.map_ok(|object| (object.location, object.size));
        self.told("list", folder, objects.try_collect().await)
    }

    /// Names of the folders directly below a folder.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn folders(&self, folder: &Path) -> Result<Vec<String>> {
        let found = self.inner.list_with_delimiter(Some(folder)).await;
        let found = self.told("list", folder, found)?;
        let name = |path: Path| path.filename().map(ToOwned::to_owned);
        Ok(found.common_prefixes.into_iter().filter_map(name).collect())
    }

    /// Deletes an object; that it is not there is success. Durable after [`settle`](Self::settle).
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn delete(&self, path: &Path) -> Result<()> {
        let gone = match self.inner.delete(path).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other,
        };
        self.told("delete", path, gone)
    }

    /// Deletes everything below a folder, including what a killed put left and `list` hides.
    /// Returns how many objects went and their bytes.
    ///
    /// # Errors
    /// [`Error::Store`]; what is left then can be deleted by doing it again.
    pub async fn empty(&self, folder: &Path) -> Result<(u64, u64)> {
        let objects = self.list(folder).await?;
        let count = (
            objects.len() as u64,
            objects.iter().map(|(_, size)| size).sum(),
        );
        futures::stream::iter(objects)
            .map(|(path, _)| async move { self.delete(&path).await })
            .buffer_unordered(DELETES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        if let Some(local) = &self.local {
            let (local, at) = (Arc::clone(local), folder.to_string());
            self.blocking("empty", folder, move || local.remove_leftovers(&at))
                .await?;
        }
        Ok(count)
    }

    /// Makes a folder durable before the first put into it (two puts at once can miss that).
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn prepare(&self, folder: &Path) -> Result<()> {
        let Some(local) = self.local.clone() else {
            return Ok(());
        };
        let at = folder.to_string();
        self.blocking("make the folder", folder, move || local.prepare(&at))
            .await
    }

    /// Makes deletes in a folder durable.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn settle(&self, folder: &Path) -> Result<()> {
        let Some(local) = self.local.clone() else {
            return Ok(());
        };
        let at = folder.to_string();
        self.blocking("sync", folder, move || local.settle(&at))
            .await
    }

    /// Removes what killed puts left anywhere; only while no put runs. Returns how many.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sweep_killed_puts(&self) -> Result<u64> {
        let Some(local) = self.local.clone() else {
            return Ok(0);
        };
        self.blocking("sweep", &Path::default(), move || local.sweep_killed_puts())
            .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        verb: &'static str,
        path: &Path,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let work = async move {
            let done = tokio::task::spawn_blocking(work)
                .await
                .expect("no panic in file system calls");
            done.map_err(generic)
        };
        // Some of it goes through a whole folder.
        let done = self.patience.wait_long(work).await;
        done.map_err(|error| self.failed(verb, path, error))
    }

    /// Counts a request, and puts its failure into words.
    fn told<T>(
        &self,
        verb: &'static str,
        path: &Path,
        outcome: object_store::Result<T>,
    ) -> Result<T> {
        let word = if outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!("stemvault_store_requests_total", "store" => self.name, "verb" => verb, "outcome" => word)
            .increment(1);
        outcome.map_err(|source| self.failed(verb, path, source))
    }

    fn failed(&self, verb: &'static str, path: &Path, source: object_store::Error) -> Error {
        Error::Store {
            store: self.name,
            verb,
            path: path.to_string(),
            said: advice::in_words(&source, self.is_local()),
            cause: Box::new(source),
        }
    }
}

fn generic(source: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic {
        store: "stemvault",
        source: Box::new(source),
    }
}
