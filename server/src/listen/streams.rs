//! HTTP/2: the requests of a connection run in its task.
//!
//! The bytes of a body come in frames of 16 KiB. A request in a task of its own would be woken for
//! each, often on another processor, and would find them there when they have left the cache; and
//! while it waits for its turn the window of its sender runs out. Here the connection takes what
//! its socket has, then each request takes what came for it. A connection that has ended is kept until
//! its requests have.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::future::{BoxFuture, abortable};
use futures::stream::FuturesUnordered;
use hyper::rt::Executor;

use super::answers::Stand;
use super::pace::Pace;

/// Where a connection leaves the requests that have come.
#[derive(Clone)]
pub(super) struct Streams {
    new: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
    /// The answer of the request that comes next.
    next: Arc<Mutex<Option<Arc<Stand>>>>,
    pace: Pace,
}

impl Streams {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            new: Arc::default(),
            next: Arc::default(),
            pace,
        }
    }

    /// A request has come, and is left here as soon as it has begun.
    pub(super) fn comes(&self, answer: Arc<Stand>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let (request, handle) = abortable(request);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = next.take() {
            answer.aborts_by(handle);
        }
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.push(Box::pin(async {
            // Given up or not, it has ended.
            let _ = request.await;
        }));
    }
}

/// A connection and its requests; ends as the connection did, when both have ended.
pub(super) struct Together<'a, C: Future> {
    connection: Pin<&'a mut C>,
    ended: Option<C::Output>,
    streams: Streams,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl<'a, C: Future> Together<'a, C> {
    pub(super) fn new(connection: Pin<&'a mut C>, streams: Streams) -> Self {
        Self {
            connection,
            ended: None,
            streams,
            running: FuturesUnordered::new(),
        }
    }

    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }
}

impl<C: Future> Future for Together<'_, C>
where
    C::Output: Unpin,
{
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = &mut *self;
        if this.ended.is_none()
            && let Poll::Ready(ended) = this.connection.as_mut().poll(context)
        {
            this.ended = Some(ended);
        }
        loop {
            this.running.extend(this.streams.take());
            match this.running.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if this.ended.is_some() => {
                    return this.ended.take().map_or(Poll::Pending, Poll::Ready);
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if this.streams.pace.goes_on() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_connection_ends_with_its_last_request() {
        let streams = Streams::new(Pace::default());
        let (close, closed) = oneshot::channel::<()>();
        let (go, went) = oneshot::channel::<()>();
        streams.execute(async { drop(went.await) });
        let connection = std::pin::pin!(async { closed.await.is_ok() });
        let mut together = std::pin::pin!(Together::new(connection, streams.clone()));
        assert!(futures::poll!(together.as_mut()).is_pending());
        // One that comes while others run.
        let (late, came) = oneshot::channel();
        streams.execute(async { late.send("came").unwrap() });
        close.send(()).unwrap();
        assert!(futures::poll!(together.as_mut()).is_pending());
        assert_eq!(came.await, Ok("came"));
        go.send(()).unwrap();
        assert!(together.await);
    }
}
