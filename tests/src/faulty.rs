//! What stands between us and a store, and does not work well: an HTTP proxy in front of a real S3
//! server that fails as it is told, at seeded requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// In what way a request fails.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// An answer with this status and the S3 error of this name, and with Retry-After; nothing is
    /// passed on.
    Status(u16, &'static str),
    /// No answer at all; nothing is passed on.
    Silence,
    /// The connection is reset when the request's head has come.
    ResetBefore,
    /// The connection is reset when all of the request has come; nothing is passed on.
    ResetAfter,
    /// The store does what it is asked, and the connection is reset instead of the answer.
    AnswerLost,
    /// The store does what it is asked so late that nobody waits for it any more.
    Late(Duration),
    /// The store does what it is asked once it is [let go](Faulty::let_go).
    Held,
    /// Half of the body goes to the store, and the connection is reset once it is [let go](Faulty::let_go).
    HalfWay,
    /// 413 if the body has more bytes than this; nothing is passed on then.
    Larger(u64),
    /// The answer's body breaks off half way.
    Truncated,
    /// Bodies pass at so many bytes a second, each connection for itself.
    Slow(u64),
    /// "200 OK", and nothing is passed on.
    Lie,
}

/// Which requests fail, and how often.
#[derive(Debug, Clone)]
pub struct Rule {
    /// How.
    pub fault: Fault,
    /// Requests of these methods; of all if there are none.
    pub methods: Vec<Method>,
    /// Requests whose path holds this.
    pub path: String,
    /// How likely each of them fails, in percent.
    pub percent: u32,
}

impl Rule {
    /// Every request.
    #[must_use]
    pub fn all(fault: Fault) -> Self {
        Self {
            fault,
            methods: Vec::new(),
            path: String::new(),
            percent: 100,
        }
    }

    /// Some requests of a method.
    #[must_use]
    pub fn some(fault: Fault, method: Method, percent: u32) -> Self {
        Self {
            methods: vec![method],
            percent,
            ..Self::all(fault)
        }
    }

    /// Only those whose path holds `path`.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        let path = path.to_owned();
        Self { path, ..self }
    }
}

#[derive(Debug)]
struct State {
    rule: Option<Rule>,
    random: StdRng,
    faults: usize,
    landed: usize,
    let_go: watch::Sender<bool>,
}

/// The proxy; ends with its value.
#[derive(Debug)]
pub struct Faulty {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Faulty {
    /// A proxy in front of `upstream` (an address) that is in order until it is told otherwise.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(upstream: String, seed: u64) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            rule: None,
            random: StdRng::seed_from_u64(seed),
            faults: 0,
            landed: 0,
            let_go: watch::Sender::new(false),
        }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, upstream.clone(), Arc::clone(&shared)));
            }
        });
        Ok(Self {
            address,
            state,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on requests fail like this, or not at all.
    pub fn set(&self, rule: Option<Rule>) {
        self.state().rule = rule;
    }

    /// How many requests have failed so far.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.state().faults
    }

    /// What was held goes on to the store.
    pub fn let_go(&self) {
        self.state().let_go.send_replace(true);
    }

    /// How many of them were late or held, and have been carried out all the same.
    #[must_use]
    pub fn landed(&self) -> usize {
        self.state().landed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What ends a connection before its answer.
type Cut = std::io::Error;
type Body = BoxBody<Bytes, Cut>;

async fn serve(stream: TcpStream, upstream: String, state: Arc<Mutex<State>>) {
    // A connection that ends here is reset, not closed in good order.
    let _ = stream.set_zero_linger();
    let service = service_fn(|request| answer(request, upstream.clone(), Arc::clone(&state)));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error is what this proxy is for.
    let _ = connection.await;
}

fn fault_for(request: &Request<Incoming>, state: &Mutex<State>) -> Option<Fault> {
    let mut state = lock(state);
    let rule = state.rule.clone()?;
    let meant = (rule.methods.is_empty() || rule.methods.contains(request.method()))
        && request.uri().path().contains(&rule.path)
        && !matches!(rule.fault, Fault::Larger(most) if length(request) <= most);
    if !meant || state.random.random_range(0..100) >= rule.percent {
        return None;
    }
    state.faults += 1;
    Some(rule.fault)
}

fn length(request: &Request<Incoming>) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

async fn answer(
    request: Request<Incoming>,
    upstream: String,
    state: Arc<Mutex<State>>,
) -> Result<Response<Body>, Cut> {
    let fault = fault_for(&request, &state);
    let (head, body) = request.into_parts();
    if let Some(Fault::ResetBefore) = fault {
        return Err(cut());
    }
    let body = match fault {
        Some(Fault::Slow(rate)) => slowly(body, rate).await?,
        _ => body.collect().await.map_err(Cut::other)?.to_bytes(),
    };
    let half = body.slice(..body.len() / 2);
    let request = Request::from_parts(head, whole(body));
    match fault {
        None => pass(request, &upstream).await,
        Some(Fault::Status(status, code)) => {
            let text = format!("<Error><Code>{code}</Code><Message>injected</Message></Error>");
            let mut answer = Response::new(whole(text.into()));
            *answer.status_mut() = status.try_into().map_err(Cut::other)?;
            answer.headers_mut().insert(RETRY_AFTER, 1.into());
            Ok(answer)
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::ResetBefore | Fault::ResetAfter) => Err(cut()),
        Some(Fault::AnswerLost) => {
            pass(request, &upstream).await?;
            Err(cut())
        }
        Some(Fault::Late(time)) => {
            let rest = tokio::time::sleep(time);
            pass_after(rest, request, upstream, state).await
        }
        Some(Fault::Held) => pass_after(let_go(&state), request, upstream, state).await,
        Some(Fault::HalfWay) => {
            let let_go = let_go(&state);
            let ends = stream::once(async move {
                let_go.await;
                Err(cut())
            });
            let frames = stream::once(async move { Ok(Frame::data(half)) }).chain(ends);
            let body = BodyExt::boxed(StreamBody::new(frames));
            pass(Request::from_parts(request.into_parts().0, body), &upstream).await
        }
        Some(Fault::Larger(_)) => {
            let mut answer = Response::new(whole(Bytes::new()));
            *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            Ok(answer)
        }
        Some(Fault::Truncated) => {
            let (head, body) = pass(request, &upstream).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let half = body.slice(..body.len() / 2);
            let frames = stream::iter([Ok(Frame::data(half)), Err(cut())]);
            Ok(Response::from_parts(
                head,
                BodyExt::boxed(StreamBody::new(frames)),
            ))
        }
        Some(Fault::Slow(rate)) => {
            let (head, body) = pass(request, &upstream).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let pieces = body.chunks(PIECE).map(|piece| body.slice_ref(piece));
            let frames = stream::iter(pieces.collect::<Vec<_>>()).then(move |piece| async move {
                tokio::time::sleep(pause(piece.len(), rate)).await;
                Ok(Frame::data(piece))
            });
            Ok(Response::from_parts(
                head,
                BodyExt::boxed(StreamBody::new(frames)),
            ))
        }
        Some(Fault::Lie) => {
            let mut answer = Response::new(whole(Bytes::new()));
            let headers = answer.headers_mut();
            headers.insert(
                "etag",
                "\"d41d8cd98f00b204e9800998ecf8427e\""
                    .parse()
                    .map_err(Cut::other)?,
            );
            headers.insert(CONTENT_LENGTH, 0.into());
            Ok(answer)
        }
    }
}

fn let_go(state: &Mutex<State>) -> impl Future<Output = ()> + Send + Sync + 'static {
    let mut let_go = lock(state).let_go.subscribe();
    async move { drop(let_go.wait_for(|let_go| *let_go).await) }
}

/// Passes it on after that. In a task of its own: the request goes on when its sender is gone.
async fn pass_after(
    wait: impl Future<Output = ()> + Send + 'static,
    request: Request<Body>,
    upstream: String,
    state: Arc<Mutex<State>>,
) -> Result<Response<Body>, Cut> {
    let late = tokio::spawn(async move {
        wait.await;
        let passed = pass(request, &upstream).await;
        lock(&state).landed += 1;
        passed
    });
    late.await.map_err(Cut::other)?
}

/// How much passes between two pauses of a slow connection.
const PIECE: usize = 16 << 10;

fn pause(bytes: usize, rate: u64) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000_000 / rate)
}

/// Takes a body at `rate` bytes a second: its sender is held back by full windows.
async fn slowly(mut body: Incoming, rate: u64) -> Result<Bytes, Cut> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Cut::other)?.into_data() {
            tokio::time::sleep(pause(data.len(), rate)).await;
            all.extend_from_slice(&data);
        }
    }
    Ok(all.into())
}

/// Passes a request on and takes the whole answer, on a connection of its own. A store that is gone
/// is a connection that is reset.
async fn pass(request: Request<Body>, upstream: &str) -> Result<Response<Body>, Cut> {
    let stream = TokioIo::new(TcpStream::connect(upstream).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(Cut::other)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(Cut::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(Cut::other)?.to_bytes();
    Ok(Response::from_parts(head, whole(body)))
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}

fn cut() -> Cut {
    Cut::from(std::io::ErrorKind::ConnectionReset)
}
