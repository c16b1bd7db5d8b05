//! POST: a new upload, with content or without.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::NewUpload;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::upload::{Role, UploadState};

use super::answer::{Problem, Refused, stand, whole};
use super::append::{Took, take};
use super::digest;
use super::said::Said;
use crate::app::App;
use crate::upload::door::{Door, Mount};
use crate::upload::metadata::Metadata;
use crate::upload::receive::SharedBody;
use stemvault_client::disposition::file_name;

/// Answers a creation. Everything is checked before the first byte of the content is asked for.
pub(super) async fn create(
    app: &App,
    mount: &Mount,
    door: &Door,
    said: &Said,
    parts: &Parts,
    body: &SharedBody,
) -> Result<Response, Refused> {
    let ends = said.ends()?;
    let coding = parts.headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        let text =
            "files are kept as they are sent: send the file itself, without Content-Encoding";
        return Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into());
    }
    let content = digest::of_content(&parts.headers, said.content)?;
    let sum = digest::of_whole(&parts.headers)?;
    let metadata = metadata(parts)?;
    let (order, kind) = door.order(app, &metadata).await?;
    let new = NewUpload {
        id: UploadId::random(),
        link: door.by_link(),
        kind,
        path: metadata.path()?,
        metadata: metadata.to_record(),
        length: said.length(0, None)?,
        role: Role::File,
        sum,
        at_once: ends && said.content.is_some(),
    };
    if new.length == Some(0)
        && let Some(sum) = new.sum.as_ref().filter(|sum| sum.is_wrong())
    {
        return Err(digest::not_empty(sum, new.path.as_str()).into());
    }
    metadata.check_required(&app.settings.orders.required_metadata)?;
    let upload = app.vault.uploads.create(order, new).await?;
    let _at_once = app.vault.appends.at_once(&upload);
    let took = if upload.state != UploadState::Open && ends {
        Took::All(upload.clone())
    } else if upload.state != UploadState::Open || said.content == Some(0) {
        Took::Part(upload.clone())
    } else {
        match app.vault.appends.begin_append(order, upload.id, 0).await {
            Ok(writer) => Box::pin(take(app, writer, said, ends, content, body)).await,
            Err(error) => Took::Stopped(upload.clone(), error.into()),
        }
    };
    let (mut answer, upload, complete) = match took {
        Took::All(upload) => (whole(&upload), upload, true),
        Took::Part(upload) => (StatusCode::CREATED.into_response(), upload, false),
        // Who did not mean to send all of it learns from the offset what was taken, and goes on.
        Took::Stopped(upload, _) if !ends => (StatusCode::CREATED.into_response(), upload, false),
        Took::Stopped(upload, refused) | Took::Full(upload, refused) => {
            (refused.into_response(), upload, false)
        }
        Took::Gone(refused) => return Err(refused),
    };
    stand(&mut answer, app, said.version, &upload, complete);
    if let Ok(location) = HeaderValue::try_from(mount.location(app, upload.id)) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

/// What is said of a file: the draft has no field for it, so the address says it, or
/// `Content-Disposition`, or the header of tus.
fn metadata(parts: &Parts) -> Result<Metadata, Refusal> {
    let mut metadata = Metadata::parse(&parts.headers)?.said_in("the query of the address");
    for pair in parts.uri.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !is_name(name) {
            continue;
        }
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value)
            .decode_utf8()
            .map(Cow::into_owned);
        let value = value.map_err(|_| {
            let message = format!("the {name:?} in the address is not UTF-8: send it in UTF-8");
            Refusal::new(RefusalKind::BadMetadata, message)
        })?;
        metadata.add(name, &value);
    }
    if let Some(header) = parts.headers.get(header::CONTENT_DISPOSITION) {
        let name = file_name(header.as_bytes()).map_err(|why| {
            let message = format!("the Content-Disposition header {}", why.say());
            Refusal::new(RefusalKind::BadMetadata, message)
        })?;
        if let Some(name) = name {
            metadata.add("filename", &name);
        }
    }
    Ok(metadata)
}

/// Whether a name can stand in metadata; another one in an address is not for us.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}
