//! The archive of an order: every block again, compressed, in a folder of its own per attempt, with
//! an index that is enough to restore every file.
//!
//! An attempt counts for nothing until it was read back, decoded and compared with the manifests;
//! then the proof in the order names it.

use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::block::{Codec, Logical, Sealer, aside};
use crate::catalog::tables::{self, Attempt, Gate, Record, load, put};
use crate::catalog::{Batch, CommitError, Expect};
use crate::decimal;
use crate::error::Result;
use crate::ids::{AttemptId, BlockHash, FileHash, OrderId, SessionId};
use crate::keys::SealingKeys;
use crate::order::{Order, Proof};
use crate::outlet::Source;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::BlockRef;
use crate::store::Lease;
use crate::vault::{OrderAt, Vault};

/// zstd level of archived blocks; plain zstd gains little on audio, and more effort gains nothing.
const LEVEL: i32 = 9;

/// A block is stored as it is unless compression saves at least one part in this many.
const WORTH: usize = 50;

/// Where every file of an attempt lies. Stored sealed beside its blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Of which order.
    pub order: OrderId,
    /// Which attempt.
    pub attempt: AttemptId,
    /// What it holds.
    pub sessions: Vec<ArchivedSession>,
}

/// One session in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedSession {
    /// Which.
    pub session: SessionId,
    /// Its files, in the manifest's order.
    pub files: Vec<ArchivedFile>,
}

/// One file in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedFile {
    /// Its normalised path.
    pub path: String,
    /// Bytes.
    #[serde(with = "decimal")]
    pub length: u64,
    /// BLAKE3 of the file.
    pub hash: FileHash,
    /// SHA-256 of the file, hex, for programs that do not know BLAKE3.
    pub sha256: String,
    /// Its archive blocks, in order.
    pub blocks: Vec<BlockRef>,
}

impl Record for Index {
    const WHAT: &'static str = "archive index";
}

impl Index {
    /// The files of a session in this attempt.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<&ArchivedSession> {
        self.sessions
            .iter()
            .find(|archived| archived.session == session)
    }
}

/// An attempt being written.
struct Attempting<'a> {
    vault: &'a Vault,
    keys: Arc<SealingKeys>,
    order: OrderId,
    attempt: AttemptId,
    gate: u64,
    lease: Lease,
    /// Names that this attempt has put: equal blocks are one object.
    put: HashSet<BlockHash>,
    stored_bytes: u64,
}

impl Vault {
    /// Begins an attempt under the order's gate. `None` if the order changed meanwhile.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn begin_attempt(&self, at: &OrderAt) -> Result<Option<AttemptId>> {
        let (order, attempt) = (at.order.id, AttemptId::random());
        let row = Attempt {
            gate: at.order.gate,
        };
        let batch = put(Batch::new(), tables::attempt(order, attempt), &row)
            .expect(tables::gate(order), Expect::At(at.gate))
            .expect(tables::outbox(order), Expect::Absent);
        match self.catalog.commit(batch).await {
            Ok(()) => Ok(Some(attempt)),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// Writes all sessions of the order into the attempt, then its index. Returns the bytes that
    /// it takes. Sessions whose working copy is gone are read from the proven attempt.
    ///
    /// # Errors
    /// [`RefusalKind::TakenOver`] when the order changes meanwhile; a damaged source, by name.
    pub async fn write_attempt(&self, order: &Order, attempt: AttemptId) -> Result<u64> {
        self.archive
            .prepare(&paths::attempt(order.id, attempt))
            .await?;
        let mut attempting = Attempting {
            vault: self,
            keys: self.keys.order(order.id).await?,
            order: order.id,
            attempt,
            gate: order.gate,
            lease: self.gate_lease(order.id, order.gate).await?,
            put: HashSet::new(),
            stored_bytes: 0,
        };
        let mut index = Index {
            order: order.id,
            attempt,
            sessions: Vec::new(),
        };
        for row in self.sessions(order.id).await? {
            let manifest = self.manifest(order.id, row.session).await?;
            let mut files = Vec::with_capacity(manifest.files.len());
            for at in 0..manifest.files.len() {
                let source = self
                    .source_of(order, &row, Arc::clone(&manifest), at)
                    .await?;
                files.push(attempting.file(&source).await?);
            }
            index.sessions.push(ArchivedSession {
                session: row.session,
                files,
            });
        }
        attempting.renew().await?;
        let index_bytes = self.put_index(&index, &attempting.lease).await?;
        Ok(attempting.stored_bytes + index_bytes)
    }

    /// A lease for puts that rest on this gate.
    async fn gate_lease(&self, order: OrderId, gate: u64) -> Result<Lease> {
        let lease = Lease::new(&self.clock, &order);
        match load::<Gate>(&*self.catalog, &tables::gate(order)).await? {
            Some((row, _)) if row.gate == gate => Ok(lease),
            _ => Err(Refusal::new(
                RefusalKind::TakenOver,
                format!(
                    "order {order} changed while it was being archived: the next run begins again"
                ),
            )
            .into()),
        }
    }

    /// Reads an attempt back from the store: manifests and index opened, every block decoded, every
    /// file compared with its manifest. Returns the proof of it, or the first thing that is wrong, by name.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub async fn read_back(
        &self,
        order: &Order,
        attempt: AttemptId,
        stored_bytes: u64,
    ) -> Result<Proof> {
        let index = Arc::new(self.read_index(order.id, attempt).await?);
        let (mut files, mut bytes, mut sessions) = (0, 0, Vec::new());
        for row in self.sessions(order.id).await? {
            let manifest = Arc::new(self.read_manifest(order.id, row.session).await?);
            for (at, entry) in manifest.files.iter().enumerate() {
                let source = Source::in_attempt(
                    self,
                    order.id,
                    Arc::clone(&manifest),
                    at,
                    Arc::clone(&index),
                )
                .await?;
                source
                    .compare()
                    .await
                    .map_err(|error| error.of_file(entry.path.as_str()))?;
                files += 1;
                bytes += entry.length;
            }
            sessions.push(row.session);
        }
        Ok(Proof {
            attempt,
            proven_at: self.clock.now(),
            sessions,
            files,
            bytes,
            stored_bytes,
        })
    }
}

impl Attempting<'_> {
    async fn file(&mut self, source: &Source) -> Result<ArchivedFile> {
        let entry = source.entry().clone();
        let mut sha256 = Context::new(&SHA256);
        let mut blocks = source.blocks();
        while let Some((block, plain)) = blocks.next().await.transpose()? {
            sha256.update(&plain);
            if self.put.insert(block.hash) {
                self.block(block, plain)
                    .await
                    .map_err(|error| error.of_file(entry.path.as_str()))?;
            }
        }
        Ok(ArchivedFile {
            path: entry.path.as_str().to_owned(),
            length: entry.length,
            hash: entry.hash,
            sha256: hex::encode(sha256.finish()),
            blocks: entry.blocks,
        })
    }

    async fn block(&mut self, block: BlockRef, plain: bytes::Bytes) -> Result<()> {
        let (keys, order) = (Arc::clone(&self.keys), self.order);
        let sealed = aside(plain.len(), move || {
            seal_archived(&keys, order, block, &plain)
        })
        .await;
        self.renew().await?;
        self.stored_bytes += sealed.len() as u64;
        let path = paths::attempt(self.order, self.attempt).join(self.keys.object_name(block.hash));
        self.vault.archive.put(&path, sealed, &self.lease).await
    }

    async fn renew(&mut self) -> Result<()> {
        if self.lease.is_stale() {
            self.lease = self.vault.gate_lease(self.order, self.gate).await?;
        }
        Ok(())
    }
}

fn seal_archived(
    keys: &SealingKeys,
    order: OrderId,
    block: BlockRef,
    plain: &[u8],
) -> bytes::Bytes {
    let packed = zstd::bulk::compress(plain, LEVEL).ok();
    let packed = packed.filter(|packed| packed.len() + plain.len() / WORTH <= plain.len());
    let (content, codec) = packed
        .as_deref()
        .map_or((plain, Codec::Stored), |packed| (packed, Codec::Zstd));
    let mut sealer = Sealer::with_capacity(content.len());
    sealer.push(content);
    sealer.seal(
        keys,
        order,
        &Logical::Block(block.hash),
        codec,
        plain.len() as u64,
    )
}

impl Source {
    /// Reads the whole file and compares it with its manifest and, in an archive, its index.
    pub(crate) async fn compare(&self) -> Result<()> {
        let entry = self.entry();
        let (mut hash, mut sha256, mut length) = (blake3::Hasher::new(), Context::new(&SHA256), 0);
        let mut blocks = self.blocks();
        while let Some((_, plain)) = blocks.next().await.transpose()? {
            hash.update(&plain);
            sha256.update(&plain);
            length += plain.len() as u64;
        }
        let wrong = if length != entry.length {
            Some(format!("it has {length} bytes instead of {}", entry.length))
        } else if hash.finalize() != *entry.hash.as_bytes() {
            Some("its BLAKE3 is another".to_owned())
        } else if self
            .sha256()
            .is_some_and(|known| known != hex::encode(sha256.finish()))
        {
            Some("its SHA-256 is another".to_owned())
        } else {
            None
        };
        match wrong {
            Some(detail) => Err(self.damage("the file", String::new(), detail).into()),
            None => Ok(()),
        }
    }
}
