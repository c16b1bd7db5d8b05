//! Answers under way: each until the last byte of it has left, in small pieces.
//!
//! What a connection has taken over and not sent is bounded, whatever the windows of its client
//! say: a piece is handed on when there is room for it ([`Line`]), and gives its room back when it
//! has left. So it is also known of each answer since when its client has taken nothing.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::FutureExt;
use futures::future::{AbortHandle, BoxFuture};
use hyper::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Sleep;

use super::line::Line;

/// What a body that fails leaves for the bytes before its failure to get out.
const LEAVE: Duration = Duration::from_millis(100);

/// The most that is handed on at once.
const PIECE: usize = 64 << 10;

/// How an answer stands. It is under way as long as this lives.
#[derive(Debug)]
pub(super) struct Stand {
    line: Arc<Line>,
    /// Pieces that were handed on and have not left.
    handed: AtomicUsize,
    /// When one of them left last, or the first was handed on; in the line's milliseconds.
    moved: AtomicU64,
    /// Whether its body is over, and all of it handed on.
    over: AtomicBool,
    abort: OnceLock<AbortHandle>,
    count: Arc<watch::Sender<usize>>,
}

impl Stand {
    pub(super) fn begin(line: &Arc<Line>, count: &Arc<watch::Sender<usize>>) -> Arc<Self> {
        count.send_modify(|requests| *requests += 1);
        line.moves();
        let stand = Arc::new(Self {
            line: Arc::clone(line),
            handed: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            over: AtomicBool::new(false),
            abort: OnceLock::new(),
            count: Arc::clone(count),
        });
        line.carries(&stand);
        stand
    }

    /// How the request can be ended without its connection.
    pub(super) fn aborts_by(&self, handle: AbortHandle) {
        // There is one request of each.
        let _ = self.abort.set(handle);
    }

    /// For how long its client has taken nothing of what it could have.
    pub(super) fn still(&self) -> Duration {
        if self.handed.load(Ordering::SeqCst) == 0 {
            return Duration::ZERO;
        }
        let moved = self.moved.load(Ordering::SeqCst);
        Duration::from_millis(self.line.now().saturating_sub(moved))
    }

    /// Gives it up, if that can be done without its connection.
    pub(super) fn give_up(&self) -> bool {
        let handle = self
            .abort
            .get()
            .filter(|_| !self.over.load(Ordering::SeqCst));
        let Some(handle) = handle else {
            return false;
        };
        if !handle.is_aborted() {
            metrics::counter!("stemvault_answers_given_up_total").increment(1);
        }
        handle.abort();
        true
    }

    fn hand(self: &Arc<Self>, bytes: Bytes, room: OwnedSemaphorePermit) -> Bytes {
        if self.handed.fetch_add(1, Ordering::SeqCst) == 0 {
            self.moved.store(self.line.now(), Ordering::SeqCst);
        }
        Bytes::from_owner(Piece {
            bytes,
            _room: room,
            stand: Arc::clone(self),
        })
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.line.moves();
        self.count.send_modify(|requests| *requests -= 1);
    }
}

/// Bytes that were handed on; dropped when they have left.
struct Piece {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
    stand: Arc<Stand>,
}

/// For `Bytes::from_owner`.
impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.stand.line.moves();
        self.stand
            .moved
            .store(self.stand.line.now(), Ordering::SeqCst);
        self.stand.handed.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn held(answer: Response<Body>, stand: Arc<Stand>) -> Response<Body> {
    answer.map(|body| {
        Body::new(Held {
            body,
            rest: Bytes::new(),
            waiting: None,
            failing: None,
            stand,
        })
    })
}

/// A body that is under way, and whose failure waits a moment: in HTTP/2 it takes with it what was
/// sent before and has not left yet, down to the head of the answer.
struct Held {
    body: Body,
    /// Of the frame that came last.
    rest: Bytes,
    waiting: Option<BoxFuture<'static, OwnedSemaphorePermit>>,
    failing: Option<(Pin<Box<Sleep>>, axum::Error)>,
    stand: Arc<Stand>,
}

impl Held {
    /// The next piece, when there is room for it.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let length = self.rest.len().min(PIECE);
        let permits = u32::try_from(length).expect("at most a piece");
        let line = &self.stand.line;
        let free = match &self.waiting {
            None => Arc::clone(&line.room).try_acquire_many_owned(permits).ok(),
            Some(_) => None,
        };
        let room = match free {
            Some(room) => room,
            None => {
                let room = Arc::clone(&line.room);
                let waiting = self.waiting.get_or_insert_with(|| {
                    let room = room.acquire_many_owned(permits);
                    room.map(|room| room.expect("never closed")).boxed()
                });
                let room = ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                room
            }
        };
        Poll::Ready(self.stand.hand(self.rest.split_to(length), room))
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        while this.failing.is_none() {
            if !this.rest.is_empty() {
                let piece = ready!(this.poll_piece(context));
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Err(error)) => {
                    this.failing = Some((Box::pin(tokio::time::sleep(LEAVE)), error));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                None => return Poll::Ready(None),
            }
        }
        if let Some((moment, _)) = &mut this.failing {
            ready!(moment.as_mut().poll(context));
        }
        Poll::Ready(this.failing.take().map(|(_, error)| Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.failing.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stand.over.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody;
    use http_body_util::BodyExt;
    use stemvault_storage::clock::{MovableClock, SharedClock, SystemClock};

    use super::super::line::ROOM;
    use super::*;

    struct Case {
        hands: Arc<MovableClock>,
        line: Arc<Line>,
        count: Arc<watch::Sender<usize>>,
    }

    impl Case {
        fn new() -> Self {
            let hands = Arc::new(MovableClock::new(Arc::new(SystemClock)));
            Self {
                line: Line::new(&(Arc::clone(&hands) as SharedClock)),
                hands,
                count: Arc::new(watch::Sender::new(0)),
            }
        }

        fn under_way(&self) -> usize {
            *self.count.borrow()
        }

        fn answer(&self, body: Body) -> (Body, Arc<Stand>) {
            let stand = Stand::begin(&self.line, &self.count);
            let answer = held(Response::new(body), Arc::clone(&stand));
            (answer.into_body(), stand)
        }
    }

    async fn piece(body: &mut Body) -> Bytes {
        let frame = body.frame().await.unwrap().unwrap();
        frame.into_data().unwrap()
    }

    #[tokio::test]
    async fn a_request_is_under_way_until_the_last_byte_of_its_answer_has_left() {
        let case = Case::new();
        let (mut body, stand) = case.answer(Body::from("x"));
        drop(stand);
        assert_eq!(case.under_way(), 1);
        let piece = piece(&mut body).await;
        assert_eq!(piece, "x");
        assert!(body.is_end_stream());
        drop(body);
        assert_eq!(case.under_way(), 1);
        drop(piece);
        assert_eq!(case.under_way(), 0);
    }

    #[tokio::test]
    async fn no_more_is_handed_on_than_there_is_room_for() {
        let case = Case::new();
        let long = vec![7; 2 * ROOM];
        let (mut body, _stand) = case.answer(Body::from(long.clone()));
        assert_eq!(body.size_hint().exact(), Some(2 * ROOM as u64));
        let mut pieces = Vec::new();
        while let Poll::Ready(frame) = futures::poll!(body.frame()) {
            pieces.push(frame.unwrap().unwrap().into_data().unwrap());
        }
        assert!(pieces.iter().all(|piece| piece.len() == PIECE));
        assert_eq!(pieces.len(), ROOM / PIECE);
        // On the same connection another answer waits as well.
        let (mut other, _other) = case.answer(Body::from("x"));
        assert!(futures::poll!(other.frame()).is_pending());
        pieces.clear();
        assert_eq!(piece(&mut body).await.len(), PIECE);
        assert_eq!(piece(&mut other).await, "x");
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(rest.len(), long.len() - ROOM - PIECE);
    }

    #[tokio::test]
    async fn who_takes_nothing_stands_still_and_who_waits_for_us_does_not() {
        let case = Case::new();
        let (mut body, stand) = case.answer(Body::from("x"));
        case.hands.advance(Duration::from_secs(60));
        assert_eq!(stand.still(), Duration::ZERO, "nobody has asked for it");
        let piece = piece(&mut body).await;
        case.hands.advance(Duration::from_secs(60));
        assert!(stand.still() >= Duration::from_secs(60));
        assert!(!stand.give_up(), "only its connection can be cut");
        let (handle, _) = AbortHandle::new_pair();
        stand.aborts_by(handle.clone());
        assert!(stand.give_up() && handle.is_aborted());
        drop(body);
        assert!(!stand.give_up(), "all of it was handed on");
        drop(piece);
        assert_eq!(stand.still(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_body_that_fails_says_so_after_everything_before() {
        let parts = [Ok("x"), Err(std::io::Error::other("damaged"))];
        let case = Case::new();
        let body = Body::from_stream(futures::stream::iter(parts));
        let (mut body, stand) = case.answer(body);
        drop(stand);
        assert_eq!(piece(&mut body).await, "x");
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(case.under_way(), 1);
    }
}
