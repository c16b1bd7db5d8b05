//! A block of the archive as its object: in the smallest form that comes back, sealed.

use bytes::Bytes;

use super::recut::Piece;
use crate::block::{Logical, Sealer};
use crate::ids::OrderId;
use crate::keys::SealingKeys;
use crate::session::{BlockRef, FileEntry};
use stemvault_codec::pack::{self, Samples};

/// The form of the samples that a piece is made of, if it is made of whole sample frames alone.
pub(super) fn samples_of(entry: &FileEntry, piece: &Piece) -> Option<Samples> {
    let (format, data) = (entry.facts.samples?, entry.facts.data?);
    let end = piece.start + u64::from(piece.block.length);
    let inside = piece.start >= data.offset && data.end().is_none_or(|last| end <= last);
    let from = piece.start.checked_sub(data.offset)?;
    let whole = from.checked_rem(format.block_align.into()) == Some(0);
    (inside && whole).then(|| Samples::of(&format)).flatten()
}

/// The object, and the codec in its header.
pub(super) fn seal_archived(
    keys: &SealingKeys,
    order: OrderId,
    block: BlockRef,
    plain: &[u8],
    samples: Option<&Samples>,
) -> (u8, Bytes) {
    let (codec, packed) = pack::encode(plain, samples);
    let mut sealer = Sealer::with_capacity(packed.len());
    sealer.push(&packed);
    let what = Logical::Block(block.hash);
    let sealed = sealer.seal(keys, order, &what, codec, block.length.into());
    (codec as u8, sealed)
}
