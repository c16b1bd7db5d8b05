//! The append: bytes in, durable blocks out.
//!
//! Bytes are gathered up to the end of a block as the cut decides. A whole block is hashed, sealed
//! and put in the background, several at once; blocks are committed in order, as many together as
//! are ready. Whatever is left when the body ends is kept as a fragment. The offset that a flush
//! returns is durable; nothing else is ever told to anyone.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::progress::Progress;
use super::running::{Running, Signal};
use crate::block::{BLOCK_MAX, Codec, Logical, Sealer, aside};
use crate::catalog::tables::{self, Gate, load, put};
use crate::catalog::{Batch, CommitError, Expect, Version};
use crate::error::{Result, no_such_upload};
use crate::ids::{BlockHash, OrderId, UploadId};
use crate::keys::SealingKeys;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::BlockRef;
use crate::store::Lease;
use crate::upload::{Upload, UploadState};
use crate::vault::Vault;

/// Blocks of one append that are being put while the next is gathered.
const IN_FLIGHT: usize = 3;

/// One running append. Ends when it is dropped; then whatever was not flushed is lost, and was
/// never acknowledged.
#[derive(Debug)]
pub struct Writer {
    pub(super) vault: Arc<Vault>,
    pub(super) keys: Arc<SealingKeys>,
    pub(super) running: Arc<Running>,
    /// The record as it was last committed.
    pub(super) upload: Upload,
    row: Version,
    gate: Version,
    pub(super) lease: Lease,
    /// The state after every byte received, ahead of the record.
    pub(super) progress: Progress,
    pub(super) received: u64,
    pub(super) gathering: Option<Gathering>,
    in_flight: VecDeque<InFlight>,
    /// Whether the file's last block was handed on.
    ended: bool,
    /// False while bytes are on their way through here, and for good once that failed or was cut
    /// short: a block may be missing then, and nothing behind it may be committed.
    sound: bool,
}

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

#[derive(Debug)]
struct InFlight {
    put: JoinHandle<Result<BlockRef>>,
    progress: Progress,
    end: u64,
}

impl Vault {
    /// Begins an append at `offset`, taking over from whoever writes to this upload.
    ///
    /// # Errors
    /// [`RefusalKind::OffsetMismatch`] with the offset where it stands; [`RefusalKind::WrongStage`];
    /// [`RefusalKind::NotFound`]; [`RefusalKind::Gone`] when it has expired.
    pub async fn begin_append(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        offset: u64,
    ) -> Result<Writer> {
        let running = self.intake.begin(id).await;
        let writer = self.writer(order, id, offset, &running).await;
        if writer.is_err() {
            self.intake.end(&running);
        }
        writer
    }

    async fn writer(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        offset: u64,
        running: &Arc<Running>,
    ) -> Result<Writer> {
        self.drain(order).await?;
        let lease = Lease::new(&self.clock, order);
        let gate = self.open_gate(order).await?;
        let row = load::<Upload>(&*self.catalog, &tables::upload(order, id)).await?;
        let (upload, row) = row.ok_or_else(|| no_such_upload(id))?;
        if upload.expires_at.is_some_and(|end| end <= self.clock.now()) {
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
        Ok(Writer {
            keys: self.keys.order(order).await?,
            vault: Arc::clone(self),
            running: Arc::clone(running),
            progress: upload.progress.clone(),
            received: upload.offset,
            ended: upload.state != UploadState::Open,
            sound: true,
            upload,
            row,
            gate,
            lease,
            gathering: None,
            in_flight: VecDeque::new(),
        })
    }

    /// The version of the order's gate, if files may come in; waits for a submit that is being
    /// written down.
    async fn open_gate(&self, order: OrderId) -> Result<Version> {
        loop {
            let row = load::<Gate>(&*self.catalog, &tables::gate(order)).await?;
            match row {
                Some((gate, version)) if gate.stage == "open" => return Ok(version),
                Some((gate, _)) if gate.stage == "sealing" => self.resume_sealing(order).await?,
                _ => {
                    let at = self.order(order).await?;
                    Self::check_takes_files(&at)?;
                }
            }
        }
    }
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
        &self.upload
    }

    /// Waits until there is a reason to look up from the body. Cancel-safe.
    pub async fn signal(&self) -> Signal {
        self.running.signal().await
    }

    /// Takes bytes. Returns when they are held here or on their way, not when they are durable;
    /// waits while memory is short.
    ///
    /// # Errors
    /// [`RefusalKind::TooLarge`] beyond the declared length; whatever an earlier block met.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.begin_step()?;
        self.take(bytes).await?;
        self.sound = true;
        Ok(())
    }

    fn begin_step(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.sound, false) {
            return Err(self.taken_over().into());
        }
        Ok(())
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        let room = self
            .upload
            .length
            .map_or(u64::MAX, |length| length - self.received);
        if bytes.len() as u64 > room {
            let message = format!(
                "{:?} is longer than it was said to be: begin it again",
                self.upload.path.as_str()
            );
            return Err(Refusal::new(RefusalKind::TooLarge, message).into());
        }
        while !bytes.is_empty() {
            let mut next = self.progress.clone();
            let (taken, ends) = next.advance(bytes);
            self.gather(&bytes[..taken]).await?;
            self.progress = next;
            self.received += taken as u64;
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
    /// What a put or the catalog met; then the record says how far it came.
    pub async fn flush(&mut self) -> Result<u64> {
        self.begin_step()?;
        self.write_down().await?;
        self.sound = true;
        Ok(self.upload.offset)
    }

    async fn write_down(&mut self) -> Result<()> {
        if self.upload.length == Some(self.received) && !self.ended {
            self.put_block().await?;
        }
        while !self.in_flight.is_empty() {
            self.commit_blocks().await?;
        }
        self.keep_fragment().await
    }

    async fn gather(&mut self, bytes: &[u8]) -> Result<()> {
        let memory = self.memory(bytes.len()).await?;
        self.gather_fragments().await?;
        if let Some(gathering) = &mut self.gathering {
            gathering.memory.merge(memory);
            gathering.sealer.push(bytes);
        } else {
            self.vault.intake.note_begun(&self.running);
            let mut sealer = Sealer::with_capacity(self.block_capacity());
            sealer.push(bytes);
            self.gathering = Some(Gathering {
                sealer,
                memory,
                kept: 0,
            });
        }
        Ok(())
    }

    /// Waits for memory; writes down and lets go of what it holds when others wait longer.
    async fn memory(&mut self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let length = u32::try_from(bytes).expect("at most a block");
        loop {
            if let Some(memory) = self.vault.intake.try_memory(length) {
                return Ok(memory);
            }
            let (vault, running) = (Arc::clone(&self.vault), Arc::clone(&self.running));
            let signal = tokio::select! {
                memory = vault.intake.memory(length) => return Ok(memory),
                signal = running.signal() => signal,
            };
            self.write_down().await?;
            self.let_go();
            if signal == Signal::Stop {
                return Err(self.taken_over().into());
            }
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
        self.flush().await.map(drop)?;
        self.let_go();
        Ok(())
    }

    fn let_go(&mut self) {
        self.gathering = None;
        self.vault.intake.note_empty(&self.running);
    }

    /// Hands the block in the making to the background.
    async fn put_block(&mut self) -> Result<()> {
        self.gather_fragments().await?;
        let Some(gathering) = self.gathering.take() else {
            return Ok(());
        };
        self.vault.intake.note_empty(&self.running);
        self.ended = self.upload.length == Some(self.received);
        while self.in_flight.len() >= IN_FLIGHT {
            self.commit_blocks().await?;
        }
        self.renew_lease().await?;
        let puts = Arc::clone(&self.vault.intake.puts);
        let permit = puts.acquire_owned().await.expect("never closed");
        let (vault, keys, lease) = (
            Arc::clone(&self.vault),
            Arc::clone(&self.keys),
            self.lease.clone(),
        );
        let (order, id) = (self.upload.order, self.upload.id);
        let put = tokio::spawn(async move {
            let gathered = gathering.len();
            let Gathering { sealer, memory, .. } = gathering;
            let (block, name, sealed) = aside(gathered, move || {
                let plain = sealer.plain();
                let block = BlockRef {
                    hash: BlockHash(*blake3::hash(plain).as_bytes()),
                    length: u32::try_from(plain.len()).expect("at most a block"),
                    crc32: crc32fast::hash(plain),
                };
                let what = Logical::Block(block.hash);
                let length = u64::from(block.length);
                let sealed = sealer.seal(&keys, order, &what, Codec::Stored, length);
                (block, keys.object_name(block.hash), sealed)
            })
            .await;
            let path = paths::upload(order, id).join(name);
            let done = vault.working.put(&path, sealed, &lease).await;
            drop((memory, permit));
            done.map(|()| block)
        });
        self.in_flight.push_back(InFlight {
            put,
            progress: self.progress.clone(),
            end: self.received,
        });
        Ok(())
    }

    /// Puts start only soon after the gate was read.
    pub(super) async fn renew_lease(&mut self) -> Result<()> {
        if !self.lease.is_stale() {
            return Ok(());
        }
        let lease = Lease::new(&self.vault.clock, self.upload.order);
        let gate = load::<Gate>(&*self.vault.catalog, &tables::gate(self.upload.order)).await?;
        if gate.is_none_or(|(_, version)| version != self.gate) {
            return Err(self.taken_over().into());
        }
        self.lease = lease;
        Ok(())
    }

    /// Waits for the oldest block and commits it with all that are ready behind it.
    async fn commit_blocks(&mut self) -> Result<()> {
        let mut upload = self.upload.clone();
        let mut batch = Batch::new();
        while let Some(next) = self.in_flight.front_mut() {
            if upload.blocks > self.upload.blocks && !next.put.is_finished() {
                break;
            }
            let block = (&mut next.put).await.expect("no panic in a put");
            let InFlight { progress, end, .. } = self.in_flight.pop_front().expect("just seen");
            batch = put(batch, tables::block(upload.id, upload.blocks), &block?);
            upload.blocks += 1;
            upload.offset = end;
            upload.progress = progress;
        }
        let fragments = std::mem::take(&mut upload.fragments);
        if upload.length == Some(upload.offset) {
            let hash = upload.progress.hash();
            upload.state = UploadState::Finished {
                hash,
                at: self.now(),
            };
        }
        self.commit(upload, batch, fragments).await
    }

    /// Commits the record; `replaced` are the fragments that it names no more.
    pub(super) async fn commit(
        &mut self,
        mut upload: Upload,
        mut batch: Batch,
        replaced: Vec<crate::upload::Fragment>,
    ) -> Result<()> {
        upload.expires_at = match upload.state {
            UploadState::Open => Some(self.now() + self.vault.limits.expire_after),
            _ => None,
        };
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
        let fenced = running.fenced.lock().await;
        if *fenced {
            return Err(self.taken_over().into());
        }
        loop {
            match self.vault.catalog.commit(batch.clone()).await {
                Ok(()) => break,
                Err(CommitError::Failed(error)) => return Err(error.into()),
                // A decision that is not on record yet: help, then try again.
                Err(CommitError::Conflict(row)) if row == tables::outbox(order) => {
                    self.vault.drain(order).await?;
                }
                Err(CommitError::Conflict(_)) => return Err(self.taken_over().into()),
            }
        }
        let row = load::<Upload>(&*self.vault.catalog, &key).await?;
        let Some((now, version)) = row.filter(|(now, _)| *now == upload) else {
            return Err(self.taken_over().into());
        };
        drop(fenced);
        (self.upload, self.row) = (now, version);
        for fragment in replaced.iter().filter(|fragment| !fragment.inline) {
            let path = paths::upload(order, id).join(fragment.name());
            if let Err(error) = self.vault.working.delete(&path).await {
                tracing::warn!(%error, "fragment left for the sweep");
            }
        }
        Ok(())
    }

    fn now(&self) -> DateTime<Utc> {
        self.vault.clock.now()
    }

    fn taken_over(&self) -> Refusal {
        let file = self.upload.path.as_str();
        let message = format!(
            "another request goes on with {file:?}, or its order has changed: ask where the upload stands and go on from there"
        );
        Refusal::new(RefusalKind::TakenOver, message).of_file(file)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.vault.intake.note_empty(&self.running);
        self.vault.intake.end(&self.running);
    }
}
