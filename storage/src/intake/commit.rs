//! The last step of an append: blocks and record are committed in one batch, fenced against whoever
//! takes over.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::begin::Appends;
use super::held::Held;
use super::running::Running;
use crate::catalog::{Batch, CommitError, Expect, Version};
use crate::error::Result;
use crate::keys::SealingKeys;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::Lease;
use crate::tables::{self, Gate, load, put};
use crate::upload::sum::Sum;
use crate::upload::{Fragment, Role, Upload, UploadState};

/// An append as far as it is durable: the record as it was last committed, what the next commit rests
/// on, and who may make it. Ends when it is dropped; what was not committed then is lost, and was never
/// acknowledged.
#[derive(Debug)]
pub(super) struct Durable {
    pub(super) appends: Arc<Appends>,
    pub(super) keys: Arc<SealingKeys>,
    pub(super) running: Arc<Running>,
    /// The record as it was last committed, or would be if nothing were held back.
    pub(super) upload: Upload,
    pub(super) row: Version,
    pub(super) gate: Version,
    pub(super) lease: Lease,
    /// Up to where a file of unknown length may go without asking again.
    pub(super) granted: u64,
    /// What is committed only once its sum was compared.
    pub(super) held: Option<Box<Held>>,
}

impl Durable {
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

    /// Puts start only soon after the gate was read.
    pub(super) async fn renew_lease(&mut self) -> Result<()> {
        if !self.lease.is_stale() {
            return Ok(());
        }
        let lease = Lease::new(&self.appends.core.clock, &self.upload.order);
        let gate = load::<Gate>(
            &*self.appends.core.catalog,
            &tables::gate(self.upload.order),
        )
        .await?;
        if gate.is_none_or(|(_, version)| version != self.gate) {
            return Err(self.taken_over().into());
        }
        self.appends
            .core
            .marks
            .expect_store(&self.appends.core.working)
            .await?;
        self.lease = lease;
        Ok(())
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        let intake = &self.appends.intake;
        intake.note_empty(&self.running);
        if self.upload.length.is_none() && intake.is_current(&self.running) {
            intake.ledger().release(&self.upload);
        }
        intake.end(&self.running);
    }
}
