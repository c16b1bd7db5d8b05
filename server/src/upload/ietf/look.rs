//! HEAD and DELETE: requests without content.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use stemvault_storage::Vault;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::upload::UploadState;

use super::answer::{Refused, stand};
use super::said::Said;
use crate::app::App;
use crate::upload::standing::settled;

/// Where an upload stands; whoever writes to it commits and ends first.
pub(super) async fn head(
    app: &App,
    order: OrderId,
    id: UploadId,
    said: &Said,
) -> Result<Response, Refused> {
    said.asks_only()?;
    let upload = settled(app, order, id).await?;
    let mut answer = StatusCode::OK.into_response();
    let whole = upload.state != UploadState::Open;
    stand(&mut answer, app, said.version, &upload, whole);
    let (name, value) = match upload.length {
        Some(length) => ("upload-length", length.into()),
        // tus's word for it, which tus-js-client waits for in every dialect.
        None => ("upload-defer-length", HeaderValue::from_static("1")),
    };
    answer.headers_mut().insert(name, value);
    Ok(answer)
}

/// Removes an upload, in the name of whoever holds the vault, and ends whoever writes to it.
pub(super) async fn cancel(
    vault: &Vault,
    order: OrderId,
    id: UploadId,
    said: &Said,
) -> Result<Response, Refused> {
    said.asks_only()?;
    vault.uploads.terminate(order, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
