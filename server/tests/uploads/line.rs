//! A studio behind the real accept loop: TLS, HTTP/1.1 and HTTP/2, and clients that say exactly so
//! much and then what a test wants of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use stemvault::listen::{self, Reached, Rules, Speaks};
use stemvault::tls;
use stemvault_storage::clock::SharedClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::studio::{Answer, OCTETS, Studio};

/// Longer than anything takes; only failures wait for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

/// The addresses of a running accept loop.
pub struct Line {
    pub address: SocketAddr,
    /// Without encryption.
    pub plain: SocketAddr,
    one: TlsConnector,
    two: TlsConnector,
}

impl Line {
    pub async fn open(studio: &Studio) -> Self {
        let names = ["localhost".to_owned()];
        let clock = Arc::clone(&studio.app.clock);
        let keeper = Arc::new(tls::Keeper::new(&studio.app.settings, &names, clock).unwrap());
        let config = tls::server_config(Arc::clone(&keeper)).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_file(&keeper.certificate().chain).unwrap();
        roots.add(root).unwrap();
        let connector = |alpn: &[u8]| {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = vec![alpn.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        let anywhere = ["127.0.0.1:0".parse().unwrap()];
        let mut listeners = listen::bind(&anywhere).await.unwrap();
        listeners.extend(listen::bind(&anywhere).await.unwrap());
        let at = |nth: usize| listeners[nth].local_addr().unwrap();
        let (address, plain) = (at(0), at(1));
        let rules = Rules {
            header_timeout: studio.app.settings.server.header_timeout,
            idle_timeout: studio.app.settings.server.idle_timeout,
            max_connections: studio.app.settings.server.max_connections,
            long_lines: studio.app.settings.uploads.memory,
            trusted_proxies: Vec::new(),
            reached: Reached {
                url: studio.app.public_url.clone(),
                is_set: false,
            },
            clock: Arc::clone(&studio.hands) as SharedClock,
            ending: studio.app.ending.clone(),
        };
        let speaks = [Speaks::Tls(config), Speaks::Plain];
        let listeners = listeners.into_iter().zip(speaks).collect();
        tokio::spawn(listen::serve(listeners, studio.router(), rules));
        Self {
            address,
            plain,
            one: connector(b"http/1.1"),
            two: connector(b"h2"),
        }
    }

    /// A connection that speaks HTTP/1.1.
    pub async fn one(&self) -> TlsStream<TcpStream> {
        self.connect(&self.one).await
    }

    /// A connection that speaks HTTP/2, with the task that drives it.
    pub async fn two(&self) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
        let stream = self.connect(&self.two).await;
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        let driving = tokio::spawn(connection);
        (sender.ready().await.unwrap(), driving)
    }

    /// A connection whose client takes nothing of any answer, with the task that drives it.
    pub async fn deaf(&self) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
        let stream = self.connect(&self.two).await;
        let client = h2::client::Builder::new()
            .initial_window_size(0)
            .handshake(stream);
        let (sender, connection) = client.await.unwrap();
        let driving = tokio::spawn(connection);
        (sender.ready().await.unwrap(), driving)
    }

    async fn connect(&self, connector: &TlsConnector) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, stream).await.unwrap()
    }

    /// One request on a connection of its own, answered whole.
    pub async fn ask(&self, http: Http, request: &[&str], body: &[u8]) -> Answer {
        let asked = async {
            let length = format!("Content-Length: {}", body.len());
            let mut request = request.to_vec();
            if !body.is_empty() {
                request.push(&length);
            }
            let mut client = Client::begin(self, http, &request, body).await;
            if let Client::Two { body, .. } = &mut client {
                // Refused before it was whole, or it had none.
                let _ = body.send_data(Bytes::new(), true);
            }
            client.answer().await
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        asked.expect("an answer")
    }
}

/// A request whose body has begun and perhaps never ends.
pub enum Client {
    One(Box<TlsStream<TcpStream>>),
    Two {
        body: h2::SendStream<Bytes>,
        answer: ResponseFuture,
        sender: SendRequest<Bytes>,
        driving: JoinHandle<Result<(), h2::Error>>,
    },
}

impl Client {
    /// Sends the head, `METHOD path` and lines, and as much of the body as this. The body is not
    /// ended.
    pub async fn begin(line: &Line, http: Http, request: &[&str], sent: &[u8]) -> Self {
        let (method, path) = request[0].split_once(' ').unwrap();
        if http == Http::One {
            let lines = request[1..].join("\r\n");
            let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
            let mut stream = line.one().await;
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(sent).await.unwrap();
            stream.flush().await.unwrap();
            return Self::One(Box::new(stream));
        }
        let (mut sender, driving) = line.two().await;
        let mut head = axum::http::Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"));
        for line in &request[1..] {
            let (name, value) = line.split_once(": ").unwrap();
            head = head.header(name, value);
        }
        let ends = !request[1..].iter().any(|line| line.starts_with(OCTETS));
        let (answer, mut body) = sender.send_request(head.body(()).unwrap(), ends).unwrap();
        if !ends {
            send(&mut body, sent).await;
        }
        Self::Two {
            body,
            answer,
            sender,
            driving,
        }
    }

    /// The end of what this side has to say, with its body unfinished: the write half is closed.
    pub async fn half_close(&mut self) {
        match self {
            Self::One(stream) => stream.shutdown().await.unwrap(),
            Self::Two { body, .. } => body.send_data(Bytes::new(), true).unwrap(),
        }
    }

    /// Breaks off: a TCP reset, a reset stream.
    pub async fn reset(self) {
        match self {
            Self::One(stream) => {
                stream.get_ref().0.set_zero_linger().unwrap();
                drop(stream);
            }
            Self::Two {
                mut body,
                answer,
                sender,
                driving,
            } => {
                body.send_reset(h2::Reason::CANCEL);
                drop((body, answer, sender));
                // The reset has left when the connection has ended in order.
                let _ = tokio::time::timeout(PATIENCE, driving).await.unwrap();
            }
        }
    }

    /// What comes back, to its end.
    pub async fn answer(self) -> Answer {
        match self {
            Self::One(mut stream) => one(&mut stream).await,
            Self::Two { answer, sender, .. } => {
                let answer = answer.await.unwrap();
                let (parts, mut rest) = answer.into_parts();
                let (mut body, mut broken) = (Vec::new(), false);
                while let Some(data) = rest.data().await {
                    match data {
                        Ok(data) => {
                            let _ = rest.flow_control().release_capacity(data.len());
                            body.extend(data);
                        }
                        Err(_) => {
                            broken = true;
                            break;
                        }
                    }
                }
                drop(sender);
                Answer {
                    status: parts.status,
                    headers: parts.headers,
                    body,
                    broken,
                }
            }
        }
    }
}

/// Sends all of it, as the other side makes room and wants it.
async fn send(body: &mut h2::SendStream<Bytes>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        body.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|context| body.poll_capacity(context)).await;
        // None once the other side wants no more.
        let Some(room) = room else { return };
        let room = room.unwrap().min(bytes.len());
        body.send_data(Bytes::copy_from_slice(&bytes[..room]), false)
            .unwrap();
        bytes = &bytes[room..];
    }
}

/// An HTTP/1.1 answer: its head, and as much body as it says or up to the end.
async fn one(stream: &mut TlsStream<TcpStream>) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = axum::http::HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        let name: axum::http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let status: axum::http::StatusCode = status.parse().unwrap();
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    // HEAD says how long the body would be, and 1xx has none.
    let mut body = vec![0; length];
    let broken = length > 0 && stream.read_exact(&mut body).await.is_err();
    Answer {
        status,
        headers,
        body,
        broken,
    }
}
