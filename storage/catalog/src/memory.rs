//! The catalog in memory: the semantics of [`Catalog`] and none of its durability. For
//! simulations, drills and tests; what it holds is gone when it is dropped.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use super::{Batch, Catalog, CatalogError, CommitError, Key, KeyRange, Row, Version};

/// A catalog that forgets. A copy of it stands in for a restart.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    contents: Mutex<Contents>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    rows: BTreeMap<Key, Row>,
    last_version: u64,
}

impl MemoryCatalog {
    /// An empty catalog.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another catalog with what this one holds now; from here on they go separate ways.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            contents: Mutex::new(self.contents().clone()),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents
            .lock()
            .expect("no panic while the rows are held")
    }
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        Ok(self.contents().rows.get(key).cloned())
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let contents = self.contents();
        let found = contents.rows.range::<Key, _>(range.bounds()).take(limit);
        Ok(found.map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        batch.check_sizes()?;
        let mut contents = self.contents();
        for (key, expect) in &batch.expected {
            if !expect.holds(contents.rows.get(key).map(|row| row.version)) {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        contents.last_version += 1;
        let version = Version(contents.last_version);
        for (key, value) in batch.writes {
            match value {
                Some(value) => contents.rows.insert(key, Row { version, value }),
                None => contents.rows.remove(&key),
            };
        }
        Ok(())
    }
}
