//! Rebuild: a catalog from the bucket, the key store and the master key alone.
//!
//! Every order comes back as its newest record says, with every sealed session; an upload that was
//! not submitted starts again. A tombstone overrides everything: its order is purged to the end.
//! The newest snapshot adds what records do not say; it never overrides a record that is as new, or
//! a tombstone. Whatever cannot be read is named, and nothing is deleted because of it.

mod drill;
mod import;
mod lost;
mod order;

pub use drill::Drill;
pub use import::Import;

#[cfg(test)]
mod import_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use object_store::path::Path;

pub use drill::Sample;
pub use import::Imported;
pub use lost::Lost;

use crate::audit::{Audit, LogBack};
use crate::catalog::{Batch, Key};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::keys::KeyError;
use crate::manifests::Manifests;
use crate::snapshot::Snapshots;
use crate::snapshot::{PlainRow, SealedSection, Snapshot};
use crate::store::{QUIET_AFTER, hurried};

/// Orders brought back at once: hides round trips, and lets commits share a sync.
const ORDERS_AT_ONCE: usize = 16;

/// Rows of a snapshot that share a commit.
const ROWS_AT_ONCE: usize = 500;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Orders that live.
    pub orders: u64,
    /// Their sessions.
    pub sessions: u64,
    /// Their files.
    pub files: u64,
    /// Plain bytes of these.
    pub bytes: u64,
    /// Orders with a tombstone: their purge goes on.
    pub purging: u64,
    /// When the snapshot was taken that was used, if there was one.
    pub snapshot: Option<DateTime<Utc>>,
    /// Runs of jobs that the snapshot knew.
    pub runs: u64,
    /// Forms, filled in and not submitted, that the snapshot knew.
    pub drafts: u64,
    /// Entries of audit logs that the snapshot knew.
    pub entries: u64,
    /// Entries that are lost with the catalog; each log goes on from their hash.
    pub lost_entries: u64,
    /// Uploads that were not submitted, by order: they start again.
    pub lost: Vec<Lost>,
    /// Names of API tokens that the snapshot knew: they have to be made again.
    pub tokens: Vec<String>,
    /// What could not be read, in sentences.
    pub problems: Vec<String>,
}

/// What is known of an order before it is looked at.
struct Known {
    id: OrderId,
    /// Whether a store lists anything of it.
    found: bool,
    /// Whether there is a tombstone.
    buried: bool,
    /// What the snapshot says of it.
    section: Option<SealedSection>,
}

/// Makes a catalog of what the stores hold.
#[derive(Clone, Debug)]
pub struct Rebuild {
    pub(crate) core: Arc<Core>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) snapshots: Arc<Snapshots>,
}

impl Rebuild {
    /// Fills an empty catalog. No other process may use the stores meanwhile; where a store is
    /// remote, late puts are waited out first.
    ///
    /// # Errors
    /// When a store cannot be listed or the catalog not written. What is merely damaged or missing
    /// is reported in [`Rebuilt::problems`].
    pub async fn rebuild(&self) -> Result<Rebuilt> {
        if !self.core.working.is_local() || !self.core.archive.is_local() {
            tokio::time::sleep(hurried(QUIET_AFTER)).await;
        }
        self.rebuild_now().await
    }

    /// The same, without the wait: for a drill, while others may use the stores.
    ///
    /// # Errors
    /// Those of [`rebuild`](Self::rebuild).
    pub async fn rebuild_now(&self) -> Result<Rebuilt> {
        let mut rebuilt = Rebuilt::default();
        let (order, mut buried) = self.found_orders().await?;
        if let Some(snapshot) = self
            .snapshots
            .newest_snapshot(&mut rebuilt.problems)
            .await?
        {
            rebuilt.snapshot = Some(snapshot.index.taken_at);
            rebuilt.tokens.clone_from(&snapshot.index.tokens);
            for page in 0..snapshot.index.pages {
                let page = match self.snapshots.snapshot_page(&snapshot.name, page).await? {
                    Ok(page) => page,
                    Err(problem) => {
                        rebuilt.problems.push(problem);
                        continue;
                    }
                };
                let known = page.orders.into_iter().map(|section| Known {
                    id: section.order,
                    found: buried.contains_key(&section.order),
                    buried: buried.remove(&section.order).unwrap_or_default(),
                    section: Some(section),
                });
                let known = known.collect();
                self.bring_back(known, Some(&snapshot), &mut rebuilt)
                    .await?;
                rebuilt.runs += self.bring_back_rows(page.rows).await?;
            }
        }
        let rest = order.into_iter().filter_map(|id| {
            Some(Known {
                id,
                found: true,
                buried: buried.remove(&id)?,
                section: None,
            })
        });
        self.bring_back(rest.collect(), None, &mut rebuilt).await?;
        rebuilt.lost.sort();
        Ok(rebuilt)
    }

    /// Every order that left anything, as the stores list them; and whether it has a tombstone.
    async fn found_orders(&self) -> Result<(Vec<OrderId>, HashMap<OrderId, bool>)> {
        let orders = Path::from("orders");
        let mut names = self.core.working.folders(&orders).await?;
        names.extend(self.core.archive.folders(&orders).await?);
        let mut found: Vec<OrderId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let tombstones = self.core.working.list(&Path::from("tombstones")).await?;
        let tombstones = tombstones.iter().filter_map(|(path, _)| path.filename());
        let tombstones: Vec<OrderId> = tombstones.filter_map(|name| name.parse().ok()).collect();
        let mut buried: HashMap<_, _> = found.iter().map(|&id| (id, false)).collect();
        buried.extend(tombstones.iter().map(|&id| (id, true)));
        found.extend(tombstones);
        Ok((found, buried))
    }

    async fn bring_back(
        &self,
        known: Vec<Known>,
        snapshot: Option<&Snapshot>,
        rebuilt: &mut Rebuilt,
    ) -> Result<()> {
        let mut orders = stream::iter(known)
            .map(|known| async move {
                let (id, found) = (known.id, known.found);
                (id, found, self.rebuild_order(known, snapshot).await)
            })
            .buffered(ORDERS_AT_ONCE);
        while let Some((order, found, back)) = orders.next().await {
            match back {
                Ok(back) => rebuilt.add(back),
                Err(error @ (Error::Catalog(_) | Error::Store { .. })) => return Err(error),
                Err(Error::Key(KeyError::Missing { .. })) if found => rebuilt.problems.push(format!(
                    "order {order} has objects but no key, so nothing of it can be read: if it was purged, delete orders/{order} from the bucket; otherwise restore its key from the key store's backup and rebuild again"
                )),
                Err(Error::Key(KeyError::Missing { .. })) => rebuilt.problems.push(format!(
                    "order {order} stands in the catalog snapshot, but the stores hold neither objects nor a key of it: if it was purged, nothing is to be done; otherwise restore both from their backups and rebuild again"
                )),
                Err(error) => rebuilt.problems.push(format!("order {order}: {error}")),
            }
        }
        Ok(())
    }

    /// Rows that belong to no order: runs of jobs and what they noted. Nothing else is taken: an old row must not say
    /// that a job has run, or open anything.
    async fn bring_back_rows(&self, rows: Vec<PlainRow>) -> Result<u64> {
        let taken = [crate::tables::runs(), crate::tables::runs_notes()];
        let mut rows: Vec<_> = rows
            .into_iter()
            .filter(|row| taken.iter().any(|table| row.key.starts_with(&table.0)))
            .collect();
        let count = rows.len() as u64;
        while !rows.is_empty() {
            let some = rows.drain(..rows.len().min(ROWS_AT_ONCE));
            let batch = some.fold(Batch::new(), |batch, row| {
                batch.put(Key(row.key.into()), row.value.to_string())
            });
            self.core.catalog.commit(batch).await?;
        }
        Ok(count)
    }
}

impl Rebuilt {
    /// With an order's log that came back: the rows of it.
    fn with(&mut self, log: LogBack) -> Batch {
        self.problems.extend(log.problem);
        self.entries += log.entries;
        self.lost_entries += log.lost;
        log.batch
    }

    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.sessions += other.sessions;
        self.files += other.files;
        self.bytes += other.bytes;
        self.purging += other.purging;
        self.drafts += other.drafts;
        self.entries += other.entries;
        self.lost_entries += other.lost_entries;
        self.lost.extend(other.lost);
        self.problems.extend(other.problems);
    }
}
