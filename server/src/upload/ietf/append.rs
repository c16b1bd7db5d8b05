//! PATCH: bytes for an upload that is there. Also the second half of a creation with content.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, future};
use stemvault_storage::Error;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::intake::Writer;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::upload::{Role, Upload, UploadState};
use tus_protocol::BodyFrame;

use super::answer::{Problem, Refused, stand, whole};
use super::digest::{self, Digest, another_file};
use super::said::{DRAFT_03, DRAFT_05, Said, bad, is_partial_upload};
use crate::app::App;
use crate::upload::checksum::CHECKED_MAX;
use crate::upload::receive::{End, Ending, Noted, Patience, SharedBody, frames, receive};
use crate::upload::standing::{cost, discard, is_another_file, too_long, too_much};

/// Answers a PATCH. Everything is checked before the first byte of the content is asked for.
pub(super) async fn append(
    app: &App,
    order: OrderId,
    id: UploadId,
    said: &Said,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<Response, Refused> {
    if said.version > DRAFT_03 && !is_partial_upload(headers) {
        let text =
            "the content has the wrong type: send it with Content-Type: application/partial-upload";
        return Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into());
    }
    let ends = said.ends()?;
    let content = digest::of_content(headers, said.content)?;
    let offset = said.offset.ok_or_else(|| {
        bad("the request has no Upload-Offset header: ask with HEAD where the upload stands, and send that")
    })?;
    let upload = app.vault.rows.upload(order, id).await?;
    if upload.role == Role::Final {
        let text = format!(
            "{:?} is made of parts and takes no bytes of its own: send them to its parts",
            upload.path.as_str()
        );
        return Err(Problem::plain(StatusCode::FORBIDDEN, text).into());
    }
    let begun = app.vault.appends.begin_append(order, id, offset).await;
    let mut writer = begun.map_err(|error| moved(error, offset))?;
    let upload = writer.upload().clone();
    if upload.state != UploadState::Open {
        return again(app, said, ends, &upload, body).await;
    }
    let length = said.length(offset, upload.length)?;
    if let (None, Some(length)) = (upload.length, length)
        && let Err(error) = writer.declare_length(length).await
    {
        return Err(refused(app, writer, error).await);
    }
    let (mut answer, upload, complete) =
        match Box::pin(take(app, writer, said, ends, content, body)).await {
            Took::All(upload) => (whole(&upload), upload, true),
            Took::Part(upload) => (appended(said).into_response(), upload, false),
            Took::Stopped(upload, refused) | Took::Full(upload, refused) => {
                (refused.into_response(), upload, false)
            }
            Took::Gone(refused) => return Err(refused),
        };
    stand(&mut answer, app, said.version, &upload, complete);
    answer.extensions_mut().insert(cost(offset, &upload));
    Ok(answer)
}

/// The status of an append that was taken and is not the last.
fn appended(said: &Said) -> StatusCode {
    if said.version <= DRAFT_05 {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    }
}

/// The answer to someone who did not hear the last one, or who has more for a file that is whole.
async fn again(
    app: &App,
    said: &Said,
    ends: bool,
    upload: &Upload,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let noted = Noted::default();
    let _ = frames(body.clone(), 0, noted.clone()).next().await;
    let mut answer = match noted.get() {
        Some(Ending::Whole) if ends => whole(upload),
        Some(Ending::Whole) => appended(said).into_response(),
        _ => Problem::completed(upload.path.as_str()).into_response(),
    };
    let complete = answer.status() == StatusCode::OK;
    stand(&mut answer, app, said.version, upload, complete);
    Ok(answer)
}

fn moved(error: Error, provided: u64) -> Refused {
    match error {
        Error::Refused(refusal) => match refusal.kind {
            RefusalKind::OffsetMismatch { offset } => {
                Problem::offset(offset, provided, refusal.message).into()
            }
            _ => refusal.into(),
        },
        error => error.into(),
    }
}

/// What became of a request's content. All that arrived is durable, whatever it was.
pub(super) enum Took {
    /// It was the end of the file.
    All(Upload),
    /// All of it was taken, and the request did not say that the file ends.
    Part(Upload),
    /// It ended early, or too early for what was said of the file.
    Stopped(Upload, Refused),
    /// The studio takes no more of it, or not like this.
    Full(Upload, Refused),
    /// The file turned out to be longer than it was said to be: as the draft wants it, the upload
    /// is no more.
    Gone(Refused),
}

/// Takes a request's content.
pub(super) async fn take(
    app: &App,
    mut writer: Writer,
    said: &Said,
    ends: bool,
    content: Option<Digest>,
    body: &SharedBody,
) -> Took {
    if said.content.is_some_and(|content| content > writer.room()) {
        let upload = writer.upload().clone();
        let refusal = too_much(upload.path.as_str(), upload.offset);
        return Took::Full(upload, refusal.into());
    }
    let noted = Noted::default();
    let mut room = writer.room();
    let limited = content.is_some() && room > CHECKED_MAX;
    if limited {
        room = CHECKED_MAX;
    }
    let frames = frames(body.clone(), room, noted.clone());
    let mut bytes = frames
        .filter_map(|frame| {
            future::ready(match frame {
                Ok(BodyFrame::Data(data)) => Some(Ok(data)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
        })
        .boxed();
    let checksum = content.as_ref().map(Digest::checksum);
    let patience = Patience::of(app);
    let end = receive(&mut writer, &mut bytes, &noted, patience, checksum).await;
    let upload = writer.upload().clone();
    match end {
        End::Body if ends => close(app, writer).await,
        End::Body => Took::Part(upload),
        End::WrongSum => {
            let (path, kept) = (upload.path.as_str(), upload.offset);
            let digest = content.expect("nothing else was summed up");
            Took::Full(upload.clone(), digest.mismatch(path, kept).into())
        }
        End::TooLong if limited => Took::Full(upload, digest::too_much().into()),
        End::TooLong => {
            drop(writer);
            overrun(app, upload).await
        }
        End::Limit(refusal) => Took::Full(upload, refusal.into()),
        End::Failed(error) if is_another_file(&error) => {
            Took::Gone(refused(app, writer, error).await)
        }
        End::Failed(error) => Took::Stopped(upload, error.into()),
        early => {
            let (status, text) = early.too_early(&upload).unwrap_or_default();
            Took::Stopped(upload, Problem::plain(status, text).into())
        }
    }
}

/// The sender says that this was all.
async fn close(app: &App, mut writer: Writer) -> Took {
    let (offset, length) = (writer.upload().offset, writer.upload().length);
    if let Some(length) = length.filter(|length| *length != offset) {
        let detail = format!(
            "{:?} was said to have {length} bytes, and it ends with byte {offset}: send the rest, or begin it again",
            writer.upload().path.as_str()
        );
        return Took::Stopped(writer.upload().clone(), Problem::length(detail).into());
    }
    match writer.declare_length(offset).await {
        Ok(()) => Took::All(writer.upload().clone()),
        Err(error) if is_another_file(&error) => Took::Gone(refused(app, writer, error).await),
        Err(error) => Took::Stopped(writer.upload().clone(), error.into()),
    }
}

/// Why an append ends. A file that is another one than its sender said goes with it: no byte more
/// could make it the right one.
async fn refused(app: &App, writer: Writer, error: Error) -> Refused {
    let upload = writer.upload().clone();
    drop(writer);
    discard(app, &upload, &error).await;
    match (error, upload.progress.sum()) {
        (Error::Refused(refusal), Some(sum)) if refusal.kind == RefusalKind::WrongSum => {
            another_file(sum, &refusal).into()
        }
        (error, _) => error.into(),
    }
}

async fn overrun(app: &App, upload: Upload) -> Took {
    let path = upload.path.as_str();
    let Some(length) = upload.length else {
        return Took::Full(upload.clone(), too_much(path, upload.offset).into());
    };
    let detail = too_long(path, length).message;
    if let Err(error) = app.vault.uploads.terminate(upload.order, upload.id).await {
        tracing::warn!(upload = %upload.id, %error, "a file that is longer than announced was not removed");
    }
    Took::Gone(Problem::length(detail).into())
}
