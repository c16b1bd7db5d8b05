//! Golomb split: each run of residuals gets a shift `k`; what is above it is a byte that zstd packs
//! well, what is below it is noise and stored as it is.

use fearless_simd::{Level, dispatch};

use super::DecodeError;
use super::bits::{BitReader, BitWriter};

/// Residuals that share one shift, as this encoder has it.
pub(super) const PARTITION: usize = 128;

/// Bits of a shift's byte that hold the shift.
const SHIFT: u8 = 0x1F;
/// Set where the partition's quotients are among the large ones.
const LARGE: u8 = 0x20;

/// The quotient is among the escapes.
const ESCAPE: u8 = 255;

/// Mean quotients lie between 4 and 8: those of partitions where they are below the middle are kept
/// apart from the others, for zstd finds the best code for each kind.
const BIAS: u32 = 3;
/// The middle, as a factor of the lower end: half an octave.
const MIDDLE: f64 = 1.414;

/// Residuals whose low bits are packed together: they fill whole bytes.
const GROUP: usize = 8;
/// The largest shift at which a group fits into one number.
const WIDEST: u32 = 16;
/// Bytes of that number.
const WORD: usize = 16;

/// Residuals taken apart.
#[derive(Default)]
pub(super) struct Split {
    partition: usize,
    /// The shift of every partition.
    pub(super) shifts: Vec<u8>,
    /// One byte a residual, in partitions with small ones and in those with large ones.
    pub(super) quotients: [Vec<u8>; 2],
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
        dispatch!(Level::new(), _ => self.push_all(residuals));
    }

    #[inline(always)]
    fn push_all(&mut self, residuals: &[i32]) {
        for partition in residuals.chunks(self.partition) {
            let (mut sum, mut all) = (0, 0);
            for residual in partition {
                sum += u64::from(zigzag(*residual));
                all |= zigzag(*residual);
            }
            let mean = sum / partition.len() as u64;
            let shift = (64 - mean.leading_zeros()).saturating_sub(BIAS);
            let middle = f64::from(1 << (BIAS - 1)) * MIDDLE * partition.len() as f64;
            let is_large = (sum >> shift) as f64 >= middle;
            self.shifts
                .push(shift as u8 | if is_large { LARGE } else { 0 });
            let kind = usize::from(is_large);
            let is_plain = all >> shift < u32::from(ESCAPE);
            if is_plain && shift <= WIDEST && partition.len().is_multiple_of(GROUP) {
                self.groups(partition, shift, kind);
            } else {
                self.one_by_one(partition, shift, kind);
            }
        }
    }

    #[inline(always)]
    fn groups(&mut self, partition: &[i32], shift: u32, kind: usize) {
        let values = partition.iter().map(|it| (zigzag(*it) >> shift) as u8);
        self.quotients[kind].extend(values);
        let room = partition.len() / GROUP * shift as usize;
        let low = self.low.room(room, WORD);
        let mask = (1 << shift) - 1;
        for (nth, group) in partition.chunks_exact(GROUP).enumerate() {
            let mut halves = [0_u64; 2];
            for (at, residual) in group.iter().enumerate() {
                let value = u64::from(zigzag(*residual)) & mask;
                halves[at / 4] |= value << (shift * (at as u32 % 4));
            }
            let word = u128::from(halves[0]) | u128::from(halves[1]) << (4 * shift);
            if let Some(bytes) = low[nth * shift as usize..].first_chunk_mut::<WORD>() {
                *bytes = word.to_le_bytes();
            }
        }
        self.low.give_back(WORD);
    }

    #[inline(always)]
    fn one_by_one(&mut self, partition: &[i32], shift: u32, kind: usize) {
        for residual in partition {
            let value = zigzag(*residual);
            let quotient = value >> shift;
            if quotient < u32::from(ESCAPE) {
                self.quotients[kind].push(quotient as u8);
            } else {
                self.quotients[kind].push(ESCAPE);
                self.escapes.extend(quotient.to_le_bytes());
            }
            self.low.put(u64::from(value) & ((1 << shift) - 1), shift);
        }
        self.low.align();
    }
}

/// Puts residuals together again.
pub(super) struct Join<'a> {
    pub(super) partition: usize,
    pub(super) shifts: &'a [u8],
    pub(super) quotients: [&'a [u8]; 2],
    pub(super) escapes: &'a [u8],
    pub(super) low: BitReader<'a>,
}

impl Join<'_> {
    /// The next residuals.
    pub(super) fn pull(&mut self, residuals: &mut [i32]) -> Result<(), DecodeError> {
        dispatch!(Level::new(), _ => self.pull_all(residuals))
    }

    #[inline(always)]
    fn pull_all(&mut self, residuals: &mut [i32]) -> Result<(), DecodeError> {
        for partition in residuals.chunks_mut(self.partition) {
            let byte = take(&mut self.shifts, 1)?[0];
            if byte & !(SHIFT | LARGE) != 0 {
                return Err(DecodeError::Malformed("a shift is too large"));
            }
            let shift = u32::from(byte & SHIFT);
            let kind = usize::from(byte & LARGE != 0);
            let quotients = take(&mut self.quotients[kind], partition.len())?;
            let highest = quotients.iter().fold(0, |highest, it| highest.max(*it));
            let is_plain = highest < ESCAPE && shift <= WIDEST;
            let length = partition.len() / GROUP * shift as usize;
            let low = self.low.ahead(length, WORD);
            match low {
                Some(low) if is_plain && partition.len().is_multiple_of(GROUP) => {
                    groups(partition, quotients, low, shift);
                    self.low.skip(length);
                }
                _ => self.one_by_one(partition, quotients, shift)?,
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn one_by_one(
        &mut self,
        partition: &mut [i32],
        quotients: &[u8],
        shift: u32,
    ) -> Result<(), DecodeError> {
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
        Ok(())
    }

    /// Whether everything was pulled; there may be other raw bits behind the lowest.
    pub(super) fn is_over(&self) -> bool {
        let all = [
            self.shifts,
            self.escapes,
            self.quotients[0],
            self.quotients[1],
        ];
        all.iter().all(|it| it.is_empty())
    }
}

#[inline(always)]
fn groups(partition: &mut [i32], quotients: &[u8], low: &[u8], shift: u32) {
    let mask = (1 << shift) - 1;
    let (partition, _) = partition.as_chunks_mut::<GROUP>();
    let (quotients, _) = quotients.as_chunks::<GROUP>();
    for (nth, (group, quotients)) in partition.iter_mut().zip(quotients).enumerate() {
        let bytes = low[nth * shift as usize..].first_chunk::<WORD>();
        let word = u128::from_le_bytes(*bytes.unwrap_or(&[0; WORD]));
        let halves = [word as u64, (word >> (4 * shift)) as u64];
        for at in 0..GROUP {
            let low = halves[at / 4] >> (shift * (at as u32 % 4)) & mask;
            group[at] = unzigzag(u32::from(quotients[at]) << shift | low as u32);
        }
    }
}

/// The first `count` of `bytes`, which then begin behind them.
#[inline(always)]
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, rest) = bytes
        .split_at_checked(count)
        .ok_or(DecodeError::Malformed("it ends early"))?;
    *bytes = rest;
    Ok(taken)
}

/// Small numbers of either sign as small numbers.
#[inline(always)]
pub(super) fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// Undoes [`zigzag`].
#[inline(always)]
pub(super) fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
