//! How far an HTTP/2 connection reads ahead of those who take what it has read.
//!
//! What comes while nobody takes it fills the windows, and a sender whose window is full is told so
//! only by another frame: some of them ask all the time whether it has come. A sender whose
//! socket is full sleeps. So a connection of which nothing is taken reads slowly, a step now and
//! then, which also keeps what it holds small; the next request on it is heard all the same.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::line::Line;

/// So much is read before anything of it has to be taken ...
const STEP: usize = 1 << 20;

/// ... or this long has passed.
const PAUSE: Duration = Duration::from_millis(50);

/// Where nothing at all comes of what is read, no request, no byte of a body and none of an answer,
/// each step is half of the last one, down to this: frames that ask for nothing (PING, SETTINGS,
/// WINDOW_UPDATE) are read no faster than that, however many come.
const LEAST: usize = 32 << 10;

/// What the reader, the bodies and the task of a connection tell each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Something was taken since the reader looked.
    taken: AtomicBool,
    /// The reader waits for that.
    paused: AtomicBool,
}

impl Pace {
    /// Whether the reader waits and need not any more; then it has to be asked again.
    pub(super) fn goes_on(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed) && self.0.paused.swap(false, Ordering::Relaxed)
    }

    fn taken(&self) {
        self.0.taken.store(true, Ordering::Relaxed);
    }
}

/// The body, which tells its connection, and the reader if there is one that waits for it, when
/// something of it is taken.
pub(super) fn noted(body: Incoming, line: &Arc<Line>, pace: Option<&Pace>) -> Noted {
    Noted {
        body,
        line: Arc::clone(line),
        pace: pace.cloned(),
    }
}

/// The reader's side.
#[derive(Debug)]
pub(crate) struct Steps {
    pace: Pace,
    line: Arc<Line>,
    /// When something had moved on the line as it was looked at last.
    moved: u64,
    step: usize,
    /// Bytes since something was taken, or since the last pause.
    ahead: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Steps {
    pub(super) fn new(pace: Pace, line: &Arc<Line>) -> Self {
        Self {
            pace,
            line: Arc::clone(line),
            moved: line.moved(),
            step: STEP,
            ahead: 0,
            pause: None,
        }
    }

    /// Ready when there may be more.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let told = &self.pace.0;
        if told.taken.swap(false, Ordering::Relaxed) {
            self.ahead = 0;
        }
        let moved = self.line.moved();
        if moved != self.moved {
            (self.moved, self.step) = (moved, STEP);
        }
        if self.ahead < self.step {
            self.pause = None;
            return Poll::Ready(());
        }
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
        if pause.as_mut().poll(context).is_pending() {
            told.paused.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        self.pause = None;
        self.ahead = 0;
        self.step = (self.step / 2).max(LEAST);
        Poll::Ready(())
    }

    pub(crate) fn count(&mut self, bytes: usize) {
        self.ahead += bytes;
    }
}

/// See [`noted`].
pub(super) struct Noted {
    body: Incoming,
    line: Arc<Line>,
    pace: Option<Pace>,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.line.moves();
            if let Some(pace) = &self.pace {
                pace.taken();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use stemvault_storage::clock::{MovableClock, SharedClock, StoppedClock};

    use super::*;

    fn line() -> (Arc<MovableClock>, Arc<Line>) {
        let still = Arc::new(StoppedClock::new(DateTime::UNIX_EPOCH));
        let hands = Arc::new(MovableClock::new(still));
        let clock = Arc::clone(&hands) as SharedClock;
        (hands, Line::new(&clock))
    }

    async fn next(steps: &mut Steps, bytes: usize) -> Poll<()> {
        steps.count(bytes);
        futures::poll!(std::future::poll_fn(|context| steps.poll_next(context)))
    }

    #[tokio::test]
    async fn it_waits_until_something_is_taken_and_not_forever() {
        let pace = Pace::default();
        let (_, line) = line();
        let mut steps = Steps::new(pace.clone(), &line);
        assert!(next(&mut steps, STEP - 1).await.is_ready());
        assert!(next(&mut steps, 1).await.is_pending());
        assert!(!pace.goes_on(), "nothing was taken");
        pace.0.taken.store(true, Ordering::Relaxed);
        assert!(pace.goes_on() && !pace.goes_on(), "told once");
        assert!(next(&mut steps, 0).await.is_ready());
        assert!(next(&mut steps, STEP).await.is_pending());
        std::future::poll_fn(|context| steps.poll_next(context)).await;
    }

    #[tokio::test]
    async fn frames_of_which_nothing_comes_are_read_ever_more_slowly() {
        let (hands, line) = line();
        let mut steps = Steps::new(Pace::default(), &line);
        let mut step = STEP;
        while step > LEAST {
            assert!(next(&mut steps, step - 1).await.is_ready());
            assert!(next(&mut steps, 1).await.is_pending(), "{step}");
            std::future::poll_fn(|context| steps.poll_next(context)).await;
            step /= 2;
        }
        assert!(next(&mut steps, LEAST).await.is_pending());
        // A request, or some of an answer has left.
        hands.advance(Duration::from_millis(1));
        line.moves();
        assert!(next(&mut steps, STEP / 2).await.is_ready());
    }
}
