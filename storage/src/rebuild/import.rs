//! After an import: the rows that came from a file, held against the stores. The stores win.
//!
//! A tombstone overrides what the file says of an order, and so does a record that is newer: the
//! order then comes back from it, as in a rebuild. An order that the stores know and the file does
//! not is brought back as well. Nothing in the stores is changed.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::Rebuild;
use super::{Known, Lost, ORDERS_AT_ONCE, Rebuilt};
use crate::catalog::Batch;
use crate::core::Core;
use crate::deletion::Deletion;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::keys::SealingKeys;
use crate::order::{Hold, Order, OrderNumber};
use crate::paths;
use crate::rows::UploadRows;
use crate::session::BlockRef;
use crate::tables::{self, Outbox, load, load_all, put};
use crate::upload::{Role, Upload, UploadState};

/// What became of the orders of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Orders that are as the file says.
    pub kept: u64,
    /// Orders whose newest record is newer than the file: they came back from it.
    pub newer: Vec<OrderNumber>,
    /// Orders that the file did not know.
    pub unknown: u64,
    /// Orders that were purged since the file was written.
    pub purged: u64,
    /// Uploads that start again, because the stores do not hold all of what the file says.
    pub lost: Vec<Lost>,
    /// What could not be read, or does not fit, in sentences.
    pub problems: Vec<String>,
}

/// Takes a catalog that came from elsewhere.
#[derive(Clone, Debug)]
pub struct Import {
    pub(crate) core: Arc<Core>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) rebuild: Arc<Rebuild>,
    pub(crate) deletion: Arc<Deletion>,
}

impl Import {
    /// Holds imported rows against the stores. No other process may use the stores meanwhile.
    ///
    /// # Errors
    /// When a store cannot be listed or the catalog not written.
    pub async fn check_imported(&self) -> Result<Imported> {
        let (found, buried) = self.rebuild.found_orders().await?;
        let rows = self.core.catalog.scan_prefix(&tables::orders()).await?;
        let mut orders: Vec<_> = rows
            .iter()
            .filter_map(|(key, _)| tables::order_of(key))
            .collect();
        orders.extend(found);
        let mut seen = HashSet::new();
        orders.retain(|&id| seen.insert(id));
        let mut imported = Imported::default();
        let mut checks = stream::iter(orders)
            .map(|id| {
                let buried = buried.get(&id).copied().unwrap_or_default();
                async move { (id, self.check_order(id, buried).await) }
            })
            .buffered(ORDERS_AT_ONCE);
        while let Some((id, checked)) = checks.next().await {
            match checked {
                Ok(checked) => imported.add(checked),
                Err(error @ (Error::Catalog(_) | Error::Store { .. })) => return Err(error),
                Err(error) => imported.problems.push(format!("order {id}: {error}")),
            }
        }
        imported.lost.sort();
        Ok(imported)
    }

    async fn check_order(&self, id: OrderId, buried: bool) -> Result<Imported> {
        let mut checked = Imported::default();
        let known = Known {
            id,
            found: true,
            buried,
            section: None,
        };
        let Some((order, _)) = load::<Order>(&*self.core.catalog, &tables::order(id)).await? else {
            let back = self.rebuild.rebuild_order(known, None).await?;
            checked.unknown = back.orders;
            checked.take(back);
            return Ok(checked);
        };
        if order.is_gone() {
            checked.kept = 1;
            return Ok(checked);
        }
        let newest = self.core.record_versions(id).await?.pop_last();
        if buried || newest.is_some_and(|newest| newest > order.version) {
            self.core
                .catalog
                .commit(self.deletion.all_rows(&order).await?)
                .await?;
            let back = self.rebuild.rebuild_order(known, None).await?;
            if back.orders > 0 {
                checked.newer.push(order.number);
            }
            checked.take(back);
            return Ok(checked);
        }
        checked.kept = 1;
        let keys = self.core.keys.order(id).await?;
        let owed = load::<Outbox>(&*self.core.catalog, &tables::outbox(id)).await?;
        if newest.is_none_or(|newest| newest < order.version) && owed.is_none() {
            checked.problems.push(self.without_records(&order).await?);
        }
        checked.lost = self.drop_broken_uploads(&order, &keys).await?;
        Ok(checked)
    }

    /// The file is newer than the stores: an old copy of the bucket, perhaps.
    async fn without_records(&self, order: &Order) -> Result<String> {
        let mut held = order.clone();
        held.hold.get_or_insert(Hold {
            reason: "records of it are missing from the bucket; it was imported all the same: check stage and dates, then lift this hold".to_owned(),
            at: self.core.clock.now(),
        });
        let batch = put(Batch::new(), tables::order(order.id), &held);
        self.core.catalog.commit(batch).await?;
        Ok(format!(
            "order {}: its record {} is missing from the bucket: restore orders/{} from the bucket's copy; the order is held until you lift it",
            order.number, order.version, order.id
        ))
    }

    /// Uploads go on where the file says that they stand, if all of that is in the store.
    async fn drop_broken_uploads(&self, order: &Order, keys: &SealingKeys) -> Result<Vec<Lost>> {
        let mut uploads = self.rows.all_uploads(order.id).await?;
        uploads.retain(|it| !matches!(it.state, UploadState::Sealed { .. }));
        let mut broken = HashSet::new();
        for upload in &uploads {
            if !self.is_all_there(order.id, upload, keys).await? {
                broken.insert(upload.id);
            }
        }
        if uploads
            .iter()
            .any(|it| it.role.is_part() && broken.contains(&it.id))
        {
            // Which file needs which part is no matter for a repair that hardly anybody will see.
            let in_parts = uploads.iter().filter(|it| !it.role.is_file());
            broken.extend(in_parts.map(|it| it.id));
        }
        let (mut batch, mut lost) = (Batch::new(), Vec::new());
        for upload in uploads.iter().filter(|it| broken.contains(&it.id)) {
            batch = batch.and(self.deletion.rows_of_upload(upload).await?);
            if !upload.role.is_part() {
                lost.push(Lost {
                    order: order.number.clone(),
                    file: Some(upload.path.as_str().to_owned()),
                    bytes: upload.offset,
                });
            }
        }
        if !broken.is_empty() {
            self.core.catalog.commit(batch).await?;
        }
        Ok(lost)
    }

    async fn is_all_there(&self, id: OrderId, upload: &Upload, keys: &SealingKeys) -> Result<bool> {
        if upload.role == Role::Final {
            return Ok(true);
        }
        let objects = self
            .core
            .working
            .list(&paths::upload(id, upload.id))
            .await?;
        let there: HashSet<_> = objects
            .iter()
            .filter_map(|(path, _)| path.filename())
            .collect();
        let blocks = load_all::<BlockRef>(&*self.core.catalog, &tables::blocks(upload.id)).await?;
        let mut blocks = blocks
            .iter()
            .map(|(_, block, _)| keys.object_name(block.hash));
        let mut fragments = upload.fragments.iter().filter(|it| !it.inline);
        Ok(blocks.all(|name| there.contains(&*name))
            && fragments.all(|fragment| there.contains(&*fragment.name())))
    }
}

impl Imported {
    fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.newer.extend(other.newer);
        self.unknown += other.unknown;
        self.purged += other.purged;
        self.lost.extend(other.lost);
        self.problems.extend(other.problems);
    }

    fn take(&mut self, back: Rebuilt) {
        self.purged += back.purging;
        self.lost.extend(back.lost);
        self.problems.extend(back.problems);
    }
}
