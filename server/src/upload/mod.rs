//! Uploads: two dialects of one thing, on the same addresses and the same files. A file that was begun in
//! one goes on in the other.
//!
//! What both share is here: who may ([`door`]), the body and who takes it over ([`receive`]), what is said
//! of a file ([`metadata`], [`checksum`]), how it stands ([`standing`]). The dialects stand beside each other
//! and do not know each other: [`tus`] and, of the IETF, [`ietf`]. Two mounts: `/files/`, with an API token
//! and the order in the metadata, and `/u/{link}`, where the link says both.
//!
//! A request outlives a connection that breaks ([`outlive`]): what arrived is still written down.

pub(crate) mod checksum;
pub(crate) mod door;
pub mod ietf;
pub(crate) mod metadata;
mod outlive;
pub(crate) mod receive;
mod standing;
pub(crate) mod tus;
mod unread;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{any, post};
use stemvault_storage::ids::UploadId;

use crate::app::SharedApp;
use crate::error::sentence;
use door::Mount;
use outlive::Outliving;
use receive::SharedBody;
pub(crate) use unread::unread;

/// Uploads at `/files/` and `/u/{link}`.
pub fn router() -> Router<SharedApp> {
    let files = post(files).options(capabilities);
    let link = post(link).options(capabilities);
    Router::new()
        .route("/files", files.clone())
        .route("/files/", files)
        .route("/files/{upload}", any(file))
        .route("/files/{upload}/", any(file))
        .route("/u/{link}", link.clone())
        .route("/u/{link}/", link)
        .route("/u/{link}/files", post(link_files))
        .route("/u/{link}/{upload}", any(link_file))
        .route("/u/{link}/{upload}/", any(link_file))
}

/// What an address can do, in both dialects; asked without a credential, as browsers do.
async fn capabilities(State(app): State<SharedApp>) -> Response {
    let mut answer = tus::capabilities(&app);
    ietf::offer(&mut answer, &app);
    answer
}

async fn files(State(app): State<SharedApp>, request: Request) -> Response {
    run(app, Mount::Files, None, request).await
}

async fn file(
    State(app): State<SharedApp>,
    Path(upload): Path<String>,
    request: Request,
) -> Response {
    run(app, Mount::Files, Some(upload), request).await
}

async fn link(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    request: Request,
) -> Response {
    run(app, Mount::Link(link), None, request).await
}

async fn link_file(
    State(app): State<SharedApp>,
    Path((link, upload)): Path<(String, String)>,
    request: Request,
) -> Response {
    run(app, Mount::Link(link), Some(upload), request).await
}

async fn link_files(
    State(app): State<SharedApp>,
    Path(link): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    to_its_end(async move {
        let (body, mount) = (SharedBody::new(body), Mount::Link(link));
        let answer = tus::several(&app, &mount, &parts, &body).await;
        unread::finished(answer, &parts, &body)
    })
    .await
}

async fn run(app: SharedApp, mount: Mount, upload: Option<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    to_its_end(async move {
        let body = SharedBody::new(body);
        let (method, upload) = (method(&parts), upload.as_deref());
        let answer = if method == Method::OPTIONS {
            capabilities(State(app)).await
        } else if ietf::is_meant(&parts.headers) {
            ietf::answer(&app, &mount, upload, &method, &parts, &body).await
        } else {
            tus::answer(&app, &mount, upload, &method, &parts, &body).await
        };
        unread::finished(answer, &parts, &body)
    })
    .await
}

/// Runs a request to its end, whether or not anybody waits for the answer.
async fn to_its_end(work: impl Future<Output = Response> + Send + 'static) -> Response {
    Outliving::new(work).await.unwrap_or_else(|_| {
        tracing::error!("an upload request ended in a panic");
        let text = "the server cannot do this at the moment: what was acknowledged is safe, try again in a minute";
        sentence(StatusCode::INTERNAL_SERVER_ERROR, text)
    })
}

/// The method that is meant: proxies that let only POST through are told the real one in a header.
fn method(parts: &Parts) -> Method {
    let meant = parts.headers.get("x-http-method-override");
    let meant = meant
        .filter(|_| parts.method == Method::POST)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().to_ascii_uppercase().parse().ok());
    meant.unwrap_or_else(|| parts.method.clone())
}

/// The id in the last segment of an upload's address; anything else is no upload.
fn upload_id(text: &str) -> Option<UploadId> {
    text.parse().ok()
}
