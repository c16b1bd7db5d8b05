//! Bytes that count only if their sum is right.
//!
//! A body with a checksum goes to the store as every other: blocks are sealed and put as they
//! become whole. But nothing of it is committed until its end has come and its sum was compared.
//! Then all of it is, in one batch; or nothing, and the blocks that were put go at once
//! ([`unkept`](super::unkept)). Meanwhile their place is that of the upload: its length was promised
//! to it, and stays so.
//!
//! Meanwhile no fragments are made, so the block in the making cannot be written down when memory
//! is short. The memory for a whole block is taken at its start, while nothing else is held, and
//! only so many appends of this kind run that they leave half the budget to the others, and only
//! some of them for one link.

use std::sync::Arc;

use super::put::InFlight;
use super::running::Signal;
use super::turns::Turn;
use super::writer::{LAST_ONES, Writer};
use crate::catalog::Batch;
use crate::error::{Error, Result};
use crate::store::{QUIET_AFTER, hurried};
use crate::upload::{Fragment, Upload};

/// What an append has, and has not committed.
#[derive(Debug)]
pub(super) struct Held {
    /// The record as it was last committed.
    pub(super) durable: Upload,
    pub(super) batch: Batch,
    pub(super) replaced: Vec<Fragment>,
    _turn: Turn,
}

impl Writer {
    /// From here on nothing is committed until [`keep`](Self::keep) says so; if this append ends
    /// before, it has changed nothing. Waits while many others do the same.
    ///
    /// # Errors
    /// When another request takes over meanwhile.
    pub async fn hold_back(&mut self) -> Result<()> {
        let (appends, link) = (Arc::clone(&self.durable.appends), self.durable.upload.link);
        let running = Arc::clone(&self.durable.running);
        let stopped = async { while running.signal().await != Signal::Stop {} };
        let turn = tokio::select! {
            biased;
            () = stopped => return Err(self.durable.taken_over().into()),
            turn = appends.intake.checked.take(link) => turn,
        };
        let unkept = self
            .durable
            .appends
            .intake
            .unkept
            .begin(self.durable.upload.id);
        // Whoever takes over fences first and looks for this afterwards: one of the two sees it.
        if self.durable.running.is_fenced() {
            return Err(self.durable.taken_over().into());
        }
        self.unkept = Some(unkept);
        self.durable.held = Some(Box::new(Held {
            durable: self.durable.upload.clone(),
            batch: Batch::new(),
            replaced: Vec::new(),
            _turn: turn,
        }));
        Ok(())
    }

    /// Makes durable what was held back and everything else that was received. Returns the offset.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn keep(&mut self) -> Result<u64> {
        self.begin_step()?;
        let kept = self.keep_held().await;
        // After a failure of the catalog nobody knows: then nothing goes.
        if matches!(kept, Ok(_) | Err(Error::Catalog(_))) {
            self.unkept = None;
        }
        self.noted(kept)
    }

    async fn keep_held(&mut self) -> Result<u64> {
        while !self.in_flight.is_empty() {
            self.commit_blocks(LAST_ONES).await?;
        }
        if let Some(held) = self.durable.held.take() {
            let Held {
                durable,
                batch,
                replaced,
                ..
            } = *held;
            let upload = std::mem::replace(&mut self.durable.upload, durable);
            if batch.changes_rows() {
                self.durable.commit(upload, batch, replaced).await?;
            }
        }
        self.write_down().await
    }

    /// Ends an append whose bytes were held back: what of them is at the store and is named by
    /// nothing is deleted. Nothing to do where everything was kept.
    pub async fn discard(&mut self) {
        let Some(unkept) = self.unkept.take() else {
            return;
        };
        self.broken = true;
        if let Some(held) = self.durable.held.take() {
            // Nothing of it counts, nor is it said to.
            self.durable.upload = held.durable;
        }
        self.gathering = None;
        while let Some(InFlight { put, .. }) = self.in_flight.pop_front() {
            // However it ended: it is noted.
            let _ = put.await;
        }
        if let Err(error) = unkept.delete(&self.durable).await {
            tracing::warn!(upload = %self.durable.upload.id, %error, "what did not count of a body with a checksum is left for the sweep");
            if !self.durable.appends.core.working.is_local() {
                // Perhaps it still lands.
                tokio::spawn(async move {
                    tokio::time::sleep(hurried(QUIET_AFTER)).await;
                    drop(unkept);
                });
            }
        }
    }
}
