//! An upload whose creating request brings all of it: it is not unfinished for its link while that
//! request runs.

use std::sync::Arc;

use super::running::Intake;
use crate::ids::{OrderId, UploadId};

/// See [`Appends::at_once`](super::Appends::at_once). It only paces: after a restart what is unfinished counts.
#[derive(Debug)]
pub struct AtOnce {
    pub(super) intake: Arc<Intake>,
    pub(super) order: OrderId,
    pub(super) id: UploadId,
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.intake.ledger().settle(self.order, self.id);
    }
}
