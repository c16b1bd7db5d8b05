//! Uploads for tests.

use std::collections::BTreeMap;

use crate::ids::{LinkId, OrderId, UploadId};
use crate::path::SessionPath;
use crate::session::Kind;
use crate::upload::progress::Progress;
use crate::upload::{Role, Upload, UploadState};

/// The order that they are of.
pub(crate) const ORDER: OrderId = OrderId([1; 16]);

/// An upload of this length and offset.
pub(crate) fn upload(id: u8, link: Option<LinkId>, length: Option<u64>, offset: u64) -> Upload {
    let whole = length == Some(offset);
    let now = chrono::DateTime::UNIX_EPOCH;
    let progress = Progress::default();
    Upload {
        id: UploadId([id; 16]),
        order: ORDER,
        link,
        kind: Kind::Material,
        path: SessionPath::parse("a.wav").unwrap(),
        metadata: BTreeMap::new(),
        length,
        offset,
        blocks: 0,
        fragments: Vec::new(),
        fragments_made: 0,
        state: if whole {
            UploadState::Finished {
                hash: progress.hash(),
                at: now,
            }
        } else {
            UploadState::Open
        },
        progress,
        role: Role::File,
        checked: false,
        created_at: now,
        expires_at: None,
    }
}
