//! What a drill asks beside a rebuild: whether blocks chosen at random open, and how an order looks
//! a moment later.

use std::sync::Arc;

use super::Known;
use super::Rebuild;
use crate::core::Core;
use crate::deletion::Deletion;
use crate::error::{Error, Result};
use crate::ids::random;
use crate::manifests::Manifests;
use crate::marks::{Whose, mark_of, not_ours};
use crate::order::Order;
use crate::outlet::Outlet;
use crate::tables::all_orders;

/// What came of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Blocks that were read, opened, and hashed to their names.
    pub blocks: u64,
    /// Their plain bytes.
    pub bytes: u64,
    /// What could not be read, in sentences.
    pub problems: Vec<String>,
}

/// Tries whether everything could be brought back.
#[derive(Clone, Debug)]
pub struct Drill {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) rebuild: Arc<Rebuild>,
    pub(crate) deletion: Arc<Deletion>,
}

impl Drill {
    /// Reads that many blocks, each of an order, a session and a file that chance chooses, from
    /// where they would be read today.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn sample_blocks(&self, blocks: u64) -> Result<Sample> {
        let mut orders = all_orders(&*self.core.catalog).await?;
        orders.retain(|order| !order.is_gone());
        let mut sample = Sample::default();
        // Orders without a file are passed over, but not for ever.
        let mut tries = blocks.saturating_mul(4);
        while sample.blocks + (sample.problems.len() as u64) < blocks && tries > 0 {
            tries -= 1;
            let Some(order) = chosen(&orders) else {
                break;
            };
            match self.sample_block(order).await {
                Ok(Some(bytes)) => {
                    sample.blocks += 1;
                    sample.bytes += bytes;
                }
                Ok(None) => {}
                Err(error @ Error::Catalog(_)) => return Err(error),
                Err(error) => {
                    let problem = format!("order {}: {error}", order.number);
                    if !sample.problems.contains(&problem) {
                        sample.problems.push(problem);
                    }
                }
            }
        }
        Ok(sample)
    }

    /// Stores that do not bear this installation's mark, in sentences. It only looks: nothing is
    /// marked. Of the key store its records key says whose it is.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn marks_amiss(&self) -> Result<Vec<String>> {
        let mut amiss = Vec::new();
        for store in self.core.marks.stores() {
            let keys = store.name() == self.core.keys.store().name();
            let refusal = match self.core.marks.whose(store, &mark_of(store)).await? {
                Whose::Ours => continue,
                Whose::Nobodys if keys => continue,
                whose => not_ours(store, whose),
            };
            amiss.push(refusal.message);
        }
        Ok(amiss)
    }

    async fn sample_block(&self, order: &Order) -> Result<Option<u64>> {
        let sessions = self.core.sessions(order.id).await?;
        let Some(row) = chosen(&sessions) else {
            return Ok(None);
        };
        let manifest = self.manifests.manifest(order.id, row.session).await?;
        let files: Vec<_> = (0..manifest.files.len()).collect();
        let Some(&file) = chosen(&files) else {
            return Ok(None);
        };
        let source = self.outlet.source_of(order, row, manifest, file).await?;
        let blocks: Vec<_> = (0..source.block_count()).collect();
        match chosen(&blocks) {
            Some(&block) => Ok(Some(source.block(block).await?.len() as u64)),
            None => Ok(None),
        }
    }

    /// Brings one order back once more: it was changed while a drill looked.
    ///
    /// # Errors
    /// Those of the stores, and what cannot be read.
    pub async fn rebuild_again(&self, order: &Order) -> Result<()> {
        let id = order.id;
        let rows = self.deletion.all_rows(order).await?;
        self.core.catalog.commit(rows).await?;
        let known = Known {
            id,
            found: true,
            buried: self.core.tombstone(id).await?.is_some(),
            section: None,
        };
        self.rebuild.rebuild_order(known, None).await.map(drop)
    }
}

/// One of them, each as likely as any other.
fn chosen<T>(all: &[T]) -> Option<&T> {
    let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
    let at = u64::from_be_bytes(random()) % count;
    all.get(usize::try_from(at).ok()?)
}
