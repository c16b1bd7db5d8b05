//! What the header of an audio file says: the container, the form of its samples, and where they lie.
//!
//! Containers read: WAV (RIFF/WAVE), RF64 and BW64, W64, AIFF and AIFC, CAF. Everything else is only
//! recognised by its first bytes ([`sniff`]). Nothing here trusts a header: every number in it may be
//! a lie, and none may cause a panic, an endless loop or an allocation.

mod aiff;
mod caf;
mod chunk;
mod flac;
mod frames;
#[cfg(any(test, feature = "made"))]
pub mod made;
mod packed;
mod reader;
mod riff;
mod sniff;
#[cfg(test)]
mod tests;
mod w64;
mod walk;
mod wave;

use serde::{Deserialize, Serialize};

pub use packed::Packed;
use packed::packed;
pub use reader::HeaderReader;
pub use sniff::{Format, SNIFF_LEN, flac_samples, sniff};

/// A file format that holds plain samples in one run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// RIFF/WAVE, at most 4 GiB.
    Wav,
    /// RF64 or BW64: WAV with 64-bit sizes in a `ds64` chunk.
    Rf64,
    /// Sony Wave64: chunks named by GUIDs, 64-bit sizes.
    W64,
    /// AIFF: uncompressed, big-endian.
    Aiff,
    /// AIFC: AIFF with a compression type, often none.
    Aifc,
    /// Apple Core Audio Format.
    Caf,
}

/// How the format names the encoding of its samples, as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// The format tag of a WAV or W64 (`WAVE_FORMAT_EXTENSIBLE` is resolved to the tag it carries).
    Wave(u16),
    /// A `WAVE_FORMAT_EXTENSIBLE` sub-format that carries no format tag, as stored.
    Guid([u8; 16]),
    /// The compression type of an AIFC, the format id of a CAF; `NONE` for an AIFF.
    FourCc([u8; 4]),
}

/// What kind of data the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// Integers.
    Pcm,
    /// IEEE floating point.
    Float,
    /// Packed without loss (ALAC, FLAC).
    Lossless,
    /// Packed with loss (MP3, AAC, ADPCM, µ-law ...).
    Lossy,
    /// Nothing this code knows.
    Unknown,
}

/// The order of the bytes of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// The form of the samples, as the header declares it: no field has been checked against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampleFormat {
    /// The encoding by its name in the file.
    pub tag: Tag,
    /// The encoding by its kind.
    pub coding: Coding,
    /// The order of bytes in a sample.
    pub byte_order: ByteOrder,
    /// Channels; 0 in a broken header.
    pub channels: u32,
    /// Sample frames per second, rounded to whole hertz; 0 in a broken header.
    pub sample_rate: u32,
    /// Significant bits per sample; 0 where the encoding has none.
    pub bits: u16,
    /// Bytes of one sample frame (all channels); 0 if the encoding has no fixed size.
    pub block_align: u32,
}

impl SampleFormat {
    /// Whether the fields of plain samples (PCM, float) agree with each other; true for other codings.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        if !matches!(self.coding, Coding::Pcm | Coding::Float) {
            return true;
        }
        let sample_bytes = u64::from(self.bits.div_ceil(8));
        self.channels > 0
            && self.sample_rate > 0
            && (1..=64).contains(&self.bits)
            && self.block_align.checked_rem(self.channels) == Some(0)
            && u64::from(self.block_align) >= sample_bytes * u64::from(self.channels)
    }

    /// Whether there is a way to play plain samples of this form, as players see it: bytes of a frame
    /// follow from channels and bits, whatever the header says of them. True for other codings.
    #[must_use]
    pub fn is_playable(&self) -> bool {
        let bits = match self.coding {
            Coding::Pcm => (1..=64).contains(&self.bits),
            Coding::Float => matches!(self.bits, 32 | 64),
            _ => return true,
        };
        bits && self.channels > 0 && self.sample_rate > 0
    }
}

/// Where the samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Data {
    /// Offset in the file of the first byte of the first sample frame.
    pub offset: u64,
    /// Bytes of sample data as declared, without pad bytes; `None` if the header says that it does
    /// not know (-1, 0xFFFFFFFF). May be 0, and may be more than the file has.
    pub length: Option<u64>,
    /// Bytes of one sample frame as known when the data was reached; 0 if not known then.
    pub frame: u32,
}

impl Data {
    /// Offset behind the last declared byte of sample data; `None` if the data goes on to the end of
    /// the file, which is what a declared length of 0 means as well (a recorder that was cut off).
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.length
            .filter(|length| *length > 0)
            .map(|length| self.offset.saturating_add(length))
    }
}

/// The `N` bytes at `at`, if they are there.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}
