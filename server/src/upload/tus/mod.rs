//! The upload dialect tus 1.0 with all of its extensions but checksum-trailer: creation,
//! creation-with-upload, creation-defer-length, checksum, concatenation, termination, expiration.
//!
//! The protocol's rules are those of the crate `tus-protocol`; what it cannot do is here: a body that ends
//! early keeps every byte that arrived, nothing holds a lock ([`protocol`]), and every refusal is a
//! sentence ([`mod@answer`]). Read next: [`append`].

mod answer;
mod append;
pub(crate) mod concat;
mod create;
mod look;
mod protocol;
pub(crate) mod several;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use crate::app::App;
use crate::error::sentence;
use crate::upload::door::{Door, Mount};
use crate::upload::receive::SharedBody;
use answer::Refused;
pub(super) use look::capabilities;

/// Answers a request to create an upload, or to one that is there.
pub(super) async fn answer(
    app: &App,
    mount: &Mount,
    upload: Option<&str>,
    method: &Method,
    parts: &Parts,
    body: &SharedBody,
) -> Response {
    let headers = &parts.headers;
    let answer = match upload {
        None => create::create(app, mount, headers, body).await,
        Some(upload) => item(app, mount, method, headers, upload, body).await,
    };
    told(answer, method)
}

/// Answers a request that brings several small files.
pub(super) async fn several(
    app: &App,
    mount: &Mount,
    parts: &Parts,
    body: &SharedBody,
) -> Response {
    let answer = several::create_several(app, mount, &parts.headers, body).await;
    told(answer, &parts.method)
}

fn told(answer: Result<Response, Refused>, method: &Method) -> Response {
    let mut answered = answer.unwrap_or_else(|refused| refused.into_response(method));
    answer::uncached(&mut answered);
    answered
}

async fn item(
    app: &App,
    mount: &Mount,
    method: &Method,
    headers: &HeaderMap,
    upload: &str,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let door = Door::open(app, mount, headers).await?;
    let (order, id) = door.upload(app, upload).await?;
    match *method {
        Method::HEAD => look::head(app, order, id, headers).await,
        Method::PATCH => append::append(app, order, id, headers, body).await,
        Method::DELETE => look::delete(app, &door.vault(app), order, id, headers).await,
        _ => {
            let text =
                "an upload is asked about with HEAD, continued with PATCH and removed with DELETE";
            let mut answer = sentence(StatusCode::METHOD_NOT_ALLOWED, text);
            let allow = HeaderValue::from_static("HEAD, PATCH, DELETE, OPTIONS, POST");
            answer.headers_mut().insert(header::ALLOW, allow);
            Ok(answer)
        }
    }
}
