//! POST: a new upload, with its first bytes or without.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::NewUpload;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::upload::{Role, Upload, UploadState};
use tus_protocol::{Headers, RequestBody};

use super::answer::{Refused, stand};
use super::append::{OCTETS, drive, for_the_core, refusal};
use super::concat::{self, Concat};
use super::protocol::{Creating, config, protocol};
use crate::app::App;
use crate::pace::Cost;
use crate::upload::checksum::Checksum;
use crate::upload::door::{Door, Mount};
use crate::upload::metadata::Metadata;
use crate::upload::receive::{End, SharedBody};
use crate::upload::standing::too_long;

/// Files made of parts that are no longer than this are read before the answer ...
const JOINED_AT_ONCE: u64 = 32 << 20;

/// ... if that takes no longer than this.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);

/// Answers a creation. Everything is checked before the first byte of a body is asked for.
pub(super) async fn create(
    app: &App,
    mount: &Mount,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let door = Door::open(app, mount, headers).await?;
    let said = Headers::from_headers(&for_the_core(headers)).map_err(Refused::Protocol)?;
    let with_upload = brings_bytes(&said, body);
    let concat = Concat::of(headers)?;
    let checksum = Checksum::of(headers)?.filter(|_| with_upload);
    if let Some(Concat::Final(parts)) = &concat {
        if said.upload_length.is_some() || said.upload_defer_length || with_upload {
            let message = "a file made of parts has their bytes and their length: send neither Upload-Length nor a body with \"Upload-Concat: final\"";
            let kind = if with_upload {
                // As for bytes that come later.
                RefusalKind::WrongStage
            } else {
                RefusalKind::BadRequest
            };
            return Err(Refusal::new(kind, message).into());
        }
        let upload = join(app, mount, &door, headers, parts).await?;
        let mut created = StatusCode::CREATED.into_response();
        created.extensions_mut().insert(Cost(parts.len() as u64));
        return Ok(located(app, mount, created, &upload));
    }
    let upload = new_upload(app, &door, headers, said, with_upload, concat.is_some()).await?;
    let _at_once = app.vault.appends.at_once(&upload);
    let (end, upload) = if with_upload && upload.state == UploadState::Open {
        let begun = app
            .vault
            .appends
            .begin_append(upload.order, upload.id, 0)
            .await;
        match begun {
            Ok(writer) => drive(app, writer, headers, body, checksum).await?,
            Err(error) => (End::Failed(error), upload),
        }
    } else {
        (End::Body, upload)
    };
    // Whatever it is, the upload is there: its address is that of the answer, and its offset says what of
    // the body is safe. The client goes on from there, or learns then why it cannot.
    let answer = refusal(&end, &upload).unwrap_or_else(|| {
        if let End::Failed(error) = end {
            tracing::warn!(upload = %upload.id, %error, "the body of a creation was not kept");
        }
        StatusCode::CREATED.into_response()
    });
    Ok(located(app, mount, answer, &upload))
}

fn located(app: &App, mount: &Mount, mut answer: Response, upload: &Upload) -> Response {
    stand(&mut answer, upload);
    let location = mount.location(app, upload.id);
    if let Ok(location) = HeaderValue::try_from(location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

/// A file made of parts. A small one is whole with the answer, if its parts are.
async fn join(
    app: &App,
    mount: &Mount,
    door: &Door,
    headers: &HeaderMap,
    parts: &[String],
) -> Result<Upload, Refused> {
    let metadata = Metadata::parse(headers)?;
    let (order, kind) = door.order(app, &metadata).await?;
    let path = metadata.path()?;
    metadata.check_required(&app.settings.orders.required_metadata)?;
    let mut named = Vec::with_capacity(parts.len());
    for part in parts {
        named.push(concat::named(app, mount, door, part).await?);
    }
    let new = NewUpload {
        id: UploadId::random(),
        link: door.by_link(),
        kind,
        path,
        metadata: metadata.to_record(),
        length: None,
        role: Role::Final,
        sum: None,
        at_once: false,
    };
    let upload = app.vault.uploads.create_final(order, new, &named).await?;
    let joined = app.vault.appends.begin_join(order, upload.id);
    if upload.length.is_some_and(|length| length <= JOINED_AT_ONCE) {
        drop(tokio::time::timeout(JOIN_PATIENCE, joined).await);
        return Ok(app.vault.rows.upload(order, upload.id).await?);
    }
    Ok(upload)
}

async fn new_upload(
    app: &App,
    door: &Door,
    headers: &HeaderMap,
    said: Headers,
    with_upload: bool,
    is_part: bool,
) -> Result<Upload, Refused> {
    let metadata = Metadata::parse(headers)?;
    let (order, kind) = door.order(app, &metadata).await?;
    let path = if is_part {
        // Clients say of the file only what its parts are.
        metadata.path_of_part()?
    } else {
        let path = metadata.path()?;
        metadata.check_required(&app.settings.orders.required_metadata)?;
        path
    };
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
            role: if is_part { Role::Part } else { Role::File },
            sum: None,
            at_once: with_upload && said.content_length == said.upload_length,
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
    said.content_type.as_deref() == Some(OCTETS)
        && said.content_length != Some(0)
        && body.is_unread()
}
