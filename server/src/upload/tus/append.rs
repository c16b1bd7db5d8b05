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

use super::answer::{Refused, TUS_RESUMABLE, VERSION, stand};
use super::protocol::{Appending, config, protocol};
use crate::app::App;
use crate::error::{Failure, sentence};
use crate::media;
use crate::upload::checksum::{self, CHECKED_MAX, Checksum};
use crate::upload::receive::{End, Noted, Patience, SharedBody, frames};
use crate::upload::standing::{cost, discard, too_long, too_much};

/// The type of a body that is bytes of a file.
pub(super) const OCTETS: &str = "application/offset+octet-stream";

/// Answers a PATCH.
pub(super) async fn append(
    app: &App,
    order: OrderId,
    id: UploadId,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let said = Headers::from_headers(&for_the_core(headers)).map_err(Refused::Protocol)?;
    let checksum = Checksum::of(headers)?;
    let offset =
        said.upload_offset
            .ok_or(Refused::Protocol(tus_protocol::Error::MissingHeader(
                "Upload-Offset",
            )))?;
    let mut writer = app.vault.appends.begin_append(order, id, offset).await?;
    if let Some(length) = said.upload_length {
        // Kept even if the body that comes with it is not.
        if let Err(error) = writer.declare_length(length).await {
            let upload = writer.upload().clone();
            drop(writer);
            discard(app, &upload, &error).await;
            return Err(error.into());
        }
    }
    if writer.upload().state != UploadState::Open {
        let mut done = StatusCode::NO_CONTENT.into_response();
        stand(&mut done, writer.upload());
        return Ok(done);
    }
    let checked = checksum.is_some();
    let (end, upload) = drive(app, writer, headers, body, checksum).await?;
    let mut answer = answer(end, &upload, checked);
    answer.extensions_mut().insert(cost(offset, &upload));
    Ok(answer)
}

/// Runs a body through the protocol into the upload. The upload is as it was last committed: what
/// it says is durable.
pub(super) async fn drive(
    app: &App,
    writer: Writer,
    headers: &HeaderMap,
    body: &SharedBody,
    checksum: Option<Checksum>,
) -> Result<(End, Upload), Refused> {
    let upload = writer.upload().clone();
    let mut room = writer.room();
    let sent = headers.get(header::CONTENT_LENGTH);
    let sent = sent.and_then(|sent| sent.to_str().ok()?.parse::<u64>().ok());
    if upload.length.is_none() && sent.is_some_and(|sent| sent > room) {
        return Err(too_much(upload.path.as_str(), upload.offset).into());
    }
    let limited = checksum.is_some() && room > CHECKED_MAX;
    if limited {
        room = CHECKED_MAX;
    }
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
        checksum: Mutex::new(checksum),
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
        (Some(End::TooLong), _) if limited => Ok((End::TooMuch, upload)),
        (Some(End::Failed(error)), _) => {
            discard(app, &upload, &error).await;
            Ok((End::Failed(error), upload))
        }
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
    let headers = for_the_core(headers);
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        if let Some(value) = headers.get(&name) {
            told.insert(name, value.clone());
        }
    }
    told.entry(header::CONTENT_LENGTH)
        .or_insert_with(|| room.into());
    Headers::from_headers(&told).map_err(Refused::Protocol)
}

/// The headers for the crate's parser, without those that we read: it refuses metadata that we
/// take, and knows nothing of whose parts are whose, and one way to write a media type.
pub(super) fn for_the_core(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    if media::is(&headers, OCTETS) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    }
    for name in ["upload-metadata", "upload-concat", "upload-checksum"] {
        headers.remove(HeaderName::from_static(name));
    }
    headers
}

/// A body did not have the sum that it was said to have.
fn wrong_sum(upload: &Upload) -> Response {
    let text = format!(
        "the body does not have the checksum that was sent with it, so nothing of it was kept: {} bytes of {:?} are safe, send it again from there",
        upload.offset,
        upload.path.as_str()
    );
    let status = StatusCode::from_u16(460).expect("a status of tus");
    sentence(status, &text)
}

/// What the sender of a body is told that was refused, whatever it was sent with.
pub(super) fn refusal(end: &End, upload: &Upload) -> Option<Response> {
    let path = upload.path.as_str();
    let refusal = match end {
        End::TooLong => match upload.length {
            Some(length) => too_long(path, length),
            None => too_much(path, upload.offset),
        },
        End::Limit(refusal) => refusal.clone(),
        End::TooMuch => checksum::too_much(),
        End::WrongSum => return Some(wrong_sum(upload)),
        _ => return None,
    };
    Some(Failure::from(refusal).as_text().into_response())
}

/// What a PATCH is told.
fn answer(end: End, upload: &Upload, checked: bool) -> Response {
    let nothing = if checked {
        " (nothing is kept of a body with a checksum unless all of it arrives)"
    } else {
        ""
    };
    let early = end.too_early(upload);
    let mut answer = match (refusal(&end, upload), end, early) {
        (Some(refusal), ..) => refusal,
        (None, End::Failed(error), _) => return failed(error, upload),
        (None, _, Some((status, text))) if upload.state == UploadState::Open => {
            sentence(status, &format!("{text}{nothing}"))
        }
        _ => StatusCode::NO_CONTENT.into_response(),
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
