//! A pace: so many bytes a second and no more, for work that may take its time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::SharedClock;

/// Keeps one kind of work to its bandwidth.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: SharedClock,
    per_second: Option<u64>,
    /// When what was let through so far is over, at that bandwidth.
    over_at: Mutex<Duration>,
}

impl Pace {
    /// At most `per_second` bytes a second; `None`: as fast as it goes.
    pub(crate) fn new(clock: SharedClock, per_second: Option<u64>) -> Self {
        Self {
            clock,
            per_second: per_second.map(|rate| rate.max(1)),
            over_at: Mutex::default(),
        }
    }

    /// Waits until the next `bytes` may go.
    pub(crate) async fn take(&self, bytes: u64) {
        let wait = self.wait(bytes);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, bytes: u64) -> Duration {
        let Some(rate) = self.per_second else {
            return Duration::ZERO;
        };
        let now = self.clock.monotonic();
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        let lasts = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut over_at = self.over_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = now.max(*over_at);
        *over_at = begins.saturating_add(lasts);
        begins - now
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{MovableClock, StoppedClock};

    #[test]
    fn bytes_wait_for_those_before_them_and_idle_time_is_not_saved_up() {
        let stopped = StoppedClock::new("2026-01-05T09:00:00Z".parse().unwrap());
        let clock = Arc::new(MovableClock::new(Arc::new(stopped)));
        let pace = Pace::new(Arc::clone(&clock) as SharedClock, Some(1000));
        let second = Duration::from_secs(1);
        assert_eq!(pace.wait(2000), Duration::ZERO);
        assert_eq!(pace.wait(500), 2 * second);
        assert_eq!(pace.wait(0), 2 * second + second / 2);
        clock.advance(60 * second);
        assert_eq!(pace.wait(1000), Duration::ZERO);
        assert_eq!(pace.wait(1000), second);
        let free = Pace::new(clock, None);
        assert_eq!(
            (free.wait(u64::MAX), free.wait(1)),
            (Duration::ZERO, Duration::ZERO)
        );
    }
}
