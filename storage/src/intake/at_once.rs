//! An upload whose creating request brings all of it: it is not unfinished for its link while that
//! request runs.

use std::sync::Arc;

use crate::ids::{OrderId, UploadId};
use crate::upload::Upload;
use crate::vault::Vault;

/// See [`Vault::at_once`]. It only paces: after a restart what is unfinished counts.
#[derive(Debug)]
pub struct AtOnce {
    vault: Arc<Vault>,
    order: OrderId,
    id: UploadId,
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.vault.intake.ledger().settle(self.order, self.id);
    }
}

impl Vault {
    /// While this lives an upload does not count as unfinished for its link: the request that created it
    /// brings all of it.
    #[must_use]
    pub fn at_once(self: &Arc<Self>, upload: &Upload) -> AtOnce {
        AtOnce {
            vault: Arc::clone(self),
            order: upload.order,
            id: upload.id,
        }
    }
}
