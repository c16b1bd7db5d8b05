//! Golomb split: each run of residuals gets a shift `k`; what is above it is a byte that zstd packs
//! well, what is below it is noise and stored as it is.

use super::DecodeError;
use super::bits::{BitReader, BitWriter};

/// Residuals that share one shift, as this encoder has it.
pub(super) const PARTITION: usize = 128;

/// The quotient is among the escapes.
const ESCAPE: u8 = 255;

/// Mean quotients lie between 4 and 8.
const BIAS: u32 = 3;

/// Residuals taken apart.
#[derive(Default)]
pub(super) struct Split {
    partition: usize,
    /// The shift of every partition.
    pub(super) shifts: Vec<u8>,
    /// One byte a residual.
    pub(super) quotients: Vec<u8>,
    /// Quotients that are no byte, four bytes each.
    pub(super) escapes: Vec<u8>,
    /// The bits below the shifts; every partition begins on a byte.
    pub(super) low: BitWriter,
}

impl Split {
    /// With partitions of this length.
    pub(super) fn new(partition: usize) -> Self {
        Self {
            partition,
            ..Self::default()
        }
    }

    /// Takes residuals apart.
    pub(super) fn push(&mut self, residuals: &[i32]) {
        for partition in residuals.chunks(self.partition) {
            let sum: u64 = partition.iter().map(|it| u64::from(zigzag(*it))).sum();
            let mean = sum / partition.len() as u64;
            let shift = (64 - mean.leading_zeros()).saturating_sub(BIAS);
            self.shifts.push(shift as u8);
            for residual in partition {
                let value = zigzag(*residual);
                let quotient = value >> shift;
                if quotient < u32::from(ESCAPE) {
                    self.quotients.push(quotient as u8);
                } else {
                    self.quotients.push(ESCAPE);
                    self.escapes.extend(quotient.to_le_bytes());
                }
                self.low.put(u64::from(value) & ((1 << shift) - 1), shift);
            }
            self.low.align();
        }
    }
}

/// Puts residuals together again.
pub(super) struct Join<'a> {
    pub(super) partition: usize,
    pub(super) shifts: &'a [u8],
    pub(super) quotients: &'a [u8],
    pub(super) escapes: &'a [u8],
    pub(super) low: BitReader<'a>,
}

impl Join<'_> {
    /// The next residuals.
    pub(super) fn pull(&mut self, residuals: &mut [i32]) -> Result<(), DecodeError> {
        for partition in residuals.chunks_mut(self.partition) {
            let shift = u32::from(*take(&mut self.shifts, 1)?.first().unwrap_or(&0));
            let quotients = take(&mut self.quotients, partition.len())?;
            if shift > 31 {
                return Err(DecodeError::Malformed("a shift is too large"));
            }
            for (residual, quotient) in partition.iter_mut().zip(quotients) {
                let quotient = if *quotient == ESCAPE {
                    let bytes = take(&mut self.escapes, 4)?.first_chunk();
                    u32::from_le_bytes(*bytes.unwrap_or(&[0; 4]))
                } else {
                    u32::from(*quotient)
                };
                *residual = unzigzag(quotient << shift | self.low.get(shift)? as u32);
            }
            self.low.align();
        }
        Ok(())
    }
}

/// The first `count` of `bytes`, which then begin behind them.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, rest) = bytes
        .split_at_checked(count)
        .ok_or(DecodeError::Malformed("it ends early"))?;
    *bytes = rest;
    Ok(taken)
}

/// Small numbers of either sign as small numbers.
pub(super) fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// Undoes [`zigzag`].
pub(super) fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

impl Join<'_> {
    /// Whether everything was pulled; there may be other raw bits behind the lowest.
    pub(super) fn is_over(&self) -> bool {
        self.shifts.is_empty() && self.quotients.is_empty() && self.escapes.is_empty()
    }
}
