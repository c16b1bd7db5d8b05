//! The steps between the gathering of a block and its commit: its hash, its seal, its put. They run in
//! the background, several blocks at once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stemvault_codec::pack::Codec;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::JoinHandle;

use super::begin::Appends;
use super::gather::Gathering;
use crate::block::{Logical, Sealer, aside};
use crate::error::Result;
use crate::ids::{BlockHash, OrderId, UploadId};
use crate::keys::SealingKeys;
use crate::paths;
use crate::session::BlockRef;
use crate::store::Lease;
use crate::upload::cut::Cut;
use crate::upload::progress::Sums;

/// A block of so many bytes is hashed and sealed in less time than another thread takes to wake up.
const HERE: usize = 128 << 10;

/// The file's hash before a block: known, or on its way from the block before.
pub(super) enum Before {
    Known(Box<Sums>),
    Comes(oneshot::Receiver<Sums>),
}

/// A gathered block with what it needs on its way.
pub(super) struct Gathered {
    pub(super) block: Gathering,
    pub(super) before: Before,
    pub(super) order: OrderId,
    pub(super) upload: UploadId,
    pub(super) keys: Arc<SealingKeys>,
    /// Where to note what is put, if it may have to go.
    pub(super) noted: Option<Arc<Mutex<HashSet<BlockHash>>>>,
    pub(super) lease: Lease,
    pub(super) permit: OwnedSemaphorePermit,
}

/// A block that is hashed and sealed.
struct Sealed {
    block: BlockRef,
    sums: Sums,
    name: String,
    bytes: bytes::Bytes,
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
    pub(super) landed: watch::Receiver<Option<Duration>>,
}

impl Gathered {
    /// Sends the block on its way; the file's hash behind it comes as soon as it is known.
    pub(super) fn sent(
        self,
        appends: &Arc<Appends>,
        cut: Cut,
        end: u64,
    ) -> (InFlight, oneshot::Receiver<Sums>) {
        let (tell, hashed) = oneshot::channel();
        let (note, landed) = watch::channel(None);
        let appends = Arc::clone(appends);
        let put = tokio::spawn(async move {
            let Self {
                block,
                before,
                order,
                upload,
                keys,
                noted,
                lease,
                permit,
            } = self;
            let Gathering {
                sealer,
                memory,
                kept,
            } = block;
            let before = match before {
                Before::Known(sums) => *sums,
                Before::Comes(hashed) => hashed.await.expect("no panic in the put before"),
            };
            let Sealed {
                block,
                sums,
                name,
                bytes,
            } = sealed(sealer, kept, before, keys, order).await;
            // Nobody waits after the last block.
            let _ = tell.send(sums.clone());
            if let Some(noted) = noted {
                noted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(block.hash);
            }
            let path = paths::upload(order, upload).join(name);
            let done = appends.core.working.put(&path, bytes, &lease).await;
            drop((memory, permit));
            note.send_replace(Some(appends.core.clock.monotonic()));
            done.map(|()| (block, sums))
        });
        let on_its_way = InFlight {
            put,
            cut,
            end,
            landed,
        };
        (on_its_way, hashed)
    }
}

/// Hashes and seals a block of which the first `kept` bytes are in the file's hash already.
async fn sealed(
    sealer: Sealer,
    kept: usize,
    before: Sums,
    keys: Arc<SealingKeys>,
    order: OrderId,
) -> Sealed {
    let length = sealer.plain().len();
    let work = move || {
        let plain = sealer.plain();
        let mut sums = before;
        sums.push(&plain[kept..]);
        let block = BlockRef {
            hash: hash(plain, &sums),
            length: u32::try_from(plain.len()).expect("at most a block"),
            crc32: crc32fast::hash(plain),
        };
        let what = Logical::Block(block.hash);
        let bytes = sealer.seal(&keys, order, &what, Codec::Stored, u64::from(block.length));
        Sealed {
            block,
            sums,
            name: keys.object_name(block.hash),
            bytes,
        }
    };
    match length {
        ..=HERE => work(),
        _ => aside(length, work).await,
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
