//! One connection as the others see it: when something moved on it last, which answers it carries,
//! and whether it has to go.
//!
//! An answer that its client does not take has a deadline. In HTTP/2 the answer alone is given up as
//! long as the rest of it is here; in HTTP/1.1, or where all of it was handed on, the connection is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use stemvault_storage::clock::SharedClock;
use tokio::sync::{Semaphore, watch};

use super::answers::Stand;

/// Bytes of answers that were handed on and have not left, on one connection: enough that many which
/// stand still, as paused players do, leave room for one that does not.
pub(super) const ROOM: usize = 8 << 20;

/// How often a connection looks whether an answer stands still, at least.
const LOOK: Duration = Duration::from_secs(5);

/// Why a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Another one needs its place.
    GivesWay,
    /// Nothing of an answer was taken for too long.
    Stuck,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    clock: SharedClock,
    /// When something moved last, in milliseconds of the monotonic clock.
    moved: AtomicU64,
    gives_way: watch::Sender<bool>,
    answers: Mutex<Vec<Weak<Stand>>>,
    /// For bytes that were handed on and have not left.
    pub(super) room: Arc<Semaphore>,
}

impl Line {
    pub(super) fn new(clock: &SharedClock) -> Arc<Self> {
        let line = Arc::new(Self {
            clock: Arc::clone(clock),
            moved: AtomicU64::new(0),
            gives_way: watch::Sender::new(false),
            answers: Mutex::default(),
            room: Arc::new(Semaphore::new(ROOM)),
        });
        line.moves();
        line
    }

    /// Something moved: a request came, some of a body, or some of an answer left.
    pub(super) fn moves(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    /// When something moved last.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// For how long nothing has moved.
    pub(super) fn still(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.moved()))
    }

    /// Milliseconds of the monotonic clock.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// Asks it to end, because another one needs its place.
    pub(super) fn give_way(&self) {
        self.gives_way.send_replace(true);
    }

    /// Whether it was asked to end.
    pub(super) fn is_going(&self) -> bool {
        *self.gives_way.borrow()
    }

    pub(super) fn carries(&self, answer: &Arc<Stand>) {
        let mut answers = self.answers();
        answers.retain(|known| known.strong_count() > 0);
        answers.push(Arc::downgrade(answer));
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Weak<Stand>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the connection has to; gives up single answers of which nothing was taken for
    /// `patience`.
    pub(super) async fn ends(&self, patience: Duration) -> Cut {
        let mut gives_way = self.gives_way.subscribe();
        let look = LOOK.min(patience / 4);
        loop {
            tokio::select! {
                _ = gives_way.wait_for(|going| *going) => return Cut::GivesWay,
                () = tokio::time::sleep(look) => {}
            }
            let answers: Vec<_> = self.answers().iter().filter_map(Weak::upgrade).collect();
            let stuck = |answer: &Arc<Stand>| answer.still() > patience && !answer.give_up();
            if answers.iter().any(stuck) {
                return Cut::Stuck;
            }
        }
    }
}
