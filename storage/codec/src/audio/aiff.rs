//! AIFF and AIFC: chunks of a four-byte name and a 32-bit big-endian size, padded to even. The form of
//! the samples is in `COMM`, the samples in `SSND`, in either order.

use super::chunk::{Chunk, What};
use super::{ByteOrder, Coding, SampleFormat, Tag, array};

/// Bytes of a chunk's head.
pub(super) const CHUNK_HEAD: u8 = 8;

/// Bytes behind the size field that the FORM header declares; `bytes` begin there.
pub(super) fn length(bytes: &[u8]) -> Option<u64> {
    array(bytes, 0)
        .map(u32::from_be_bytes)
        .filter(|size| *size != u32::MAX)
        .map(u64::from)
}

/// A chunk by its head; its body begins at `body`.
pub(super) fn chunk(head: &[u8], body: u64) -> Option<Chunk> {
    let name: [u8; 4] = array(head, 0)?;
    let size = u32::from_be_bytes(array(head, 4)?);
    let length = u64::from(size);
    let what = match &name {
        b"COMM" => What::Format,
        // Too small to hold its own fields: a recorder that never came back to fill the size in.
        b"SSND" if size < 8 => What::Data(8, Some(0)),
        b"SSND" => What::Sound,
        _ => What::Other,
    };
    Some(Chunk {
        what,
        length,
        next: body.saturating_add(length).saturating_add(length % 2),
    })
}

/// How far behind the first eight bytes of a sound chunk of `length` bytes the samples begin, and how
/// many bytes of them there are.
pub(super) fn sound(bytes: &[u8], length: u64) -> (u64, Option<u64>) {
    let room = length.saturating_sub(8);
    let offset = array(bytes, 0).map_or(0, u32::from_be_bytes);
    // An offset that leads out of the chunk is a lie; without it the cut is as good as it can be.
    let offset = if u64::from(offset) < room {
        u64::from(offset)
    } else {
        0
    };
    let known = length != u64::from(u32::MAX);
    (offset, known.then(|| room - offset))
}

/// Whether the samples begin behind the chunk by its first eight bytes: no program plays any.
pub(super) fn leads_out(bytes: &[u8], length: u64) -> bool {
    let offset = array(bytes, 0).map_or(0, u32::from_be_bytes);
    offset > 0 && u64::from(offset) >= length.saturating_sub(8)
}

/// The form of the samples, from the first bytes of a `COMM` chunk.
pub(super) fn samples(bytes: &[u8], compressed: bool) -> Option<SampleFormat> {
    let channels = u16::from_be_bytes(array(bytes, 0)?);
    let declared_bits = u16::from_be_bytes(array(bytes, 6)?);
    let sample_rate = hertz(array(bytes, 8)?);
    let tag = if compressed {
        array(bytes, 18)?
    } else {
        *b"NONE"
    };
    let whole = declared_bits.div_ceil(8);
    let (coding, bits, sample_bytes) = match &tag {
        b"NONE" | b"twos" | b"sowt" => (Coding::Pcm, declared_bits, whole),
        b"raw " => (Coding::Pcm, 8, 1),
        b"in24" | b"42ni" => (Coding::Pcm, 24, 3),
        b"in32" | b"23ni" => (Coding::Pcm, 32, 4),
        b"fl32" | b"FL32" => (Coding::Float, 32, 4),
        b"fl64" | b"FL64" => (Coding::Float, 64, 8),
        b"ulaw" | b"ULAW" | b"alaw" | b"ALAW" => (Coding::Lossy, declared_bits, 1),
        b"ima4" => (Coding::Lossy, declared_bits, 34),
        b"MAC3" | b"MAC6" | b"QDMC" | b"QDM2" | b"Qclp" | b".mp3" | b"agsm" | b"GSM " | b"G722"
        | b"G726" | b"G728" | b"DWVW" => (Coding::Lossy, declared_bits, 0),
        b"alac" => (Coding::Lossless, declared_bits, 0),
        _ => (Coding::Unknown, declared_bits, 0),
    };
    Some(SampleFormat {
        tag: Tag::FourCc(tag),
        coding,
        byte_order: match &tag {
            b"sowt" | b"42ni" | b"23ni" => ByteOrder::Little,
            _ => ByteOrder::Big,
        },
        channels: channels.into(),
        sample_rate,
        bits,
        block_align: u32::from(channels) * u32::from(sample_bytes),
    })
}

/// An 80-bit extended float, rounded; 0 if it is no sample rate.
fn hertz(bytes: [u8; 10]) -> u32 {
    let [high, low, mantissa @ ..] = bytes;
    let mantissa = u64::from_be_bytes(mantissa);
    match u16::from_be_bytes([high, low]).checked_sub(16383) {
        Some(power @ 0..=31) => {
            let shift = 63 - power;
            let rounded = (mantissa >> shift) + ((mantissa >> (shift - 1)) & 1);
            u32::try_from(rounded).unwrap_or(0)
        }
        _ => 0,
    }
}
