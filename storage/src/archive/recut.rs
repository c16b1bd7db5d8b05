//! From a file's blocks as they came to the blocks of the archive: the plain bytes go through the
//! [`Cut`] again from the first on. Where uploads left short blocks, or parts were joined, the blocks
//! become what they would have been in one piece; everywhere else nothing changes, and nothing is
//! copied or hashed again.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};

use crate::ids::BlockHash;
use crate::session::BlockRef;
use crate::upload::cut::Cut;

/// One block of the archive, plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) block: BlockRef,
    pub(super) plain: Bytes,
    /// Where in the file it begins.
    pub(super) start: u64,
}

/// A file on its way, fed with every block of it in order.
pub(super) struct Recut {
    cut: Cut,
    sha256: Context,
    /// What is not cut yet, and the block that it is the whole of, if it is.
    held: BytesMut,
    whole: Option<(BlockRef, Bytes)>,
}

impl Recut {
    pub(super) fn new() -> Self {
        Self {
            cut: Cut::new(),
            sha256: Context::new(&SHA256),
            held: BytesMut::new(),
            whole: None,
        }
    }

    /// Takes the next block of the file, and returns what ends with it.
    pub(super) fn push(&mut self, block: BlockRef, plain: &Bytes) -> Vec<Piece> {
        self.sha256.update(plain);
        let mut pieces = Vec::new();
        let mut rest = plain.clone();
        loop {
            let start = self.cut.block_start();
            match self.cut.next_end(&rest) {
                Some(end) => {
                    let bytes = rest.split_to(end);
                    pieces.push(self.piece(start, block, plain, bytes));
                }
                None => break,
            }
        }
        if !rest.is_empty() {
            self.hold(block, plain, rest);
        }
        pieces
    }

    /// What is left when every block was pushed, and the SHA-256 of the file.
    pub(super) fn finish(mut self) -> (Option<Piece>, String) {
        let start = self.cut.block_start();
        let last = match self.whole.take() {
            Some((block, plain)) => Some(Piece {
                block,
                plain,
                start,
            }),
            None if self.held.is_empty() => None,
            None => Some(anew(start, self.held.freeze())),
        };
        (last, hex::encode(self.sha256.finish()))
    }

    fn piece(&mut self, start: u64, block: BlockRef, plain: &Bytes, bytes: Bytes) -> Piece {
        self.spill();
        if !self.held.is_empty() {
            self.held.extend_from_slice(&bytes);
            return anew(start, self.held.split().freeze());
        }
        if bytes.len() == plain.len() {
            return Piece {
                block,
                plain: bytes,
                start,
            };
        }
        anew(start, bytes)
    }

    fn hold(&mut self, block: BlockRef, plain: &Bytes, rest: Bytes) {
        self.spill();
        if self.held.is_empty() && rest.len() == plain.len() {
            self.whole = Some((block, rest));
        } else {
            self.held.extend_from_slice(&rest);
        }
    }

    /// More follows what was the whole of a block: it is none of the archive's.
    fn spill(&mut self) {
        if let Some((_, plain)) = self.whole.take() {
            self.held.extend_from_slice(&plain);
        }
    }
}

fn anew(start: u64, plain: Bytes) -> Piece {
    let block = BlockRef {
        hash: BlockHash(*blake3::hash(&plain).as_bytes()),
        length: u32::try_from(plain.len()).expect("at most a block"),
        crc32: crc32fast::hash(&plain),
    };
    Piece {
        block,
        plain,
        start,
    }
}

#[cfg(test)]
mod tests;
