//! What a sender says of its own files: after a file has arrived, it reads the file on its disk once
//! more and names its hash. Only a hash that is ours is believed; that it was named is kept with the
//! upload, and goes into the manifest.

use std::collections::BTreeMap;

use super::create::Uploads;
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::TRIES;
use crate::error::{Error, Result};
use crate::ids::{FileHash, OrderId, UploadId};
use crate::order::Stage;
use crate::session::Kind;
use crate::tables::{self, load, put};
use crate::upload::Upload;

impl Uploads {
    /// Notes which of these files their sender has compared; those whose hash is ours. With `kind`,
    /// others are not there.
    ///
    /// # Errors
    /// Those of the catalog; an order that is never left alone.
    pub async fn note_checked(
        &self,
        order: OrderId,
        kind: Option<Kind>,
        files: &BTreeMap<UploadId, FileHash>,
    ) -> Result<Vec<UploadId>> {
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            if matches!(at.order.stage(), Stage::Sealing) {
                // Its manifest follows from the rows of the uploads: finish it first.
                self.submits.resume_sealing(order).await?;
                continue;
            }
            let mut same = Vec::new();
            let mut batch = Batch::new()
                .expect(tables::gate(order), Expect::At(at.gate))
                .expect(tables::outbox(order), Expect::Absent);
            let mut is_new = false;
            for (&id, hash) in files {
                let key = tables::upload(order, id);
                let Some((upload, version)) = load::<Upload>(&*self.core.catalog, &key).await?
                else {
                    continue;
                };
                let ours = kind.is_none_or(|kind| upload.kind == kind);
                if !ours || upload.state.hash() != Some(*hash) {
                    continue;
                }
                same.push(id);
                if !upload.checked {
                    let checked = Upload {
                        checked: true,
                        ..upload
                    };
                    batch = batch.expect(key.clone(), Expect::At(version));
                    batch = put(batch, key, &checked);
                    is_new = true;
                }
            }
            if !is_new {
                return Ok(same);
            }
            match self.core.catalog.commit(batch).await {
                Ok(()) => return Ok(same),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
        Err(Error::Busy { order })
    }
}
