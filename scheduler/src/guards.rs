//! What stops a run before its first delete: a clock that jumped, and too much at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stemvault_storage::clock::SharedClock;

use crate::plan::{Action, Verb};

/// Compares wall time with monotonic time since it was set. Downtime alone is no jump: it starts
/// anew with the process.
#[derive(Debug)]
pub struct ClockWatch {
    clock: SharedClock,
    allowed: Duration,
    since: Mutex<(DateTime<Utc>, Duration)>,
}

impl ClockWatch {
    /// Watches from now on; a difference of more than `allowed` is a jump.
    #[must_use]
    pub fn new(clock: SharedClock, allowed: Duration) -> Self {
        let since = Mutex::new((clock.now(), clock.monotonic()));
        Self {
            clock,
            allowed,
            since,
        }
    }

    /// Takes the clock as it is now.
    pub fn accept(&self) {
        let now = (self.clock.now(), self.clock.monotonic());
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Why nothing may be deleted, if the clock jumped.
    #[must_use]
    pub fn jumped(&self) -> Option<String> {
        let (wall, monotonic) = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let passed =
            TimeDelta::from_std(self.clock.monotonic() - monotonic).unwrap_or(TimeDelta::MAX);
        let jump = (self.clock.now() - wall) - passed;
        if jump.abs() <= TimeDelta::from_std(self.allowed).unwrap_or(TimeDelta::MAX) {
            return None;
        }
        let (hours, direction) = (
            jump.num_hours().abs(),
            if jump < TimeDelta::zero() {
                "back"
            } else {
                "ahead"
            },
        );
        Some(format!(
            "the clock of this machine jumped {hours} hours {direction}: nothing is deleted until someone has looked; if {} is the right time, say `stemvault retention run --accept-clock`",
            self.clock.now().format("%F %R UTC")
        ))
    }
}

/// How much one run may delete without asking.
#[derive(Clone, Copy, Debug)]
pub struct Brake {
    /// So many orders are always allowed.
    pub orders: u64,
    /// And so many percent of all orders and of all bytes.
    pub percent: u64,
}

/// All orders that hold anything, and their bytes: what the share is taken of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stock {
    /// Orders.
    pub orders: u64,
    /// Plain bytes.
    pub bytes: u64,
}

impl Brake {
    /// Why these deletions stop, if they are too many.
    #[must_use]
    pub fn stops(&self, verb: Verb, due: &[Action], stock: Stock) -> Option<String> {
        let orders = due.len() as u64;
        let bytes: u64 = due.iter().map(|action| action.bytes).sum();
        let share = |part: u64, whole: u64| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(self.percent)
        };
        let too_many = share(orders, stock.orders) || share(bytes, stock.bytes);
        if orders <= self.orders || !too_many {
            return None;
        }
        Some(format!(
            "{} would delete {orders} of {} orders ({bytes} of {} bytes) at once, more than {} orders and {} %: look at `stemvault retention plan`, then say `stemvault retention run --allow-many`",
            verb.name(),
            stock.orders,
            stock.bytes,
            self.orders,
            self.percent
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stemvault_storage::clock::{MovableClock, StoppedClock};
    use stemvault_storage::order::OrderNumber;

    use super::*;

    fn clock() -> Arc<MovableClock> {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        Arc::new(MovableClock::new(Arc::new(StoppedClock::new(start))))
    }

    #[test]
    fn time_that_passes_is_no_jump_and_a_jump_is_in_both_directions() {
        for (jump, jumped) in [
            (0, false),
            (59, false),
            (61, true),
            (-61, true),
            (2 * 365 * 24 * 60, true),
        ] {
            let clock = clock();
            let watch =
                ClockWatch::new(Arc::clone(&clock) as SharedClock, Duration::from_secs(3600));
            clock.advance(Duration::from_secs(400 * 86400));
            clock.jump(TimeDelta::minutes(jump));
            assert_eq!(watch.jumped().is_some(), jumped, "{jump} minutes");
            watch.accept();
            assert_eq!(watch.jumped(), None);
        }
    }

    #[test]
    fn a_few_orders_always_may_go_and_many_only_when_they_are_a_small_share() {
        let brake = Brake {
            orders: 5,
            percent: 20,
        };
        let action = |bytes| Action {
            order: OrderNumber::try_from("1".to_owned()).unwrap(),
            verb: Verb::Purge,
            due_at: DateTime::<Utc>::UNIX_EPOCH,
            reason: String::new(),
            bytes,
        };
        let stock = Stock {
            orders: 100,
            bytes: 1000,
        };
        for (count, bytes, stops) in [
            (5, 200, false),
            (6, 1, false),
            (20, 10, false),
            (21, 1, true),
            (6, 34, true),
        ] {
            let due = vec![action(bytes); count];
            assert_eq!(
                brake.stops(Verb::Purge, &due, stock).is_some(),
                stops,
                "{count} of {bytes}"
            );
        }
    }
}
