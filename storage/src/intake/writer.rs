//! The append: bytes in, durable blocks out.
//!
//! Five steps, each a value that is handed to the next: bytes are gathered up to the end of a block as
//! the cut decides ([`gather`](super::gather)); the whole block is hashed, sealed and put in the
//! background, several at once ([`put`](super::put)); blocks are committed in order, as many together
//! as are ready ([`commit`](super::commit)). Whatever is left when the body ends is kept as a fragment.
//! The offset that a flush returns is durable; nothing else is ever told to anyone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::commit::Durable;
use super::gather::Gathering;
use super::put::{Before, Gathered, InFlight};
use super::running::Signal;
use super::unkept::Unkept;
use crate::catalog::Batch;
use crate::error::Result;
use crate::refusal::{Refusal, RefusalKind};
use crate::tables::{self, put};
use crate::upload::cut::Cut;
use crate::upload::progress::{Progress, Sums};
use crate::upload::{Upload, UploadState};

/// Blocks of one append that are being put, or are and wait for their commit, while the next is
/// gathered. Those that wait hold no memory.
const IN_FLIGHT: usize = 8;

/// At the end of a body the puts of its last blocks are so close together that they share a commit.
pub(super) const LAST_ONES: Duration = Duration::from_millis(20);

/// So long a block that has landed waits for the next one to be committed with it. While bytes come
/// quickly they are many together, as a commit costs as much as a block or two; when none come, what
/// is there counts.
const TOGETHER: Duration = Duration::from_millis(200);

/// One running append. Ends when it is dropped; then whatever was not flushed is lost, and was
/// never acknowledged.
#[derive(Debug)]
pub struct Writer {
    pub(super) durable: Durable,
    /// The cut after every byte received, ahead of the record.
    pub(super) cut: Cut,
    pub(super) received: u64,
    pub(super) gathering: Option<Gathering>,
    /// What has to go unless it is.
    pub(super) unkept: Option<Unkept>,
    pub(super) in_flight: VecDeque<InFlight>,
    /// The file's hash after the block in flight that was handed on last.
    pub(super) hashed: Option<oneshot::Receiver<Sums>>,
    /// Whether the file's last block was handed on.
    pub(super) ended: bool,
    /// True while bytes are on their way through here, and for good once that failed or was cut
    /// short: bytes may be missing then before those that would come next, and nothing more may be
    /// committed.
    pub(super) broken: bool,
}

impl Writer {
    pub(super) fn new(durable: Durable) -> Self {
        let upload = &durable.upload;
        Self {
            cut: upload.progress.cut().clone(),
            received: upload.offset,
            ended: upload.state != UploadState::Open,
            gathering: None,
            unkept: None,
            in_flight: VecDeque::new(),
            hashed: None,
            broken: false,
            durable,
        }
    }

    /// Bytes received so far, durable or not.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The upload as it was last committed.
    #[must_use]
    pub fn upload(&self) -> &Upload {
        self.durable
            .held
            .as_ref()
            .map_or(&self.durable.upload, |held| &held.durable)
    }

    /// Waits until there is a reason to look up from the body. Cancel-safe.
    pub async fn signal(&self) -> Signal {
        tokio::select! {
            biased;
            signal = self.durable.running.signal() => signal,
            () = self.landed() => Signal::Landed,
        }
    }

    /// Waits until the oldest block in flight should wait for others no longer.
    async fn landed(&self) {
        let Some(oldest) = self.in_flight.front() else {
            return std::future::pending().await;
        };
        let mut landed = oldest.landed.clone();
        let landed = landed.wait_for(Option::is_some).await;
        let since = landed.ok().and_then(|since| *since).unwrap_or_default();
        let waited = self
            .durable
            .appends
            .core
            .clock
            .monotonic()
            .saturating_sub(since);
        tokio::time::sleep(TOGETHER.saturating_sub(waited)).await;
    }

    /// Commits the blocks that have landed, after [`Signal::Landed`].
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn commit_landed(&mut self) -> Result<()> {
        self.begin_step()?;
        let committed = self.commit_blocks(Duration::ZERO).await;
        self.noted(committed)
    }

    /// Takes bytes. Returns when they are held here or on their way, not when they are durable;
    /// waits while memory is short.
    ///
    /// # Errors
    /// [`RefusalKind::TooLarge`] beyond the declared length, when nothing was taken;
    /// [`RefusalKind::TooLarge`], [`RefusalKind::Crowded`] or [`RefusalKind::NoSpace`] where a file
    /// of unknown length meets a limit, when everything up to there was taken: flush it. Whatever
    /// an earlier block met, and then this append is over.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.durable.upload.length.is_some() && bytes.len() as u64 > self.room() {
            return Err(self.too_long().into());
        }
        let (fits, refused) = self.durable.admit(self.received, bytes.len()).await?;
        self.begin_step()?;
        let taken = self.take(&bytes[..fits]).await;
        self.noted(taken)?;
        refused.map_or(Ok(()), |refused| Err(refused.into()))
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (taken, ends) = self.gather(bytes).await?;
            bytes = &bytes[taken..];
            if ends {
                self.put_block().await?;
            }
        }
        Ok(())
    }

    /// Makes everything received durable, the rest of an unfinished block as a fragment. Returns
    /// the durable offset.
    ///
    /// # Errors
    /// What a put or the catalog met; then the record says how far it came, and this append is
    /// over.
    pub async fn flush(&mut self) -> Result<u64> {
        self.begin_step()?;
        let written = self.write_down().await;
        self.noted(written)
    }

    /// After a failure nothing more is committed: the next block would stand behind a hole.
    pub(super) fn begin_step(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(self.durable.taken_over().into());
        }
        Ok(())
    }

    pub(super) fn noted<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.broken = outcome.is_err();
        outcome
    }

    pub(super) async fn write_down(&mut self) -> Result<u64> {
        if self.durable.upload.length == Some(self.received) && !self.ended {
            self.put_block().await?;
        }
        while !self.in_flight.is_empty() {
            self.commit_blocks(LAST_ONES).await?;
        }
        self.keep_fragment().await?;
        self.end_at_a_boundary().await?;
        Ok(self.durable.upload.offset)
    }

    /// Hands the block in the making to the background.
    async fn put_block(&mut self) -> Result<()> {
        let kept = self.fragments_to_gather();
        if kept > 0 {
            let memory = self.durable.appends.intake.memory(kept).await;
            self.gather_fragments(memory).await?;
        }
        let Some(gathering) = self.gathering.take() else {
            return Ok(());
        };
        self.durable
            .appends
            .intake
            .note_empty(&self.durable.running);
        self.ended = self.durable.upload.length == Some(self.received);
        while self.in_flight.len() >= IN_FLIGHT {
            self.commit_blocks(Duration::ZERO).await?;
        }
        let puts = Arc::clone(&self.durable.appends.intake.puts);
        let permit = puts.acquire_owned().await.expect("never closed");
        // After the wait for the permit, which is as long as the store is slow.
        self.durable.renew_lease().await?;
        let before = match self.hashed.take() {
            Some(hashed) if !self.in_flight.is_empty() => Before::Comes(hashed),
            _ => Before::Known(Box::new(self.durable.upload.progress.sums().clone())),
        };
        let gathered = Gathered {
            block: gathering,
            before,
            order: self.durable.upload.order,
            upload: self.durable.upload.id,
            keys: Arc::clone(&self.durable.keys),
            noted: self.unkept.as_ref().map(Unkept::noted),
            lease: self.durable.lease.clone(),
            permit,
        };
        let (on_its_way, hashed) =
            gathered.sent(&self.durable.appends, self.cut.clone(), self.received);
        self.hashed = Some(hashed);
        self.in_flight.push_back(on_its_way);
        Ok(())
    }

    /// Waits for the oldest block and commits it with all behind it of which none takes longer
    /// than `patience` after the one before.
    pub(super) async fn commit_blocks(&mut self, patience: Duration) -> Result<()> {
        let mut upload = self.durable.upload.clone();
        let mut batch = Batch::new();
        let mut failed = None;
        while let Some(next) = self.in_flight.front_mut() {
            let block = if upload.blocks > self.durable.upload.blocks {
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
            upload.state = self.durable.finished(&upload)?;
        }
        // What came before the block that failed is kept.
        if upload.blocks > self.durable.upload.blocks {
            self.durable.commit(upload, batch, fragments).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Says how long the file is; durable when this returns. If all of it was received, it is
    /// durable and finished then. Saying the same again changes nothing.
    ///
    /// # Errors
    /// [`RefusalKind::BadRequest`] if another length was declared before, or more was received;
    /// [`RefusalKind::TooLarge`] beyond a limit of the studio; those of [`flush`](Self::flush).
    pub async fn declare_length(&mut self, length: u64) -> Result<()> {
        let file = self.durable.upload.path.as_str();
        let wrong = |message: String| {
            Err(Refusal::new(RefusalKind::BadRequest, message)
                .of_file(file)
                .into())
        };
        match self.durable.upload.length {
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
        self.durable.reserve_length(length).await?;
        self.begin_step()?;
        let declared = self.write_length(length).await;
        self.noted(declared)
    }

    async fn write_length(&mut self, length: u64) -> Result<()> {
        if length > self.received {
            let mut upload = self.durable.upload.clone();
            upload.length = Some(length);
            self.durable
                .commit(upload, Batch::new(), Vec::new())
                .await?;
            return Ok(());
        }
        // The record that says so is the one with the last block: a file that is said to be all
        // here is finished.
        let before = self.durable.row;
        self.durable.upload.length = Some(length);
        let written = self.write_down().await;
        if written.is_err() && self.durable.row == before {
            self.durable.upload.length = None;
        }
        written.map(drop)
    }

    /// A file without another block to end it: its length was declared when all of it was durable.
    pub(super) async fn end_at_a_boundary(&mut self) -> Result<()> {
        if self.durable.upload.state != UploadState::Open
            || self.durable.upload.length != Some(self.durable.upload.offset)
        {
            return Ok(());
        }
        let mut upload = self.durable.upload.clone();
        upload.state = self.durable.finished(&upload)?;
        self.durable
            .commit(upload, Batch::new(), Vec::new())
            .await?;
        self.ended = true;
        Ok(())
    }

    /// How many more bytes this upload takes. Where nobody knows how many it has, other limits than
    /// that of a file may be met before: [`push`](Self::push) says so.
    #[must_use]
    pub fn room(&self) -> u64 {
        let longest = self.durable.appends.core.limits.max_file;
        let end = self.durable.upload.length.unwrap_or(longest);
        end.saturating_sub(self.received)
    }

    /// Why a file of unknown length takes no more at this moment; `None` if it does, or said its
    /// length.
    ///
    /// # Errors
    /// Those of the catalog and the store.
    pub async fn full(&mut self) -> Result<Option<Refusal>> {
        Ok(self.durable.admit(self.received, 1).await?.1)
    }

    pub(super) fn too_long(&self) -> Refusal {
        let file = self.durable.upload.path.as_str();
        let message = format!("{file:?} is longer than it was said to be: begin it again");
        Refusal::new(RefusalKind::TooLarge, message).of_file(file)
    }
}
