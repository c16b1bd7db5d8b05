//! What one upload counts for.

use crate::ids::LinkId;
use crate::upload::{Role, Upload, UploadState};

/// What one upload counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::intake) struct Entry {
    pub(in crate::intake) link: Option<LinkId>,
    pub(in crate::intake) open: bool,
    pub(in crate::intake) bytes: u64,
    pub(in crate::intake) promised: u64,
    pub(in crate::intake) role: Role,
    /// Whether it is a part whose bytes a file has.
    pub(super) claimed: bool,
    /// Whether the request that creates it brings all of it, and still runs.
    pub(in crate::intake) at_once: bool,
    /// Whether its row is still to be committed.
    pub(super) pending: bool,
}

impl Entry {
    /// A file of this length that is to be created, or a part of one.
    pub(in crate::intake) fn new(link: Option<LinkId>, length: Option<u64>, role: Role) -> Self {
        let bytes = length.unwrap_or(0);
        // The bytes of one that is made of parts come, or came, with them.
        let made = role == Role::Final;
        Self {
            link,
            open: length != Some(0) && !made,
            bytes,
            promised: if made { 0 } else { bytes },
            role,
            claimed: false,
            at_once: false,
            pending: true,
        }
    }

    /// What it adds to the bytes of its order.
    pub(super) fn counted(&self) -> u64 {
        if self.claimed { 0 } else { self.bytes }
    }

    /// What a committed row counts for.
    pub(super) fn of(upload: &Upload) -> Self {
        let made = upload.role == Role::Final;
        let open = upload.state == UploadState::Open && !made;
        let unknown = if made { 0 } else { upload.offset };
        let bytes = upload.length.unwrap_or(unknown);
        Self {
            link: upload.link,
            open,
            bytes,
            promised: if open { bytes - upload.offset } else { 0 },
            role: upload.role,
            claimed: false,
            at_once: false,
            pending: false,
        }
    }
}
