//! Answers: where an upload stands, its limits, and refusals as problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use stemvault_storage::Error;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::upload::Upload;

use super::digest::field;
use super::said::{DRAFT_05, INTEROP, NEWEST, Version};
use crate::app::App;
use crate::error::Failure;
use crate::upload::standing::HASH;
use crate::wire;

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// The largest number that a structured field holds.
const NUMBER_MAX: u64 = 999_999_999_999_999;

/// Where the draft registers its problem types.
const REGISTRY: &str = "https://iana.org/assignments/http-problem-types#";

/// Why a request gets no for an answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// We said no, or could not.
    Ours(Failure),
    /// The draft says no.
    Draft(Box<Problem>),
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Ours(error.into())
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Draft(Box::new(problem))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Ours(failure) => ours(failure),
            Self::Draft(problem) => problem.into_response(),
        }
    }
}

fn ours(failure: Failure) -> Response {
    match failure.error() {
        // 409 is an offset to ask for again, and this will not change.
        Error::Refused(refusal) if refusal.kind == RefusalKind::WrongStage => {
            Problem::plain(StatusCode::FORBIDDEN, &refusal.message).into_response()
        }
        _ => failure.into_response(),
    }
}

/// A refusal that the draft knows.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// The end of a registered type, if it has one.
    kind: Option<&'static str>,
    detail: String,
    /// The offset of the upload and that of the request.
    offsets: Option<(u64, u64)>,
    /// Which digests are meant, by the name that the type gives them.
    digests: Option<(&'static str, Value)>,
    /// The field that says which ones are known.
    want: Option<HeaderName>,
}

impl Problem {
    /// One that has no type of its own.
    pub(super) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            detail: detail.into(),
            offsets: None,
            digests: None,
            want: None,
        }
    }

    /// The upload stands elsewhere.
    pub(super) fn offset(expected: u64, provided: u64, detail: String) -> Self {
        Self {
            kind: Some("mismatching-upload-offset"),
            offsets: Some((expected, provided)),
            ..Self::plain(StatusCode::CONFLICT, detail)
        }
    }

    /// Two lengths of one file.
    pub(super) fn length(detail: String) -> Self {
        Self {
            kind: Some("inconsistent-upload-length"),
            ..Self::plain(StatusCode::BAD_REQUEST, detail)
        }
    }

    /// Digests that are not right.
    pub(super) fn digest(
        kind: &'static str,
        detail: String,
        digests: (&'static str, Value),
    ) -> Self {
        Self {
            kind: Some(kind),
            digests: Some(digests),
            ..Self::plain(StatusCode::BAD_REQUEST, detail)
        }
    }

    /// With a field that says which digests are known.
    pub(super) fn wanting(self, want: HeaderName) -> Self {
        Self {
            want: Some(want),
            ..self
        }
    }

    /// More bytes for a file that is whole.
    pub(super) fn completed(path: &str) -> Self {
        let detail = format!("all of {path:?} is here already: nothing can be added to it");
        Self {
            kind: Some("completed-upload"),
            ..Self::plain(StatusCode::BAD_REQUEST, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind.map(|kind| format!("{REGISTRY}{kind}"));
        let mut body = json!({
            "type": kind.as_deref().unwrap_or("about:blank"),
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some((expected, provided)) = self.offsets {
            // Numbers, not strings: so they are registered.
            body["expected-offset"] = expected.into();
            body["provided-offset"] = provided.into();
        }
        if let Some((name, digests)) = self.digests {
            body[name] = digests;
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(want) = self.want {
            headers.insert(want, WANTED);
        }
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some((expected, _)) = self.offsets {
            headers.insert(UPLOAD_OFFSET, expected.into());
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_PATCH, PATCHES);
        }
        response
    }
}

/// The answer to whoever sent the end of a file: where it stands in its order, and its hash.
pub(super) fn whole(upload: &Upload) -> Response {
    (StatusCode::OK, Json(wire::Upload::from(upload))).into_response()
}

/// Says where an upload stands, until when, and whether this answer is the file's last.
pub(super) fn stand(
    response: &mut Response,
    app: &App,
    version: Version,
    upload: &Upload,
    complete: bool,
) {
    let limit = limit(app, version, Some(upload));
    let headers = response.headers_mut();
    headers.insert(UPLOAD_OFFSET, upload.offset.into());
    headers.insert(UPLOAD_COMPLETE, boolean(complete));
    headers.insert(UPLOAD_LIMIT, limit);
    if let Some(hash) = upload.state.hash() {
        let hash = HeaderValue::try_from(hash.to_string()).expect("hex");
        headers.insert(HASH, hash);
        if let Some(sum) = upload.progress.sum() {
            let digest = field(sum.algorithm(), &sum.value());
            let digest = HeaderValue::try_from(digest).expect("plain ASCII");
            headers.insert(HeaderName::from_static("repr-digest"), digest);
        }
    }
}

/// Adds what every answer carries.
pub(super) fn finished(response: &mut Response, app: &App, version: Version) {
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(INTEROP, version.number().into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status.is_client_error() || status.is_server_error() {
        headers.entry(UPLOAD_COMPLETE).or_insert(boolean(false));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        headers
            .entry(UPLOAD_LIMIT)
            .or_insert_with(|| limit(app, version, None));
    }
}

/// What OPTIONS says of this dialect, to whoever asks.
pub(crate) fn offer(response: &mut Response, app: &App) {
    let limit = limit(app, NEWEST, None);
    let headers = response.headers_mut();
    headers.insert(UPLOAD_LIMIT, limit);
    headers.insert(ACCEPT_PATCH, PATCHES);
}

/// What a PATCH may bring, in either dialect.
const PATCHES: HeaderValue =
    HeaderValue::from_static("application/partial-upload, application/offset+octet-stream");

/// The quicker one rather.
const WANTED: HeaderValue = HeaderValue::from_static("sha-256=10, sha-512=5");

/// What holds for an upload, or for a new one. A file that is whole does not expire.
fn limit(app: &App, version: Version, upload: Option<&Upload>) -> HeaderValue {
    let most = app.settings.uploads.max_file.min(NUMBER_MAX);
    let mut limit = format!("max-size={most}");
    if let Some(end) = upload.and_then(|upload| upload.expires_at) {
        let name = if version <= DRAFT_05 {
            "expires"
        } else {
            "max-age"
        };
        let left = (end - app.clock.now()).num_seconds().max(0);
        limit.push_str(&format!(", {name}={left}"));
    }
    HeaderValue::try_from(limit).expect("plain ASCII")
}

fn boolean(value: bool) -> HeaderValue {
    HeaderValue::from_static(if value { "?1" } else { "?0" })
}
