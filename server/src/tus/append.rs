//! PATCH: bytes for an upload that is there. Also the second half of a creation with a body.

use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::Error;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::intake::Writer;
use stemvault_storage::upload::{Upload, UploadState};
use tokio::sync::Mutex;
use tus_protocol::{Headers, RequestBody};

use super::answer::{Refused, TUS_RESUMABLE, VERSION, sentence, stand, too_long};
use super::protocol::{Appending, config, protocol};
use super::receive::{End, Noted, Patience, SharedBody, frames};
use crate::app::App;
use crate::error::Failure;

/// Answers a PATCH.
pub(super) async fn append(
    app: &App,
    order: OrderId,
    id: UploadId,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let said = Headers::from_headers(&without_metadata(headers)).map_err(Refused::Protocol)?;
    let offset =
        said.upload_offset
            .ok_or(Refused::Protocol(tus_protocol::Error::MissingHeader(
                "Upload-Offset",
            )))?;
    let writer = app.vault.begin_append(order, id, offset).await?;
    if writer.upload().state != UploadState::Open {
        let mut done = StatusCode::NO_CONTENT.into_response();
        stand(&mut done, writer.upload());
        return Ok(done);
    }
    let (end, upload) = drive(app, writer, headers, body).await?;
    Ok(answer(end, &upload))
}

/// Runs a body through the protocol into the upload. The upload is as it was last committed: what
/// it says is durable.
pub(super) async fn drive(
    app: &App,
    writer: Writer,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<(End, Upload), Refused> {
    let upload = writer.upload().clone();
    let room = writer.room();
    // The crate would gather a body of unknown length in memory before it passes any of it on; a
    // body that it believes to know it streams. So it is told the longest that there can be, and
    // what ended the body is noted on our side.
    let headers = protocol_headers(headers, upload.offset, room)?;
    let noted = Noted::default();
    let frames = frames(body.clone(), room, noted.clone());
    let one = Appending {
        upload,
        writer: Mutex::new(writer),
        noted,
        patience: Patience::of(app),
        end: OnceLock::new(),
    };
    let config = config(app);
    let id = one
        .upload
        .id
        .to_string()
        .parse()
        .map_err(Refused::Protocol)?;
    let outcome = protocol(&config, &one)
        .patch(headers, &id, RequestBody::from_stream(frames))
        .await;
    let upload = one.writer.into_inner().upload().clone();
    match (one.end.into_inner(), outcome) {
        (Some(end), _) => Ok((end, upload)),
        (None, Err(error)) => Err(Refused::Protocol(error)),
        (None, Ok(_)) => Ok((End::Body, upload)),
    }
}

/// What the crate is told of a request with a body.
fn protocol_headers(headers: &HeaderMap, offset: u64, room: u64) -> Result<Headers, Refused> {
    let mut told = HeaderMap::new();
    told.insert(TUS_RESUMABLE, VERSION);
    told.insert("upload-offset", offset.into());
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        if let Some(value) = headers.get(&name) {
            told.insert(name, value.clone());
        }
    }
    if let Some(length) = headers.get("upload-length") {
        told.insert("upload-length", length.clone());
    }
    told.entry(header::CONTENT_LENGTH)
        .or_insert_with(|| room.into());
    Headers::from_headers(&told).map_err(Refused::Protocol)
}

/// The headers for the crate's parser, which refuses metadata that we can read.
pub(super) fn without_metadata(headers: &HeaderMap) -> HeaderMap {
    const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
    let mut headers = headers.clone();
    headers.remove(METADATA);
    headers
}

/// What a PATCH is told.
fn answer(end: End, upload: &Upload) -> Response {
    let (path, kept) = (upload.path.as_str(), upload.offset);
    let mut answer = match end {
        End::Failed(error) => return failed(error, upload),
        End::TooLong => {
            let refusal = too_long(path, upload.length.unwrap_or(kept));
            Failure::from(refusal).as_text().into_response()
        }
        End::Limit(refusal) => Failure::from(refusal).as_text().into_response(),
        _ if upload.state != UploadState::Open => StatusCode::NO_CONTENT.into_response(),
        End::Body => StatusCode::NO_CONTENT.into_response(),
        End::Broken => sentence(
            StatusCode::BAD_REQUEST,
            &format!("the connection broke: {kept} bytes of {path:?} are safe, go on from there"),
        ),
        End::Idle => sentence(
            StatusCode::REQUEST_TIMEOUT,
            &format!(
                "nothing arrived for too long: {kept} bytes of {path:?} are safe, go on from there"
            ),
        ),
        End::TakenOver => sentence(
            StatusCode::CONFLICT,
            &format!(
                "another request goes on with {path:?}: {kept} bytes are safe, ask where it stands and go on from there"
            ),
        ),
        End::Stopping => sentence(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!(
                "the server is being restarted: {kept} bytes of {path:?} are safe, go on from there in a moment"
            ),
        ),
    };
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        answer.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    stand(&mut answer, upload);
    answer
}

fn failed(error: Error, upload: &Upload) -> Response {
    let mut answer = Failure::from(error).as_text().into_response();
    stand(&mut answer, upload);
    answer
}
