//! Writing an attempt: read, cut anew, compress, seal, put, note.
//!
//! One stream of blocks through all files in order. Reading and cutting go on while blocks before
//! are compressed and put; so many at once as bound the memory. A block that this run has put is
//! not put again for an equal one; whether an earlier run has put it is known from the rows of its
//! file alone, never from the store. Everything waits for uploads first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use futures::StreamExt;
use tokio::task::JoinHandle;

use super::Archiver;
use super::attempt::{Claim, Ground};
use super::pack::{samples_of, seal_archived};
use super::progress::{FileAt, Known, STRETCH, Stretch};
use super::recut::{Piece, Recut};
use super::steps::{Step, steps};
use super::{ArchivedBlock, ArchivedFile, ArchivedSession, Index};
use crate::error::Result;
use crate::ids::{BlockHash, SessionId};
use crate::keys::SealingKeys;
use crate::order::Order;
use crate::paths;
use crate::source::Source;
use crate::store::Store;

/// Blocks that are read ahead.
const READ_AHEAD: usize = 2;

/// Blocks on their way to the store beside those that are being compressed.
const ON_THE_WAY: usize = 3;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the attempt's objects.
    pub stored_bytes: u64,
    /// Bytes of files that an earlier run had written.
    pub found_bytes: u64,
}

/// A file to be written.
struct File {
    at: FileAt,
    source: Source,
    known: Known,
    /// Blocks that are durable, and those of them that are noted.
    blocks: Vec<ArchivedBlock>,
    noted: usize,
    sha256: Option<String>,
}

/// A block behind which nothing of its file is put yet.
enum Put {
    /// An earlier run has put it.
    Found(ArchivedBlock),
    /// This run has put an equal one, or is about to.
    Equal(BlockHash),
    New(JoinHandle<Result<ArchivedBlock>>),
}

struct Writing<'a> {
    archiver: &'a Archiver,
    claim: &'a Claim,
    keys: Arc<SealingKeys>,
    ground: Arc<Ground>,
    sessions: Vec<SessionId>,
    files: Vec<File>,
    /// In the order of the files; the SHA-256 comes with a file's last block, or alone.
    under_way: VecDeque<(usize, Option<Put>, Option<String>)>,
    begun: HashSet<BlockHash>,
    put: HashMap<BlockHash, ArchivedBlock>,
    /// Files with something to note, and how much.
    to_note: Vec<usize>,
    pending: usize,
    /// A put has failed: what comes after it has a hole before it.
    broken: bool,
}

impl Archiver {
    /// Writes all sessions of the order into the attempt, then its index; goes on where an earlier
    /// run was interrupted. Sessions whose working copy is gone are read from the proven attempt.
    ///
    /// # Errors
    /// [`TakenOver`](crate::refusal::RefusalKind::TakenOver) when the order changes meanwhile or
    /// another run claims the attempt; a damaged source, by name. What was put is kept.
    pub async fn write_attempt(&self, order: &Order, claim: &Claim) -> Result<Written> {
        let folder = paths::attempt(order.id, claim.attempt);
        self.core.archive.prepare(&folder).await?;
        let (sessions, files) = self.files_to_write(order, claim).await?;
        let found = files.iter().filter(|file| file.sha256.is_some());
        let found_bytes = found.map(|file| file.source.entry().length).sum();
        let mut writing = Writing {
            archiver: self,
            claim,
            keys: self.core.keys.order(order.id).await?,
            ground: Arc::new(Ground::new(&self.core, claim)),
            sessions,
            files,
            under_way: VecDeque::new(),
            begun: HashSet::new(),
            put: HashMap::new(),
            to_note: Vec::new(),
            pending: 0,
            broken: false,
        };
        let done = writing.blocks().await;
        // Whatever ended it: what was put before is not lost.
        let done = done.and(writing.finish().await);
        done?;
        let index = writing.index();
        let lease = writing.ground.lease().await?;
        let index_bytes = self.manifests.put_index(&index, &lease).await?;
        Ok(Written {
            stored_bytes: stored_bytes(&index) + index_bytes,
            found_bytes,
        })
    }

    async fn files_to_write(
        &self,
        order: &Order,
        claim: &Claim,
    ) -> Result<(Vec<SessionId>, Vec<File>)> {
        let mut progress = self.progress.progress(claim).await?;
        let (mut sessions, mut files) = (Vec::new(), Vec::new());
        for row in self.core.sessions(order.id).await? {
            let manifest = self.manifests.manifest(order.id, row.session).await?;
            for at in 0..manifest.files.len() {
                let source = self
                    .outlet
                    .source_of(order, &row, Arc::clone(&manifest), at);
                let source = source.await?.in_background(&self.background);
                let at = (row.session, u32::try_from(at).expect("fewer files"));
                let known = progress.remove(&at).unwrap_or_default();
                files.push(File::new(at, source, known));
            }
            sessions.push(row.session);
        }
        Ok((sessions, files))
    }
}

impl File {
    fn new(at: FileAt, source: Source, known: Known) -> Self {
        let length: u64 = known.blocks.iter().map(|it| u64::from(it.length)).sum();
        let whole = known.sha256.is_some() && length == source.entry().length;
        let mut file = Self {
            at,
            source,
            known: Known::default(),
            blocks: Vec::new(),
            noted: 0,
            sha256: None,
        };
        if whole {
            file.noted = known.blocks.len();
            (file.blocks, file.sha256) = (known.blocks, known.sha256);
        } else {
            file.known = known;
        }
        file
    }

    fn archived(&self) -> ArchivedFile {
        let entry = self.source.entry();
        ArchivedFile {
            path: entry.path.as_str().to_owned(),
            length: entry.length,
            hash: entry.hash,
            sha256: self.sha256.clone().expect("it was written to its end"),
            blocks: self.blocks.clone(),
        }
    }
}

impl Writing<'_> {
    /// Brings every block of every file that is not written yet on its way.
    async fn blocks(&mut self) -> Result<()> {
        let todo = self.files.iter().enumerate();
        let todo = todo.filter(|(_, file)| file.sha256.is_none());
        let sources = todo.map(|(nth, file)| (nth, file.source.clone()));
        let archiver = self.archiver;
        let mut read = steps(archiver, sources.collect(), READ_AHEAD);
        let mut recut = Recut::new();
        let mut cut = 0;
        while let Some(Step { nth, block, last }) = read.next().await {
            let block = block?;
            self.ground.lease().await?;
            let bytes = block.as_ref().map_or(0, |(_, plain)| plain.len());
            let work = move || {
                let mut pieces = Vec::new();
                if let Some((block, plain)) = block {
                    pieces = recut.push(block, &plain);
                }
                (recut, pieces)
            };
            let mut pieces;
            (recut, pieces) = archiver.background.run(bytes, work).await;
            let mut ended = None;
            if last {
                let whole = std::mem::replace(&mut recut, Recut::new());
                let (rest, sha256) = archiver.background.run(bytes, || whole.finish()).await;
                pieces.extend(rest);
                ended = Some(sha256);
            }
            let count = pieces.len();
            for (at, piece) in pieces.into_iter().enumerate() {
                let ended = ended.take_if(|_| at + 1 == count);
                self.begin(nth, cut, piece, ended).await?;
                cut += 1;
            }
            if let Some(sha256) = ended {
                self.under_way.push_back((nth, None, Some(sha256)));
            }
            if last {
                cut = 0;
            }
        }
        Ok(())
    }

    /// Brings block `at` of a file on its way; waits while too many are.
    async fn begin(
        &mut self,
        nth: usize,
        at: usize,
        piece: Piece,
        ended: Option<String>,
    ) -> Result<()> {
        let most = self.archiver.background.threads() + ON_THE_WAY;
        while self.under_way.len() >= most {
            self.end_first().await?;
        }
        let block = piece.block;
        let found = self.files[nth].known.blocks.get(at);
        let put = match found.filter(|found| found.plain() == block) {
            Some(found) => Put::Found(*found),
            None if !self.begun.insert(block.hash) => Put::Equal(block.hash),
            None => Put::New(self.put(nth, piece)),
        };
        self.under_way.push_back((nth, Some(put), ended));
        Ok(())
    }

    fn put(&self, nth: usize, piece: Piece) -> JoinHandle<Result<ArchivedBlock>> {
        let source = &self.files[nth].source;
        let samples = samples_of(source.entry(), &piece);
        let order = self.claim.order;
        let folder = paths::attempt(order, self.claim.attempt);
        let path = folder.join(self.keys.object_name(piece.block.hash));
        let name = source.entry().path.as_str().to_owned();
        let (keys, ground) = (Arc::clone(&self.keys), Arc::clone(&self.ground));
        let (background, pace) = (
            Arc::clone(&self.archiver.background),
            Arc::clone(&self.archiver.pace),
        );
        let store: Store = self.archiver.core.archive.clone();
        tokio::spawn(async move {
            let Piece { block, plain, .. } = piece;
            let work = move || seal_archived(&keys, order, block, &plain, samples.as_ref());
            let (codec, sealed) = background.run(block.length as usize, work).await;
            let stored = u32::try_from(sealed.len()).expect("little more than a block");
            pace.take(stored.into()).await;
            let lease = ground.lease().await?;
            let put = store.put(&path, sealed, &lease).await;
            put.map_err(|error| error.of_file(&name))?;
            Ok(ArchivedBlock {
                hash: block.hash,
                length: block.length,
                crc32: block.crc32,
                codec: Some(codec),
                stored: Some(stored),
            })
        })
    }

    /// Waits for the block that is first under way. Once it is durable, so is everything before it.
    async fn end_first(&mut self) -> Result<()> {
        let Some((nth, put, ended)) = self.under_way.pop_front() else {
            return Ok(());
        };
        let durable = match put {
            None => None,
            Some(Put::Found(block)) => Some(block),
            Some(Put::Equal(hash)) => Some(self.put[&hash]),
            Some(Put::New(put)) => {
                self.broken = true;
                let block = put.await.expect("no panic in work on a block")?;
                self.broken = false;
                self.put.insert(block.hash, block);
                Some(block)
            }
        };
        let file = &mut self.files[nth];
        file.blocks.extend(durable);
        file.sha256 = ended;
        if self.to_note.last() != Some(&nth) {
            self.to_note.push(nth);
        }
        self.pending += 1;
        if self.pending >= STRETCH {
            self.note().await?;
        }
        Ok(())
    }

    /// Waits for everything that is under way, and notes it. After a failure that is what came
    /// before it.
    async fn finish(&mut self) -> Result<()> {
        let mut done = Ok(());
        while done.is_ok() && !self.broken && !self.under_way.is_empty() {
            done = self.end_first().await;
        }
        // The others are waited for as well, so that this run leaves nothing behind that still lands.
        for (_, put, _) in std::mem::take(&mut self.under_way) {
            if let Some(Put::New(put)) = put {
                drop(put.await);
            }
        }
        done.and(self.note().await)
    }

    async fn note(&mut self) -> Result<()> {
        self.pending = 0;
        let mut stretches = Vec::new();
        for nth in std::mem::take(&mut self.to_note) {
            let file = &mut self.files[nth];
            let new = file.blocks[file.noted..].to_vec();
            let found = file.known.blocks.get(file.noted..file.blocks.len());
            let stretch = Stretch {
                blocks: new,
                sha256: file.sha256.clone(),
            };
            if found != Some(&stretch.blocks[..]) || stretch.sha256.is_some() {
                stretches.push((file.at, file.noted, stretch));
            }
            file.noted = file.blocks.len();
        }
        if stretches.is_empty()
            || self
                .archiver
                .progress
                .note_progress(self.claim, &stretches)
                .await?
        {
            return Ok(());
        }
        Err(self.claim.lost().into())
    }

    fn index(&self) -> Index {
        let files_of = |session: SessionId| {
            let files = self.files.iter().filter(move |file| file.at.0 == session);
            files.map(File::archived).collect()
        };
        let archived = |session| ArchivedSession {
            session,
            files: files_of(session),
        };
        let sessions = self.sessions.iter().copied().map(archived).collect();
        Index {
            order: self.claim.order,
            attempt: self.claim.attempt,
            sessions,
        }
    }
}

fn stored_bytes(index: &Index) -> u64 {
    let files = index.sessions.iter().flat_map(|session| &session.files);
    let mut seen = HashSet::new();
    let blocks = files.flat_map(|file| &file.blocks);
    blocks
        .filter(|block| seen.insert(block.hash))
        .map(|block| u64::from(block.stored.unwrap_or_default()))
        .sum()
}
