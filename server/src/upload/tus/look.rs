//! HEAD, DELETE and OPTIONS: requests without a body.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use stemvault_storage::Vault;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::upload::Role;
use tus_protocol::Headers;

use super::answer::{self, Refused, TUS_RESUMABLE, VERSION, stand, wrong_version};
use super::append::for_the_core;
use super::concat;
use super::protocol::{Removing, config, protocol};
use crate::app::App;
use crate::upload::checksum::ALGORITHMS;
use crate::upload::metadata::as_sent;
use crate::upload::standing::settled;

/// Where an upload stands; whoever writes to it commits and ends first. Not asked of the protocol
/// core, which would lock and write.
pub(super) async fn head(
    app: &App,
    order: OrderId,
    id: UploadId,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    // Tolerated without a version, as by other servers.
    if headers
        .get(TUS_RESUMABLE)
        .is_some_and(|said| said != VERSION)
    {
        return Ok(wrong_version());
    }
    let upload = settled(app, order, id).await?;
    let mut answer = StatusCode::OK.into_response();
    stand(&mut answer, &upload);
    let headers = answer.headers_mut();
    if let Some(concat) = concat::as_sent(app, &upload).await? {
        headers.insert(HeaderName::from_static("upload-concat"), concat);
    }
    match upload.length {
        Some(length) => headers.insert(HeaderName::from_static("upload-length"), length.into()),
        // How long its parts will be is not for its own sender to say.
        None if upload.role == Role::Final => None,
        None => headers.insert(
            HeaderName::from_static("upload-defer-length"),
            HeaderValue::from_static("1"),
        ),
    };
    if let Some(metadata) = as_sent(&upload).and_then(|sent| HeaderValue::from_str(sent).ok()) {
        headers.insert(HeaderName::from_static("upload-metadata"), metadata);
    }
    Ok(answer)
}

/// Removes an upload, in the name of whoever holds the vault.
pub(super) async fn delete(
    app: &App,
    vault: &Vault,
    order: OrderId,
    id: UploadId,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let said = Headers::from_headers(&for_the_core(headers)).map_err(Refused::Protocol)?;
    let config = config(app);
    let one = Removing { vault, order, id };
    let name = id.to_string().parse().map_err(Refused::Protocol)?;
    let done = protocol(&config, &one).delete(said, &name).await;
    done.map_err(Refused::Protocol)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What this address can do.
pub(in crate::upload) fn capabilities(app: &App) -> Response {
    let nobody = Removing {
        vault: &app.vault,
        order: OrderId([0; 16]),
        id: UploadId([0; 16]),
    };
    let config = config(app);
    let said = protocol(&config, &nobody).options();
    let mut answer = StatusCode::NO_CONTENT.into_response();
    answer.headers_mut().extend(said.headers);
    let headers = answer.headers_mut();
    // The core would want the sums for itself.
    let extensions = headers.get("tus-extension");
    let extensions = extensions.and_then(|value| value.to_str().ok());
    let extensions = format!("{},checksum", extensions.unwrap_or_default());
    headers.insert(
        HeaderName::from_static("tus-extension"),
        HeaderValue::try_from(extensions).expect("plain ASCII"),
    );
    headers.insert(
        HeaderName::from_static("tus-checksum-algorithm"),
        HeaderValue::from_static(ALGORITHMS),
    );
    answer::uncached(&mut answer);
    answer
}
