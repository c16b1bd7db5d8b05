//! A server without a network: the router over a catalog in memory and stores in a folder that
//! goes with it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{Stream, StreamExt};
use http_body_util::BodyExt;
use stemvault::app::{App, SharedApp};
use stemvault::router::router;
use stemvault_config::Settings;
use stemvault_storage::catalog::MemoryCatalog;
use stemvault_storage::catalog::{Batch, Catalog};
use stemvault_storage::clock::{Clock, MovableClock, SharedClock, StoppedClock, SystemClock};
use stemvault_storage::ids::{LinkId, SessionId, Token};
use stemvault_storage::keys::{KeyStore, MasterKey};
use stemvault_storage::link::{ApiToken, Digest, Scope};
use stemvault_storage::order::{Client, Order};
use stemvault_storage::store::Store;
use stemvault_storage::tables::{self, put};
use stemvault_storage::upload::Upload;
use stemvault_storage::{Limits, Vault};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;
use url::Url;

pub struct Studio {
    pub app: SharedApp,
    pub hands: Arc<MovableClock>,
    pub ending: watch::Sender<bool>,
    pub order: Order,
    pub link: String,
    pub token: String,
    router: Router,
    folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the body broke off.
    pub broken: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn offset(&self) -> u64 {
        self.header("upload-offset").parse().unwrap()
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

impl Studio {
    pub async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings, &mut Limits)) -> Self {
        Self::over(None, Arc::new(SystemClock), change).await
    }

    /// Time stands still until its hands are moved: what is earned by time does not depend on how
    /// fast the machine is.
    pub async fn stopped() -> Self {
        let clock = StoppedClock::new(SystemClock.now());
        Self::over(None, Arc::new(clock), |_, _| {}).await
    }

    /// With a bucket that keeps everything, and as soon as it is told so takes and never answers.
    pub async fn over_bucket(
        hang: watch::Receiver<bool>,
        change: impl FnOnce(&mut Settings, &mut Limits),
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        // Whoever lists finds nothing.
        let list = ("/bucket".to_owned(), Bytes::from("<ListBucketResult/>"));
        let kept = Arc::new(Mutex::new(HashMap::from([list])));
        let bucket = Router::new().fallback(move |request: Request<Body>| async move {
            let (head, body) = request.into_parts();
            let whole = body.collect().await;
            while whole.is_err() || *hang.borrow() {
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
            let (path, mut kept) = (head.uri.path().to_owned(), kept.lock().unwrap());
            if head.method == Method::PUT {
                kept.insert(path.clone(), whole.unwrap().to_bytes());
            }
            let status = if kept.contains_key(&path) {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            };
            let object = kept.get(&path).cloned().unwrap_or_default();
            let since = ("last-modified", "Tue, 01 Dec 2026 12:00:00 GMT");
            (status, [("etag", "\"x\""), since], object)
        });
        tokio::spawn(async move { axum::serve(listener, bucket).await });
        let options = [
            ("endpoint", endpoint.as_str()),
            ("allow_http", "true"),
            ("region", "eu"),
            ("access_key_id", "a"),
            ("secret_access_key", "b"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = "s3://bucket".parse().unwrap();
        let working = Store::open("working", &url, options.into()).unwrap();
        Self::over(Some(working), Arc::new(SystemClock), change).await
    }

    async fn over(
        bucket: Option<Store>,
        base: SharedClock,
        change: impl FnOnce(&mut Settings, &mut Limits),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::defaults(folder.path()).unwrap();
        let mut limits = Limits {
            floor_bytes: 0,
            floor_percent: 0,
            ..Limits::default()
        };
        change(&mut settings, &mut limits);
        let hands = Arc::new(MovableClock::new(base));
        let clock: SharedClock = Arc::<MovableClock>::clone(&hands);
        let store = |name, under: &str| {
            let url = Url::from_directory_path(folder.path().join(under)).unwrap();
            Store::open(name, &url, Vec::new()).unwrap()
        };
        let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new());
        let keys = KeyStore::open(store("keys", "keys"), MasterKey::random().into());
        let keys = keys.await.unwrap();
        let (working, archive) = (store("working", "bucket"), store("archive", "bucket"));
        let working = bucket.unwrap_or(working);
        let clock_of_vault = Arc::clone(&clock);
        let vault = Vault::new(catalog, working, archive, keys, clock_of_vault, limits);
        let vault = Arc::new(vault);
        let number = "2026-0117".to_owned().try_into().unwrap();
        let order = vault.orders.create(number, Client::default());
        let order = order.await.unwrap();
        let link = vault.access.create_link(order.id, Scope::Upload, None);
        let (_, link) = link.await.unwrap();
        let token = Token::random();
        let row = ApiToken {
            id: LinkId::random(),
            name: "test".to_owned(),
            created_at: clock.now(),
            expires_at: None,
        };
        let batch = put(Batch::new(), tables::token(Digest(token.digest())), &row);
        vault.core.catalog().commit(batch).await.unwrap();
        let (ending, ended) = watch::channel(false);
        let public_url = settings.server.public_url.clone();
        let public_url = public_url.unwrap_or_else(|| "https://studio.example".parse().unwrap());
        let app = App::new(vault, Arc::new(settings), public_url, ended);
        let app = Arc::new(app);
        Self {
            router: router(Arc::clone(&app)),
            app,
            hands,
            ending,
            order,
            link: link.reveal().to_owned(),
            token: token.reveal().to_owned(),
            folder,
        }
    }

    /// What a real listener serves.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Sends one request; `headers` are lines like `Upload-Offset: 0`.
    pub async fn ask(&self, method: &str, path: &str, headers: &[&str], body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, mut rest) = response.into_parts();
        let (mut body, mut broken) = (Vec::new(), false);
        while let Some(frame) = rest.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            broken,
        }
    }

    pub async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.ask("GET", path, headers, Body::empty()).await
    }

    /// Creates an upload at the link; its address.
    pub async fn create(&self, name: &str, length: u64) -> String {
        let created = self
            .post(name, length, &[], Body::empty())
            .await
            .expect(201);
        created.header("location").to_owned()
    }

    pub async fn post(&self, name: &str, length: u64, more: &[&str], body: Body) -> Answer {
        let length = format!("Upload-Length: {length}");
        let metadata = format!("Upload-Metadata: filename {}", STANDARD.encode(name));
        let mut headers = vec!["Tus-Resumable: 1.0.0", &length, &metadata];
        headers.extend(more);
        self.ask("POST", &format!("/u/{}", self.link), &headers, body)
            .await
    }

    /// Appends a body of which the length is said, or not.
    pub async fn patch(&self, at: &str, offset: u64, length: Option<u64>, body: Body) -> Answer {
        let offset = format!("Upload-Offset: {offset}");
        let length = length.map(|length| format!("Content-Length: {length}"));
        let mut headers = vec!["Tus-Resumable: 1.0.0", OCTETS, &offset];
        headers.extend(length.as_deref());
        self.ask("PATCH", at, &headers, body).await
    }

    pub async fn head(&self, at: &str) -> Answer {
        self.ask("HEAD", at, &["Tus-Resumable: 1.0.0"], Body::empty())
            .await
    }

    /// Submits by the link; the receipt.
    pub async fn submit(&self) -> serde_json::Value {
        let path = format!("/u/{}/submit", self.link);
        self.ask("POST", &path, &[], Body::empty())
            .await
            .expect(201)
            .json()
    }

    /// A download link to a session.
    pub async fn session_link(&self, receipt: &serde_json::Value) -> String {
        let session: SessionId = receipt["session"].as_str().unwrap().parse().unwrap();
        let scope = Scope::Session { session };
        let access = &self.app.vault.access;
        let link = access.create_link(self.order.id, scope, None);
        let (_, link) = link.await.unwrap();
        format!("/d/{}", link.reveal())
    }

    /// All uploads of the order.
    pub async fn uploads(&self) -> Vec<Upload> {
        let rows = &self.app.vault.rows;
        rows.uploads(self.order.id).await.unwrap()
    }

    /// The folder of an upload in the working store.
    pub fn folder_of(&self, at: &str) -> PathBuf {
        let id = at.rsplit('/').next().unwrap();
        self.folder
            .path()
            .join(format!("bucket/orders/{}/working/{id}", self.order.id))
    }

    /// All files that the working store holds of uploads, largest first.
    pub fn objects(&self) -> Vec<PathBuf> {
        let folder = self
            .folder
            .path()
            .join(format!("bucket/orders/{}/working", self.order.id));
        let mut found = Vec::new();
        for upload in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let objects = std::fs::read_dir(upload.path()).unwrap();
            found.extend(objects.map(|object| object.unwrap().path()));
        }
        found.sort_by_key(|path| std::cmp::Reverse(std::fs::metadata(path).unwrap().len()));
        found
    }
}

pub const OCTETS: &str = "Content-Type: application/offset+octet-stream";

/// Bytes that no one compresses, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// A body in frames of odd sizes.
pub fn frames(bytes: &[u8]) -> Vec<std::io::Result<Bytes>> {
    let mut sizes = [1, 65_536, 7, 300_001, 16_384].into_iter().cycle();
    let (mut rest, mut frames) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (frame, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
        frames.push(Ok(Bytes::copy_from_slice(frame)));
        rest = after;
    }
    frames
}

pub fn whole(bytes: &[u8]) -> Body {
    Body::from_stream(futures::stream::iter(frames(bytes)))
}

/// A body that breaks after these bytes.
pub fn broken(bytes: &[u8]) -> Body {
    let mut frames = frames(bytes);
    frames.push(Err(std::io::ErrorKind::ConnectionReset.into()));
    Body::from_stream(futures::stream::iter(frames))
}

/// A body that never ends after these bytes, and how much of it was taken.
pub fn stalled(bytes: &[u8]) -> (Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let stream = counted(frames(bytes), Arc::clone(&taken)).chain(futures::stream::pending());
    (Body::from_stream(stream), taken)
}

/// A whole body, and something that happens once this much of it was taken.
pub fn meanwhile(bytes: &[u8], after: usize, happens: impl FnOnce() + Send + 'static) -> Body {
    let (mut taken, mut happens) = (0, Some(happens));
    let frames = futures::stream::iter(frames(bytes)).inspect(move |frame| {
        taken += frame.as_ref().map_or(0, Bytes::len);
        if taken >= after
            && let Some(happens) = happens.take()
        {
            happens();
        }
    });
    Body::from_stream(frames)
}

fn counted(
    frames: Vec<std::io::Result<Bytes>>,
    taken: Arc<AtomicU64>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    futures::stream::iter(frames).inspect(move |frame| {
        let length = frame.as_ref().map_or(0, |frame| frame.len() as u64);
        taken.fetch_add(length, Ordering::Relaxed);
    })
}

/// Waits until something that another task brings about is so.
pub async fn until(mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap();
}

pub fn b3(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
