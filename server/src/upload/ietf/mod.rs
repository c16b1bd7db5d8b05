//! The upload dialect of the IETF draft "Resumable Uploads for HTTP"
//! (draft-ietf-httpbis-resumable-upload), on the same addresses and the same uploads as tus.
//!
//! A request is of this dialect by its `Upload-Draft-Interop-Version`: 8 is the newest (drafts -09
//! to -11), 5 and 6 are what tus-js-client speaks. What the draft says is here; what a door opens,
//! what is said of a file, and how a body becomes durable is shared with [`tus`](crate::upload). An
//! upload that was begun in one dialect goes on in the other.
//!
//! Interim answers (104) are not sent; see `decisions/0008`. Read next: [`append`].

mod answer;
mod append;
mod create;
mod digest;
pub mod fields;
mod look;
mod said;

use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::upload::door::{Door, Mount};
use crate::upload::receive::SharedBody;
pub(crate) use answer::offer;
use answer::{Problem, Refused};
pub(crate) use said::is_meant;
use said::{NEWEST, Said};

/// Answers a request to create an upload, or to one that is there.
pub(crate) async fn answer(
    app: &App,
    mount: &Mount,
    upload: Option<&str>,
    method: &Method,
    parts: &Parts,
    body: &SharedBody,
) -> Response {
    let said = Said::of(&parts.headers, body);
    let version = said.as_ref().map_or(NEWEST, |said| said.version);
    let answered = run(app, mount, upload, method, said, parts, body).await;
    let mut answered = answered.unwrap_or_else(IntoResponse::into_response);
    answer::finished(&mut answered, app, version);
    answered
}

async fn run(
    app: &App,
    mount: &Mount,
    upload: Option<&str>,
    method: &Method,
    said: Result<Said, Refused>,
    parts: &Parts,
    body: &SharedBody,
) -> Result<Response, Refused> {
    // The door first: what is wrong with a stranger's request is not explained.
    let door = Door::open(app, mount, &parts.headers).await?;
    let said = said?;
    let Some(upload) = upload else {
        return create::create(app, mount, &door, &said, parts, body).await;
    };
    let (order, id) = door.upload(app, upload).await?;
    match *method {
        Method::HEAD | Method::GET => look::head(app, order, id, &said).await,
        Method::PATCH => append::append(app, order, id, &said, &parts.headers, body).await,
        Method::DELETE => look::cancel(&door.vault(app), order, id, &said).await,
        _ => {
            let text = "an upload is asked about with HEAD, continued with PATCH and cancelled with DELETE";
            let problem = Problem::plain(StatusCode::METHOD_NOT_ALLOWED, text);
            let mut answer = problem.into_response();
            let allow = HeaderValue::from_static("HEAD, GET, PATCH, DELETE, OPTIONS, POST");
            answer.headers_mut().insert(header::ALLOW, allow);
            Ok(answer)
        }
    }
}
