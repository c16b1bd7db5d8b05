//! How many small files are on their way at once: as many as the line holds.
//!
//! A small file is over before the line has said anything about its rate, so the number of requests under
//! way decides how much of a long line is used. It begins with a few, and grows for as long as answers
//! take no longer than they did: then there was room on the line, and in the server. Once they wait
//! for each other it grows no further, and it shrinks when they wait long. A server that says "not so
//! many" is believed at once. What is measured is the time from the first byte of a request to its
//! answer, over as many answers as are under way: one round.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stemvault_model::clock::SharedClock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// With so many it begins ...
const START: usize = 64;

/// ... so many there are at least, unless the server says no ...
const LEAST: usize = 32;

/// ... and at most: a line of ten gigabits and a tenth of a second full of files of 64 KiB is held up by
/// processors, not by this.
pub const MOST: usize = 1024;

/// Bytes of small files under way at most; they are in memory.
const BYTES: u64 = 64 << 20;

/// What the bytes are counted in.
const UNIT: u64 = 1 << 10;

/// Lets small files go.
#[derive(Debug)]
pub struct Flow {
    clock: SharedClock,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    rounds: Mutex<Rounds>,
}

/// The place of one file.
#[derive(Debug)]
pub struct Place<'a> {
    flow: &'a Flow,
    place: Option<OwnedSemaphorePermit>,
    _bytes: OwnedSemaphorePermit,
    since: Duration,
}

impl Flow {
    /// Nothing is under way yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        let units = usize::try_from(BYTES / UNIT).expect("small");
        Self {
            clock,
            places: Arc::new(Semaphore::new(START)),
            bytes: Arc::new(Semaphore::new(units)),
            rounds: Mutex::new(Rounds::new()),
        }
    }

    /// How many may be under way now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.rounds().limit
    }

    /// Waits until one more file of this length may go.
    ///
    /// # Panics
    /// Never in practice.
    pub async fn enter(&self, length: u64) -> Place<'_> {
        let units = u32::try_from(length.min(BYTES).div_ceil(UNIT)).expect("at most BYTES");
        let open = "the flow is never closed";
        let place = Arc::clone(&self.places).acquire_owned().await.expect(open);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(units);
        Place {
            flow: self,
            place: Some(place),
            _bytes: bytes.await.expect(open),
            since: self.clock.monotonic(),
        }
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes as many places as there are to be.
    fn adjust(&self, rounds: &mut Rounds) {
        let more = rounds.limit.saturating_sub(rounds.places);
        self.places.add_permits(more);
        rounds.places += more;
        // Places that are taken go when they become free.
        let fewer = rounds.places - rounds.limit;
        rounds.places -= self.places.forget_permits(fewer);
    }
}

impl Place<'_> {
    /// The file left at this time: until then it waited for others that go with it.
    pub fn left(&mut self, at: Duration) {
        self.since = at;
    }

    /// The file has arrived in one request.
    pub fn arrived(self) {
        let took = self.flow.clock.monotonic().saturating_sub(self.since);
        let mut rounds = self.flow.rounds();
        let waiting = self.flow.places.available_permits() == 0;
        rounds.answered(took, waiting);
        self.flow.adjust(&mut rounds);
    }

    /// The server takes no more at once.
    pub fn refused(&self) {
        let mut rounds = self.flow.rounds();
        let under_way = rounds
            .places
            .saturating_sub(self.flow.places.available_permits());
        rounds.refused(under_way, self.since, self.flow.clock.monotonic());
        self.flow.adjust(&mut rounds);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut rounds = self.flow.rounds();
        if rounds.places > rounds.limit
            && let Some(place) = self.place.take()
        {
            place.forget();
            rounds.places -= 1;
        }
    }
}

/// The rule, without the waiting.
#[derive(Debug)]
struct Rounds {
    /// How many may be under way.
    limit: usize,
    /// How many places there are; more than that until those that are taken become free.
    places: usize,
    /// Fewer than the server has said no to; grows by one with every round.
    most: usize,
    /// When it said so last.
    refused_at: Option<Duration>,
    /// The shortest that a round took on average.
    base: Option<Duration>,
    /// Whether it still doubles with every round.
    starting: bool,
    answers: usize,
    took: Duration,
    /// Whether others waited for a place at every answer of the round.
    wanted: bool,
}

impl Rounds {
    fn new() -> Self {
        Self {
            limit: START,
            places: START,
            most: MOST,
            refused_at: None,
            base: None,
            starting: true,
            answers: 0,
            took: Duration::ZERO,
            wanted: true,
        }
    }

    fn answered(&mut self, took: Duration, waiting: bool) {
        self.answers += 1;
        self.took += took;
        self.wanted &= waiting;
        let answers = u32::try_from(self.answers).unwrap_or(u32::MAX);
        if self.answers < self.limit.min(self.places) {
            return;
        }
        let round = self.took / answers;
        // A line that has become longer is noticed slowly.
        let base = self
            .base
            .map_or(round, |base| (base + base / 512).min(round));
        self.base = Some(base);
        let wanted = std::mem::replace(&mut self.wanted, true);
        (self.answers, self.took) = (0, Duration::ZERO);
        self.most = (self.most + 1).min(MOST);
        let least = LEAST.min(self.most);
        if round > 3 * base {
            self.starting = false;
            self.limit = (self.limit - self.limit / 4).max(least);
        } else if round > base + base / 2 {
            self.starting = false;
        } else if wanted {
            let more = if self.starting {
                self.limit
            } else {
                self.limit.div_ceil(8)
            };
            self.limit = (self.limit + more).min(self.most);
        }
    }

    /// What was under way when it was last heeded says nothing new.
    fn refused(&mut self, under_way: usize, since: Duration, now: Duration) {
        if self.refused_at.is_some_and(|at| since <= at) {
            return;
        }
        self.refused_at = Some(now);
        self.starting = false;
        self.most = (under_way.min(self.limit) / 2).max(1);
        self.limit = self.most;
    }
}

#[cfg(test)]
mod tests {
    use stemvault_model::clock::StoppedClock;

    use super::*;

    /// A line that takes `rate` files a second and as long to answer, and how many are under way on it in
    /// the end.
    fn settled(line: Duration, rate: f64) -> (usize, f64) {
        let mut rounds = Rounds::new();
        let mut last = (0, 0.0);
        for _ in 0..60 {
            let under_way = rounds.limit;
            let queue = Duration::from_secs_f64(under_way as f64 / rate);
            let took = line.max(queue);
            let used = (under_way as f64 / took.as_secs_f64() / rate).min(1.0);
            last = (under_way, used);
            rounds.places = rounds.limit;
            for _ in 0..under_way {
                rounds.answered(took, true);
            }
        }
        last
    }

    #[test]
    fn a_long_line_is_filled_and_a_short_one_is_not_flooded() {
        let milliseconds = Duration::from_millis;
        // 600 Mbit/s and 120 ms, 64 KiB: 137 under way fill it.
        let (under_way, used) = settled(milliseconds(120), 1144.0);
        assert!(used > 0.95 && under_way < 400, "{under_way} {used}");
        // 200 Mbit/s and 80 ms: 30.
        let (under_way, used) = settled(milliseconds(80), 381.0);
        assert!(used > 0.95 && under_way < 200, "{under_way} {used}");
        // This machine: a processor is the limit.
        let (under_way, used) = settled(milliseconds(2), 1000.0);
        assert!(used > 0.95 && under_way <= 2 * START, "{under_way} {used}");
        // 10 kB over a gigabit from the other side of the world.
        let (under_way, _) = settled(milliseconds(300), 12_500.0);
        assert_eq!(under_way, MOST);
    }

    #[test]
    fn few_files_are_no_reason_to_grow_and_a_refusal_is_believed() {
        let mut rounds = Rounds::new();
        for _ in 0..1000 {
            rounds.answered(Duration::from_millis(80), false);
        }
        assert_eq!(rounds.limit, START);
        let second = Duration::from_secs;
        rounds.refused(16, second(1), second(2));
        rounds.refused(15, second(1), second(3));
        assert_eq!(rounds.limit, 8, "one answer of many that are the same");
        for _ in 0..1000 {
            rounds.places = rounds.limit;
            rounds.answered(Duration::from_millis(80), true);
        }
        assert!((9..60).contains(&rounds.limit), "{}", rounds.limit);
        rounds.refused(1, second(4), second(5));
        assert_eq!(rounds.limit, 1);
    }

    #[tokio::test]
    async fn places_follow_the_rule() {
        let clock = Arc::new(StoppedClock::new(chrono::DateTime::UNIX_EPOCH));
        let flow = Flow::new(clock);
        let mut taken = Vec::new();
        for _ in 0..START {
            taken.push(flow.enter(1).await);
        }
        assert!(futures::poll!(std::pin::pin!(flow.enter(1))).is_pending());
        taken[0].refused();
        assert_eq!(flow.limit(), START / 2);
        while taken.len() >= START / 2 {
            taken.pop();
        }
        let last = flow.enter(1).await;
        assert!(futures::poll!(std::pin::pin!(flow.enter(1))).is_pending());
        last.arrived();
        // One that is longer than all that may be under way goes alone.
        drop(taken);
        flow.enter(BYTES * 9).await.arrived();
    }
}
