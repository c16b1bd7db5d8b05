//! Bodies that nobody reads: their sender comes to read the answer.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use http_body_util::BodyExt;

use super::receive::SharedBody;

/// How much of a body that was refused is read, and for how long its connection stays, so that
/// its sender comes to read why.
const LINGER_BYTES: u64 = 256 << 10;
const LINGER: Duration = Duration::from_secs(1);

/// Completes an answer to a request of any kind whose body nobody reads.
pub(crate) fn unread(answer: Response, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    finished(answer, &parts, &SharedBody::new(body))
}

/// Adds what every answer carries. If the sender is still sending, lets it come to read the
/// answer: an unread body closes the connection, and what was in flight would take the answer
/// with it.
pub(super) fn finished(mut response: Response, parts: &Parts, body: &SharedBody) -> Response {
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    if parts.version < Version::HTTP_2 && body.is_unread() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        // Reading would invite the body that waits for our word.
        if body.was_read() || !parts.headers.contains_key(header::EXPECT) {
            tokio::spawn(linger(body.clone()));
        }
    }
    response
}

async fn linger(body: SharedBody) {
    let reading = async {
        let mut body = body.lock().await;
        let mut read = 0;
        while read < LINGER_BYTES && !body.is_end_stream() {
            match body.frame().await {
                Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) | None => return,
            }
        }
        if !body.is_end_stream() {
            // Enough: the sender is held back by its full window until it has read the answer.
            std::future::pending::<()>().await;
        }
    };
    // What is late is of no use any more.
    drop(tokio::time::timeout(LINGER, reading).await);
}
