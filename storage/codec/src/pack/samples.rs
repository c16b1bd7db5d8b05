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

    /// Every sample as a number, channel after channel; of floats, their bits.
    pub(super) fn read<N: Plain>(&self, bytes: &[u8]) -> Vec<N> {
        match self.bytes {
            1 => self.read_by::<1, N>(bytes),
            2 => self.read_by::<2, N>(bytes),
            3 => self.read_by::<3, N>(bytes),
            4 => self.read_by::<4, N>(bytes),
            5 => self.read_by::<5, N>(bytes),
            6 => self.read_by::<6, N>(bytes),
            7 => self.read_by::<7, N>(bytes),
            _ => self.read_by::<8, N>(bytes),
        }
    }

    fn read_by<const WIDTH: usize, N: Plain>(&self, bytes: &[u8]) -> Vec<N> {
        let channels = usize::from(self.channels);
        let flip = self.flip();
        let mut numbers = Vec::with_capacity(bytes.len() / WIDTH);
        for channel in 0..channels {
            let samples = bytes
                .chunks_exact(self.frame())
                .filter_map(|frame| frame[channel * WIDTH..].first_chunk::<WIDTH>());
            match self.byte_order {
                ByteOrder::Little => {
                    numbers.extend(samples.map(|it| number::<WIDTH, N>(*it, flip)));
                }
                ByteOrder::Big => numbers.extend(samples.map(|it| {
                    let mut bytes = *it;
                    bytes.reverse();
                    number::<WIDTH, N>(bytes, flip)
                })),
            }
        }
        numbers
    }

    /// The way back: `numbers` channel after channel, into the bytes of as many frames.
    pub(super) fn write<N: Plain>(&self, numbers: &[N], bytes: &mut [u8]) {
        match self.bytes {
            1 => self.write_by::<1, N>(numbers, bytes),
            2 => self.write_by::<2, N>(numbers, bytes),
            3 => self.write_by::<3, N>(numbers, bytes),
            4 => self.write_by::<4, N>(numbers, bytes),
            5 => self.write_by::<5, N>(numbers, bytes),
            6 => self.write_by::<6, N>(numbers, bytes),
            7 => self.write_by::<7, N>(numbers, bytes),
            _ => self.write_by::<8, N>(numbers, bytes),
        }
    }

    fn write_by<const WIDTH: usize, N: Plain>(&self, numbers: &[N], bytes: &mut [u8]) {
        let frames = (bytes.len() / self.frame()).max(1);
        let flip = self.flip();
        for (channel, numbers) in numbers.chunks_exact(frames).enumerate() {
            for (frame, number) in bytes.chunks_exact_mut(self.frame()).zip(numbers) {
                let Some(to) = frame[channel * WIDTH..].first_chunk_mut::<WIDTH>() else {
                    return;
                };
                let wide = (number.wide() ^ flip).to_le_bytes();
                to.copy_from_slice(&wide[..WIDTH]);
                if self.byte_order == ByteOrder::Big {
                    to.reverse();
                }
            }
        }
    }

    /// The bit that makes two's complement of an unsigned sample.
    fn flip(&self) -> i64 {
        match self.number {
            Number::Unsigned => 1 << (8 * self.bytes - 1),
            Number::Signed | Number::Float => 0,
        }
    }
}

/// An integer that holds samples of up to its own width.
pub(super) trait Plain: Copy {
    /// As a wider one.
    fn wide(self) -> i64;
    /// The lowest bits of a wider one.
    fn of(wide: i64) -> Self;
}

impl Plain for i32 {
    fn wide(self) -> i64 {
        i64::from(self)
    }
    fn of(wide: i64) -> Self {
        wide as Self
    }
}

impl Plain for i64 {
    fn wide(self) -> i64 {
        self
    }
    fn of(wide: i64) -> Self {
        wide
    }
}

fn number<const WIDTH: usize, N: Plain>(bytes: [u8; WIDTH], flip: i64) -> N {
    let mut wide = [0; 8];
    wide[..WIDTH].copy_from_slice(&bytes);
    let shift = 64 - 8 * WIDTH;
    N::of(((i64::from_le_bytes(wide) ^ flip) << shift) >> shift)
}
