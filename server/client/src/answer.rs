//! What a server answered when it was not what we asked for, in one sentence a person can act on.
//!
//! The server's own sentence wins: `detail` of a problem document, or a short plain text. Pages
//! are never printed, and nothing that reaches a terminal can carry control characters.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

pub use super::shown::printable;

/// Longer texts are not sentences.
const LONGEST_SENTENCE: usize = 600;

/// A request that did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// No answer arrived: refused, cut, timed out.
    #[error("{0}")]
    Unreachable(String),
    /// The server's certificate is not one that we trust.
    #[error("{0}")]
    Untrusted(String),
    /// The server answered, and it was no.
    #[error("{sentence}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// What the server said.
        sentence: String,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
    /// What the server has stored is damaged, or its key is: it sends nothing of it.
    #[error("{0}")]
    Damaged(String),
    /// The server answered something that this program does not understand.
    #[error("{0}")]
    Unreadable(String),
}

impl Failure {
    /// The server said no, in this sentence if it is one.
    #[must_use]
    pub(super) fn refused(status: StatusCode, said: &str, retry_after: Option<Duration>) -> Self {
        Self::Refused {
            status,
            sentence: sentence(status, "", said),
            retry_after,
        }
    }

    /// Whether the same request may succeed later without anybody doing anything.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Untrusted(_) | Self::Unreadable(_) | Self::Damaged(_) => false,
            Self::Refused { status, .. } => {
                matches!(status.as_u16(), 408 | 423 | 425 | 429 | 500 | 502..=504)
            }
        }
    }

    /// The status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    /// Whether what was asked for is not, or no longer, there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.status(), Some(404 | 410))
    }

    /// How long the server asks us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Hands a successful answer on, and makes a [`Failure`] of any other.
///
/// # Errors
/// [`Failure::Refused`] with the server's sentence for every status outside 200 to 299.
pub async fn accept(response: reqwest::Response) -> Result<reqwest::Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers());
    if status.is_redirection() {
        let to = response
            .headers()
            .get("location")
            .and_then(|to| to.to_str().ok())
            .unwrap_or("somewhere else")
            .to_owned();
        return Err(Failure::Refused {
            status,
            sentence: printable(&format!(
                "the server sends us to {to}; use that address, or log in there first if it is the page of a hotel's or a train's network"
            )),
            retry_after,
        });
    }
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let text = tokio::time::timeout(Duration::from_secs(10), response.text())
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    let sentence = sentence(status, &content_type, &text);
    if problem(&content_type, &text).is_some_and(|problem| problem.damaged) {
        return Err(Failure::Damaged(sentence));
    }
    Err(Failure::Refused {
        status,
        sentence,
        retry_after,
    })
}

/// A problem document.
#[derive(serde::Deserialize)]
struct Problem {
    detail: Option<String>,
    title: Option<String>,
    /// Whether what is stored is at fault: then no other try will do better.
    #[serde(default)]
    damaged: bool,
}

fn problem(content_type: &str, body: &str) -> Option<Problem> {
    let is_json = content_type.contains("json");
    is_json.then(|| serde_json::from_str(body).ok()).flatten()
}

/// The sentence in the body of an answer, or one made from its status.
fn sentence(status: StatusCode, content_type: &str, body: &str) -> String {
    let said = if content_type.contains("json") {
        problem(content_type, body).and_then(|problem| problem.detail.or(problem.title))
    } else if content_type.starts_with("text/plain") || content_type.is_empty() {
        Some(body.trim().to_owned())
    } else {
        None
    };
    said.filter(|said| !said.is_empty() && said.len() <= LONGEST_SENTENCE)
        .map_or_else(
            || format!("the server answered {status}"),
            |said| printable(&said),
        )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_sentence_wins() {
        let say = |kind, body| sentence(StatusCode::FORBIDDEN, kind, body);
        assert_eq!(
            say(
                "application/problem+json",
                r#"{"title":"closed","detail":"order 2026-0117 is completed"}"#
            ),
            "order 2026-0117 is completed"
        );
        assert_eq!(
            say("application/problem+json", r#"{"title":"closed"}"#),
            "closed"
        );
        assert_eq!(say("text/plain; charset=utf-8", "too large\n"), "too large");
    }

    #[test]
    fn pages_novels_and_escapes_are_not_printed() {
        let novel = "x".repeat(LONGEST_SENTENCE + 1);
        let say = |kind, body| sentence(StatusCode::FORBIDDEN, kind, body);
        let plain = "the server answered 403 Forbidden";
        assert_eq!(say("text/html", "<html>"), plain);
        assert_eq!(say("text/plain", ""), plain);
        assert_eq!(say("text/plain", novel.as_str()), plain);
        assert_eq!(say("text/plain", "a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }

    #[test]
    fn only_what_can_pass_is_tried_again() {
        let refused = |status| Failure::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            sentence: String::new(),
            retry_after: None,
        };
        for status in [423, 429, 500, 503] {
            assert!(refused(status).passes(), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 410, 413, 507] {
            assert!(!refused(status).passes(), "{status}");
        }
        assert!(refused(410).is_gone() && !refused(409).is_gone());
        assert!(!Failure::Damaged(String::new()).passes());
    }
}
