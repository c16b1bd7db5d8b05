//! Apple Core Audio Format: chunks of a four-byte name and a signed 64-bit big-endian size, no padding.
//! A size of -1 is allowed for `data` alone and means "to the end of the file".

use super::chunk::{Chunk, What};
use super::{ByteOrder, Coding, SampleFormat, Tag, array};

/// Bytes of a chunk's head.
pub(super) const CHUNK_HEAD: u8 = 12;

/// `data` begins with a count of edits.
const EDIT_COUNT: u64 = 4;

/// A chunk by its head; its body begins at `body`.
pub(super) fn chunk(head: &[u8], body: u64) -> Option<Chunk> {
    let name: [u8; 4] = array(head, 0)?;
    let length = u64::try_from(i64::from_be_bytes(array(head, 4)?)).ok();
    let what = match &name {
        b"desc" => What::Format,
        b"data" => What::Data(
            EDIT_COUNT,
            length.map(|length| length.saturating_sub(EDIT_COUNT)),
        ),
        _ => What::Other,
    };
    let length = if matches!(what, What::Data(..)) {
        length.unwrap_or(0)
    } else {
        length?
    };
    Some(Chunk {
        what,
        length,
        next: body.saturating_add(length),
    })
}

/// The form of the samples, from the body of a `desc` chunk.
pub(super) fn samples(bytes: &[u8]) -> Option<SampleFormat> {
    let word = |at| array(bytes, at).map(u32::from_be_bytes);
    let tag: [u8; 4] = array(bytes, 8)?;
    let (flags, packet, frames) = (word(12)?, word(16)?, word(20)?);
    let (is_float, is_little) = (flags & 1 != 0, flags & 2 != 0);
    let coding = match &tag {
        b"lpcm" if is_float => Coding::Float,
        b"lpcm" => Coding::Pcm,
        b"alac" | b"flac" => Coding::Lossless,
        b"aac " | b"aach" | b"aacl" | b"aacp" | b".mp1" | b".mp2" | b".mp3" | b"ima4" | b"ulaw"
        | b"alaw" | b"MAC3" | b"MAC6" | b"QDMC" | b"QDM2" | b"Qclp" | b"ilbc" | b"opus"
        | b"ac-3" | b"ec-3" => Coding::Lossy,
        _ => Coding::Unknown,
    };
    Some(SampleFormat {
        tag: Tag::FourCc(tag),
        coding,
        byte_order: if is_little && tag == *b"lpcm" {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        },
        channels: word(24)?,
        sample_rate: hertz(f64::from_be_bytes(array(bytes, 0)?)),
        bits: u16::try_from(word(28)?).unwrap_or(0),
        // Plain samples have one frame to a packet; a header that says otherwise has no frame size.
        block_align: if tag != *b"lpcm" || frames == 1 {
            packet
        } else {
            0
        },
    })
}

/// Rounded to whole hertz; 0 if it is no sample rate.
fn hertz(rate: f64) -> u32 {
    if (1.0..4e9).contains(&rate) {
        rate.round() as u32
    } else {
        0
    }
}
