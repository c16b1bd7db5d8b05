//! How an upload stands, and what an append came to, whatever the dialect.

use axum::http::HeaderName;
use stemvault_storage::Error;
use stemvault_storage::block::BLOCK_MAX;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::upload::{Role, Upload, UploadState};

use crate::app::App;
use crate::error::Answer;
use crate::pace::Cost;

/// The header that says the hash of a file that is whole.
pub(super) const HASH: HeaderName = HeaderName::from_static("stemvault-hash");

/// An append of fewer bytes than this that does not end its file costs so much.
const FEW: u64 = 16 << 10;
const CRUMBS: u64 = 5;

/// An upload as it stands, after whoever writes to it has ended; one that has expired is gone.
pub(super) async fn settled(app: &App, order: OrderId, id: UploadId) -> Answer<Upload> {
    let upload = app.vault.uploads.upload_settled(order, id).await?;
    if app.vault.rows.is_expired(&upload).await? {
        let message = format!(
            "the upload of {:?} has expired: begin it again",
            upload.path.as_str()
        );
        return Err(Refusal::new(RefusalKind::Gone, message).into());
    }
    if upload.role == Role::Final && upload.state == UploadState::Open {
        // If nobody does so at this moment.
        drop(app.vault.appends.begin_join(order, id));
    }
    Ok(upload)
}

/// What an append cost: the start of an unfinished block was read again for it, however few bytes it
/// brought; and a commit that finishes nothing costs the catalog more than some bytes are worth.
pub(super) fn cost(before: u64, upload: &Upload) -> Cost {
    let brought = upload.offset.saturating_sub(before);
    let kept = before % BLOCK_MAX as u64;
    let Cost(read) = Cost::of_unasked(kept.saturating_sub(brought));
    let crumbs = upload.state == UploadState::Open && brought < FEW;
    Cost(read + if crumbs { CRUMBS } else { 0 })
}

/// Whether an append ended because the file is another one than its sender said.
pub(super) fn is_another_file(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.kind == RefusalKind::WrongSum)
}

/// Removes an upload if it is another file than its sender said: no byte more makes it the right
/// one. Whatever the dialect in which it was said.
pub(super) async fn discard(app: &App, upload: &Upload, error: &Error) {
    if !is_another_file(error) {
        return;
    }
    let removed = Box::pin(app.vault.uploads.terminate(upload.order, upload.id)).await;
    if let Err(error) = removed {
        tracing::warn!(upload = %upload.id, %error, "a file that is another than was said was not removed");
    }
}

/// The refusal of a body that goes on after the end of its file.
pub(super) fn too_long(path: &str, length: u64) -> Refusal {
    let message = format!(
        "{path:?} was said to have {length} bytes and more were sent: if it has grown meanwhile, begin it again"
    );
    Refusal::new(RefusalKind::TooLarge, message).of_file(path)
}

/// The refusal of a body that goes on after what the studio takes of a file without a length.
pub(super) fn too_much(path: &str, offset: u64) -> Refusal {
    let message = format!(
        "{path:?} stands at byte {offset}, and the studio takes no more of it: split the file, or ask the studio"
    );
    Refusal::new(RefusalKind::TooLarge, message).of_file(path)
}
