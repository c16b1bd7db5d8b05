//! Rebuild: a catalog from the bucket, the key store and the master key alone.
//!
//! Every order comes back as its newest record says, with every sealed session; an upload that was
//! not submitted starts again. A tombstone overrides everything: its order is purged to the end.
//! Whatever cannot be read is named, and nothing is deleted because of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use object_store::path::Path;

use crate::catalog::tables::{self, DigestOf, Gate, OrderOf, put};
use crate::catalog::{Batch, Expect};
use crate::error::{Error, Result};
use crate::ids::{OrderId, SessionId};
use crate::intake::progress::Progress;
use crate::keys::KeyError;
use crate::order::{Client, Hold, Order, Stage};
use crate::paths;
use crate::record::OrderRecord;
use crate::session::{Manifest, Review, SessionRow};
use crate::store::{QUIET_AFTER, hurried};
use crate::submit::first_row;
use crate::upload::{Role, Upload, UploadState};
use crate::vault::Vault;

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
    /// What could not be read, in sentences.
    pub problems: Vec<String>,
}

impl Vault {
    /// Fills an empty catalog. No other process may use the stores meanwhile; where a store is
    /// remote, late puts are waited out first.
    ///
    /// # Errors
    /// When a store cannot be listed or the catalog not written. What is merely damaged or missing
    /// is reported in [`Rebuilt::problems`].
    pub async fn rebuild(&self) -> Result<Rebuilt> {
        if !self.working.is_local() || !self.archive.is_local() {
            tokio::time::sleep(hurried(QUIET_AFTER)).await;
        }
        let mut rebuilt = Rebuilt::default();
        for order in self.found_orders().await? {
            match self.rebuild_order(order, &mut rebuilt).await {
                Ok(()) => {}
                Err(error @ (Error::Catalog(_) | Error::Store { .. })) => return Err(error),
                Err(Error::Key(KeyError::Missing { .. })) => rebuilt.problems.push(format!(
                    "order {order} has objects but no key, so nothing of it can be read: if it was purged, delete orders/{order} from the bucket; otherwise restore its key from the key store's backup and rebuild again"
                )),
                Err(error) => rebuilt.problems.push(format!("order {order}: {error}")),
            }
        }
        Ok(rebuilt)
    }

    /// Every order that left anything, as the stores list them.
    async fn found_orders(&self) -> Result<Vec<OrderId>> {
        let orders = Path::from("orders");
        let mut names = self.working.folders(&orders).await?;
        names.extend(self.archive.folders(&orders).await?);
        for (tombstone, _) in self.working.list(&Path::from("tombstones")).await? {
            names.extend(tombstone.filename().map(ToOwned::to_owned));
        }
        let mut seen = HashSet::new();
        let found = names.iter().filter_map(|name| name.parse().ok());
        Ok(found.filter(|&order| seen.insert(order)).collect())
    }

    async fn rebuild_order(&self, id: OrderId, rebuilt: &mut Rebuilt) -> Result<()> {
        if let Some(tombstone) = self.tombstone(id).await? {
            let mut order = Order::new(
                id,
                tombstone.number,
                Client::default(),
                tombstone.destroyed_at,
            );
            order.version = tombstone.version;
            order.gate = tombstone.version;
            order.completed_at = tombstone.completed_at;
            order.stage = Stage::Purging;
            rebuilt.purging += 1;
            return self.write_order(&order, Batch::new()).await;
        }
        let OrderRecord {
            mut order,
            sessions,
            links,
        } = self.newest_record(id, &mut rebuilt.problems).await?;
        if let Stage::Sealing(_) = order.stage {
            // What it was sealing starts again, or came so far that its manifest is there: going on
            // would seal a session of nothing.
            order.stage = Stage::Open;
        }
        let mut rows: BTreeMap<SessionId, SessionRow> =
            sessions.into_iter().map(|row| (row.session, row)).collect();
        let mut batch = Batch::new();
        for (path, _) in self.working.list(&paths::sessions(id)).await? {
            let Some(session) = path.filename().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let manifest = match self.manifest(id, session).await {
                Ok(manifest) => manifest,
                Err(error @ (Error::Catalog(_) | Error::Store { .. })) => return Err(error),
                Err(error) => {
                    rebuilt
                        .problems
                        .push(format!("order {}: {error}", order.number));
                    continue;
                }
            };
            // Sealed, but the record of it was not stored: it had no receipt, and no review.
            let row = rows
                .entry(session)
                .or_insert_with(|| first_row(session, &manifest));
            batch = reopened_uploads(batch, row, &manifest);
            rebuilt.files += row.files;
            rebuilt.bytes += row.bytes;
        }
        rebuilt.sessions += rows.len() as u64;
        for row in rows.values() {
            batch = put(batch, tables::session(id, row.session), row);
        }
        for link in &links {
            batch = put(batch, tables::link(link.digest), link);
            batch = put(
                batch,
                tables::link_of(id, link.id),
                &DigestOf {
                    digest: link.digest,
                },
            );
            batch = put(
                batch,
                tables::order_of_link(link.id),
                &OrderOf { order: id },
            );
        }
        rebuilt.orders += 1;
        self.write_order(&order, batch).await
    }

    async fn write_order(&self, order: &Order, batch: Batch) -> Result<()> {
        let id = order.id;
        let gate = Gate {
            gate: order.gate,
            stage: order.stage.name().to_owned(),
        };
        let mut batch =
            put(batch, tables::order(id), order).expect(tables::order(id), Expect::Absent);
        batch = put(batch, tables::gate(id), &gate);
        batch = put(batch, tables::number(&order.number), &OrderOf { order: id });
        Ok(self.catalog.commit(batch).await?)
    }

    /// The newest record that opens. If a newer one is damaged, the order is held: what the newer
    /// one said may have been stricter.
    async fn newest_record(&self, id: OrderId, problems: &mut Vec<String>) -> Result<OrderRecord> {
        self.keys.order(id).await?;
        let found = self.working.list(&paths::records(id)).await?;
        let versions = found
            .iter()
            .filter_map(|(path, _)| path.filename()?.parse::<u64>().ok());
        let versions: BTreeSet<u64> = versions.collect();
        let mut damaged = false;
        for &version in versions.iter().rev() {
            match self.read_record(id, version).await {
                Ok(mut record) => {
                    if damaged {
                        let reason = "its newest record is damaged; it was rebuilt from an older one: check stage and dates, then lift this hold".to_owned();
                        record.order.hold.get_or_insert(Hold {
                            reason,
                            at: self.clock.now(),
                        });
                    }
                    return Ok(record);
                }
                Err(error @ Error::Store { .. }) => return Err(error),
                Err(error) => problems.push(error.to_string()),
            }
            damaged = true;
        }
        let detail = format!("order {id} has no record that can be read");
        Err(Error::BadRecord {
            what: "order record",
            detail,
        })
    }
}

/// The uploads of a returned session may be submitted again, or removed.
fn reopened_uploads(mut batch: Batch, row: &SessionRow, manifest: &Manifest) -> Batch {
    if row.released || !matches!(row.review, Review::Returned { .. }) {
        return batch;
    }
    let order = manifest.order;
    for file in &manifest.files {
        let upload = Upload {
            id: file.upload,
            order,
            link: None,
            kind: manifest.kind,
            path: file.path.clone(),
            metadata: file
                .modified
                .iter()
                .map(|at| ("modified".to_owned(), at.clone()))
                .collect(),
            length: Some(file.length),
            offset: file.length,
            blocks: file.blocks.len() as u64,
            fragments: Vec::new(),
            fragments_made: 0,
            progress: Progress::default(),
            role: if file.parts.is_empty() {
                Role::File
            } else {
                Role::Final
            },
            created_at: file.finished_at,
            expires_at: None,
            state: UploadState::Sealed {
                hash: file.hash,
                session: row.session,
            },
        };
        batch = put(batch, tables::upload(order, file.upload), &upload);
        batch = put(
            batch,
            tables::order_of_upload(file.upload),
            &OrderOf { order },
        );
    }
    batch
}
