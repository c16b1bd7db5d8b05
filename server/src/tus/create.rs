//! POST: a new upload, with its first bytes or without.

use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::NewUpload;
use stemvault_storage::upload::{Upload, UploadState};
use tus_protocol::{Headers, RequestBody};

use super::answer::{Refused, stand, too_long};
use super::append::{drive, without_metadata};
use super::door::{Door, Mount};
use super::metadata::Metadata;
use super::protocol::{Creating, config, protocol};
use super::receive::{End, SharedBody};
use crate::app::App;
use crate::error::Failure;

/// Answers a creation. Everything is checked before the first byte of a body is asked for.
pub(super) async fn create(
    app: &App,
    mount: &Mount,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let door = Door::open(app, mount, headers).await?;
    let said = Headers::from_headers(&without_metadata(headers)).map_err(Refused::Protocol)?;
    let with_upload = brings_bytes(&said, body);
    let upload = new_upload(app, &door, headers, said, with_upload).await?;
    let (end, upload) = if with_upload && upload.state == UploadState::Open {
        let begun = app.vault.begin_append(upload.order, upload.id, 0).await;
        match begun {
            Ok(writer) => drive(app, writer, headers, body).await?,
            Err(error) => (End::Failed(error), upload),
        }
    } else {
        (End::Body, upload)
    };
    let mut answer = match end {
        End::TooLong => {
            let refusal = too_long(upload.path.as_str(), upload.length.unwrap_or(upload.offset));
            Failure::from(refusal).as_text().into_response()
        }
        End::Limit(refusal) => Failure::from(refusal).as_text().into_response(),
        // The upload is there, and its offset says what of the body is safe: the client goes on
        // from there, or learns then why it cannot.
        End::Failed(error) => {
            tracing::warn!(upload = %upload.id, %error, "the body of a creation was not kept");
            StatusCode::CREATED.into_response()
        }
        _ => StatusCode::CREATED.into_response(),
    };
    stand(&mut answer, &upload);
    let location = mount.location(app, upload.id);
    if let Ok(location) = HeaderValue::try_from(location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

async fn new_upload(
    app: &App,
    door: &Door,
    headers: &HeaderMap,
    said: Headers,
    with_upload: bool,
) -> Result<Upload, Refused> {
    let metadata = Metadata::parse(headers)?;
    let (order, kind) = door.order(app, &metadata).await?;
    let path = metadata.path()?;
    metadata.check_required(&app.settings.orders.required_metadata)?;
    if with_upload
        && let (Some(length), Some(sent)) = (said.upload_length, said.content_length)
        && sent > length
    {
        return Err(too_long(path.as_str(), length).into());
    }
    let one = Creating {
        vault: &app.vault,
        order,
        new: NewUpload {
            // The protocol core chooses it.
            id: UploadId([0; 16]),
            link: door.by_link(),
            kind,
            path,
            metadata: metadata.to_record(),
            length: None,
        },
        created: OnceLock::new(),
    };
    let config = config(app);
    // Without the body: the core would keep nothing of one that breaks off.
    let done = protocol(&config, &one)
        .post(said, RequestBody::absent())
        .await;
    done.map_err(Refused::Protocol)?;
    let created = one.created.into_inner();
    created.ok_or_else(|| {
        let error = "created, and there is none".to_owned();
        Refused::Protocol(tus_protocol::Error::Internal(error))
    })
}

/// Whether the body of a creation is the first bytes of the file. A body of another type says
/// nothing, as with other servers.
fn brings_bytes(said: &Headers, body: &SharedBody) -> bool {
    let kind = said.content_type.as_deref().unwrap_or_default();
    kind.starts_with("application/offset+octet-stream")
        && said.content_length != Some(0)
        && body.is_unread()
}
