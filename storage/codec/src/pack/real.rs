//! Floating-point samples of four and of eight bytes, alike.

/// A floating-point number of a certain width.
pub(super) trait Real: Copy + PartialEq {
    /// Bytes of one.
    const BYTES: usize;
    /// Bits of the significand, with the one that is not stored.
    const DIGITS: u32;

    /// As a wider number; exact.
    fn wide(self) -> f64;
    /// The nearest of this width.
    fn near(wide: f64) -> Self;
    /// As it is stored.
    fn bits(self) -> u64;
    /// The number that is stored so.
    fn from_bits(bits: u64) -> Self;

    /// The exponent as it is stored.
    #[inline(always)]
    fn exponent(self) -> u32 {
        let digits = Self::DIGITS - 1;
        (self.bits() >> digits) as u32 & ((1 << (8 * Self::BYTES as u32 - 1 - digits)) - 1)
    }

    /// The significand with its highest bit, if the number is not very small.
    #[inline(always)]
    fn significand(self) -> u64 {
        self.bits() & ((1 << (Self::DIGITS - 1)) - 1) | 1 << (Self::DIGITS - 1)
    }

    /// Zero, infinite, no number, or so small that it has fewer digits.
    #[inline(always)]
    fn is_odd(self) -> bool {
        let all = (1 << (8 * Self::BYTES as u32 - Self::DIGITS)) - 1;
        matches!(self.exponent(), 0) || self.exponent() == all
    }
}

impl Real for f32 {
    const BYTES: usize = 4;
    const DIGITS: u32 = 24;

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn near(wide: f64) -> Self {
        wide as f32
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
    #[inline(always)]
    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits as u32)
    }
}

impl Real for f64 {
    const BYTES: usize = 8;
    const DIGITS: u32 = 53;

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn near(wide: f64) -> Self {
        wide
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}
