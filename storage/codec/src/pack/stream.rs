//! The stream that holds a predicted block: a skippable frame with the parameters, a zstd frame with
//! everything that packs, a skippable frame with the bits that do not. `zstd -t` accepts it.

use super::DecodeError;
use std::io::Write as _;

use super::bits::BitReader;
use super::golomb::take;
use super::samples::{Number, Samples};
use crate::audio::ByteOrder;

const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
const MAGIC: &[u8; 4] = b"STMP";
const VERSION: u8 = 1;
const LEVEL: i32 = 1;
/// Parts of the zstd frame.
const PARTS: usize = 7;
/// Bytes of the first frame's content.
const HEAD: usize = 16 + 4 * PARTS;

const BIG: u8 = 0x10;
const UNSIGNED: u8 = 0x20;
const FLOAT: u8 = 0x40;

/// What a stream holds.
#[derive(Default)]
pub(super) struct Parts {
    /// Bytes behind the last whole sample frame.
    pub(super) tail: Vec<u8>,
    /// What the way from numbers to integers needs.
    pub(super) form: Vec<u8>,
    /// How every span is predicted.
    pub(super) spans: Vec<u8>,
    /// Shifts of the partitions.
    pub(super) shifts: Vec<u8>,
    /// Quotients that are no byte.
    pub(super) escapes: Vec<u8>,
    /// The small quotients, the large ones.
    pub(super) quotients: [Vec<u8>; 2],
}

impl Parts {
    fn all(&self) -> [&Vec<u8>; PARTS] {
        [
            &self.tail,
            &self.form,
            &self.spans,
            &self.shifts,
            &self.escapes,
            &self.quotients[0],
            &self.quotients[1],
        ]
    }
}

/// What stands in front.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) samples: Samples,
    pub(super) frames: u32,
    pub(super) mode: u8,
    /// Sample frames that are predicted alike.
    pub(super) span: usize,
    /// Residuals that share a shift.
    pub(super) partition: usize,
}

/// Writes a stream; `None` if it would be one that [`read`] refuses.
pub(super) fn write(head: Head, parts: &Parts, low: &[u8]) -> Option<Vec<u8>> {
    let mut first = MAGIC.to_vec();
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let samples = head.samples;
    let form = samples.bytes
        | flag(samples.byte_order == ByteOrder::Big, BIG)
        | flag(samples.number == Number::Unsigned, UNSIGNED)
        | flag(samples.number == Number::Float, FLOAT);
    let lengths = [head.span, head.partition].map(|length| length.ilog2() as u8);
    first.extend([VERSION, form, head.mode, 0]);
    first.extend(samples.channels.to_le_bytes());
    first.extend(lengths);
    first.extend(head.frames.to_le_bytes());
    for part in parts.all() {
        first.extend(u32::try_from(part.len()).ok()?.to_le_bytes());
    }
    let plain_len = head.frames as usize * samples.frame() + parts.tail.len();
    let length = parts.all().iter().map(|part| part.len()).sum();
    if length > content_limit(plain_len) {
        return None;
    }
    let mut stream = Vec::new();
    skippable(&mut stream, &first)?;
    stream.extend(zstd_frame(parts, length).ok()?);
    skippable(&mut stream, low)?;
    Some(stream)
}

/// One frame; every part begins a block of its own in it, and thereby a code of its own.
fn zstd_frame(parts: &Parts, length: usize) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::with_capacity(length / 2), LEVEL)?;
    encoder.set_pledged_src_size(Some(length as u64))?;
    for part in parts.all() {
        encoder.write_all(part)?;
        encoder.flush()?;
    }
    encoder.finish()
}

fn skippable(stream: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    stream.extend(SKIPPABLE);
    stream.extend(u32::try_from(content.len()).ok()?.to_le_bytes());
    stream.extend(content);
    Some(())
}

/// No honest stream unpacks to more: of one that does, the encoder keeps nothing.
fn content_limit(plain_len: usize) -> usize {
    2 * plain_len + 1024
}

/// A stream taken apart.
pub(super) struct Stream<'a> {
    pub(super) head: Head,
    lengths: [usize; PARTS],
    content: Vec<u8>,
    low: &'a [u8],
}

/// The parts of a stream that was read; see [`Parts`].
pub(super) struct View<'a> {
    pub(super) tail: &'a [u8],
    pub(super) form: &'a [u8],
    pub(super) spans: &'a [u8],
    pub(super) shifts: &'a [u8],
    pub(super) escapes: &'a [u8],
    pub(super) quotients: [&'a [u8]; 2],
    pub(super) low: BitReader<'a>,
}

/// Reads a stream that decodes to `plain_len` bytes.
pub(super) fn read(mut packed: &[u8], plain_len: usize) -> Result<Stream<'_>, DecodeError> {
    let first = read_skippable(&mut packed)?;
    let (head, lengths) = read_head(first)?;
    let sum = lengths.iter().sum::<usize>();
    let samples_len = (head.frames as usize).checked_mul(head.samples.frame());
    if samples_len.and_then(|it| it.checked_add(lengths[0])) != Some(plain_len) {
        return Err(DecodeError::Length);
    }
    if sum > content_limit(plain_len) {
        return Err(DecodeError::Malformed("its parts are too long"));
    }
    let frame_len = zstd::zstd_safe::find_frame_compressed_size(packed)
        .map_err(|code| DecodeError::Zstd(zstd::zstd_safe::get_error_name(code).to_owned()))?;
    let frame = take(&mut packed, frame_len)?;
    let content = unzstd(frame, sum)?;
    let low = read_skippable(&mut packed)?;
    if !packed.is_empty() {
        return Err(DecodeError::Malformed("something follows it"));
    }
    Ok(Stream {
        head,
        lengths,
        content,
        low,
    })
}

/// Decodes one zstd frame to exactly `length` bytes.
pub(super) fn unzstd(frame: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    let plain = zstd::bulk::decompress(frame, length)
        .map_err(|error| DecodeError::Zstd(error.to_string()))?;
    if plain.len() == length {
        Ok(plain)
    } else {
        Err(DecodeError::Length)
    }
}

fn read_head(mut first: &[u8]) -> Result<(Head, [usize; PARTS]), DecodeError> {
    if take(&mut first, 4)? != MAGIC {
        return Err(DecodeError::Malformed("it is no predicted block"));
    }
    match first.first() {
        Some(&VERSION) if first.len() == HEAD - 4 => {}
        Some(&VERSION) | None => return Err(DecodeError::Malformed("its parameters are cut")),
        Some(&version) => return Err(DecodeError::Version(version)),
    }
    let (form, mode, zero) = (first[1], first[2], first[3]);
    let (span, partition) = (length(first[6])?, length(first[7])?);
    let number = match form & (UNSIGNED | FLOAT) {
        0 => Number::Signed,
        UNSIGNED => Number::Unsigned,
        FLOAT => Number::Float,
        _ => return Err(DecodeError::Malformed("its samples have no form")),
    };
    let byte_order = if form & BIG == 0 {
        ByteOrder::Little
    } else {
        ByteOrder::Big
    };
    let samples = Samples {
        number,
        byte_order,
        bytes: form & 0x0F,
        channels: u16::from_le_bytes([first[4], first[5]]),
        sample_rate: 0,
    };
    if !samples.is_sound() || form & 0x80 != 0 || zero != 0 {
        return Err(DecodeError::Malformed("its samples have no form"));
    }
    let mut words = first[8..].chunks_exact(4);
    let mut word = || {
        let bytes = words.next().and_then(|it| it.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let frames = word();
    let lengths = std::array::from_fn(|_| word() as usize);
    let head = Head {
        samples,
        frames,
        mode,
        span,
        partition,
    };
    Ok((head, lengths))
}

/// Of spans and partitions, from 16 to 65,536.
fn length(power: u8) -> Result<usize, DecodeError> {
    match power {
        4..=16 => Ok(1 << power),
        _ => Err(DecodeError::Malformed("its spans have no length")),
    }
}

fn read_skippable<'a>(packed: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    if take(packed, 4)? != SKIPPABLE {
        return Err(DecodeError::Malformed("a frame is missing"));
    }
    let length = take(packed, 4)?
        .first_chunk()
        .map_or(0, |it| u32::from_le_bytes(*it));
    take(packed, length as usize)
}

impl Stream<'_> {
    /// The parts.
    pub(super) fn parts(&self) -> Result<View<'_>, DecodeError> {
        let mut rest = self.content.as_slice();
        let mut parts = [&[][..]; PARTS];
        for (part, length) in parts.iter_mut().zip(self.lengths) {
            *part = take(&mut rest, length)?;
        }
        let [tail, form, spans, shifts, escapes, small, large] = parts;
        let low = BitReader::new(self.low);
        Ok(View {
            tail,
            form,
            spans,
            shifts,
            escapes,
            quotients: [small, large],
            low,
        })
    }
}
