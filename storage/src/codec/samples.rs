//! The form of a block's samples, and the way from their bytes to numbers and back.
//!
//! A form is what a header claims. Any bytes go through any form: a wrong one costs ratio, never a bit.

use crate::audio::{ByteOrder, Coding, SampleFormat, Tag};

/// What kind of number a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// Integers, two's complement.
    Signed,
    /// Integers around half of their range: 8-bit WAV.
    Unsigned,
    /// IEEE floating point of 4 or 8 bytes.
    Float,
}

/// The form of the samples of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Samples {
    /// The kind of number.
    pub number: Number,
    /// The order of the bytes of one sample.
    pub byte_order: ByteOrder,
    /// Bytes of one sample, 1 to 8.
    pub bytes: u8,
    /// Channels, at least 1.
    pub channels: u16,
    /// Sample frames per second; steers how hard the encoder tries.
    pub sample_rate: u32,
}

impl Samples {
    /// The form that a header declares; `None` where prediction makes no sense.
    #[must_use]
    pub fn of(format: &SampleFormat) -> Option<Self> {
        if !format.is_coherent() {
            return None;
        }
        let channels = u16::try_from(format.channels).ok()?;
        let bytes = u8::try_from(format.block_align.checked_div(format.channels)?).ok()?;
        let raw = matches!(format.tag, Tag::FourCc(name) if name == *b"raw ");
        let unsigned = bytes == 1 && (matches!(format.tag, Tag::Wave(_)) || raw);
        let number = match format.coding {
            Coding::Pcm if unsigned => Number::Unsigned,
            Coding::Pcm => Number::Signed,
            Coding::Float => Number::Float,
            Coding::Lossless | Coding::Lossy | Coding::Unknown => return None,
        };
        let samples = Self {
            number,
            byte_order: format.byte_order,
            bytes,
            channels,
            sample_rate: format.sample_rate,
        };
        samples.is_sound().then_some(samples)
    }

    /// Whether there are such samples.
    pub(super) fn is_sound(&self) -> bool {
        let widths = match self.number {
            Number::Signed | Number::Unsigned => 1..=8,
            Number::Float => 4..=8,
        };
        let is_float_width = self.number != Number::Float || matches!(self.bytes, 4 | 8);
        self.channels > 0 && widths.contains(&self.bytes) && is_float_width
    }

    /// Bytes of one sample frame.
    pub(super) fn frame(&self) -> usize {
        usize::from(self.bytes) * usize::from(self.channels)
    }

    /// The bits of every sample as one number each, channel after channel, widened by its sign.
    pub(super) fn read(&self, bytes: &[u8]) -> Vec<i64> {
        let (width, channels) = (usize::from(self.bytes), usize::from(self.channels));
        let mut numbers = Vec::with_capacity(bytes.len() / width);
        for channel in 0..channels {
            let frames = bytes.chunks_exact(self.frame());
            numbers.extend(frames.map(|frame| self.number(&frame[channel * width..][..width])));
        }
        numbers
    }

    fn number(&self, bytes: &[u8]) -> i64 {
        let mut wide = [0; 8];
        match self.byte_order {
            ByteOrder::Little => wide[8 - bytes.len()..].copy_from_slice(bytes),
            ByteOrder::Big => {
                for (to, from) in wide.iter_mut().rev().zip(bytes) {
                    *to = *from;
                }
            }
        }
        if self.number == Number::Unsigned {
            wide[7] ^= 0x80;
        }
        i64::from_le_bytes(wide) >> (64 - 8 * bytes.len())
    }

    /// The way back: `numbers` channel after channel, into the bytes of as many frames.
    pub(super) fn write(&self, numbers: &[i64], bytes: &mut [u8]) {
        let (width, frames) = (usize::from(self.bytes), bytes.len() / self.frame());
        for (channel, numbers) in numbers.chunks_exact(frames.max(1)).enumerate() {
            for (frame, number) in bytes.chunks_exact_mut(self.frame()).zip(numbers) {
                let to = &mut frame[channel * width..][..width];
                to.copy_from_slice(&number.to_le_bytes()[..width]);
                if self.number == Number::Unsigned {
                    to[width - 1] ^= 0x80;
                }
                if self.byte_order == ByteOrder::Big {
                    to.reverse();
                }
            }
        }
    }
}
