//! What a sender says of its own files, after it has read them again: the hashes of some uploads, and
//! which of them are ours. The upload page and `stemvault push` prove by it that what is here is what
//! lies on the sender's disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stemvault_storage::ids::{FileHash, OrderId, UploadId};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::Kind;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Answer;

/// The most files in one request; what a body holds.
const MOST: usize = 512;

/// The hashes that a sender has read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    /// By the upload's id: what `b3sum` prints of the sender's file.
    #[schema(value_type = BTreeMap<String, String>)]
    files: BTreeMap<UploadId, FileHash>,
}

/// Which of them are ours.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirmed {
    /// The uploads whose hash is the one that was named; noted as checked. All others differ, or are
    /// not here as a whole.
    #[schema(value_type = Vec<String>)]
    pub checked: Vec<UploadId>,
}

/// Compares, and notes what is the same.
///
/// # Errors
/// Too many files at once; those of the catalog.
pub async fn confirm(
    app: &App,
    order: OrderId,
    kind: Option<Kind>,
    said: &Hashes,
) -> Answer<Confirmed> {
    let count = said.files.len();
    if count > MOST {
        let message =
            format!("{count} files in one request, at most {MOST}: send several requests");
        return Err(Refusal::new(RefusalKind::TooLarge, message).into());
    }
    let checked = app
        .vault
        .uploads
        .note_checked(order, kind, &said.files)
        .await?;
    Ok(Confirmed { checked })
}
