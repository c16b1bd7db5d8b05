//! The catalog that needs no server of its own, behind a name that says nothing of its engine: a
//! composition root opens it, shares it, and closes it last.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Catalog, CatalogError, SledCatalog};

/// An open catalog in a folder of this machine.
#[derive(Clone, Debug)]
pub struct Embedded(Arc<SledCatalog>);

impl Embedded {
    /// Opens the catalog in `folder`, or makes it.
    ///
    /// # Errors
    /// [`CatalogError::Locked`] when another process has it open; others as of the engine.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self, CatalogError> {
        SledCatalog::open(folder).await.map(Arc::new).map(Self)
    }

    /// The catalog, for everyone who reads and writes.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Catalog> {
        self.0.clone()
    }

    /// Finishes the commits that wait and gives up the lock; whoever still writes is refused.
    pub async fn close(self) {
        self.0.close().await;
    }
}
