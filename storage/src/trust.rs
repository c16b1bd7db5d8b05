//! The time that decides: the machine's clock as long as it can be believed.
//!
//! Whoever asks a vault what time it is asks a [`TrustedClock`]. It holds the machine's wall clock
//! against its monotonic one from the start on, and at the start against what is known from before:
//! the row that [`Vault::keep_time`] writes all the time, else the newest thing that bears a date.
//! While the two differ by more than is allowed, the time is *in doubt*: the clock then goes on from
//! what was known, so that nothing expires because of the jump, nothing is deleted, and no order is
//! completed. A restart does not end a doubt. What ends it: the clock is right again; or somebody
//! accepts it, which is a row; or a store with a clock of its own says the same at a start.
//!
//! Downtime alone is no jump: up to [`DOWNTIME`] is believed on the machine's word.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::tables::{self, Record, load, put};
use crate::catalog::{Batch, KeyRange};
use crate::clock::{Clock, SharedClock};
use crate::error::Result;
use crate::vault::Vault;

/// A server that stood still for so long may have done so: a long weekend. After more, somebody has
/// to look, or a store has to say the same.
const DOWNTIME: TimeDelta = TimeDelta::days(4);

/// How much the clocks may differ until the settings say so.
const ALLOWED: Duration = Duration::from_secs(3600);

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
}

impl Record for KnownTime {
    const WHAT: &'static str = "known time";
}

/// See the module.
#[derive(Debug)]
pub struct TrustedClock {
    base: SharedClock,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// A moment that is believed ...
    wall: DateTime<Utc>,
    /// ... and what the monotonic clock said then.
    monotonic: Duration,
    allowed: TimeDelta,
    accepted: u64,
}

impl Clock for TrustedClock {
    fn now(&self) -> DateTime<Utc> {
        let (known, says) = self.both();
        if self.is_near(known, says) {
            says
        } else {
            known
        }
    }

    fn monotonic(&self) -> Duration {
        self.base.monotonic()
    }
}

impl TrustedClock {
    /// Believes the machine from now on.
    #[must_use]
    pub fn new(base: SharedClock) -> Self {
        let state = State {
            wall: base.now(),
            monotonic: base.monotonic(),
            allowed: TimeDelta::from_std(ALLOWED).unwrap_or(TimeDelta::MAX),
            accepted: 0,
        };
        Self {
            base,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it must be, and what the machine says.
    fn both(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let state = *self.state();
        let passed = self.base.monotonic().saturating_sub(state.monotonic);
        let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
        let known = state.wall.checked_add_signed(passed);
        (known.unwrap_or(state.wall), self.base.now())
    }

    fn is_near(&self, known: DateTime<Utc>, says: DateTime<Utc>) -> bool {
        (says - known).abs() <= self.state().allowed
    }

    /// A difference of more than this is a jump.
    pub fn allow(&self, difference: Duration) {
        self.state().allowed = TimeDelta::from_std(difference).unwrap_or(TimeDelta::MAX);
    }

    /// Why nothing may be decided by the time, if it is in doubt.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let (known, says) = self.both();
        if self.is_near(known, says) {
            return None;
        }
        let jump = says - known;
        let direction = if jump < TimeDelta::zero() {
            "back"
        } else {
            "ahead"
        };
        let hours = jump.num_hours().abs();
        Some(format!(
            "the clock of this machine jumped {hours} hours {direction}, or the server stood still for longer than can be believed: nothing is deleted, nothing expires and no order is completed until someone has looked; if {} is the right time, say `stemvault retention run --accept-clock`, else set the clock",
            says.format("%F %R UTC")
        ))
    }

    /// What the machine says, whether or not it is believed.
    #[must_use]
    pub fn machine(&self) -> DateTime<Utc> {
        self.base.now()
    }

    /// The later of what the machine says and what is known: for what is to last at least so long.
    #[must_use]
    pub fn latest(&self) -> DateTime<Utc> {
        let (known, says) = self.both();
        if self.is_near(known, says) {
            says
        } else {
            known.max(says)
        }
    }

    /// Goes on from a moment that is known.
    fn go_on_from(&self, known: DateTime<Utc>) {
        let monotonic = self.base.monotonic();
        let mut state = self.state();
        (state.wall, state.monotonic) = (known, monotonic);
    }

    /// Takes the machine's clock as it is.
    fn accept(&self) {
        self.go_on_from(self.base.now());
    }
}

impl Vault {
    /// The clock with what is known of its truth.
    #[must_use]
    pub fn time(&self) -> &TrustedClock {
        &self.time
    }

    /// What a start does first: holds the machine's clock against what was known before.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn recover_time(&self) -> Result<()> {
        let row = load::<KnownTime>(&*self.catalog, &tables::known_time()).await?;
        let (known, most) = match row {
            Some((row, _)) => {
                self.time.state().accepted = row.accepted;
                let doubted = self.time.state().allowed;
                (Some(row.at), if row.in_doubt { doubted } else { DOWNTIME })
            }
            None => (self.newest_date().await?, DOWNTIME),
        };
        let Some(known) = known else {
            return Ok(());
        };
        let says = self.time.base.now();
        let gap = says - known;
        if gap >= -self.time.state().allowed && gap <= most {
            return Ok(());
        }
        if let Some(store) = self.store_time().await
            && self.time.is_near(store, says)
        {
            tracing::warn!(%known, %says, %store, "the clock is far from what was known, and the store's says the same: it is believed");
            return Ok(());
        }
        self.time.go_on_from(known);
        if let Some(doubt) = self.time.doubt() {
            tracing::error!(%known, %says, "{doubt}");
        }
        Ok(())
    }

    /// Writes down what is known of the time, for the next start; takes over what somebody accepted.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn keep_time(&self) -> Result<()> {
        let key = tables::known_time();
        let row = load::<KnownTime>(&*self.catalog, &key).await?;
        let row = row.map(|(row, _)| row);
        if let Some(row) = row
            .as_ref()
            .filter(|it| it.accepted > self.time.state().accepted)
        {
            // Another process was told so; if this one's clock says the same, it holds here too.
            self.time.state().accepted = row.accepted;
            if self.time.is_near(row.at, self.time.base.now()) {
                self.time.accept();
            }
        }
        let (at, in_doubt) = (self.time.now(), self.time.doubt().is_some());
        let known = row.clone().unwrap_or(KnownTime {
            at,
            in_doubt: !in_doubt,
            accepted: 0,
            accepted_at: None,
        });
        if known.in_doubt == in_doubt && (at - known.at).abs() < KEPT_EVERY {
            return Ok(());
        }
        let row = KnownTime {
            at,
            in_doubt,
            ..known
        };
        self.catalog.commit(put(Batch::new(), key, &row)).await?;
        Ok(())
    }

    /// Takes the machine's clock as it is, for this start and every later one.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn accept_time(&self) -> Result<()> {
        let key = tables::known_time();
        let row = load::<KnownTime>(&*self.catalog, &key).await?;
        let accepted = row.map_or(0, |(row, _)| row.accepted) + 1;
        self.time.accept();
        let row = KnownTime {
            at: self.time.now(),
            in_doubt: false,
            accepted,
            accepted_at: Some(self.time.now()),
        };
        self.time.state().accepted = accepted;
        tracing::warn!(at = %row.at, "the clock was accepted as it is");
        self.catalog.commit(put(Batch::new(), key, &row)).await?;
        Ok(())
    }

    /// The newest date that anything bears, in a catalog that does not know the time yet.
    async fn newest_date(&self) -> Result<Option<DateTime<Utc>>> {
        let mut newest = None;
        let mut range = KeyRange::prefix(&tables::runs());
        loop {
            let page = self.catalog.scan(range.clone(), PAGE).await?;
            let Some((last, _)) = page.last() else {
                break;
            };
            newest = newest.max(tables::began(last));
            range = range.after(last.clone());
        }
        for order in self.orders().await? {
            newest = newest.max(Some(order.created_at)).max(order.completed_at);
            if let Some(entry) = self.last_entry(&order).await? {
                newest = newest.max(Some(entry.at));
            }
        }
        let snapshots = self.snapshots().await.unwrap_or_default();
        Ok(newest.max(snapshots.last().map(|name| name.begun_at)))
    }

    /// What time it is by the clock of a store that is another machine: of an object just put.
    async fn store_time(&self) -> Option<DateTime<Utc>> {
        if self.working.is_local() {
            return None;
        }
        match self.working.time().await {
            Ok(time) => Some(time),
            Err(error) => {
                tracing::warn!(%error, "the store was not asked what time it is");
                None
            }
        }
    }
}

/// Rows read at a time.
const PAGE: usize = 1000;

#[cfg(test)]
mod tests;
