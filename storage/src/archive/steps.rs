//! The blocks of many files as one stream: read several at once, in order, behind uploads, and no
//! faster than the job may be.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::Archiver;
use crate::error::Result;
use crate::session::BlockRef;
use crate::source::Source;

/// One block of one file; a file without bytes has a step as well, in which it ends.
pub(super) struct Step {
    /// Which file.
    pub(super) nth: usize,
    pub(super) block: Result<Option<(BlockRef, Bytes)>>,
    /// Whether the file ends with it.
    pub(super) last: bool,
}

/// Reads these files, each with its number, `ahead` blocks at a time.
pub(super) fn steps(
    archiver: &Archiver,
    sources: Vec<(usize, Source)>,
    ahead: usize,
) -> BoxStream<'static, Step> {
    let places = sources.into_iter().flat_map(|(nth, source)| {
        let count = source.block_count();
        let step = move |at| (nth, source.clone(), at, at + 1 >= count);
        (0..count.max(1)).map(step)
    });
    let (uploads, pace) = (archiver.intake.queue(), Arc::clone(&archiver.pace));
    stream::iter(places)
        .map(move |(nth, source, at, last)| {
            let (uploads, pace) = (uploads.clone(), Arc::clone(&pace));
            async move {
                let block = if source.block_count() == 0 {
                    Ok(None)
                } else {
                    let block = source.block_ref(at);
                    uploads.after().await;
                    pace.take(block.length.into()).await;
                    source.block(at).await.map(|plain| Some((block, plain)))
                };
                Step { nth, block, last }
            }
        })
        .buffered(ahead)
        .boxed()
}
