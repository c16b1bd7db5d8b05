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

use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use stemvault_storage::ids::UploadId;

use crate::app::SharedApp;
use crate::error::sentence;
use crate::route::{Parameter, Routes, media, nothing, route, schema};
use crate::upload::tus::several;
use door::Mount;
use outlive::Outliving;
use receive::SharedBody;
pub(crate) use unread::unread;

/// A part of a file.
const TUS: &str = "application/offset+octet-stream";

/// What a client of the draft says in the query: it has nothing like Upload-Metadata of tus.
const FILE_OF_THE_DRAFT: &[Parameter] = &[
    (
        "filename",
        "IETF draft: the file's name, if Content-Disposition has none",
    ),
    ("relativePath", "IETF draft: the name with its folders"),
    ("order", "IETF draft: the order's number; a link knows it"),
    (
        "kind",
        "IETF draft: material, delivery or stems; a link takes material",
    ),
];

/// Uploads at `/files/` and `/u/{link}`.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .on_slashed(
            route!(post "/files" Token media(TUS) => 201 nothing(); "tus 1.0 or the IETF draft: create an upload; Upload-Metadata or the query names order, kind (material, delivery or stems) and filename").query(FILE_OF_THE_DRAFT),
            files,
        )
        .on_slashed(
            route!(options "/files" Open nothing() => 204 nothing(); "tus 1.0 or the IETF draft: what the server can do"),
            capabilities,
        )
        .on_slashed(
            route!(post "/u/{link}" Link media(TUS) => 201 nothing(); "tus 1.0 or the IETF draft: create an upload; the link says which order").query(FILE_OF_THE_DRAFT),
            link,
        )
        .on_slashed(
            route!(options "/u/{link}" Link nothing() => 204 nothing(); "tus 1.0 or the IETF draft: what the server can do"),
            capabilities,
        )
        .on(
            route!(post "/u/{link}/files" Link media("application/vnd.stemvault.files") => 200 schema::<several::Several>(); "Several small files, each whole, in one request. The body is a row of files as in a preflight, with {path, length, modified} and all of each file's bytes: at most 256 KiB a file, 256 files and 4 MiB. Each is answered as if it had been created alone"),
            link_files,
        )
        .any([
            route!(head "/files/{upload}" Token nothing() => 200 nothing(); "tus 1.0 or the IETF draft: how many bytes are safe"),
            route!(patch "/files/{upload}" Token media(TUS) => 204 nothing(); "tus 1.0 or the IETF draft: append from the offset on"),
            route!(delete "/files/{upload}" Token nothing() => 204 nothing(); "tus 1.0 or the IETF draft: remove an upload"),
            route!(options "/files/{upload}" Open nothing() => 204 nothing(); "tus 1.0 or the IETF draft: what the server can do"),
        ], file)
        .any([
            route!(head "/u/{link}/{upload}" Link nothing() => 200 nothing(); "tus 1.0 or the IETF draft: how many bytes are safe"),
            route!(patch "/u/{link}/{upload}" Link media(TUS) => 204 nothing(); "tus 1.0 or the IETF draft: append from the offset on"),
            route!(delete "/u/{link}/{upload}" Link nothing() => 204 nothing(); "tus 1.0 or the IETF draft: remove an upload"),
            route!(options "/u/{link}/{upload}" Link nothing() => 204 nothing(); "tus 1.0 or the IETF draft: what the server can do"),
        ], link_file)
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
        let answer = several(&app, &mount, &parts, &body).await;
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
