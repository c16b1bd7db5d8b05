//! How far an attempt has come, in rows: the blocks of each file that are durable in its folder.
//!
//! A row holds a stretch of one file's blocks; the last one of a file holds its SHA-256 as well. Rows
//! are written with the claim expected, after the puts that they name, and go when the attempt is
//! proven or given up. They say where to go on and prove nothing: the read-back does that, and a
//! file that fails there loses its rows and is written again.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ArchivedBlock;
use super::attempt::Claim;
use crate::catalog::{Batch, CommitError, Key};
use crate::core::Core;
use crate::error::Result;
use crate::ids::{AttemptId, OrderId, SessionId};
use crate::tables::{self, Record, decode, put};

/// So many blocks, or files, are noted together; a row holds no more, and so stays under 16 KiB.
pub(super) const STRETCH: usize = 64;

/// Rows removed in one batch.
const PAGE: usize = 1000;

/// Which file of the order: the session, and its place in the manifest.
pub(super) type FileAt = (SessionId, u32);

/// A stretch of a file's blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    pub(super) blocks: Vec<ArchivedBlock>,
    /// SHA-256 of the file, if it ends with this stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

impl Record for Stretch {
    const WHAT: &'static str = "progress of an archive attempt";
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) blocks: Vec<ArchivedBlock>,
    pub(super) sha256: Option<String>,
}

/// How far attempts have come.
#[derive(Clone, Debug)]
pub struct ProgressRows {
    pub(crate) core: Arc<Core>,
}

impl ProgressRows {
    /// What earlier runs have put for each file. A row that cannot be read is as good as none.
    pub(super) async fn progress(&self, claim: &Claim) -> Result<HashMap<FileAt, Known>> {
        let prefix = tables::progress(claim.order, claim.attempt);
        let mut files = HashMap::<FileAt, Known>::new();
        for (key, row) in self.core.catalog.scan_prefix(&prefix).await? {
            let (Some((file, first)), Ok(stretch)) = (place(&key), decode::<Stretch>(&row.value))
            else {
                continue;
            };
            let known = files.entry(file).or_default();
            // After a gap, or what was written twice, only the beginning is good; whoever goes on
            // compares every block.
            known.blocks.truncate(first);
            if known.blocks.len() == first {
                known.blocks.extend(stretch.blocks);
                known.sha256 = stretch.sha256;
            }
        }
        Ok(files)
    }

    /// Notes stretches, each with the number of its first block. False: somebody else has claimed
    /// the attempt.
    pub(super) async fn note_progress(
        &self,
        claim: &Claim,
        stretches: &[(FileAt, usize, Stretch)],
    ) -> Result<bool> {
        let mut batch = Batch::new().expect(claim.key(), claim.expected());
        for ((session, file), first, stretch) in stretches {
            let first = u32::try_from(*first).expect("a file has fewer blocks");
            let key = tables::stretch(claim.order, claim.attempt, *session, *file, first);
            batch = put(batch, key, stretch);
        }
        match self.core.catalog.commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// Forgets what was put for these files, so that the next run puts it again.
    pub(super) async fn forget_files(&self, claim: &Claim, files: &[FileAt]) -> Result<()> {
        for (session, file) in files {
            let prefix = tables::stretches(claim.order, claim.attempt, *session, *file);
            self.remove_rows(&prefix).await?;
        }
        Ok(())
    }

    /// Removes the rows of an attempt that is proven or given up.
    pub(crate) async fn forget_progress(&self, order: OrderId, attempt: AttemptId) -> Result<()> {
        self.remove_rows(&tables::progress(order, attempt)).await
    }

    async fn remove_rows(&self, prefix: &Key) -> Result<()> {
        let rows = self.core.catalog.scan_prefix(prefix).await?;
        for page in rows.chunks(PAGE) {
            let delete = |batch: Batch, (key, _): &(Key, _)| batch.delete(key.clone());
            let batch = page.iter().fold(Batch::new(), delete);
            self.core.catalog.commit(batch).await?;
        }
        Ok(())
    }
}

/// Of which file a row is, and with which block it begins.
fn place(key: &Key) -> Option<(FileAt, usize)> {
    let rest = key
        .0
        .get(1 + size_of::<OrderId>() + size_of::<AttemptId>()..)?;
    let (session, rest) = rest.split_first_chunk::<{ size_of::<SessionId>() }>()?;
    let (file, rest) = rest.split_first_chunk()?;
    let first = u32::from_be_bytes(rest.try_into().ok()?);
    let file = (SessionId(*session), u32::from_be_bytes(*file));
    Some((file, usize::try_from(first).ok()?))
}
