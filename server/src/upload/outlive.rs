//! A request that runs to its end, whether or not anybody waits for the answer.
//!
//! It runs in the task of its connection, where the bytes of its body come in: handing each piece
//! to another task costs more than what is done with it. When the connection breaks, or its sender
//! takes the request back, what is left of it goes on in a task of its own.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

/// What a panic leaves.
type Panic = Box<dyn Any + Send>;

/// See the module.
pub(super) struct Outliving<T: Send + 'static> {
    /// Until it has ended.
    work: Option<BoxFuture<'static, Result<T, Panic>>>,
}

impl<T: Send + 'static> Outliving<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            work: Some(AssertUnwindSafe(work).catch_unwind().boxed()),
        }
    }
}

impl<T: Send + 'static> Future for Outliving<T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let work = self.work.as_mut().expect("not polled after its end");
        let polled = work.poll_unpin(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Outliving<T> {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_goes_on_when_nobody_waits() {
        let (go, went) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let mut work = Outliving::new(async move {
            went.await.unwrap();
            done.send("whole").unwrap();
        });
        assert!(futures::poll!(&mut work).is_pending());
        drop(work);
        go.send(()).unwrap();
        assert_eq!(ended.await, Ok("whole"));
    }

    #[tokio::test]
    async fn it_answers_and_a_panic_is_told() {
        assert!(matches!(Outliving::new(async { 7 }).await, Ok(7)));
        let panicked: Outliving<()> = Outliving::new(async { panic!("in a test") });
        assert!(panicked.await.is_err());
    }
}
