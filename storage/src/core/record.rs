//! Order records: what the catalog knows of an order, stored in the bucket after every decision,
//! so that bucket, key store and master key alone can rebuild it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Core;
use super::tombstone::{TOMBSTONE_MAX, Tombstone};
use crate::block::{Logical, open, seal_copy};
use crate::catalog::{Batch, CommitError, Expect};
use crate::error::{Damage, Error, Result};
use crate::ids::OrderId;
use crate::keys::SealingKeys;
use crate::link::Link;
use crate::order::Order;
use crate::paths;
use crate::session::SessionRow;
use crate::store::Lease;
use crate::tables::{self, Outbox, Record, load};

/// The longest record that is read, in bytes: far above any order's.
const RECORD_MAX: usize = 64 << 20;

/// One version of an order, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// The order.
    pub order: Order,
    /// Its sessions.
    pub sessions: Vec<SessionRow>,
    /// Its links, by digest.
    pub links: Vec<Link>,
}

impl Record for OrderRecord {
    const WHAT: &'static str = "order record";
}

impl Core {
    /// Stores the record that an order still owes, if any. The rows that it is made of cannot
    /// change while it is owed, so whoever does this writes the same.
    ///
    /// # Errors
    /// When the store fails; the record stays owed.
    pub async fn drain(&self, id: OrderId) -> Result<()> {
        let key = tables::outbox(id);
        let lease = Lease::new(&self.clock, &id);
        let Some((owed, version)) = load::<Outbox>(&*self.catalog, &key).await? else {
            return Ok(());
        };
        let record = OrderRecord {
            order: load::<Order>(&*self.catalog, &tables::order(id))
                .await?
                .ok_or_else(|| Error::BadRecord {
                    what: "order",
                    detail: format!("{id} is missing"),
                })?
                .0,
            sessions: self.sessions(id).await?,
            links: self.links(id).await?,
        };
        if record.order.version != owed.version {
            // Someone else stored it and a later decision was made since; that one is not ours.
            return Ok(());
        }
        // Rows of the order change only while no record is owed: if it is still owed now, what was
        // read belongs together.
        if self
            .catalog
            .get(&key)
            .await?
            .is_none_or(|row| row.version != version)
        {
            return Ok(());
        }
        self.marks.expect_store(&self.working).await?;
        let keys = self.keys.order(id).await?;
        let what = Logical::Record(owed.version);
        let sealed = seal_copy(&keys, id, &what, &tables::encode(&record));
        self.working.prepare(&paths::records(id)).await?;
        self.working
            .put(&paths::record(id, owed.version), sealed, &lease)
            .await?;
        match self
            .catalog
            .commit(
                Batch::new()
                    .expect(key.clone(), Expect::At(version))
                    .delete(key),
            )
            .await
        {
            Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// Stores every record that is still owed. Returns how many were.
    ///
    /// # Errors
    /// Those of the last order that failed, after all were tried.
    pub async fn drain_all(&self) -> Result<usize> {
        let owed = self.catalog.scan_prefix(&tables::outboxes()).await?;
        let mut failed = None;
        for (key, _) in &owed {
            let id = key
                .0
                .get(1..)
                .and_then(|id| id.try_into().ok())
                .map(OrderId);
            if let Some(id) = id
                && let Err(error) = self.drain(id).await
            {
                tracing::error!(order.id = %id, %error, "order record not stored");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(owed.len()), Err)
    }

    /// Reads one version of an order's record from the bucket.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it does not open, [`Error::Key`] when the key is missing.
    pub async fn read_record(&self, id: OrderId, version: u64) -> Result<OrderRecord> {
        let keys = self.keys.order(id).await?;
        self.open_record(&keys, id, version).await
    }

    /// The same, with keys that need not be in the key store.
    pub(crate) async fn open_record(
        &self,
        keys: &SealingKeys,
        id: OrderId,
        version: u64,
    ) -> Result<OrderRecord> {
        let path = paths::record(id, version);
        let damaged = |detail: String| Damage {
            order: id,
            file: None,
            what: format!("order record {version}"),
            store: self.working.name(),
            object: path.to_string(),
            detail,
        };
        let sealed = self
            .working
            .get_opt(&path)
            .await?
            .ok_or_else(|| damaged("it is missing".into()))?;
        let plain = open(keys, id, &Logical::Record(version), sealed, RECORD_MAX)
            .map_err(|error| damaged(error.to_string()))?;
        tables::decode(&plain)
    }

    /// Reads the tombstone of an order, if it has one.
    ///
    /// # Errors
    /// [`Damaged`](crate::error::Error::Damaged).
    pub async fn tombstone(&self, order: OrderId) -> Result<Option<Tombstone>> {
        let path = paths::tombstone(order);
        let Some(sealed) = self.working.get_opt(&path).await? else {
            return Ok(None);
        };
        let plain = open(
            self.keys.records(),
            order,
            &Logical::Tombstone,
            sealed,
            TOMBSTONE_MAX,
        );
        let plain = plain.map_err(|error| Damage {
            order,
            file: None,
            what: "the tombstone".to_owned(),
            store: self.working.name(),
            object: path.to_string(),
            detail: error.to_string(),
        })?;
        tables::decode(&plain).map(Some)
    }

    /// The versions of an order's record that the bucket holds.
    pub(crate) async fn record_versions(&self, id: OrderId) -> Result<BTreeSet<u64>> {
        let found = self.working.list(&paths::records(id)).await?;
        let versions = found
            .iter()
            .filter_map(|(path, _)| path.filename()?.parse::<u64>().ok());
        Ok(versions.collect())
    }
}
