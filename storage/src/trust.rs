//! The time that decides: the machine's clock as long as it can be believed.
//!
//! Whoever asks a vault what time it is asks a [`TrustedClock`]. It holds the machine's wall clock
//! against its monotonic one from the start on, and at the start against what is known from before:
//! the row that [`Timekeeper::keep_time`] writes all the time, else the newest thing that bears a date.
//! While the two differ by more than is allowed, the time is *in doubt*: the clock then goes on from
//! what was known, so that nothing expires because of the jump, nothing is deleted, and no order is
//! completed. A restart does not end a doubt. What ends it: the clock is right again; or somebody
//! accepts it, which is a row; or a store with a clock of its own says the same at a start.
//!
//! Downtime alone is no jump: a store with a clock of its own says whether so much time passed, and
//! where there is none, up to [`DOWNTIME`] is believed on the machine's word.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::audit::Audit;
use crate::catalog::{Batch, KeyRange};
use crate::clock::Clock;
use crate::core::Core;
use crate::error::Result;
use crate::snapshot::Snapshots;
use crate::tables::{self, Record, all_orders, load, put};
pub use crate::trusted::TrustedClock;

/// A server that stood still for so long may have done so: a long weekend. After more, somebody has
/// to look, or a store has to say the same.
const DOWNTIME: TimeDelta = TimeDelta::days(4);

/// So long a start waits for a store to say what time it is.
const ASKED: Duration = Duration::from_secs(10);

/// How often the row of the time is written while nothing is wrong.
const KEPT_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What was last known of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTime {
    /// So late it was at least.
    pub at: DateTime<Utc>,
    /// Whether the machine's clock said something else.
    pub in_doubt: bool,
    /// How often somebody accepted a clock.
    #[serde(default)]
    pub accepted: u64,
    /// When somebody did last, by the clock that was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<DateTime<Utc>>,
    /// How much had been [let pass](Clock::let_pass) by then, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_pass_ms: Option<i64>,
}

impl Record for KnownTime {
    const WHAT: &'static str = "known time";
}

/// What is known of the time, kept in the catalog.
#[derive(Clone, Debug)]
pub struct Timekeeper {
    pub(crate) core: Arc<Core>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) snapshots: Arc<Snapshots>,
}

impl Timekeeper {
    /// What a start does first: holds the machine's clock against what was known before.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn recover_time(&self) -> Result<()> {
        let row = load::<KnownTime>(&*self.core.catalog, &tables::known_time()).await?;
        let (known, most) = match row {
            Some((row, _)) => {
                self.core.time.state().accepted = row.accepted;
                let most = if row.in_doubt {
                    TimeDelta::zero()
                } else {
                    DOWNTIME
                };
                (Some(self.known_now(&row)), most)
            }
            None => (self.newest_date().await?, DOWNTIME),
        };
        let says = self.core.time.base.now();
        if known.is_some_and(|known| self.core.time.is_near(known, says)) {
            return Ok(());
        }
        let store = self.store_time().await;
        let believed = match (known, store) {
            (_, Some(store)) => self.core.time.is_near(store, says),
            (Some(known), None) => (TimeDelta::zero()..=most).contains(&(says - known)),
            (None, None) => true,
        };
        if believed {
            tracing::info!(?known, %says, ?store, "the clock is believed");
            return Ok(());
        }
        let Some(known) = known.or(store) else {
            return Ok(());
        };
        self.core.time.go_on_from(known);
        if let Some(doubt) = self.core.time.doubt() {
            tracing::error!(%known, %says, ?store, "{doubt}");
        }
        Ok(())
    }

    /// What a row of the time says by now: what was let pass on purpose after it was written is no
    /// jump, even if the process died before the next row.
    fn known_now(&self, row: &KnownTime) -> DateTime<Utc> {
        let by_then = row.let_pass_ms.map(TimeDelta::milliseconds);
        let since = by_then.map(|by_then| self.core.time.base.let_pass() - by_then);
        row.at + since.unwrap_or_default()
    }

    /// Writes down what is known of the time, for the next start; takes over what somebody accepted.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn keep_time(&self) -> Result<()> {
        let key = tables::known_time();
        let row = load::<KnownTime>(&*self.core.catalog, &key).await?;
        let row = row.map(|(row, _)| row);
        if let Some(row) = row
            .as_ref()
            .filter(|it| it.accepted > self.core.time.state().accepted)
        {
            // Another process was told so; if this one's clock says the same, it holds here too.
            self.core.time.state().accepted = row.accepted;
            if self.core.time.is_near(row.at, self.core.time.base.now()) {
                self.core.time.accept();
            }
        }
        let (at, in_doubt) = (self.core.time.now(), self.core.time.doubt().is_some());
        let known = row.clone().unwrap_or(KnownTime {
            at,
            in_doubt: !in_doubt,
            accepted: 0,
            accepted_at: None,
            let_pass_ms: None,
        });
        let let_pass_ms = Some(self.core.time.base.let_pass().num_milliseconds());
        if known.in_doubt == in_doubt && (at - known.at).abs() < KEPT_EVERY {
            return Ok(());
        }
        let row = KnownTime {
            at,
            in_doubt,
            let_pass_ms,
            ..known
        };
        self.core
            .catalog
            .commit(put(Batch::new(), key, &row))
            .await?;
        Ok(())
    }

    /// Takes the machine's clock as it is, for this start and every later one.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn accept_time(&self) -> Result<()> {
        let key = tables::known_time();
        let row = load::<KnownTime>(&*self.core.catalog, &key).await?;
        let accepted = row.map_or(0, |(row, _)| row.accepted) + 1;
        self.core.time.accept();
        let row = KnownTime {
            at: self.core.time.now(),
            in_doubt: false,
            accepted,
            accepted_at: Some(self.core.time.now()),
            let_pass_ms: Some(self.core.time.base.let_pass().num_milliseconds()),
        };
        self.core.time.state().accepted = accepted;
        tracing::warn!(at = %row.at, "the clock was accepted as it is");
        self.core
            .catalog
            .commit(put(Batch::new(), key, &row))
            .await?;
        Ok(())
    }

    /// The newest date that anything bears, in a catalog that does not know the time yet.
    async fn newest_date(&self) -> Result<Option<DateTime<Utc>>> {
        let mut newest = None;
        let mut range = KeyRange::prefix(&tables::runs());
        loop {
            let page = self.core.catalog.scan(range.clone(), PAGE).await?;
            let Some((last, _)) = page.last() else {
                break;
            };
            newest = newest.max(tables::began(last));
            range = range.after(last.clone());
        }
        for order in all_orders(&*self.core.catalog).await? {
            newest = newest.max(Some(order.created_at)).max(order.completed_at());
            if let Some(entry) = self.audit.last_entry(&order).await? {
                newest = newest.max(Some(entry.at));
            }
        }
        let snapshots = self.snapshots.snapshots().await.unwrap_or_default();
        Ok(newest.max(snapshots.last().map(|name| name.begun_at)))
    }

    /// What time it is by the clock of a store that is another machine: of an object just put. It
    /// knows nothing of what was let pass on purpose.
    async fn store_time(&self) -> Option<DateTime<Utc>> {
        if !self.core.working.has_clock() {
            return None;
        }
        match tokio::time::timeout(ASKED, self.core.working.time()).await {
            Ok(Ok(time)) => Some(time + self.core.time.base.let_pass()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store did not say what time it is");
                None
            }
            Err(_) => {
                tracing::warn!("the store did not say in time what time it is");
                None
            }
        }
    }
}

/// Rows read at a time.
const PAGE: usize = 1000;

#[cfg(test)]
mod tests;
