//! How long a file is: said at its creation, or later, once.
//!
//! A length that was declared is durable before anything is done because of it, so that it is
//! known even if the request that declared it dies. Until then a file may grow as far as the
//! limits let it.

use std::sync::Arc;

use super::begin::Appends;
use super::writer::Writer;
use crate::catalog::Batch;
use crate::error::Result;
use crate::ids::{OrderId, UploadId};
use crate::refusal::{Refusal, RefusalKind};
use crate::upload::{Upload, UploadState};

impl Appends {
    /// Says how long an upload is that was begun without a length, taking over from whoever
    /// writes to it. Finishes it if all of it is there. Saying the same again changes nothing.
    ///
    /// # Errors
    /// As [`Writer::declare_length`] and [`Vault::begin_append`].
    pub async fn declare_length(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        length: u64,
    ) -> Result<Upload> {
        let offset = self.uploads.upload_settled(order, id).await?.offset;
        let mut writer = self.begin_append(order, id, offset).await?;
        writer.declare_length(length).await?;
        Ok(writer.upload().clone())
    }
}

impl Writer {
    /// Says how long the file is; durable when this returns. If all of it was received, it is
    /// durable and finished then. Saying the same again changes nothing.
    ///
    /// # Errors
    /// [`RefusalKind::BadRequest`] if another length was declared before, or more was received;
    /// [`RefusalKind::TooLarge`] beyond a limit of the studio; those of [`flush`](Self::flush).
    pub async fn declare_length(&mut self, length: u64) -> Result<()> {
        let file = self.upload.path.as_str();
        let wrong = |message: String| {
            Err(Refusal::new(RefusalKind::BadRequest, message)
                .of_file(file)
                .into())
        };
        match self.upload.length {
            Some(known) if known == length => return Ok(()),
            Some(known) => {
                return wrong(format!(
                    "{file:?} was said to have {known} bytes and now {length}: go on without declaring a length, or begin it again with the true one"
                ));
            }
            None => {}
        }
        if length < self.received {
            return wrong(format!(
                "{file:?} cannot have {length} bytes, {} have arrived: declare its true length, or begin it again",
                self.received
            ));
        }
        self.reserve_length(length).await?;
        self.begin_step()?;
        let declared = self.write_length(length).await;
        self.noted(declared)
    }

    async fn write_length(&mut self, length: u64) -> Result<()> {
        if length > self.received {
            let mut upload = self.upload.clone();
            upload.length = Some(length);
            self.commit(upload, Batch::new(), Vec::new()).await?;
            return Ok(());
        }
        // The record that says so is the one with the last block: a file that is said to be all
        // here is finished.
        let before = self.row;
        self.upload.length = Some(length);
        let written = self.write_down().await;
        if written.is_err() && self.row == before {
            self.upload.length = None;
        }
        written.map(drop)
    }

    /// A file without another block to end it: its length was declared when all of it was durable.
    pub(super) async fn end_at_a_boundary(&mut self) -> Result<()> {
        if self.upload.state != UploadState::Open || self.upload.length != Some(self.upload.offset)
        {
            return Ok(());
        }
        let mut upload = self.upload.clone();
        upload.state = self.finished(&upload)?;
        self.commit(upload, Batch::new(), Vec::new()).await?;
        self.ended = true;
        Ok(())
    }

    /// How many more bytes this upload takes. Where nobody knows how many it has, other limits than
    /// that of a file may be met before: [`push`](Self::push) says so.
    #[must_use]
    pub fn room(&self) -> u64 {
        let longest = self.appends.core.limits.max_file;
        let end = self.upload.length.unwrap_or(longest);
        end.saturating_sub(self.received)
    }

    /// Why a file of unknown length takes no more at this moment; `None` if it does, or said its
    /// length.
    ///
    /// # Errors
    /// Those of the catalog and the store.
    pub async fn full(&mut self) -> Result<Option<Refusal>> {
        Ok(self.admit(1).await?.1)
    }

    pub(super) fn too_long(&self) -> Refusal {
        let file = self.upload.path.as_str();
        let message = format!("{file:?} is longer than it was said to be: begin it again");
        Refusal::new(RefusalKind::TooLarge, message).of_file(file)
    }
}
