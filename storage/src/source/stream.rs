//! The bytes of a range, block by block, as fast as they are taken.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::Source;
use crate::error::Result;
use crate::outflow::{Share, lent};

/// The block that is taken, and the next one, which is read meanwhile: hides one round trip to the
/// store, holds at most 8 MiB.
const READ_AHEAD: usize = 2;

impl Source {
    /// The same file for somebody who takes it at his own pace.
    #[must_use]
    pub fn lent(self, share: &Arc<Share>) -> Self {
        let share = Some(Arc::clone(share));
        Self { share, ..self }
    }

    /// How many bytes are read for these, which must lie within the file: whole blocks.
    #[must_use]
    pub fn read_for(&self, range: &Range<u64>) -> u64 {
        let (mut read, mut start) = (0, 0);
        for at in 0..self.block_count() {
            let length = u64::from(self.block_ref(at).length);
            let end = start + length;
            if range.start < end && start < range.end {
                read += length;
            }
            start = end;
        }
        read
    }

    /// The bytes of `range`, which must lie within the file; verified before they leave.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let mut parts = Vec::new();
        let mut start = 0;
        for at in 0..self.block_count() {
            let end = start + u64::from(self.block_ref(at).length);
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let within = |byte: u64| usize::try_from(byte - start).expect("within a block");
                parts.push((at, within(from)..within(to)));
            }
            start = end;
        }
        let source = self.clone();
        stream::iter(parts)
            .map(move |(at, within)| {
                let source = source.clone();
                async move {
                    let Some(share) = &source.share else {
                        return Ok(source.block(at).await?.slice(within));
                    };
                    let memory = share.memory(source.block_ref(at).length).await;
                    Ok(lent(source.block(at).await?, memory).slice(within))
                }
            })
            .buffered(READ_AHEAD)
            .boxed()
    }
}
