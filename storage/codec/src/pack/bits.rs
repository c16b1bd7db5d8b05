//! Bits in bytes: the first bit is the lowest of the first byte.

use super::DecodeError;

/// Writes bits.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `count` (up to 32) bits of `value`, which has no others.
    #[inline]
    pub(super) fn put(&mut self, value: u64, count: u32) {
        self.pending |= value << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend((self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    /// Zeros for the next `count` bytes, and `more` behind them that are given back; what is written
    /// begins on a whole byte.
    #[inline(always)]
    pub(super) fn room(&mut self, count: usize, more: usize) -> &mut [u8] {
        self.align();
        let begin = self.bytes.len();
        self.bytes.resize(begin + count + more, 0);
        &mut self.bytes[begin..]
    }

    /// Takes the last `more` bytes of a [`Self::room`] away.
    #[inline(always)]
    pub(super) fn give_back(&mut self, more: usize) {
        self.bytes.truncate(self.bytes.len() - more);
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.bytes.extend(&self.pending.to_le_bytes()[..bytes]);
        (self.pending, self.count) = (0, 0);
    }

    /// All bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// Reads bits.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// From the first bit of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` (up to 32) bits.
    #[inline]
    pub(super) fn get(&mut self, count: u32) -> Result<u64, DecodeError> {
        let end = self.at + count as usize;
        if end > self.bytes.len() * 8 {
            return Err(DecodeError::Malformed("its raw bits end early"));
        }
        let rest = &self.bytes[self.at / 8..];
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..rest.len().min(8)].copy_from_slice(rest);
            word
        });
        let bits = u64::from_le_bytes(word) >> (self.at % 8) & ((1 << count) - 1);
        self.at = end;
        Ok(bits)
    }

    /// The next `count` bytes and at least `more` behind them, if there are so many; on a whole byte.
    #[inline(always)]
    pub(super) fn ahead(&self, count: usize, more: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at / 8..)?;
        (rest.len() >= count + more).then_some(rest)
    }

    /// Skips so many bytes.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: usize) {
        self.at += 8 * count;
    }

    /// Skips what is left of the byte.
    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// What is left, from the next whole byte on.
    pub(super) fn rest(&self) -> Self {
        Self::new(self.bytes.get(self.at.div_ceil(8)..).unwrap_or_default())
    }

    /// Whether every byte was read.
    pub(super) fn is_over(&self) -> bool {
        self.at.div_ceil(8) == self.bytes.len()
    }
}
