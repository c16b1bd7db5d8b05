//! The block in the making, and the memory that it takes from the budget of all appends.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::fragments::replaced;
use super::running::Signal;
use super::writer::Writer;
use crate::block::{BLOCK_MAX, Sealer};
use crate::error::Result;
use crate::upload::progress::Progress;

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
        let mut memory = if self.durable.held.is_some() {
            self.memory_for_a_block().await?
        } else {
            self.memory(most).await?
        };
        // Not before there is memory: waiting for it may write down what was received so far.
        let end = self.cut.next_end(&bytes[..most]);
        let taken = end.unwrap_or(most);
        if self.durable.held.is_none() {
            drop(memory.split(most - taken));
        }
        let bytes = &bytes[..taken];
        if let Some(gathering) = &mut self.gathering {
            gathering.memory.merge(memory);
            gathering.sealer.push(bytes);
        } else {
            self.note_begun();
            let buffers = &self.durable.appends.intake.buffers;
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
            let mut memory = self.durable.appends.intake.try_memory(length + kept);
            if memory.is_none() {
                let (appends, running) = (
                    Arc::clone(&self.durable.appends),
                    Arc::clone(&self.durable.running),
                );
                let signal = tokio::select! {
                    granted = appends.intake.memory(length + kept) => {
                        memory = Some(granted);
                        None
                    }
                    signal = running.signal() => Some(signal),
                };
                if let Some(signal) = signal {
                    self.let_go().await?;
                    if signal == Signal::Stop {
                        return Err(self.durable.taken_over().into());
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
        if self.durable.held.is_none() {
            self.durable
                .appends
                .intake
                .note_begun(&self.durable.running);
        }
    }

    fn block_capacity(&self) -> usize {
        let left = self
            .durable
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
        if self.durable.held.is_some() {
            return Ok(());
        }
        self.write_down().await?;
        self.gathering = None;
        self.durable
            .appends
            .intake
            .note_empty(&self.durable.running);
        Ok(())
    }

    /// Memory for a whole block, so that it can be held to its end; none if one is held already.
    pub(super) async fn memory_for_a_block(&mut self) -> Result<OwnedSemaphorePermit> {
        if self.gathering.is_some() {
            return Ok(self
                .durable
                .appends
                .intake
                .try_memory(0)
                .expect("nothing is always there"));
        }
        let (appends, running) = (
            Arc::clone(&self.durable.appends),
            Arc::clone(&self.durable.running),
        );
        let length = u32::try_from(BLOCK_MAX).expect("4 MiB");
        let stopped = async { while running.signal().await != Signal::Stop {} };
        let mut memory = tokio::select! {
            memory = appends.intake.memory(length) => memory,
            () = stopped => return Err(self.durable.taken_over().into()),
        };
        let kept = self.fragments_to_gather();
        if kept > 0 {
            let start = memory.split(kept as usize).expect("less than a block");
            self.gather_fragments(start).await?;
        }
        Ok(memory)
    }

    /// How many bytes of the block in the making stand in fragments only: after a resume, or
    /// after memory was short.
    pub(super) fn fragments_to_gather(&self) -> u32 {
        let start = self.received - self.cut.block_len() as u64;
        if self.gathering.is_some() || self.durable.upload.offset <= start {
            return 0;
        }
        let lengths = self
            .durable
            .upload
            .fragments
            .iter()
            .map(|fragment| fragment.length);
        lengths.sum()
    }

    /// Holds the whole block in the making again. `memory` is for as many bytes as
    /// [`fragments_to_gather`](Self::fragments_to_gather) says.
    pub(super) async fn gather_fragments(&mut self, memory: OwnedSemaphorePermit) -> Result<()> {
        let mut sealer = Sealer::for_block(BLOCK_MAX, &self.durable.appends.intake.buffers);
        for fragment in &self.durable.upload.fragments {
            sealer.push(&self.durable.read_fragment(fragment).await?);
        }
        self.note_begun();
        let kept = sealer.plain().len();
        self.gathering = Some(Gathering {
            sealer,
            memory,
            kept,
        });
        Ok(())
    }

    /// Makes the bytes of the unfinished block durable that are not.
    pub(super) async fn keep_fragment(&mut self) -> Result<()> {
        if self
            .gathering
            .as_ref()
            .is_none_or(|gathering| gathering.kept == gathering.len())
        {
            return Ok(());
        }
        self.durable.renew_lease().await?;
        let Some(gathering) = &self.gathering else {
            return Ok(());
        };
        let mut upload = self.durable.upload.clone();
        // The record stands where the last fragment ends: no block is in flight.
        let mut frontier = upload.progress.sums().clone();
        frontier.push(&gathering.sealer.plain()[gathering.kept..]);
        upload.progress = Progress::new(self.cut.clone(), frontier);
        let replaced = replaced(&mut upload.fragments, gathering.len() - gathering.kept);
        let again: usize = replaced
            .iter()
            .map(|fragment| fragment.length as usize)
            .sum();
        let piece = &gathering.sealer.plain()[gathering.kept - again..];
        let (fragment, batch) = self.durable.put_fragment(piece).await?;
        upload.fragments_made += 1;
        upload.fragments.push(fragment);
        upload.offset = self.received;
        self.durable.commit(upload, batch, replaced).await?;
        if let Some(gathering) = &mut self.gathering {
            gathering.kept = gathering.len();
        }
        Ok(())
    }
}
