//! What lands late: a purged order is looked at again, for weeks.
//!
//! A put lands within minutes of the time that its own process counts, or never. But a machine that
//! sleeps, or a node that is paused, counts nothing meanwhile: it wakes up long after the purge has
//! listed an empty prefix, and goes on with what it was doing. So a row of the catalog says of every
//! purged order until when its prefixes and its key are looked at again, and what is found goes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::{Batch, Key};
use crate::core::Core;
use crate::error::Result;
use crate::ids::OrderId;
use crate::mirror::Mirroring;
use crate::paths;
use crate::sweep::Swept;
use crate::tables::{self, Record, load_all, put};

/// So long after its purge an order is looked at again: longer than anybody leaves a machine asleep
/// that is to go on with its work.
const WATCHED: TimeDelta = TimeDelta::days(60);

/// A purged order that is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Which.
    pub order: OrderId,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl Record for Watched {
    const WHAT: &'static str = "purged order that is looked at again";
}

/// The [`Watched`] row of an order.
fn watched(order: OrderId) -> Key {
    tables::watched(Some(order))
}

/// Looks again where something may still land.
#[derive(Clone, Debug)]
pub struct LatePuts {
    pub(crate) core: Arc<Core>,
    pub(crate) mirroring: Arc<Mirroring>,
}

impl LatePuts {
    /// Adds to the last batch of a purge that the order is looked at again.
    pub(crate) fn watch(&self, batch: Batch, order: OrderId) -> Batch {
        let until = self.core.clock.now() + WATCHED;
        put(batch, watched(order), &Watched { order, until })
    }

    /// Purged orders that are still looked at.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn watched(&self) -> Result<Vec<Watched>> {
        let rows = load_all::<Watched>(&*self.core.catalog, &tables::watched(None)).await?;
        Ok(rows.into_iter().map(|(_, row, _)| row).collect())
    }

    /// Looks at the key and the prefixes of a purged order again, and deletes what has landed there
    /// since. The key counts as an object.
    ///
    /// # Errors
    /// Those of the stores; the next time goes on.
    pub async fn look_again(&self, order: OrderId) -> Result<Swept> {
        self.core.marks.expect_stores().await?;
        let mut swept = Swept::default();
        if self.core.keys.holds(order).await? {
            self.core.keys.destroy(order).await?;
            swept.objects += 1;
        }
        for store in [&self.core.working, &self.core.archive] {
            let (objects, bytes) = store.empty(&paths::order(order)).await?;
            swept.objects += objects;
            swept.bytes += bytes;
        }
        if !self.mirroring.is_gone_from_mirror(order).await? {
            self.mirroring.destroy_mirrored_key(order).await?;
            let (objects, bytes) = self.mirroring.empty_mirror(order).await?;
            swept.objects += objects;
            swept.bytes += bytes;
        }
        if swept.objects > 0 {
            tracing::error!(order.id = %order, objects = swept.objects, bytes = swept.bytes, "landed after the purge of this order, and was deleted");
            metrics::counter!("stemvault_landed_after_purge_total").increment(swept.objects);
        }
        Ok(swept)
    }

    /// Ends the watch over a purged order.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn end_watch(&self, order: OrderId) -> Result<()> {
        Ok(self
            .core
            .catalog
            .commit(Batch::new().delete(watched(order)))
            .await?)
    }
}
