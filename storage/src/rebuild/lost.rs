//! What does not come back: uploads that were not submitted.

use std::collections::{BTreeMap, HashSet};

use super::Rebuild;
use crate::block::Overhead;
use crate::catalog::MAX_VALUE;
use crate::error::Result;
use crate::ids::{OrderId, UploadId};
use crate::order::OrderNumber;
use crate::paths;
use crate::snapshot::Unsubmitted;
use crate::upload::Role;

/// An upload that was not submitted: it starts again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Of which order.
    pub order: OrderNumber,
    /// Its path, if the snapshot knew it.
    pub file: Option<String>,
    /// How many bytes of it were there, as far as the stores or the snapshot tell.
    pub bytes: u64,
}

impl Rebuild {
    /// What lies in folders that no session names, and what the snapshot knew that is too short to
    /// have a folder.
    pub(super) async fn lost_uploads(
        &self,
        id: OrderId,
        number: &OrderNumber,
        sealed: &HashSet<UploadId>,
        known: Vec<Unsubmitted>,
    ) -> Result<Vec<Lost>> {
        let mut known: BTreeMap<UploadId, Unsubmitted> = known
            .into_iter()
            .filter(|upload| !sealed.contains(&upload.upload))
            .map(|upload| (upload.upload, upload))
            .collect();
        let lost = |file, bytes| Lost {
            order: number.clone(),
            file,
            bytes,
        };
        // The bytes of a file that is made of parts lie in the folders of its parts.
        let in_parts = known.values().any(|upload| upload.role == Role::Final);
        let mut all = Vec::new();
        for folder in self.core.working.folders(&paths::working(id)).await? {
            let Ok(upload) = folder.parse::<UploadId>() else {
                continue;
            };
            if sealed.contains(&upload) {
                continue;
            }
            let objects = self.core.working.list(&paths::upload(id, upload)).await?;
            let stored = objects
                .iter()
                .map(|(_, bytes)| bytes.saturating_sub(Overhead::BYTES as u64))
                .sum();
            match known.remove(&upload) {
                Some(part) if part.role.is_part() && in_parts => {}
                Some(part) if part.role.is_part() => all.push(lost(None, stored)),
                Some(upload) => all.push(lost(Some(upload.path), upload.offset.max(stored))),
                None if stored > 0 => all.push(lost(None, stored)),
                None => {}
            }
        }
        // What is short has no folder; what is long and has none was removed since.
        let without = |upload: &Unsubmitted| match upload.role {
            Role::Final => true,
            Role::File => upload.offset < MAX_VALUE as u64,
            Role::Part | Role::RemovedPart => false,
        };
        let rest = known.into_values().filter(without);
        all.extend(rest.map(|upload| lost(Some(upload.path), upload.offset)));
        Ok(all)
    }
}
