//! The accept loop: TCP, TLS, then HTTP/1.1 or HTTP/2 as ALPN says.
//!
//! Nobody holds a connection for nothing: the handshake, the first request and every later head
//! have their time, an idle connection is closed, and no more than the set number is open at once.
//! On the way down connections end after the answer under way; who comes while one is still under
//! way is answered that the server ends. Plain HTTP only where a proxy on this machine asks for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::reads::{Ahead, Full};
use pace::{Pace, Steps};
use streams::{Streams, Together};
use under_way::{UnderWay, held};

pub(crate) mod pace;
mod streams;
mod under_way;

/// A connection without a request is closed after this long.
const IDLE: Duration = Duration::from_secs(90);

/// From then on TCP asks whether the other side is still there, and again as often.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What was sent and is not acknowledged for this long ends the connection, and so does a client
/// that reads nothing: one that has paused a download goes on by a range.
const UNACKNOWLEDGED: Duration = Duration::from_secs(300);

/// How long a connection that is told to end may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more room for a connection.
const NO_ROOM: Duration = Duration::from_millis(200);

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

/// What is spoken at an address.
#[derive(Clone)]
pub enum Speaks {
    /// HTTPS.
    Tls(Arc<rustls::ServerConfig>),
    /// HTTP/1.1 without encryption.
    Plain,
}

/// Accepts and serves until `rules.ending`, then until every connection has ended. Dropping the
/// future cuts what is left.
pub async fn serve(listeners: Vec<(TcpListener, Speaks)>, router: Router, rules: Rules) {
    let room = Arc::new(Semaphore::new(rules.max_connections));
    let mut loops = JoinSet::new();
    for (listener, speaks) in listeners {
        let rules = rules.clone();
        let served = Served {
            tls: match speaks {
                Speaks::Tls(config) => Some(TlsAcceptor::from(config)),
                Speaks::Plain => None,
            },
            router: router.clone(),
            rules,
        };
        loops.spawn(accept(listener, served, Arc::clone(&room)));
    }
    while loops.join_next().await.is_some() {}
}

/// What is served at one address.
#[derive(Clone)]
struct Served {
    tls: Option<TlsAcceptor>,
    router: Router,
    rules: Rules,
}

async fn accept(listener: TcpListener, served: Served, room: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    let mut ending = served.rules.ending.clone();
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
                    connections.spawn(served.clone().one(stream, peer, place));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(NO_ROOM).await;
                }
            },
        }
    }
    let mut late = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            ended = connections.join_next() => if ended.is_none() { break },
            Some(_) = late.join_next(), if !late.is_empty() => {}
            Ok((stream, peer)) = listener.accept() => {
                if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                    late.spawn(served.clone().one(stream, peer, place));
                }
            }
        }
    }
    drop(listener);
    let goodbye = async { while late.join_next().await.is_some() {} };
    // Who does not take it is cut.
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

impl Served {
    /// Serves one connection to its end.
    async fn one(self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let open = metrics::gauge!("stemvault_connections_open");
        open.increment(1.0);
        if let Err(error) = self.shake_hands(stream, peer).await {
            tracing::debug!(peer = %peer.ip(), error = format!("{error:#}"), "connection ended");
        }
        open.decrement(1.0);
        drop(place);
    }

    async fn shake_hands(self, stream: TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
        let patience = u32::try_from(UNACKNOWLEDGED.as_millis()).expect("minutes");
        sockopt::set_tcp_user_timeout(&stream, patience)?;
        let Some(tls) = &self.tls else {
            return self.talk(stream, peer, None).await;
        };
        let stream =
            tokio::time::timeout(self.rules.header_timeout, tls.accept(Ahead::new(stream)))
                .await
                .context("no TLS handshake in time")?
                .context("TLS")?;
        let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let pace = two.then(Pace::default);
        let steps = pace.clone().map(Steps::new);
        self.talk(Full::new(stream, steps), peer, pace).await
    }

    /// Serves HTTP/2 if there is a pace for it.
    async fn talk<S>(self, stream: S, peer: SocketAddr, pace: Option<Pace>) -> anyhow::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, rules) = (self.router, self.rules);
        let (under_way, mut busy) = watch::channel(0_usize);
        let under_way = Arc::new(under_way);
        let (first, mut came) = watch::channel(false);
        let streams = Streams::new(pace.clone().unwrap_or_default());
        let builder = builder(pace.is_some(), rules.header_timeout, streams.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let one = UnderWay::begin(&under_way);
            first.send_replace(true);
            let mut request = request.map(|body| match &pace {
                Some(pace) => Body::new(pace.noted(body)),
                None => Body::new(body),
            });
            request.extensions_mut().insert(ConnectInfo(peer));
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
fn builder(two: bool, header_timeout: Duration, streams: Streams) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(streams);
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

#[cfg(test)]
mod tests {
    use super::*;

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
