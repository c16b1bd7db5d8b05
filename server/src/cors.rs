//! Scripts of other web pages: which of them browsers let in (CORS, as the Fetch standard has it).
//!
//! Only origins that the settings name, each in full. Everybody else gets no header, and the
//! browser keeps the page away. Credentials that browsers add by themselves are never allowed: who
//! comes from elsewhere holds a link or a token. A preflight goes on to the address it asks about,
//! so that what tus clients learn from OPTIONS is in the same answer.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::SharedApp;

/// What a page may ask for.
const METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// What a page may send: tus 1.0 with its extensions, the IETF draft in all its versions, and what
/// downloads and programs need.
const SENT: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Content-Digest, Content-Disposition, Content-Type, If-Match, \
     If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range, Repr-Digest, \
     Tus-Resumable, Upload-Checksum, Upload-Complete, Upload-Concat, Upload-Defer-Length, \
     Upload-Draft-Interop-Version, Upload-Incomplete, Upload-Length, Upload-Metadata, \
     Upload-Offset, Want-Content-Digest, Want-Repr-Digest, X-HTTP-Method-Override, X-Request-ID, \
     X-Requested-With",
);

/// What a page may read.
const READ: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Last-Modified, \
     Location, Repr-Digest, Retry-After, Stemvault-Hash, Tus-Checksum-Algorithm, Tus-Extension, \
     Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Complete, Upload-Concat, \
     Upload-Defer-Length, Upload-Draft-Interop-Version, Upload-Expires, Upload-Incomplete, \
     Upload-Length, Upload-Limit, Upload-Metadata, Upload-Offset, Want-Content-Digest, \
     Want-Repr-Digest, WWW-Authenticate",
);

/// How long a browser need not ask again, in seconds: a day, more than most of them take.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// Lets pages of the origins in the settings in.
pub async fn layer(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let known = &app.settings.server.cors_origins;
    if known.is_empty() {
        return next.run(request).await;
    }
    let origin = origin(request.headers(), known);
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.run(request).await;
    if preflight && origin.is_some() && !response.status().is_success() {
        // Nothing answers OPTIONS there; whether anything answers the request itself is seen then.
        response = (StatusCode::NO_CONTENT, Body::empty()).into_response();
    }
    let headers = response.headers_mut();
    // Also where it is not let in: whoever stores the answer must not show it to another origin.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        } else {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
    }
    response
}

/// The origin of a request, if it is a known one: byte for byte, as browsers send it.
fn origin(headers: &HeaderMap, known: &[String]) -> Option<HeaderValue> {
    let mut said = headers.get_all(ORIGIN).iter();
    let (origin, other) = (said.next()?, said.next());
    let known = known
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes());
    (known && other.is_none()).then(|| origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_known_in_full_or_not_at_all() {
        let known = ["https://a.example".to_owned()];
        let allowed = |said: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for one in said {
                headers.append(ORIGIN, HeaderValue::from_static(one));
            }
            origin(&headers, &known).is_some()
        };
        assert!(allowed(&["https://a.example"]));
        for foreign in [
            "http://a.example",
            "https://a.example:8443",
            "https://a.example.evil.example",
            "https://b.a.example",
            "https://A.example",
            "null",
            "*",
            "",
        ] {
            assert!(!allowed(&[foreign]), "{foreign}");
        }
        assert!(!allowed(&[]));
        assert!(!allowed(&["https://a.example", "https://b.example"]));
    }
}
