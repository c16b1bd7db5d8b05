//! WAV, RF64 and BW64: chunks of a four-byte name and a 32-bit little-endian size, padded to even.
//! In an RF64 a size of 0xFFFFFFFF means that the true one is in the `ds64` chunk.

use super::array;
use super::chunk::{Chunk, What};

/// Bytes of a chunk's head.
pub(super) const CHUNK_HEAD: u8 = 8;

const UNKNOWN: u32 = u32::MAX;

/// Bytes behind the size field that the RIFF header declares, if it is a size; `bytes` begin there.
pub(super) fn length(bytes: &[u8]) -> Option<u64> {
    let size = u32::from_le_bytes(array(bytes, 0)?);
    (size != UNKNOWN).then_some(u64::from(size))
}

/// The lengths of the whole file and of the data in the body of a `ds64` chunk; `None` for unusable.
pub(super) fn long_sizes(bytes: &[u8]) -> (Option<u64>, Option<u64>) {
    let long = |at| {
        array(bytes, at)
            .map(u64::from_le_bytes)
            .filter(|size| *size != u64::MAX)
    };
    (long(0).map(|size| size.saturating_add(8)), long(8))
}

/// A chunk by its head; its body begins at `body`. `long_data` is `Some` in an RF64: what `ds64` said.
pub(super) fn chunk(head: &[u8], body: u64, long_data: Option<Option<u64>>) -> Option<Chunk> {
    let name: [u8; 4] = array(head, 0)?;
    let size = u32::from_le_bytes(array(head, 4)?);
    let mut length = Some(u64::from(size)).filter(|_| size != UNKNOWN);
    let mut what = match &name {
        b"ds64" if long_data.is_some() => What::LongSizes,
        b"fmt " => What::Format,
        b"data" => What::Data(0, length),
        _ => What::Other,
    };
    if let What::Data(_, declared) = &mut what {
        length = length.or(long_data.flatten());
        *declared = length;
    }
    // Without a length there is no next chunk: all the same to data, the end for any other.
    let length = if matches!(what, What::Data(..)) {
        length.unwrap_or(0)
    } else {
        length?
    };
    let next = body.saturating_add(length).saturating_add(length % 2);
    Some(Chunk { what, length, next })
}
