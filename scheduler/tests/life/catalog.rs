//! The catalog as a node sees it: others have their turn around every call, and a batch of a node
//! that dies may arrive before, after, or not at all. It never fails: a failed catalog is a crash.

use std::sync::Arc;

use async_trait::async_trait;
use stemvault_storage::catalog::{
    Batch, Catalog, CatalogError, CommitError, Key, KeyRange, MemoryCatalog, Row,
};

use crate::node::{ANY, Life};

#[derive(Debug)]
pub struct SimCatalog {
    life: Arc<Life>,
    inner: Arc<MemoryCatalog>,
}

/// A batch on its way.
struct Flight<'a> {
    catalog: &'a SimCatalog,
    batch: Option<Batch>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let world = &self.catalog.life.world;
        let Some(batch) = self.batch.take() else {
            return;
        };
        let arrives = world.state().chance.in_1000(400);
        if arrives {
            world.commit_later(Arc::clone(&self.catalog.inner), batch);
        }
    }
}

impl SimCatalog {
    /// The catalog that the world has now: a node that lives on while it is lost writes into the
    /// old one.
    pub fn new(life: &Arc<Life>) -> Self {
        Self {
            life: Arc::clone(life),
            inner: life.world.catalog(),
        }
    }

    async fn pause(&self) {
        if !self.life.pause(ANY).await {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Catalog for SimCatalog {
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        let name = self.life.world.state().names.key(key);
        self.life.call("row", &name).await;
        self.pause().await;
        self.inner.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError> {
        self.life.call("rows", "").await;
        self.pause().await;
        let mut rows = self.inner.scan(range, limit).await?;
        // Where random ids decide the order of rows, the order in which they were met does. Only
        // full pages go on from their last row, and no run fills one.
        let mut state = self.life.world.state();
        rows.sort_by_key(|(_, row)| row.version.0);
        rows.sort_by_cached_key(|(key, _)| state.names.key(key));
        Ok(rows)
    }

    async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.life.call("commit", "").await;
        let mut flight = Flight {
            catalog: self,
            batch: Some(batch),
        };
        if !self.life.pause(ANY).await {
            drop(flight);
            return std::future::pending().await;
        }
        let batch = flight.batch.take().expect("it was not sent yet");
        let done = self.inner.commit(batch).await;
        self.life.world.note(done.is_ok());
        self.life.world.committed();
        self.pause().await;
        done
    }
}
