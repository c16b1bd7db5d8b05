//! The upload dialect tus 1.0 with all of its extensions but checksum-trailer: creation,
//! creation-with-upload, creation-defer-length, checksum, concatenation, termination, expiration.
//!
//! One implementation on two mounts: `/files/`, with an API token and the order in the metadata,
//! and `/u/{link}`, where the link says both. The protocol's rules are those of the crate
//! `tus-protocol`; what it cannot do is here: a body that ends early keeps every byte that arrived
//! ([`receive`]), nothing holds a lock ([`protocol`]), and every refusal is a sentence ([`answer`]).
//!
//! A request outlives a connection that breaks ([`outlive`]): what arrived is still written down.
//! Read next: [`append`].

pub(crate) mod answer;
pub(crate) mod append;
pub(crate) mod checksum;
pub(crate) mod concat;
mod create;
pub(crate) mod door;
pub(crate) mod look;
pub(crate) mod metadata;
mod outlive;
mod protocol;
pub(crate) mod receive;
pub(crate) mod several;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, post};
use stemvault_storage::ids::UploadId;

use crate::app::SharedApp;
use crate::rufh;
use answer::Refused;
use door::{Door, Mount};
use outlive::Outliving;
use receive::SharedBody;

/// Uploads at `/files/` and `/u/{link}`.
pub fn router() -> Router<SharedApp> {
    let files = post(files).options(look::options);
    let link = post(link).options(look::options);
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
        let answer = several::create_several(&app, &mount, &parts.headers, &body).await;
        told(answer, &parts.method, &parts, &body)
    })
    .await
}

async fn run(app: SharedApp, mount: Mount, upload: Option<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    to_its_end(async move {
        let body = SharedBody::new(body);
        let method = method(&parts);
        if method != Method::OPTIONS && rufh::is_meant(&parts.headers) {
            let upload = upload.as_deref();
            let answered = rufh::answer(&app, &mount, upload, &method, &parts, &body).await;
            return answer::finished(answered, &parts, &body);
        }
        let answer = match upload {
            None => create::create(&app, &mount, &parts.headers, &body).await,
            Some(upload) => item(&app, &mount, &method, &parts.headers, &upload, &body).await,
        };
        told(answer, &method, &parts, &body)
    })
    .await
}

fn told(
    answer: Result<Response, Refused>,
    method: &Method,
    parts: &Parts,
    body: &SharedBody,
) -> Response {
    let mut answered = answer.unwrap_or_else(|refused| refused.into_response(method));
    answer::uncached(&mut answered);
    answer::finished(answered, parts, body)
}

/// Runs a request to its end, whether or not anybody waits for the answer.
async fn to_its_end(work: impl Future<Output = Response> + Send + 'static) -> Response {
    Outliving::new(work).await.unwrap_or_else(|_| {
        tracing::error!("an upload request ended in a panic");
        let text = "the server cannot do this at the moment: what was acknowledged is safe, try again in a minute";
        answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, text)
    })
}

/// Completes an answer to a request of any kind whose body nobody reads: its sender comes to read
/// the answer.
pub(crate) fn unread(answer: Response, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    answer::finished(answer, &parts, &SharedBody::new(body))
}

async fn item(
    app: &SharedApp,
    mount: &Mount,
    method: &Method,
    headers: &HeaderMap,
    upload: &str,
    body: &SharedBody,
) -> Result<Response, Refused> {
    if method == Method::OPTIONS {
        return Ok(look::capabilities(app));
    }
    let door = Door::open(app, mount, headers).await?;
    let (order, id) = door.upload(app, upload).await?;
    match *method {
        Method::HEAD => look::head(app, order, id, headers).await,
        Method::PATCH => append::append(app, order, id, headers, body).await,
        Method::DELETE => look::delete(app, &door.vault(app), order, id, headers).await,
        _ => {
            let text =
                "an upload is asked about with HEAD, continued with PATCH and removed with DELETE";
            let mut answer = answer::sentence(StatusCode::METHOD_NOT_ALLOWED, text);
            let allow = axum::http::HeaderValue::from_static("HEAD, PATCH, DELETE, OPTIONS, POST");
            answer.headers_mut().insert(header::ALLOW, allow);
            Ok(answer)
        }
    }
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
