//! JSON request bodies: at most 64 KiB, unknown fields refused, an empty one is `{}`.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use stemvault_storage::refusal::RefusalKind;

use crate::app::SharedApp;
use crate::error::{Answer, Failure};

/// The longest body that is read: far above any order's texts.
const LONGEST: usize = 64 << 10;

/// The body of a request, read as `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<SharedApp> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &SharedApp) -> Answer<Self> {
        let read = to_bytes(request.into_body(), LONGEST);
        let Ok(read) = tokio::time::timeout(app.settings.server.idle_timeout, read).await else {
            return Err(bad("the body did not arrive in time: send it again".into()));
        };
        let bytes = read.map_err(|_| {
            let message = format!(
                "the body did not arrive whole, or has more than {LONGEST} bytes: send it again, shorter"
            );
            Failure::refused(RefusalKind::TooLarge, message)
        })?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let bytes = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    serde_json::from_slice(bytes).map_err(|error| {
        bad(format!(
            "the body is not the JSON that belongs here: {error}; /api/v1/openapi.json describes it"
        ))
    })
}

fn bad(message: String) -> Failure {
    Failure::refused(RefusalKind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Words {
        #[serde(default)]
        reason: Option<String>,
    }

    #[test]
    fn nothing_is_an_empty_object() {
        assert_eq!(parse::<Words>(b" \n").unwrap(), Words::default());
        assert_eq!(parse::<Words>(b"{}").unwrap(), Words::default());
    }

    #[test]
    fn an_unknown_field_is_named() {
        let failure = parse::<Words>(br#"{"raison": "x"}"#).unwrap_err();
        let said = failure.error().to_string();
        assert!(said.contains("raison") && said.contains("reason"), "{said}");
    }
}
