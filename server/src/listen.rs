//! The accept loop: TCP, TLS, then HTTP/1.1 or HTTP/2 as ALPN says.
//!
//! Nobody holds a connection for nothing: the handshake, the first request and every later head
//! have their time, an idle connection is closed, and no more than the set number is open at once.
//! On the way down connections end after the answer under way; who comes while one is still under
//! way is answered that the server ends. Plain HTTP only where a proxy on this machine asks for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use ipnet::IpNet;
use rustix::net::sockopt;
use stemvault_storage::clock::SharedClock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::reads::{Ahead, Full};
use line::Cut;
use pace::{Pace, Steps};
use places::{Place, Places};
use windows::Windows;
pub use wrong_door::Reached;

mod answers;
mod line;
pub(crate) mod pace;
mod places;
mod streams;
mod talk;
mod windows;
mod wrong_door;

/// From then on TCP asks whether the other side is still there, and again as often.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What was sent and is not acknowledged for this long ends the connection, and so does a client
/// that reads nothing: one that has paused a download goes on by a range.
const UNACKNOWLEDGED: Duration = Duration::from_secs(300);

/// How long a connection that is told to end may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long to wait when the system has no more room for a connection.
const NO_ROOM: Duration = Duration::from_millis(200);

/// What the loop keeps to.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a handshake, and the head of a request, may take.
    pub header_timeout: Duration,
    /// How long an answer may stand still because its client takes nothing of it.
    pub idle_timeout: Duration,
    /// Connections open at once.
    pub max_connections: usize,
    /// Bytes that connections over long lines may hold beyond what every one may.
    pub long_lines: u64,
    /// Whose connections are those of many.
    pub trusted_proxies: Vec<IpNet>,
    /// What is said to those who speak HTTP where HTTPS is spoken.
    pub reached: Reached,
    /// The machine's.
    pub clock: SharedClock,
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
    let trusted = rules.trusted_proxies.clone();
    let places = Places::new(rules.max_connections, trusted, Arc::clone(&rules.clock));
    let windows = Windows::new(rules.long_lines);
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
            windows: windows.clone(),
        };
        loops.spawn(accept(listener, served, Arc::clone(&places)));
    }
    while loops.join_next().await.is_some() {}
}

/// What is served at one address.
#[derive(Clone)]
struct Served {
    tls: Option<TlsAcceptor>,
    router: Router,
    rules: Rules,
    windows: Windows,
}

async fn accept(listener: TcpListener, served: Served, places: Arc<Places>) {
    let mut connections = JoinSet::new();
    let mut ending = served.rules.ending.clone();
    loop {
        tokio::select! {
            biased;
            () = talk::told(&mut ending) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = places.now(peer.ip()) {
                        connections.spawn(served.clone().one(stream, peer, place));
                    } else if let Some(turn) = places.queue(peer.ip()) {
                        let (served, places) = (served.clone(), Arc::clone(&places));
                        connections.spawn(async move {
                            let place = places.wait(peer.ip()).await;
                            drop(turn);
                            match place {
                                Some(place) => served.one(stream, peer, place).await,
                                None => refused(peer),
                            }
                        });
                    } else {
                        refused(peer);
                    }
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
                if let Some(place) = places.now(peer.ip()) {
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

/// There is no place for this one: its connection is closed, before anything was said on it.
fn refused(peer: SocketAddr) {
    metrics::counter!("stemvault_connections_refused_total").increment(1);
    tracing::debug!(peer = %peer.ip(), "no place for a connection");
}

impl Served {
    /// Serves one connection to its end.
    async fn one(self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let open = metrics::gauge!("stemvault_connections_open");
        open.increment(1.0);
        let (line, patience) = (Arc::clone(&place.line), self.rules.idle_timeout);
        tokio::select! {
            served = self.shake_hands(stream, peer, &place) => if let Err(error) = served {
                tracing::debug!(peer = %peer.ip(), error = format!("{error:#}"), "connection ended");
            },
            cut = line.ends(patience) => {
                let why = match cut {
                    Cut::GivesWay => "gives_way",
                    Cut::Stuck => "stuck",
                };
                metrics::counter!("stemvault_connections_cut_total", "why" => why).increment(1);
                tracing::info!(peer = %peer.ip(), why, "connection cut");
            }
        }
        open.decrement(1.0);
        drop(place);
    }

    async fn shake_hands(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        place: &Place,
    ) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
        let patience = u32::try_from(UNACKNOWLEDGED.as_millis()).expect("minutes");
        sockopt::set_tcp_user_timeout(&stream, patience)?;
        let Some(tls) = self.tls.clone() else {
            return self.talk(stream, peer, &place.line, None).await;
        };
        let mut stream = Ahead::new(stream);
        let shaken = async {
            if stream
                .first()
                .await?
                .is_some_and(|byte| byte != wrong_door::HANDSHAKE)
            {
                wrong_door::answer(stream, &self.rules.reached).await?;
                return Ok(None);
            }
            // From the client's first word to its answer to ours: the line, there and back.
            let heard = self.rules.clock.monotonic();
            let stream = tls.accept(stream).await.context("TLS")?;
            let journey = self.rules.clock.monotonic().saturating_sub(heard);
            anyhow::Ok(Some((stream, journey)))
        };
        let shaken = tokio::time::timeout(self.rules.header_timeout, shaken).await;
        let Some((stream, journey)) = shaken.context("no TLS handshake in time")?? else {
            return Ok(());
        };
        let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let two = is_two.then(|| (Pace::default(), self.windows.of(journey)));
        let steps = two
            .as_ref()
            .map(|(pace, _)| Steps::new(pace.clone(), &place.line));
        self.talk(Full::new(stream, steps), peer, &place.line, two)
            .await
    }
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
}
