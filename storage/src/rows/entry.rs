//! What a manifest says of one file, from the rows of its upload.

use super::UploadRows;
use crate::error::{Error, Result};
use crate::session::{BlockRef, FileEntry, PartBlocks};
use crate::tables::{self, load_all};
use crate::upload::{Role, Upload, UploadState};

impl UploadRows {
    /// Of a finished upload: its blocks, in its own folder or in those of its parts.
    pub(crate) async fn entry(&self, upload: &Upload) -> Result<FileEntry> {
        let (mut blocks, mut parts) = (Vec::new(), Vec::new());
        let of = self.parts_of(upload.id).await?;
        let folders = of.iter().map(|of| of.part);
        for folder in folders.chain((upload.role != Role::Final).then_some(upload.id)) {
            let rows = load_all::<BlockRef>(&*self.core.catalog, &tables::blocks(folder)).await?;
            let count = u32::try_from(rows.len()).expect("fewer than bytes of the longest file");
            blocks.extend(rows.into_iter().map(|(_, block, _)| block));
            if upload.role == Role::Final {
                parts.push(PartBlocks {
                    upload: folder,
                    blocks: count,
                });
            }
        }
        let mut crc32 = crc32fast::Hasher::new();
        for block in &blocks {
            crc32.combine(&crc32fast::Hasher::new_with_initial_len(
                block.crc32,
                block.length.into(),
            ));
        }
        let UploadState::Finished { hash, at } = upload.state else {
            return Err(Error::BadRecord {
                what: "upload",
                detail: format!("{} is not finished", upload.id),
            });
        };
        Ok(FileEntry {
            path: upload.path.clone(),
            length: upload.offset,
            hash,
            crc32: crc32.finalize(),
            upload: upload.id,
            parts,
            finished_at: at,
            modified: upload.metadata.get("modified").cloned(),
            checked: upload.checked,
            facts: upload.progress.facts(),
            blocks,
        })
    }
}
