//! Files made of parts: how one comes to be. What keeps the bytes of its parts: [`rows`](crate::rows).

use std::collections::HashSet;

use super::create::{NewUpload, Uploads};
use crate::catalog::{Batch, Expect};
use crate::core::TRIES;
use crate::error::{Error, Result};
use crate::ids::{OrderId, UploadId};
use crate::order::Stage;
use crate::refusal::{Refusal, RefusalKind};
use crate::tables::{self, load, put};
use crate::upload::{PartOf, Role, Upload};

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

impl Uploads {
    /// Creates a file made of parts, which may still be on their way. It is finished once all of
    /// them are, and were read and joined ([`Appends::begin_join`](super::Appends::begin_join)).
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] if a part is not there, or not one of this order and kind;
    /// [`RefusalKind::BadRequest`] if it is a file; those of [`create`](Self::create).
    pub async fn create_final(
        &self,
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
            at.order.check_takes_files()?;
            if matches!(at.order.stage(), Stage::Sealing) {
                self.submits.resume_sealing(order).await?;
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
                let (mut uses, row) = self.rows.uses(part.id).await?;
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
                self.quota.check_pace(&at.order, &new)?;
            }
            let reserved = self.quota.reserve(&at.order, &new, parts).await?;
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
            && !self.rows.is_expired(&upload).await?
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
}
