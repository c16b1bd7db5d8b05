//! Errors as HTTP answers: the only file that turns a failure into a status.
//!
//! A refusal says what to do next and is passed on as it is. What went wrong on our side is logged
//! here, once, and the client learns only that nothing is lost and to try again.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stemvault_storage::Error;
use stemvault_storage::refusal::{Refusal, RefusalKind};

use crate::tries::Wrong;
/// When whoever met a store or a catalog that is out of order may ask again.
const AGAIN_IN_SECONDS: HeaderValue = HeaderValue::from_static("10");

/// A failed request. `text` makes the answer a plain sentence, as upload clients show it.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    text: bool,
    stranger: bool,
    /// Whether a credential was tried that opens nothing.
    wrong: bool,
}

/// The result of a handler.
pub type Answer<T = Response> = Result<T, Failure>;

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            text: false,
            stranger: false,
            wrong: false,
        }
    }
}

impl Failure {
    /// A no of this kind.
    #[must_use]
    pub fn refused(kind: RefusalKind, message: impl Into<String>) -> Self {
        Refusal::new(kind, message).into()
    }

    /// A no to someone whose API token is missing, unknown or over: all three look the same.
    #[must_use]
    pub fn stranger() -> Self {
        let message = "this needs an API token that is known here: send it as `Authorization: Bearer TOKEN`; `stemvault token create NAME` makes one";
        Self {
            stranger: true,
            ..Self::refused(RefusalKind::BadRequest, message)
        }
    }

    /// The same, counted as a try: something was presented, and it opens nothing.
    #[must_use]
    pub fn tried(self) -> Self {
        Self {
            wrong: true,
            ..self
        }
    }

    /// The same, with the limit that it comes from.
    #[must_use]
    pub fn at_limit(mut self, name: &'static str, value: u64) -> Self {
        if let Error::Refused(refusal) = self.error {
            self.error = refusal.at_limit(name, value).into();
        }
        self
    }

    /// The same, answered as a plain sentence.
    #[must_use]
    pub fn as_text(self) -> Self {
        Self { text: true, ..self }
    }

    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.error {
            _ if self.stranger => StatusCode::UNAUTHORIZED,
            Error::Refused(refusal) => of_kind(refusal.kind),
            error if error.is_full() => StatusCode::INSUFFICIENT_STORAGE,
            Error::Busy { .. } | Error::TooLate { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Store { .. } | Error::Away { .. } | Error::Catalog(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Damaged(_) | Error::Key(_) | Error::BadRecord { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

fn of_kind(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::BadOrderNumber
        | RefusalKind::BadPath
        | RefusalKind::BadMetadata
        | RefusalKind::BadRequest => StatusCode::BAD_REQUEST,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::AlreadyExists
        | RefusalKind::WrongStage
        | RefusalKind::Held
        | RefusalKind::NotProven
        | RefusalKind::OffsetMismatch { .. }
        | RefusalKind::TakenOver
        | RefusalKind::Stopped => StatusCode::CONFLICT,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        RefusalKind::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Crowded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        RefusalKind::Gone | RefusalKind::WrongSum => StatusCode::GONE,
    }
}

/// RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Met>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    missing: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
}

/// The limit that was met.
#[derive(Serialize)]
struct Met {
    name: &'static str,
    value: String,
}

impl Failure {
    /// Logs and counts what has to be, once; returns the answer with what it says beside its body.
    #[must_use]
    pub fn noted(&self, mut response: Response) -> Response {
        let refusal = match &self.error {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        };
        if let Some((refusal, limit)) = refusal.and_then(|it| Some((it, it.limit.as_deref()?))) {
            tracing::info!(
                limit = limit.name,
                value = limit.value,
                order = refusal.order,
                file = refusal.file,
                "refused at a limit"
            );
            metrics::counter!("stemvault_refused_total", "limit" => limit.name).increment(1);
        }
        if let Some(retry) = refusal.and_then(|refusal| refusal.kind.retry()) {
            let seconds = retry.as_secs() + u64::from(retry.subsec_nanos() > 0);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if self.wrong {
            response.extensions_mut().insert(Wrong);
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() && !matches!(self.error, Error::Refused(_)) {
            tracing::error!(error = %self.error, "request failed");
        }
        let detail = match &self.error {
            Error::Refused(refusal) => refusal.message.clone(),
            error if error.is_full() => {
                "the studio's store is full: nothing that was received is lost, tell the studio and go on later".to_owned()
            }
            error @ (Error::Damaged(_) | Error::Key(_)) => error.to_string(),
            _ => "the server cannot do this at the moment: nothing that was received is lost, try again in a minute".to_owned(),
        };
        let (order, file, limit, missing) = match &self.error {
            Error::Refused(refusal) => {
                let limit = refusal.limit.as_deref().map(|limit| Met {
                    name: limit.name,
                    value: limit.value.to_string(),
                });
                (
                    refusal.order.as_deref(),
                    refusal.file.as_deref(),
                    limit,
                    &*refusal.missing,
                )
            }
            Error::Damaged(damage) => (None, damage.file.as_deref(), None, &[][..]),
            _ => (None, None, None, &[][..]),
        };
        let (kind, body) = if self.text {
            ("text/plain; charset=utf-8", format!("{detail}\n"))
        } else {
            let title = status.canonical_reason().unwrap_or("Error");
            let problem = Problem {
                r#type: "about:blank",
                title,
                status: status.as_u16(),
                detail,
                order,
                file,
                limit,
                missing,
                damaged: matches!(self.error, Error::Damaged(_) | Error::Key(_)),
            };
            let body = serde_json::to_string(&problem).expect("strings are JSON");
            ("application/problem+json", body)
        };
        let mut response = self.noted((status, body).into_response());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let retry = response.headers_mut().entry(header::RETRY_AFTER);
            retry.or_insert(AGAIN_IN_SECONDS);
        }
        if self.stranger {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
/// A status with a sentence for whoever reads it.
pub(crate) fn sentence(status: StatusCode, text: &str) -> Response {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut response = (status, format!("{text}\n")).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
