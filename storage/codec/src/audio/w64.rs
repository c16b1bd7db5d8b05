//! Sony Wave64: chunks named by GUIDs, with a 64-bit little-endian size that counts the head, padded
//! to eight bytes.

use super::array;
use super::chunk::{Chunk, What};

/// Bytes of a chunk's head.
pub(super) const CHUNK_HEAD: u8 = 24;
/// Bytes of the file's head behind its first four.
pub(super) const FORM: u8 = 36;

/// What follows `riff` in the GUID of the file.
const RIFF_GUID: [u8; 12] = [
    0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0,
];
/// What follows `wave`, `fmt ` and `data` in theirs.
const GUID: [u8; 12] = [
    0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A,
];

/// The length of the file that its head declares, if it is the head of a W64; `bytes` begin behind
/// the four bytes `riff`.
pub(super) fn form(bytes: &[u8]) -> Option<u64> {
    let length = u64::from_le_bytes(array(bytes, 12)?);
    let is_wave =
        array(bytes, 0)? == RIFF_GUID && array(bytes, 20)? == *b"wave" && array(bytes, 24)? == GUID;
    is_wave.then_some(length)
}

/// A chunk by its head; its body begins at `body`.
pub(super) fn chunk(head: &[u8], body: u64) -> Option<Chunk> {
    let name: [u8; 4] = array(head, 0)?;
    let ours = array::<12>(head, 4)? == GUID;
    let size = u64::from_le_bytes(array(head, 16)?);
    let length = size
        .checked_sub(u64::from(CHUNK_HEAD))
        .filter(|_| size != u64::MAX);
    let what = match &name {
        b"fmt " if ours => What::Format,
        // A recorder that was cut off leaves 0 here: "until the end", as a length of 0 is.
        b"data" if ours => What::Data(0, length.or((size == 0).then_some(0))),
        _ => What::Other,
    };
    let length = if matches!(what, What::Data(..)) {
        length.unwrap_or(0)
    } else {
        length?
    };
    let next = body
        .saturating_add(length)
        .saturating_add(length.wrapping_neg() % 8);
    Some(Chunk { what, length, next })
}
