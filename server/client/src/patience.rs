//! How long to wait before the next try, and when to stop trying.
//!
//! Waits double from half a second to half a minute and begin anew with every byte that got
//! through; after a given time without a single byte we give up. The time is counted on the
//! monotonic hand of the clock.

use std::time::Duration;

use stemvault_model::clock::SharedClock;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Without a byte for this long, we give up.
pub const GIVE_UP: Duration = Duration::from_secs(600);

/// The patience with one file.
#[derive(Debug)]
pub struct Patience {
    clock: SharedClock,
    limit: Duration,
    progressed_at: Duration,
    tries: u32,
}

impl Patience {
    /// Patience that ends after `limit` without progress.
    #[must_use]
    pub fn new(clock: SharedClock, limit: Duration) -> Self {
        let progressed_at = clock.monotonic();
        Self {
            clock,
            limit,
            progressed_at,
            tries: 0,
        }
    }

    /// Bytes got through: all patience is back.
    pub fn progressed(&mut self) {
        self.progressed_at = self.clock.monotonic();
        self.tries = 0;
    }

    /// How many waits there were since the last progress.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// How long to wait now, at least `asked` (but never longer than a minute), or `None` when it
    /// is time to give up.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let without = self.clock.monotonic().saturating_sub(self.progressed_at);
        if without >= self.limit {
            return None;
        }
        let doubled = FIRST.saturating_mul(1 << self.tries.min(16)).min(LONGEST);
        self.tries += 1;
        let asked = asked.unwrap_or_default().min(2 * LONGEST);
        Some(doubled.max(asked).min(self.limit - without))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stemvault_model::clock::{MovableClock, StoppedClock};

    use super::*;

    #[test]
    fn waits_double_and_progress_resets_them() {
        let clock = Arc::new(MovableClock::new(Arc::new(StoppedClock::new(
            chrono::DateTime::UNIX_EPOCH,
        ))));
        let mut patience = Patience::new(clock.clone(), GIVE_UP);
        let waits: Vec<_> = (0..9)
            .map(|_| patience.next(None).unwrap().as_millis())
            .collect();
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
        );
        patience.progressed();
        assert_eq!(patience.next(None), Some(FIRST));
        assert_eq!(
            patience.next(Some(Duration::from_secs(9))),
            Some(Duration::from_secs(9))
        );
        assert_eq!(
            patience.next(Some(Duration::from_secs(9999))),
            Some(2 * LONGEST)
        );
        clock.advance(Duration::from_secs(599));
        assert_eq!(patience.next(None), Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(patience.next(None), None);
    }
}
