//! Answers: what every one carries, and refusals as plain sentences.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::Error;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::upload::{Role, Upload, UploadState};

use crate::download::http_date;
use crate::error::{Failure, sentence};
use crate::upload::standing::HASH;

/// The version that we speak.
pub(super) const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
pub(super) const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

/// Why a request gets no for an answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// We said no, or could not.
    Ours(Failure),
    /// The protocol says no.
    Protocol(tus_protocol::Error),
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Ours(error.into())
    }
}

impl Refused {
    /// The answer to a request of this method.
    pub(super) fn into_response(self, method: &Method) -> Response {
        match self {
            Self::Ours(failure) => ours(failure),
            Self::Protocol(error) => protocol(error, method),
        }
    }
}

fn ours(failure: Failure) -> Response {
    let refusal = match failure.error() {
        Error::Refused(refusal) => Some(refusal.kind),
        _ => None,
    };
    let mut response = failure.as_text().into_response();
    match refusal {
        Some(RefusalKind::OffsetMismatch { offset }) => {
            response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
        }
        // To a tus client 409 is an offset that it should ask for again, and this will not change.
        Some(RefusalKind::WrongStage) => *response.status_mut() = StatusCode::FORBIDDEN,
        _ => {}
    }
    response
}

fn protocol(error: tus_protocol::Error, method: &Method) -> Response {
    use tus_protocol::Error as E;
    match error {
        E::Storage(inner) | E::StateStore(inner) => match inner.downcast::<Error>() {
            Ok(error) => ours((*error).into()),
            Err(error) => {
                tracing::error!(%error, "the tus protocol core failed");
                sentence(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the server cannot do this at the moment: what was acknowledged is safe, try again in a minute",
                )
            }
        },
        E::SizeExceeded { size, max } => {
            let text = if *method == Method::POST {
                format!(
                    "the file has {size} bytes, the studio takes files of up to {max}: split it, or ask the studio"
                )
            } else {
                format!(
                    "this would make {size} bytes and the file was said to have {max}: begin it again with its true length"
                )
            };
            sentence(StatusCode::PAYLOAD_TOO_LARGE, &text)
        }
        E::MissingTusResumable | E::UnsupportedTusVersion(_) => wrong_version(),
        error => {
            let said = error.error_response();
            let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = sentence(status, &said.body);
            for (name, value) in said.headers {
                if let Ok(value) = HeaderValue::try_from(value) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
    }
}

/// 412, with the version that we speak.
pub(super) fn wrong_version() -> Response {
    let text = "this address speaks tus 1.0.0: send the header \"Tus-Resumable: 1.0.0\" with every request";
    let mut response = sentence(StatusCode::PRECONDITION_FAILED, text);
    response.headers_mut().insert(TUS_VERSION, VERSION);
    response
}

/// Says where an upload stands: durable offset, when it goes, the hash once it is whole. A file
/// made of parts has no offset before it is whole (tus 1.0, concatenation).
pub(super) fn stand(response: &mut Response, upload: &Upload) {
    let headers = response.headers_mut();
    if upload.role != Role::Final || upload.state != UploadState::Open {
        headers.insert(UPLOAD_OFFSET, upload.offset.into());
    }
    if let Some(at) = upload.expires_at {
        let at = HeaderValue::try_from(http_date(at)).expect("plain ASCII");
        headers.insert(UPLOAD_EXPIRES, at);
    }
    if let Some(hash) = upload.state.hash() {
        let hash = HeaderValue::try_from(hash.to_string()).expect("hex");
        headers.insert(HASH, hash);
    }
}

/// What even the answer to a question about capabilities carries.
pub(super) fn uncached(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, VERSION);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use stemvault_storage::refusal::Refusal;

    use super::*;

    #[test]
    fn dates_are_as_http_writes_them() {
        let at = "1994-11-06T08:49:37.5Z".parse().unwrap();
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn a_closed_order_is_no_conflict_of_offsets() {
        let refused = |kind| {
            let refused = Refused::from(Refusal::new(kind, "no"));
            refused.into_response(&Method::PATCH)
        };
        assert_eq!(refused(RefusalKind::WrongStage).status(), 403);
        let moved = refused(RefusalKind::OffsetMismatch { offset: 7 });
        assert_eq!(moved.status(), 409);
        assert_eq!(moved.headers()["upload-offset"], "7");
        let kind = &moved.headers()["content-type"];
        assert_eq!(kind, "text/plain; charset=utf-8");
    }

    #[test]
    fn what_our_side_refused_inside_the_protocol_core_keeps_its_sentence() {
        let inner: Error = Refusal::new(RefusalKind::NoSpace, "full").into();
        let refused = Refused::Protocol(tus_protocol::Error::state_store(inner));
        assert_eq!(refused.into_response(&Method::POST).status(), 507);
        let version = Refused::Protocol(tus_protocol::Error::MissingTusResumable);
        let version = version.into_response(&Method::PATCH);
        assert_eq!(version.status(), 412);
        assert_eq!(version.headers()["tus-version"], "1.0.0");
    }
}
