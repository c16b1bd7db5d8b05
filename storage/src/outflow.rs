//! Outflow: the memory of blocks that were read for somebody outside and have not been taken.
//!
//! One budget for all downloads, as uploads have one: a block is read when there is memory for it,
//! and gives it back when its last byte was handed on. Nobody's share is all of it, so a client who
//! asks for much and takes nothing keeps nobody waiting but those who share the link. Only this
//! process knows of it: it bounds and paces, and decides nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::block::BLOCK_MAX;
use crate::ids::LinkId;

/// One link has no more than this share of the memory; what the studio itself gets is no link's.
const SHARE: usize = 4;

/// Downloads of one link at once: more than a download manager opens.
const STREAMS: usize = 32;

/// The budget of all downloads.
#[derive(Debug)]
pub struct Outflow {
    all: Arc<Semaphore>,
    memory: usize,
    shares: Mutex<HashMap<Option<LinkId>, Weak<Share>>>,
}

/// What one link has of it.
#[derive(Debug)]
pub struct Share {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Outflow {
    /// So many bytes for all; less than a few blocks is of no use.
    #[must_use]
    pub fn new(memory: usize) -> Self {
        let memory = memory.clamp(2 * SHARE * BLOCK_MAX, Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(memory)),
            memory,
            shares: Mutex::default(),
        }
    }

    /// The share of a link, or of the studio itself.
    #[must_use]
    pub fn share(&self, link: Option<LinkId>) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&link).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let parts = if link.is_some() { SHARE } else { 2 };
        let share = Arc::new(Share {
            own: Arc::new(Semaphore::new(self.memory / parts)),
            all: Arc::clone(&self.all),
            streams: Arc::new(Semaphore::new(STREAMS)),
        });
        shares.insert(link, Arc::downgrade(&share));
        share
    }
}

impl Share {
    /// The right to one more download of this link; waits for it.
    ///
    /// # Panics
    /// Never: it is not closed.
    pub async fn stream(&self) -> OwnedSemaphorePermit {
        let streams = Arc::clone(&self.streams).acquire_owned().await;
        streams.expect("never closed")
    }

    /// Memory for a block, first of the own share; waits for it.
    pub(crate) async fn memory(&self, bytes: u32) -> [OwnedSemaphorePermit; 2] {
        let own = Arc::clone(&self.own).acquire_many_owned(bytes).await;
        let all = Arc::clone(&self.all).acquire_many_owned(bytes).await;
        [own.expect("never closed"), all.expect("never closed")]
    }
}

/// Bytes that give their memory back when nobody holds any of them.
struct Lent {
    bytes: Bytes,
    _memory: [OwnedSemaphorePermit; 2],
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same bytes, with the memory that they take.
pub(crate) fn lent(bytes: Bytes, memory: [OwnedSemaphorePermit; 2]) -> Bytes {
    Bytes::from_owner(Lent {
        bytes,
        _memory: memory,
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_link_takes_its_share_and_others_have_the_rest() {
        let block = u32::try_from(BLOCK_MAX).unwrap();
        let outflow = Outflow::new(16 * BLOCK_MAX);
        let share = outflow.share(Some(LinkId([1; 16])));
        let mut held = Vec::new();
        while let Some(memory) = share.memory(block).now_or_never() {
            held.push(lent(Bytes::from_static(b"abc"), memory));
        }
        assert_eq!(held.len(), 4);
        let again = outflow.share(Some(LinkId([1; 16])));
        assert!(again.memory(1).now_or_never().is_none());
        let other = outflow.share(None);
        assert!(other.memory(block).now_or_never().is_some());
        // As long as a byte of it is somewhere its memory is not free.
        let end = held.pop().map(|bytes| bytes.slice(2..)).unwrap();
        assert!(share.memory(block).now_or_never().is_none());
        drop(end);
        assert!(share.memory(block).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_link_has_so_many_downloads_at_once() {
        let outflow = Outflow::new(0);
        let share = outflow.share(Some(LinkId([1; 16])));
        let streams = (0..).map_while(|_| share.stream().now_or_never());
        let streams: Vec<_> = streams.collect();
        assert_eq!(streams.len(), STREAMS);
        let other = outflow.share(Some(LinkId([2; 16])));
        assert!(other.stream().now_or_never().is_some());
        drop(streams);
        assert!(share.stream().now_or_never().is_some());
    }
}
