//! Which requests of a connection are under way: each until the last byte of its answer has left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::Sleep;

/// What a body that fails leaves for the bytes before its failure to get out.
const LEAVE: Duration = Duration::from_millis(100);

/// Counts a request as under way until the last byte of its answer has left.
pub(super) struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    pub(super) fn begin(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|requests| *requests += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}

pub(super) fn held(answer: Response<Body>, one: UnderWay) -> Response<Body> {
    answer.map(|body| {
        Body::new(Held {
            body,
            failing: None,
            _one: one,
        })
    })
}

/// A body that counts as under way, and whose failure waits a moment: in HTTP/2 it takes with it
/// what was sent before and has not left yet, down to the head of the answer.
struct Held {
    body: Body,
    failing: Option<(Pin<Box<Sleep>>, axum::Error)>,
    _one: UnderWay,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.failing.is_none() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Err(error)) => {
                    self.failing = Some((Box::pin(tokio::time::sleep(LEAVE)), error));
                }
                frame => return Poll::Ready(frame),
            }
        }
        if let Some((moment, _)) = &mut self.failing {
            ready!(moment.as_mut().poll(context));
        }
        Poll::Ready(self.failing.take().map(|(_, error)| Err(error)))
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
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_request_is_under_way_until_its_answer_has_left() {
        let (sender, receiver) = watch::channel(0);
        let sender = Arc::new(sender);
        let answer = held(Response::new(Body::from("x")), UnderWay::begin(&sender));
        assert_eq!(*receiver.borrow(), 1);
        let body = answer.into_body();
        assert_eq!(*receiver.borrow(), 1);
        drop(body);
        assert_eq!(*receiver.borrow(), 0);
    }

    #[tokio::test]
    async fn a_body_that_fails_says_so_after_everything_before() {
        let parts = [Ok("x"), Err(std::io::Error::other("damaged"))];
        let (sender, receiver) = watch::channel(0);
        let one = UnderWay::begin(&Arc::new(sender));
        let body = Body::from_stream(futures::stream::iter(parts));
        let mut body = held(Response::new(body), one).into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "x");
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(*receiver.borrow(), 1);
    }
}
