//! HTTP on one connection, from its first request to its last answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::Service;

use super::answers::{Stand, held};
use super::line::Line;
use super::pace::{Pace, noted};
use super::streams::{Streams, Together};
use super::windows::Window;
use super::{GOODBYE, KEEP_ALIVE, Served};
use crate::turns::OfConnection;

/// A connection without a request is closed after this long.
const IDLE: Duration = Duration::from_secs(90);

/// HTTP/2: requests under way on one connection.
const STREAMS: u32 = 128;

impl Served {
    /// Serves HTTP/2 if there are a pace and a window for it.
    pub(super) async fn talk<S>(
        self,
        stream: S,
        peer: SocketAddr,
        line: &Arc<Line>,
        two: Option<(Pace, Window)>,
    ) -> anyhow::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, rules) = (self.router, self.rules);
        let (pace, window) = two.unzip();
        let (under_way, mut busy) = watch::channel(0_usize);
        let (under_way, line) = (Arc::new(under_way), Arc::clone(line));
        let (first, mut came) = watch::channel(false);
        let streams = Streams::new(pace.clone().unwrap_or_default());
        let builder = builder(window.as_ref(), rules.header_timeout, streams.clone());
        let (coming, downloads) = (streams.clone(), OfConnection::default());
        let service = service_fn(move |request: Request<Incoming>| {
            let one = Stand::begin(&line, &under_way);
            if pace.is_some() {
                coming.comes(Arc::clone(&one));
            }
            first.send_replace(true);
            let mut request = request.map(|body| Body::new(noted(body, &line, pace.as_ref())));
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(downloads.clone());
            let answer = router.clone().call(request);
            async move { Ok::<_, Infallible>(held(answer.await?, one)) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = std::pin::pin!(connection);
        let served = Together::new(connection, streams);
        tokio::pin!(served);
        let mut ending = rules.ending;
        tokio::select! {
            done = &mut served => return done.map_err(|error| anyhow::anyhow!(error)),
            () = idle(&mut busy, rules.header_timeout) => {
                served.connection().graceful_shutdown();
                // Nothing is under way: who does not even take the goodbye is cut.
                let _ = tokio::time::timeout(GOODBYE, served).await;
                return Ok(());
            }
            () = told(&mut ending) => {}
        }
        // Who has only just come is heard, and told that the server ends.
        let first = tokio::time::timeout(GOODBYE, came.wait_for(|came| *came));
        tokio::select! {
            done = &mut served => return done.map_err(|error| anyhow::anyhow!(error)),
            _ = first => served.connection().graceful_shutdown(),
        }
        tokio::select! {
            done = &mut served => done.map_err(|error| anyhow::anyhow!(error)),
            () = quiet(&mut busy) => {
                let _ = tokio::time::timeout(GOODBYE, served).await;
                Ok(())
            }
        }
    }
}

/// The protocol is chosen by ALPN, so that nobody can make us wait for the bytes that tell.
fn builder(
    window: Option<&Window>,
    header_timeout: Duration,
    streams: Streams,
) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    let bytes = window.map(|window| window.bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(bytes)
        .initial_connection_window_size(bytes)
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    if window.is_some() {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
}

/// Ends when no request has come for too long: the first one soon, later ones with more patience.
async fn idle(busy: &mut watch::Receiver<usize>, first: Duration) {
    let mut patience = first;
    loop {
        let request = busy.wait_for(|requests| *requests > 0);
        if tokio::time::timeout(patience, request).await.is_err() {
            return;
        }
        quiet(busy).await;
        patience = IDLE;
    }
}

/// Ends when everything is to end.
pub(super) async fn told(ending: &mut watch::Receiver<bool>) {
    // Without a sender nobody is left who could wait for us.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Ends when nothing is under way.
async fn quiet(busy: &mut watch::Receiver<usize>) {
    // The sender lives in the connection that is being served: it cannot go first.
    let _ = busy.wait_for(|requests| *requests == 0).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_nothing_is_idle_and_who_asks_is_not() {
        let (sender, mut receiver) = watch::channel(0);
        idle(&mut receiver, Duration::from_millis(1)).await;
        sender.send_modify(|requests| *requests += 1);
        let mut idle = std::pin::pin!(idle(&mut receiver, Duration::ZERO));
        assert!(futures::poll!(idle.as_mut()).is_pending());
    }
}
