//! Files made of parts: how one comes to be, and what keeps or removes the bytes of its parts.
//!
//! Nothing is copied. A file made of parts names them in order (rows [`PartOf`]), and each of them
//! knows which files need it (a row [`PartUse`]). A part goes with the last file that needed it, or
//! when it expires and none did; a part that its sender removes meanwhile is gone to outsiders, and
//! its bytes stay. When a session takes the file, the manifest names the blocks, and the rows of the
//! parts go.
//!
//! Whoever decides that bytes of a part go expects its [`PartUse`] row as it was read, and whoever
//! makes a file of it writes that row: so one of the two comes first.

use std::collections::HashSet;
use std::sync::Arc;

use super::create::NewUpload;
use crate::catalog::{Batch, Expect};
use crate::error::{Error, Result};
use crate::ids::{OrderId, UploadId};
use crate::order::Stage;
use crate::refusal::{Refusal, RefusalKind};
use crate::tables::{self, load, load_all, put};
use crate::upload::{PartOf, PartUse, Role, Upload, UploadState};
use crate::vault::Vault;

const TRIES: usize = 64;

/// The most parts of one file: clients make a handful, and every one is a few rows.
const PARTS_MAX: usize = 1000;

/// The most files that are made of one part: a client whose answer was lost makes one again, and
/// each is read whole.
const FINALS_MAX: usize = 4;

/// A part as a client names it.
#[derive(Clone, Debug)]
pub struct NamedPart {
    /// Which upload that is; `None` if it is none that the client may know.
    pub part: Option<UploadId>,
    /// In which words.
    pub said: String,
}

impl Vault {
    /// Creates a file made of parts, which may still be on their way. It is finished once all of
    /// them are, and were read and joined ([`Vault::begin_join`]).
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] if a part is not there, or not one of this order and kind;
    /// [`RefusalKind::BadRequest`] if it is a file; those of [`Vault::create_upload`].
    pub async fn create_final(
        self: &Arc<Self>,
        order: OrderId,
        mut new: NewUpload,
        named: &[NamedPart],
    ) -> Result<Upload> {
        new.role = Role::Final;
        if named.is_empty() || named.len() > PARTS_MAX {
            let message = format!(
                "{:?} is to be made of {} parts: name between 1 and {PARTS_MAX}",
                new.path.as_str(),
                named.len()
            );
            return Err(Refusal::new(RefusalKind::BadRequest, message).into());
        }
        let mut paced = false;
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            Self::check_takes_files(&at.order)?;
            if matches!(at.order.stage(), Stage::Sealing) {
                self.resume_sealing(order).await?;
                continue;
            }
            let mut batch = Batch::new()
                .expect(tables::gate(order), Expect::At(at.gate))
                .expect(tables::outbox(order), Expect::Absent)
                .expect(tables::upload(order, new.id), Expect::Absent);
            let (mut length, mut seen) = (Some(0_u64), HashSet::new());
            for (number, named) in (0..).zip(named) {
                let (part, version) = self.part(order, &new, named).await?;
                let of = PartOf {
                    part: part.id,
                    said: named.said.clone(),
                };
                batch = put(batch, tables::part(new.id, number), &of);
                length = length
                    .zip(part.length)
                    .map(|(before, part)| before.saturating_add(part));
                if !seen.insert(part.id) {
                    let message = format!(
                        "{:?} is to be made of the part {} more than once: name each part once, and send bytes that come again as a part of their own",
                        new.path.as_str(),
                        named.said
                    );
                    return Err(Refusal::new(RefusalKind::BadRequest, message)
                        .of_file(new.path.as_str())
                        .into());
                }
                let (mut uses, row) = self.uses(part.id).await?;
                uses.finals.push(new.id);
                if uses.finals.len() > FINALS_MAX {
                    let message = format!(
                        "{FINALS_MAX} files are made of the part {} already: send the part again",
                        named.said
                    );
                    return Err(Refusal::new(RefusalKind::BadRequest, message).into());
                }
                batch = put(batch, tables::part_use(part.id), &uses)
                    .expect(tables::part_use(part.id), row)
                    .expect(tables::upload(order, part.id), Expect::At(version));
            }
            new.length = length;
            // While nobody knows how long the file is, its parts count for themselves.
            let parts = match length {
                Some(_) => seen.into_iter().collect(),
                None => Vec::new(),
            };
            if !std::mem::replace(&mut paced, true) {
                self.check_pace(&at.order, &new)?;
            }
            let reserved = self.reserve(&at.order, &new, parts).await?;
            let upload = self.new_upload(&at.order, &new);
            if self.commit_new(batch, &upload, reserved).await? {
                return Ok(upload);
            }
        }
        Err(Error::Busy { order })
    }

    /// A part that a client names. Whatever the client may not know is not there.
    async fn part(
        &self,
        order: OrderId,
        new: &NewUpload,
        named: &NamedPart,
    ) -> Result<(Upload, crate::catalog::Version)> {
        let row = match named.part {
            Some(id) => load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?,
            None => None,
        };
        if let Some((upload, version)) = row
            && upload.kind == new.kind
            && upload.role != Role::RemovedPart
            && !self.is_expired(&upload).await?
        {
            if upload.role == Role::Part {
                return Ok((upload, version));
            }
            let message = format!(
                "{} is a file and no part: create parts with \"Upload-Concat: partial\"",
                named.said
            );
            return Err(Refusal::new(RefusalKind::BadRequest, message).into());
        }
        let message = format!(
            "there is no part {} here: it was removed or has expired, send the parts again",
            named.said
        );
        Err(Refusal::new(RefusalKind::NotFound, message).into())
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
    pub(super) async fn uses(&self, part: UploadId) -> Result<(PartUse, Expect)> {
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
    pub(super) async fn removed_part(
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
    pub(super) async fn removed_final(
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
