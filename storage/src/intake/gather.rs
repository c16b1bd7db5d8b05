//! The block in the making, and the memory that it takes from the budget of all appends.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::running::Signal;
use super::writer::Writer;
use crate::block::{BLOCK_MAX, Sealer};
use crate::error::Result;

/// The block in the making.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) sealer: Sealer,
    pub(super) memory: OwnedSemaphorePermit,
    /// How many of its bytes are durable as fragments.
    pub(super) kept: usize,
}

impl Gathering {
    /// Bytes of the block so far.
    pub(super) fn len(&self) -> usize {
        self.sealer.plain().len()
    }
}

impl Writer {
    /// Takes bytes up to the end of the current block: how many, and whether it ends there.
    pub(super) async fn gather(&mut self, bytes: &[u8]) -> Result<(usize, bool)> {
        let most = bytes.len().min(BLOCK_MAX - self.cut.block_len());
        let mut memory = if self.held.is_some() {
            self.memory_for_a_block().await?
        } else {
            self.memory(most).await?
        };
        // Not before there is memory: waiting for it may write down what was received so far.
        let end = self.cut.next_end(&bytes[..most]);
        let taken = end.unwrap_or(most);
        if self.held.is_none() {
            drop(memory.split(most - taken));
        }
        let bytes = &bytes[..taken];
        if let Some(gathering) = &mut self.gathering {
            gathering.memory.merge(memory);
            gathering.sealer.push(bytes);
        } else {
            self.note_begun();
            let buffers = &self.appends.intake.buffers;
            let mut sealer = Sealer::for_block(self.block_capacity(), buffers);
            sealer.push(bytes);
            self.gathering = Some(Gathering {
                sealer,
                memory,
                kept: 0,
            });
        }
        self.received += taken as u64;
        Ok((taken, end.is_some()))
    }

    /// Memory for `bytes` more of the block in the making, whose start is then held as well. All
    /// of it is asked for at once: appends that hold some while they wait for the rest could wait
    /// for each other forever. Writes down and lets go of what it holds when others wait longer.
    async fn memory(&mut self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let length = u32::try_from(bytes).expect("at most a block");
        loop {
            let kept = self.fragments_to_gather();
            let mut memory = self.appends.intake.try_memory(length + kept);
            if memory.is_none() {
                let (vault, running) = (Arc::clone(&self.appends), Arc::clone(&self.running));
                let signal = tokio::select! {
                    granted = vault.intake.memory(length + kept) => {
                        memory = Some(granted);
                        None
                    }
                    signal = running.signal() => Some(signal),
                };
                if let Some(signal) = signal {
                    self.let_go().await?;
                    if signal == Signal::Stop {
                        return Err(self.taken_over().into());
                    }
                }
            }
            if let Some(mut memory) = memory {
                if kept > 0 {
                    let start = memory.split(kept as usize).expect("just granted");
                    self.gather_fragments(start).await?;
                }
                return Ok(memory);
            }
        }
    }

    /// From now on it can be asked to write down what it holds, if it can do that.
    pub(super) fn note_begun(&self) {
        if self.held.is_none() {
            self.appends.intake.note_begun(&self.running);
        }
    }

    fn block_capacity(&self) -> usize {
        let left = self
            .upload
            .length
            .map_or(u64::MAX, |length| length - self.received);
        usize::try_from(left).unwrap_or(BLOCK_MAX).min(BLOCK_MAX)
    }

    /// Writes down what this append holds, and lets go of the memory.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn yield_memory(&mut self) -> Result<()> {
        self.begin_step()?;
        let yielded = self.let_go().await;
        self.noted(yielded)
    }

    async fn let_go(&mut self) -> Result<()> {
        if self.held.is_some() {
            return Ok(());
        }
        self.write_down().await?;
        self.gathering = None;
        self.appends.intake.note_empty(&self.running);
        Ok(())
    }
}
