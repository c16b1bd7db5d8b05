//! Beginning an append: who may write where, and from which byte.

use std::sync::Arc;

use super::at_once::AtOnce;
use super::commit::Durable;
use super::create::Uploads;
use super::limits::Quota;
use super::running::Intake;
use super::running::Running;
use super::writer::Writer;
use crate::catalog::Version;
use crate::core::Core;
use crate::error::{Result, no_such_upload};
use crate::ids::{OrderId, UploadId};
use crate::refusal::{Refusal, RefusalKind};
use crate::rows::UploadRows;
use crate::store::Lease;
use crate::submits::Submits;
use crate::tables::{self, Gate, load};
use crate::upload::{Role, Upload};

/// Appending to uploads, and putting files together from parts.
#[derive(Clone, Debug)]
pub struct Appends {
    pub(crate) core: Arc<Core>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) submits: Arc<Submits>,
    pub(crate) uploads: Arc<Uploads>,
}

impl Appends {
    /// Begins an append at `offset`, taking over from whoever writes to this upload.
    ///
    /// # Errors
    /// [`RefusalKind::OffsetMismatch`] with the offset where it stands; [`RefusalKind::WrongStage`],
    /// also for a file made of parts; [`RefusalKind::NotFound`]; [`RefusalKind::Gone`] when it has
    /// expired.
    pub async fn begin_append(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        offset: u64,
    ) -> Result<Writer> {
        let row = load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?;
        if let Some((upload, _)) = row
            && upload.role == Role::Final
        {
            let file = upload.path.as_str();
            let message = format!(
                "{file:?} is made of parts and takes no bytes of its own: send them to its parts"
            );
            return Err(Refusal::new(RefusalKind::WrongStage, message)
                .of_file(file)
                .into());
        }
        Ok(Writer::new(self.begin_writing(order, id, offset).await?))
    }

    /// The same, of a file made of parts as well.
    pub(super) async fn begin_writing(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        offset: u64,
    ) -> Result<Durable> {
        let running = self.intake.begin(id).await;
        if let Err(error) = self.intake.unkept.over(order, id).await {
            self.intake.end(&running);
            return Err(error);
        }
        let durable = self.durable(order, id, offset, &running).await;
        if durable.is_err() {
            self.intake.end(&running);
        }
        durable
    }

    async fn durable(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        offset: u64,
        running: &Arc<Running>,
    ) -> Result<Durable> {
        self.core.drain(order).await?;
        let lease = Lease::new(&self.core.clock, &order);
        let gate = self.open_gate(order).await?;
        let row = load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?;
        let row = row.filter(|(upload, _)| upload.role != Role::RemovedPart);
        let (upload, row) = row.ok_or_else(|| no_such_upload(id))?;
        if self.rows.is_expired(&upload).await? {
            let message = format!(
                "the upload of {:?} has expired: begin it again",
                upload.path.as_str()
            );
            return Err(Refusal::new(RefusalKind::Gone, message)
                .of_file(upload.path.as_str())
                .into());
        }
        if upload.offset != offset {
            let at = upload.offset;
            let message = format!(
                "the upload of {:?} stands at byte {at}, not {offset}: go on from there",
                upload.path.as_str()
            );
            let kind = RefusalKind::OffsetMismatch { offset: at };
            return Err(Refusal::new(kind, message)
                .of_file(upload.path.as_str())
                .into());
        }
        self.core.marks.expect_store(&self.core.working).await?;
        Ok(Durable {
            keys: self.core.keys.order(order).await?,
            appends: Arc::clone(self),
            running: Arc::clone(running),
            granted: upload.offset,
            upload,
            row,
            gate,
            lease,
            held: None,
        })
    }

    /// The version of the order's gate, if files may come in; waits for a submit that is being
    /// written down.
    async fn open_gate(&self, order: OrderId) -> Result<Version> {
        loop {
            let row = load::<Gate>(&*self.core.catalog, &tables::gate(order)).await?;
            match row {
                Some((gate, version)) if gate.stage == "open" => return Ok(version),
                Some((gate, _)) if gate.stage == "sealing" => {
                    self.submits.resume_sealing(order).await?;
                }
                _ => {
                    let at = self.core.order(order).await?;
                    at.check_takes_files()?;
                }
            }
        }
    }

    /// While this lives an upload does not count as unfinished for its link: the request that created it
    /// brings all of it.
    #[must_use]
    pub fn at_once(&self, upload: &Upload) -> AtOnce {
        AtOnce {
            intake: Arc::clone(&self.intake),
            order: upload.order,
            id: upload.id,
        }
    }
}
