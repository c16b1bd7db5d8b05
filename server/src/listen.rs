//! The accept loop: TCP, TLS, then HTTP/1.1 or HTTP/2 as ALPN says.
//!
//! Nobody holds a connection for nothing: the handshake, the first request and every later head
//! have their time, an idle connection is closed, and no more than the set number is open at once.
//! On the way down connections end after the answer under way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::reads::{Ahead, Full};

/// A connection without a request is closed after this long.
const IDLE: Duration = Duration::from_secs(90);

/// From then on TCP asks whether the other side is still there, three times.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long a connection that is told to end may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more room for a connection.
const NO_ROOM: Duration = Duration::from_millis(200);

/// What a body that fails leaves for the bytes before its failure to get out.
const LEAVE: Duration = Duration::from_millis(100);

/// HTTP/2: what a client may send before we have read it. The defaults hold uploads to a fraction
/// of what a line can carry.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// HTTP/2: requests under way on one connection.
const STREAMS: u32 = 128;

/// What the loop keeps to.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a handshake, and the head of a request, may take.
    pub header_timeout: Duration,
    /// Connections open at once.
    pub max_connections: usize,
    /// True once everything is to end.
    pub ending: watch::Receiver<bool>,
}

/// Takes the addresses.
///
/// # Errors
/// When one is taken, or not ours; it is named.
pub async fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!(
                "cannot listen on {address}: stop what uses it, or choose another with --listen"
            )
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Accepts and serves until `rules.ending`, then until every connection has ended. Dropping the
/// future cuts what is left.
pub async fn serve(
    listeners: Vec<TcpListener>,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    rules: Rules,
) {
    let room = Arc::new(Semaphore::new(rules.max_connections));
    let mut loops = JoinSet::new();
    for listener in listeners {
        let tls = TlsAcceptor::from(Arc::clone(&tls));
        let (router, rules, room) = (router.clone(), rules.clone(), Arc::clone(&room));
        loops.spawn(accept(listener, tls, router, rules, room));
    }
    while loops.join_next().await.is_some() {}
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    router: Router,
    rules: Rules,
    room: Arc<Semaphore>,
) {
    let mut connections = JoinSet::new();
    let mut ending = rules.ending.clone();
    loop {
        // First room, then a connection: what has no room waits in the system's queue.
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            let place = place.expect("the room is never closed");
            (listener.accept().await, place)
        };
        tokio::select! {
            biased;
            () = told(&mut ending) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (accepted, place) = next => match accepted {
                Ok((stream, peer)) => {
                    let (tls, router, rules) = (tls.clone(), router.clone(), rules.clone());
                    connections.spawn(async move {
                        let open = metrics::gauge!("stemvault_connections_open");
                        open.increment(1.0);
                        if let Err(error) = connection(stream, peer, tls, router, rules).await {
                            tracing::debug!(peer = %peer.ip(), error = format!("{error:#}"), "connection ended");
                        }
                        open.decrement(1.0);
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(NO_ROOM).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    router: Router,
    rules: Rules,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
    sockopt::set_tcp_keepcnt(&stream, 3)?;
    let stream = tokio::time::timeout(rules.header_timeout, tls.accept(Ahead::new(stream)))
        .await
        .context("no TLS handshake in time")?
        .context("TLS")?;
    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");

    let (under_way, mut busy) = watch::channel(0_usize);
    let under_way = Arc::new(under_way);
    let service = service_fn(move |request: Request<Incoming>| {
        let one = UnderWay::begin(&under_way);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().call(request);
        async move { Ok::<_, Infallible>(held(answer.await?, one)) }
    });
    let builder = builder(two, rules.header_timeout);
    let served = builder.serve_connection(TokioIo::new(Full::new(stream)), service);
    tokio::pin!(served);
    let mut ending = rules.ending;
    tokio::select! {
        done = &mut served => return done.map_err(|error| anyhow::anyhow!(error)),
        () = idle(&mut busy, rules.header_timeout) => {
            served.as_mut().graceful_shutdown();
            // Nothing is under way: who does not even take the goodbye is cut.
            let _ = tokio::time::timeout(GOODBYE, served).await;
            return Ok(());
        }
        () = told(&mut ending) => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        done = &mut served => done.map_err(|error| anyhow::anyhow!(error)),
        () = quiet(&mut busy) => {
            let _ = tokio::time::timeout(GOODBYE, served).await;
            Ok(())
        }
    }
}

/// The protocol is chosen by ALPN, so that nobody can make us wait for the bytes that tell.
fn builder(two: bool, header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    if two {
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
async fn told(ending: &mut watch::Receiver<bool>) {
    // Without a sender nobody is left who could wait for us.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Ends when nothing is under way.
async fn quiet(busy: &mut watch::Receiver<usize>) {
    // The sender lives in the connection that is being served: it cannot go first.
    let _ = busy.wait_for(|requests| *requests == 0).await;
}

/// Counts a request as under way until the last byte of its answer has left.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn begin(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|requests| *requests += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}

fn held(answer: Response<Body>, one: UnderWay) -> Response<Body> {
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

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let taken = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        let address = taken[0].local_addr().unwrap();
        let said = format!("{:#}", bind(&[address]).await.unwrap_err());
        assert!(said.contains(&address.to_string()), "{said}");
    }

    #[tokio::test]
    async fn who_asks_nothing_is_idle_and_who_asks_is_not() {
        let (sender, mut receiver) = watch::channel(0);
        idle(&mut receiver, Duration::from_millis(1)).await;
        let sender = Arc::new(sender);
        let _one = UnderWay::begin(&sender);
        let mut idle = std::pin::pin!(idle(&mut receiver, Duration::ZERO));
        assert!(futures::poll!(idle.as_mut()).is_pending());
    }
}
