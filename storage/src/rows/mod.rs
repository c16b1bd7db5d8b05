//! The rows of uploads, and of the files that are made of parts: reading them, and what keeps or
//! removes the bytes of parts.
//!
//! Nothing is copied. A file made of parts names them in order (rows [`PartOf`]), and each of them
//! knows which files need it (a row [`PartUse`]). A part goes with the last file that needed it, or
//! when it expires and none did; a part that its sender removes meanwhile is gone to outsiders, and
//! its bytes stay. When a session takes the file, the manifest names the blocks, and the rows of the
//! parts go.
//!
//! Whoever decides that bytes of a part go expects its [`PartUse`] row as it was read, and whoever
//! makes a file of it writes that row: so one of the two comes first.

mod entry;
mod listing;
#[cfg(test)]
pub(crate) mod made;

pub(crate) use listing::Listings;

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::{Batch, Expect};
use crate::core::Core;
use crate::error::{Result, no_such_upload};
use crate::ids::{OrderId, UploadId};
use crate::tables::{self, OrderOf, load, load_all, put};
use crate::upload::{PartOf, PartUse, Role, Upload, UploadState};

/// The rows of uploads.
#[derive(Clone, Debug)]
pub struct UploadRows {
    pub(crate) core: Arc<Core>,
    /// Uploads that were listed lately.
    pub(crate) listings: Arc<Listings>,
}

impl UploadRows {
    /// The files of an order that were sent or are being sent, oldest first. Parts are no files.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn uploads(&self, order: OrderId) -> Result<Vec<Upload>> {
        let mut uploads = self.all_uploads(order).await?;
        uploads.retain(|upload| !upload.role.is_part());
        Ok(uploads)
    }

    /// All uploads of an order, oldest first: files, parts, and parts that were removed.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn all_uploads(&self, order: OrderId) -> Result<Vec<Upload>> {
        let rows = load_all::<Upload>(&*self.core.catalog, &tables::uploads(order)).await?;
        let mut uploads: Vec<_> = rows.into_iter().map(|(_, upload, _)| upload).collect();
        uploads.sort_by(|a, b| (a.created_at, &a.path, a.id).cmp(&(b.created_at, &b.path, b.id)));
        Ok(uploads)
    }

    /// An upload of an order. Another order's is not found.
    ///
    /// # Errors
    /// [`NotFound`](crate::refusal::RefusalKind::NotFound).
    pub async fn upload(&self, order: OrderId, id: UploadId) -> Result<Upload> {
        let row = load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?;
        let row = row.filter(|(upload, _)| upload.role != Role::RemovedPart);
        Ok(row.ok_or_else(|| no_such_upload(id))?.0)
    }

    /// The order that an upload belongs to.
    ///
    /// # Errors
    /// [`NotFound`](crate::refusal::RefusalKind::NotFound).
    pub async fn order_of_upload(&self, id: UploadId) -> Result<OrderId> {
        let row = load::<OrderOf>(&*self.core.catalog, &tables::order_of_upload(id)).await?;
        Ok(row.ok_or_else(|| no_such_upload(id))?.0.order)
    }

    /// What a file is made of, in order; nothing if it is not made of parts.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn parts_of(&self, upload: UploadId) -> Result<Vec<PartOf>> {
        let rows = load_all::<PartOf>(&*self.core.catalog, &tables::parts(upload)).await?;
        Ok(rows.into_iter().map(|(_, part, _)| part).collect())
    }

    /// The files that are made of a part, and what to expect of the row that says so.
    pub(crate) async fn uses(&self, part: UploadId) -> Result<(PartUse, Expect)> {
        let row = load::<PartUse>(&*self.core.catalog, &tables::part_use(part)).await?;
        Ok(
            row.map_or((PartUse::default(), Expect::Absent), |(uses, version)| {
                (uses, Expect::At(version))
            }),
        )
    }

    /// Whether an upload's time is over. A finished file's never is; nor is that of a part while a
    /// file is made of it, nor that of a file whose parts are whole, or on their way.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn is_expired(&self, upload: &Upload) -> Result<bool> {
        let now = self.core.clock.now();
        let over = |upload: &Upload| upload.expires_at.is_some_and(|end| end <= now);
        if !over(upload) {
            return Ok(false);
        }
        match upload.role {
            Role::File => Ok(true),
            Role::Part | Role::RemovedPart => Ok(self.uses(upload.id).await?.0.finals.is_empty()),
            Role::Final => {
                let mut missing = false;
                for of in self.parts_of(upload.id).await? {
                    let key = tables::upload(upload.order, of.part);
                    let part = load::<Upload>(&*self.core.catalog, &key).await?;
                    let part = part.map(|(part, _)| part);
                    if part.as_ref().is_some_and(|part| !over(part)) {
                        return Ok(false);
                    }
                    missing |= part.is_none_or(|part| part.state == UploadState::Open);
                }
                Ok(missing)
            }
        }
    }

    /// Removes all rows of an upload.
    pub(crate) async fn without_upload(
        &self,
        mut batch: Batch,
        order: OrderId,
        id: UploadId,
    ) -> Result<Batch> {
        batch = batch
            .delete(tables::upload(order, id))
            .delete(tables::order_of_upload(id));
        for table in [
            tables::blocks(id),
            tables::fragments(id),
            tables::parts(id),
            tables::part_use(id),
        ] {
            for (row, _) in self.core.catalog.scan_prefix(&table).await? {
                batch = batch.delete(row);
            }
        }
        Ok(batch)
    }

    /// Removes a part, or only the sight of it while a file is made of it. Also says whose folders
    /// are to be emptied then.
    pub(crate) async fn removed_part(
        &self,
        batch: Batch,
        part: Upload,
    ) -> Result<(Batch, Vec<UploadId>)> {
        let (order, id) = (part.order, part.id);
        let (uses, row) = self.uses(id).await?;
        let batch = batch.expect(tables::part_use(id), row);
        if uses.finals.is_empty() {
            return Ok((self.without_upload(batch, order, id).await?, vec![id]));
        }
        let removed = Upload {
            role: Role::RemovedPart,
            ..part
        };
        let batch = put(batch, tables::upload(order, id), &removed);
        // Written although nothing in it changes: whoever lets go of the part at this moment has
        // to look again.
        Ok((put(batch, tables::part_use(id), &uses), Vec::new()))
    }

    /// Removes a file made of parts, and those parts that only it kept alive. Also says whose
    /// folders are to be emptied then.
    pub(crate) async fn removed_final(
        &self,
        batch: Batch,
        upload: Upload,
    ) -> Result<(Batch, Vec<UploadId>)> {
        let (order, id) = (upload.order, upload.id);
        let mut batch = self.without_upload(batch, order, id).await?;
        let (mut folders, mut seen) = (Vec::new(), HashSet::new());
        for of in self.parts_of(id).await? {
            let (mut uses, row) = self.uses(of.part).await?;
            if !seen.insert(of.part) || !uses.finals.contains(&id) {
                continue;
            }
            uses.finals.retain(|known| *known != id);
            let key = tables::part_use(of.part);
            batch = batch.expect(key.clone(), row);
            if !uses.finals.is_empty() {
                batch = put(batch, key, &uses);
                continue;
            }
            batch = batch.delete(key);
            let part = load::<Upload>(&*self.core.catalog, &tables::upload(order, of.part)).await?;
            if part.is_some_and(|(part, _)| part.role == Role::RemovedPart) {
                batch = self.without_upload(batch, order, of.part).await?;
                folders.push(of.part);
            }
        }
        Ok((batch, folders))
    }

    /// Removes the rows of the parts of a file that a session takes: its manifest names the blocks.
    pub(crate) async fn without_parts(
        &self,
        mut batch: Batch,
        order: OrderId,
        upload: UploadId,
    ) -> Result<Batch> {
        for of in self.parts_of(upload).await? {
            batch = self.without_upload(batch, order, of.part).await?;
        }
        Ok(batch)
    }
}
