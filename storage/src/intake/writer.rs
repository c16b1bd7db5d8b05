//! The append: bytes in, durable blocks out.
//!
//! Bytes are gathered up to the end of a block as the cut decides. A whole block is hashed, sealed
//! and put in the background, several at once; blocks are committed in order, as many together as
//! are ready. Whatever is left when the body ends is kept as a fragment. The offset that a flush
//! returns is durable; nothing else is ever told to anyone.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::gather::Gathering;
use super::held::Held;
use super::running::{Running, Signal};
use super::unkept::Unkept;
use crate::upload::cut::Cut;
use crate::upload::progress::Sums;
use stemvault_codec::pack::Codec;

use super::begin::Appends;
use crate::block::{Logical, aside};
use crate::catalog::Version;
use crate::error::Result;
use crate::ids::BlockHash;
use crate::keys::SealingKeys;
use crate::paths;
use crate::session::BlockRef;
use crate::store::Lease;
use crate::tables::{self, Gate, load};
use crate::upload::Upload;

/// Blocks of one append that are being put, or are and wait for their commit, while the next is
/// gathered. Those that wait hold no memory.
const IN_FLIGHT: usize = 8;

/// At the end of a body the puts of its last blocks are so close together that they share a commit.
pub(super) const LAST_ONES: Duration = Duration::from_millis(20);

/// A block of so many bytes is hashed and sealed in less time than another thread takes to wake up.
const HERE: usize = 128 << 10;

/// So long a block that has landed waits for the next one to be committed with it. While bytes come
/// quickly they are many together, as a commit costs as much as a block or two; when none come, what
/// is there counts.
const TOGETHER: Duration = Duration::from_millis(200);

/// One running append. Ends when it is dropped; then whatever was not flushed is lost, and was
/// never acknowledged.
#[derive(Debug)]
pub struct Writer {
    pub(super) appends: Arc<Appends>,
    pub(super) keys: Arc<SealingKeys>,
    pub(super) running: Arc<Running>,
    /// The record as it was last committed, or would be if nothing were held back.
    pub(super) upload: Upload,
    pub(super) row: Version,
    pub(super) gate: Version,
    pub(super) lease: Lease,
    /// The cut after every byte received, ahead of the record.
    pub(super) cut: Cut,
    pub(super) received: u64,
    /// Up to where a file of unknown length may go without asking again.
    pub(super) granted: u64,
    pub(super) gathering: Option<Gathering>,
    /// What is committed only once its sum was compared.
    pub(super) held: Option<Box<Held>>,
    /// What has to go unless it is.
    pub(super) unkept: Option<Unkept>,
    pub(super) in_flight: VecDeque<InFlight>,
    /// The file's hash after the block in flight that was handed on last.
    pub(super) hashed: Option<oneshot::Receiver<Sums>>,
    /// Of a file made of parts: how many of their blocks were joined.
    pub(super) joined: u64,
    /// The hash of a file made of parts, after the blocks that were joined.
    pub(super) frontier: Sums,
    /// Whether the file's last block was handed on.
    pub(super) ended: bool,
    /// True while bytes are on their way through here, and for good once that failed or was cut
    /// short: bytes may be missing then before those that would come next, and nothing more may be
    /// committed.
    pub(super) broken: bool,
}

/// A block on its way to the store.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The block, and the file's hash behind it.
    pub(super) put: JoinHandle<Result<(BlockRef, Sums)>>,
    /// The cut behind it.
    pub(super) cut: Cut,
    pub(super) end: u64,
    /// When its put ended, however it did; on the monotonic clock.
    landed: watch::Receiver<Option<Duration>>,
}

impl Writer {
    /// Bytes received so far, durable or not.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The upload as it was last committed.
    #[must_use]
    pub fn upload(&self) -> &Upload {
        self.held
            .as_ref()
            .map_or(&self.upload, |held| &held.durable)
    }

    /// Waits until there is a reason to look up from the body. Cancel-safe.
    pub async fn signal(&self) -> Signal {
        tokio::select! {
            biased;
            signal = self.running.signal() => signal,
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
        let waited = self.appends.core.clock.monotonic().saturating_sub(since);
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
        if self.upload.length.is_some() && bytes.len() as u64 > self.room() {
            return Err(self.too_long().into());
        }
        let (fits, refused) = self.admit(bytes.len()).await?;
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
            return Err(self.taken_over().into());
        }
        Ok(())
    }

    pub(super) fn noted<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.broken = outcome.is_err();
        outcome
    }

    pub(super) async fn write_down(&mut self) -> Result<u64> {
        if self.upload.length == Some(self.received) && !self.ended {
            self.put_block().await?;
        }
        while !self.in_flight.is_empty() {
            self.commit_blocks(LAST_ONES).await?;
        }
        self.keep_fragment().await?;
        self.end_at_a_boundary().await?;
        Ok(self.upload.offset)
    }

    /// Hands the block in the making to the background.
    async fn put_block(&mut self) -> Result<()> {
        let kept = self.fragments_to_gather();
        if kept > 0 {
            let memory = self.appends.intake.memory(kept).await;
            self.gather_fragments(memory).await?;
        }
        let Some(gathering) = self.gathering.take() else {
            return Ok(());
        };
        self.appends.intake.note_empty(&self.running);
        self.ended = self.upload.length == Some(self.received);
        while self.in_flight.len() >= IN_FLIGHT {
            self.commit_blocks(Duration::ZERO).await?;
        }
        let puts = Arc::clone(&self.appends.intake.puts);
        let permit = puts.acquire_owned().await.expect("never closed");
        // After the wait for the permit, which is as long as the store is slow.
        self.renew_lease().await?;
        let (vault, keys, lease) = (
            Arc::clone(&self.appends),
            Arc::clone(&self.keys),
            self.lease.clone(),
        );
        let (order, id) = (self.upload.order, self.upload.id);
        let before = match self.hashed.take() {
            Some(hashed) if !self.in_flight.is_empty() => Err(hashed),
            _ => Ok(self.upload.progress.sums().clone()),
        };
        let (tell, hashed) = oneshot::channel();
        let (note, landed) = watch::channel(None);
        let unkept = self.unkept.as_ref().map(Unkept::noted);
        let put = tokio::spawn(async move {
            let gathered = gathering.len();
            let Gathering {
                sealer,
                memory,
                kept,
            } = gathering;
            let before = match before {
                Ok(frontier) => frontier,
                Err(hashed) => hashed.await.expect("no panic in the put before"),
            };
            let work = move || {
                let plain = sealer.plain();
                let mut frontier = before;
                // What is kept is in the hash already.
                frontier.push(&plain[kept..]);
                let block = BlockRef {
                    hash: hash(plain, &frontier),
                    length: u32::try_from(plain.len()).expect("at most a block"),
                    crc32: crc32fast::hash(plain),
                };
                let what = Logical::Block(block.hash);
                let length = u64::from(block.length);
                let sealed = sealer.seal(&keys, order, &what, Codec::Stored, length);
                (block, frontier, keys.object_name(block.hash), sealed)
            };
            let (block, frontier, name, sealed) = match gathered {
                ..=HERE => work(),
                _ => aside(gathered, work).await,
            };
            // Nobody waits after the last block.
            let _ = tell.send(frontier.clone());
            if let Some(unkept) = unkept {
                let mut noted = unkept.lock().unwrap_or_else(PoisonError::into_inner);
                noted.insert(block.hash);
            }
            let path = paths::upload(order, id).join(name);
            let done = vault.core.working.put(&path, sealed, &lease).await;
            drop((memory, permit));
            note.send_replace(Some(vault.core.clock.monotonic()));
            done.map(|()| (block, frontier))
        });
        self.hashed = Some(hashed);
        self.in_flight.push_back(InFlight {
            put,
            cut: self.cut.clone(),
            end: self.received,
            landed,
        });
        Ok(())
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

/// The hash of a block, when the file's hash has come to its end. The block that a file begins with
/// is the whole of it so far.
fn hash(plain: &[u8], file: &Sums) -> BlockHash {
    if file.count() == plain.len() as u64 {
        return BlockHash(file.finish().0);
    }
    BlockHash(*blake3::hash(plain).as_bytes())
}

impl Drop for Writer {
    fn drop(&mut self) {
        let intake = &self.appends.intake;
        intake.note_empty(&self.running);
        if self.upload.length.is_none() && intake.is_current(&self.running) {
            intake.ledger().release(&self.upload);
        }
        intake.end(&self.running);
    }
}
