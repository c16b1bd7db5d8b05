//! Where time enters Stemvault, and the only file that may ask the machine for it.
//!
//! A [`Clock`] has two hands: wall time, which dates and deadlines are computed from and which an
//! operator or a bad NTP server can move, and monotonic time, which only ever runs forward and
//! which waits are measured with. Comparing both is how a jump of the wall clock is noticed.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The two hands of a clock.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, UTC.
    fn now(&self) -> DateTime<Utc>;
    /// Time since an arbitrary start; never goes back.
    fn monotonic(&self) -> Duration;
    /// How much of the date was let pass on purpose, since ever: in a demo, whose stores have not
    /// lived through it.
    fn let_pass(&self) -> TimeDelta {
        TimeDelta::zero()
    }
}

/// A clock that several parts share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock. Its monotonic hand runs on while the machine sleeps, so that a laptop's
/// night is no jump.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where time enters"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).expect("since boot");
        let nanos = u32::try_from(time.tv_nsec).expect("below a second");
        Duration::new(seconds, nanos)
    }
}

/// A clock whose hands a test, or the demo, moves on top of another clock.
#[derive(Debug)]
pub struct MovableClock {
    base: SharedClock,
    moved: Mutex<Moved>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Moved {
    wall: TimeDelta,
    monotonic: Duration,
}

impl MovableClock {
    /// A clock that begins where `base` stands.
    #[must_use]
    pub fn new(base: SharedClock) -> Self {
        Self {
            base,
            moved: Mutex::new(Moved::default()),
        }
    }

    /// Lets `span` pass: both hands move, as if one had waited.
    pub fn advance(&self, span: Duration) {
        let mut moved = self
            .moved
            .lock()
            .expect("no panic while the hands are held");
        moved.wall += TimeDelta::from_std(span).expect("spans are far below 292 million years");
        moved.monotonic += span;
    }

    /// Moves the wall clock alone, as a wrong time server does.
    pub fn jump(&self, span: TimeDelta) {
        self.moved
            .lock()
            .expect("no panic while the hands are held")
            .wall += span;
    }
}

impl Clock for MovableClock {
    fn now(&self) -> DateTime<Utc> {
        self.base.now()
            + self
                .moved
                .lock()
                .expect("no panic while the hands are held")
                .wall
    }

    fn monotonic(&self) -> Duration {
        self.base.monotonic()
            + self
                .moved
                .lock()
                .expect("no panic while the hands are held")
                .monotonic
    }
}

/// A clock that stands still until it is moved: the base of deterministic tests.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock {
    at: DateTime<Utc>,
}

impl StoppedClock {
    /// A clock that always says `at`.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at }
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> DateTime<Utc> {
        self.at
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}
