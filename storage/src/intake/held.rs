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

use tokio::sync::OwnedSemaphorePermit;

use super::running::Signal;
use super::turns::Turn;
use super::writer::{LAST_ONES, Writer};
use crate::block::BLOCK_MAX;
use crate::catalog::Batch;
use crate::error::{Error, Result};
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
        let (vault, link) = (std::sync::Arc::clone(&self.appends), self.upload.link);
        let running = std::sync::Arc::clone(&self.running);
        let stopped = async { while running.signal().await != Signal::Stop {} };
        let turn = tokio::select! {
            biased;
            () = stopped => return Err(self.taken_over().into()),
            turn = vault.intake.checked.take(link) => turn,
        };
        let unkept = self.appends.intake.unkept.begin(self.upload.id);
        // Whoever takes over fences first and looks for this afterwards: one of the two sees it.
        if self.running.is_fenced() {
            return Err(self.taken_over().into());
        }
        self.unkept = Some(unkept);
        self.held = Some(Box::new(Held {
            durable: self.upload.clone(),
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
        if let Some(held) = self.held.take() {
            let Held {
                durable,
                batch,
                replaced,
                ..
            } = *held;
            let upload = std::mem::replace(&mut self.upload, durable);
            if batch.changes_rows() {
                self.commit(upload, batch, replaced).await?;
            }
        }
        self.write_down().await
    }

    /// Memory for a whole block, so that it can be held to its end; none if one is held already.
    pub(super) async fn memory_for_a_block(&mut self) -> Result<OwnedSemaphorePermit> {
        if self.gathering.is_some() {
            return Ok(self
                .appends
                .intake
                .try_memory(0)
                .expect("nothing is always there"));
        }
        let (vault, running) = (
            std::sync::Arc::clone(&self.appends),
            std::sync::Arc::clone(&self.running),
        );
        let length = u32::try_from(BLOCK_MAX).expect("4 MiB");
        let stopped = async { while running.signal().await != Signal::Stop {} };
        let mut memory = tokio::select! {
            memory = vault.intake.memory(length) => memory,
            () = stopped => return Err(self.taken_over().into()),
        };
        let kept = self.fragments_to_gather();
        if kept > 0 {
            let start = memory.split(kept as usize).expect("less than a block");
            self.gather_fragments(start).await?;
        }
        Ok(memory)
    }
}
