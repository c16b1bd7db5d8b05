//! The clock that decides: the machine's, as long as it can be believed.
//!
//! It holds the machine's wall clock against its monotonic one from the start on. While the two differ
//! by more than is allowed, the time is *in doubt*: the clock then goes on from what was known, so that
//! nothing expires because of the jump, nothing is deleted, and no order is completed. What is known
//! from before a start, and what ends a doubt: [`trust`](crate::trust).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Clock, SharedClock};

/// How much the clocks may differ until the settings say so.
const ALLOWED: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Debug)]
pub struct TrustedClock {
    pub(crate) base: SharedClock,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// A moment that is believed ...
    wall: DateTime<Utc>,
    /// ... and what the monotonic clock said then.
    monotonic: Duration,
    allowed: TimeDelta,
    pub(crate) accepted: u64,
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

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it must be, and what the machine says.
    pub(crate) fn both(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let state = *self.state();
        let passed = self.base.monotonic().saturating_sub(state.monotonic);
        let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
        let known = state.wall.checked_add_signed(passed);
        (known.unwrap_or(state.wall), self.base.now())
    }

    pub(crate) fn is_near(&self, known: DateTime<Utc>, says: DateTime<Utc>) -> bool {
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
    pub(crate) fn go_on_from(&self, known: DateTime<Utc>) {
        let monotonic = self.base.monotonic();
        let mut state = self.state();
        (state.wall, state.monotonic) = (known, monotonic);
    }

    /// Takes the machine's clock as it is.
    pub(crate) fn accept(&self) {
        self.go_on_from(self.base.now());
    }
}
