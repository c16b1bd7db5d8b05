//! The commit of an append: blocks and record in one batch, fenced against whoever takes over.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::writer::{InFlight, Writer};
use crate::catalog::{Batch, CommitError, Expect};
use crate::error::Result;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::tables::{self, load, put};
use crate::upload::progress::Progress;
use crate::upload::sum::Sum;
use crate::upload::{Fragment, Role, Upload, UploadState};

impl Writer {
    /// Waits for the oldest block and commits it with all behind it of which none takes longer
    /// than `patience` after the one before.
    pub(super) async fn commit_blocks(&mut self, patience: Duration) -> Result<()> {
        let mut upload = self.upload.clone();
        let mut batch = Batch::new();
        let mut failed = None;
        while let Some(next) = self.in_flight.front_mut() {
            let block = if upload.blocks > self.upload.blocks {
                let Ok(block) = tokio::time::timeout(patience, &mut next.put).await else {
                    break;
                };
                block
            } else {
                (&mut next.put).await
            };
            let block = block.expect("no panic in a put");
            let InFlight { cut, end, .. } = self.in_flight.pop_front().expect("just seen");
            let (block, frontier) = match block {
                Ok(block) => block,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            batch = put(batch, tables::block(upload.id, upload.blocks), &block);
            upload.blocks += 1;
            upload.offset = end;
            upload.progress = Progress::new(cut, frontier);
        }
        let fragments = std::mem::take(&mut upload.fragments);
        if upload.length == Some(upload.offset) {
            upload.state = self.finished(&upload)?;
        }
        // What came before the block that failed is kept.
        if upload.blocks > self.upload.blocks {
            self.commit(upload, batch, fragments).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Commits the record; `replaced` are the fragments that it names no more.
    pub(super) async fn commit(
        &mut self,
        mut upload: Upload,
        mut batch: Batch,
        replaced: Vec<Fragment>,
    ) -> Result<()> {
        if let Some(held) = &mut self.held {
            held.batch = std::mem::take(&mut held.batch).and(batch);
            held.replaced.extend(replaced);
            self.upload = upload;
            return Ok(());
        }
        let kept = upload.state != UploadState::Open && !upload.role.is_part();
        upload.expires_at = (!kept)
            .then(|| self.appends.core.time.latest() + self.appends.core.limits.expire_after);
        let (order, id) = (upload.order, upload.id);
        let key = tables::upload(order, id);
        for fragment in replaced.iter().filter(|fragment| fragment.inline) {
            batch = batch.delete(tables::fragment(id, fragment.number));
        }
        batch = put(batch, key.clone(), &upload)
            .expect(tables::gate(order), Expect::At(self.gate))
            .expect(key.clone(), Expect::At(self.row))
            .expect(tables::outbox(order), Expect::Absent);
        let running = Arc::clone(&self.running);
        let (now, version) = loop {
            let committing = running.committing.lock().await;
            if running.is_fenced() {
                return Err(self.taken_over().into());
            }
            match self.appends.core.catalog.commit(batch.clone()).await {
                Ok(()) => {
                    self.appends.intake.ledger().commit(&upload, self.granted);
                    let row = load::<Upload>(&*self.appends.core.catalog, &key).await?;
                    let own = row.filter(|(now, _)| *now == upload);
                    break own.ok_or_else(|| self.taken_over())?;
                }
                Err(CommitError::Failed(error)) => {
                    // Perhaps it did happen.
                    self.appends.intake.forget_usage(order);
                    return Err(error.into());
                }
                // A decision that is not on record yet: help, then try again.
                Err(CommitError::Conflict(row)) if row == tables::outbox(order) => {
                    // That waits for a store, which may be slow: whoever takes over does not.
                    drop(committing);
                    self.appends.core.drain(order).await?;
                }
                Err(CommitError::Conflict(_)) => return Err(self.taken_over().into()),
            }
        };
        let before = std::mem::replace(&mut self.upload, now);
        self.row = version;
        for fragment in replaced.iter().filter(|fragment| !fragment.inline) {
            let path = paths::upload(order, id).join(fragment.name());
            if let Err(error) = self.appends.core.working.delete(&path).await {
                tracing::warn!(%error, "fragment left for the sweep");
            }
        }
        if self.upload.state != before.state && self.upload.role == Role::Part {
            self.appends.part_is_whole(order, id).await;
        }
        Ok(())
    }

    /// The state of a file whose last byte is here, unless it is another file than was said.
    pub(super) fn finished(&self, upload: &Upload) -> Result<UploadState, Refusal> {
        if upload.progress.sum().is_some_and(Sum::is_wrong) {
            let file = upload.path.as_str();
            let message = format!(
                "what arrived of {file:?} does not have the digest that was said of it when it was begun: it was changed while it was sent, or the digest is of another file; begin it again"
            );
            return Err(Refusal::new(RefusalKind::WrongSum, message).of_file(file));
        }
        Ok(UploadState::Finished {
            hash: upload.progress.hash(),
            at: self.now(),
        })
    }

    fn now(&self) -> DateTime<Utc> {
        self.appends.core.clock.now()
    }

    pub(super) fn taken_over(&self) -> Refusal {
        let file = self.upload.path.as_str();
        let message = format!(
            "another request goes on with {file:?}, or its order has changed: ask where the upload stands and go on from there"
        );
        Refusal::new(RefusalKind::TakenOver, message).of_file(file)
    }
}
