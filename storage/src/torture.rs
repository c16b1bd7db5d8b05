//! Dying on purpose: a process that aborts right before a chosen write, for the tests that ask
//! what a crash between any two writes leaves behind.
//!
//! A write is a put or delete of an object, or a commit that changes rows. Counting begins when
//! the start is done; `STEMVAULT_CRASH_AT=n` chooses the n-th. Also where waits for stores are
//! shortened, and where jobs wait to be asked for. Not in any build that is shipped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult,
};

use crate::catalog::{Batch, Catalog, CatalogError, CommitError, Key, KeyRange, Row};
use crate::store::Store;
use crate::store::passes_on::passes_on;

/// Whether no job runs by itself (`STEMVAULT_BEAT=rests`): a full minute of the wall that falls into
/// a test would decide what it meets.
#[must_use]
pub fn beat_rests() -> bool {
    std::env::var("STEMVAULT_BEAT").is_ok_and(|says| says == "rests")
}

/// Counts writes, and ends the process before the one that was chosen.
#[derive(Debug, Default)]
pub struct Torture {
    begun: AtomicBool,
    writes: AtomicU64,
    crash_at: Option<u64>,
}

impl Torture {
    /// As the environment says.
    #[must_use]
    pub fn from_environment() -> Arc<Self> {
        let crash_at = std::env::var("STEMVAULT_CRASH_AT").ok();
        Arc::new(Self {
            crash_at: crash_at.and_then(|text| text.trim().parse().ok()),
            ..Self::default()
        })
    }

    /// The start is done: what is written from now on counts.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// The same store, counted.
    #[must_use]
    pub fn store(self: &Arc<Self>, store: Store) -> Store {
        let torture = Arc::clone(self);
        store.wrapped(|inner| Arc::new(Tortured { inner, torture }))
    }

    /// The same catalog, counted.
    #[must_use]
    pub fn catalog(self: &Arc<Self>, inner: Arc<dyn Catalog>) -> Arc<dyn Catalog> {
        Arc::new(TorturedCatalog {
            inner,
            torture: Arc::clone(self),
        })
    }

    fn write(&self) {
        if !self.begun.load(Ordering::SeqCst) {
            return;
        }
        let nth = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        metrics::counter!("stemvault_torture_writes_total").increment(1);
        if self.crash_at == Some(nth) {
            std::process::abort();
        }
    }
}

#[derive(Debug)]
struct Tortured {
    inner: Arc<dyn ObjectStore>,
    torture: Arc<Torture>,
}

impl fmt::Display for Tortured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tortured {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Tortured {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.torture.write();
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.torture.write();
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let torture = Arc::clone(&self.torture);
        let counted = locations.inspect(move |_| torture.write());
        self.inner.delete_stream(counted.boxed())
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.torture.write();
        self.inner.copy_opts(from, to, options).await
    }

    passes_on!(inner: get_opts, list, list_with_delimiter);
}

#[derive(Debug)]
struct TorturedCatalog {
    inner: Arc<dyn Catalog>,
    torture: Arc<Torture>,
}

#[async_trait]
impl Catalog for TorturedCatalog {
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError> {
        self.inner.scan(range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        if batch.changes_rows() {
            self.torture.write();
        }
        self.inner.commit(batch).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::catalog::MemoryCatalog;

    #[tokio::test]
    async fn every_write_counts_once_and_no_read() {
        let torture = Arc::new(Torture::default());
        let store = torture.store(Store::of("working", Arc::new(InMemory::new())));
        let catalog = torture.catalog(Arc::new(MemoryCatalog::new()));
        let path = Path::from("a");
        let count = || torture.writes.load(Ordering::SeqCst);
        store.put_now(&path, "early".into()).await.unwrap();
        assert_eq!(count(), 0);
        torture.begin();
        store.put_now(&path, "x".into()).await.unwrap();
        store.get_opt(&path).await.unwrap();
        assert_eq!(count(), 1);
        store.delete(&path).await.unwrap();
        assert_eq!(count(), 2);
        let key = Key(b"k".to_vec());
        catalog.get(&key).await.unwrap();
        catalog.commit(Batch::new()).await.unwrap();
        assert_eq!(count(), 2);
        catalog.commit(Batch::new().put(key, "v")).await.unwrap();
        assert_eq!(count(), 3);
    }
}
