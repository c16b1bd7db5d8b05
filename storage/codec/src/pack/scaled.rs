//! Floats that are integers in disguise: `x == k * g`, rounded to the float's width, with one `g` for
//! a channel. A recorder that writes 24-bit samples as floats makes such a file (`g` is a power of
//! two), and so does a fader that does not move.
//!
//! What is no such product (no number, infinite, a few strays) is listed; zeros with a minus sign
//! have a bit each.

use fearless_simd::{Level, dispatch};

use super::DecodeError;
use super::bits::{BitReader, BitWriter};
use super::gain;
use super::golomb::take;
use super::kernels::integer;
use super::real::Real;

/// Strays may be one in so many.
const STRAYS: usize = 256;
/// Zeros have signs.
const SIGNED_ZEROS: u8 = 1;

/// The integers, and what the way back needs.
pub(super) fn encode<R: Real>(values: &[R], frames: usize) -> Option<(Vec<i32>, Vec<u8>)> {
    let mut form = Vec::new();
    let mut numbers = Vec::with_capacity(values.len());
    let mut strays = Vec::new();
    for channel in values.chunks(frames) {
        let begin = numbers.len();
        let unit = gain::units(channel).find(|unit| {
            numbers.truncate(begin);
            dispatch!(Level::new(), _ => divide(channel, *unit, &mut numbers))
                <= values.len() / STRAYS
        })?;
        form.extend(unit.to_le_bytes());
        let pairs = channel.iter().zip(&numbers[begin..]).enumerate();
        strays.extend(
            pairs
                .filter(|(_, (value, number))| is_stray(**value, **number, unit))
                .map(|it| begin + it.0),
        );
    }
    let mut signs = BitWriter::default();
    let minus = R::near(-0.0).bits();
    let is_signed = values.iter().any(|value| value.bits() == minus);
    if is_signed {
        let zeros = values
            .iter()
            .zip(&numbers)
            .filter(|(_, number)| **number == 0);
        zeros.for_each(|(value, _)| signs.put(u64::from(value.bits() == minus), 1));
    }
    form.push(if is_signed { SIGNED_ZEROS } else { 0 });
    form.extend(u32::try_from(strays.len()).ok()?.to_le_bytes());
    for at in strays {
        form.extend(u32::try_from(at).ok()?.to_le_bytes());
        form.extend(&values[at].bits().to_le_bytes()[..R::BYTES]);
    }
    form.extend(signs.finish());
    Some((numbers, form))
}

/// The nearest multiples of `unit`; how many values are none.
#[inline(always)]
fn divide<R: Real>(values: &[R], unit: f64, numbers: &mut Vec<i32>) -> usize {
    let begin = numbers.len();
    // Halfway cases are no multiples, so it does not matter that this is rounded twice.
    let per_unit = unit.recip();
    numbers.extend(values.iter().map(|value| integer(value.wide() * per_unit)));
    let pairs = values.iter().zip(&numbers[begin..]);
    pairs
        .map(|(value, number)| usize::from(is_stray(*value, *number, unit)))
        .sum()
}

/// Whether the product is another value; zeros may differ in their sign.
#[inline(always)]
fn is_stray<R: Real>(value: R, number: i32, unit: f64) -> bool {
    let back = R::near(f64::from(number) * unit);
    back.bits() != value.bits() && !(number == 0 && value == R::near(0.0))
}

/// The way back.
pub(super) fn decode<R: Real>(
    numbers: &[i32],
    mut form: &[u8],
    frames: usize,
) -> Result<Vec<R>, DecodeError> {
    let mut values = Vec::with_capacity(numbers.len());
    for numbers in numbers.chunks(frames.max(1)) {
        let unit = f64::from_le_bytes(*chunk(take(&mut form, 8)?)?);
        values.extend(
            numbers
                .iter()
                .map(|number| R::near(f64::from(*number) * unit)),
        );
    }
    let flags = take(&mut form, 1)?[0];
    let count = u32::from_le_bytes(*chunk(take(&mut form, 4)?)?) as usize;
    if flags > SIGNED_ZEROS {
        return Err(DecodeError::Malformed("its zeros are of no known form"));
    }
    let strays = take(&mut form, count.saturating_mul(4 + R::BYTES))?;
    let mut signs = BitReader::new(form);
    if flags == SIGNED_ZEROS {
        for (value, _) in values
            .iter_mut()
            .zip(numbers)
            .filter(|(_, number)| **number == 0)
        {
            let sign = signs.get(1)? << (8 * R::BYTES - 1);
            *value = R::from_bits(value.bits() | sign);
        }
    }
    if !signs.is_over() {
        return Err(DecodeError::Malformed("its parts are too long"));
    }
    for stray in strays.chunks_exact(4 + R::BYTES) {
        let (at, bytes) = stray.split_at(4);
        let mut bits = [0; 8];
        bits[..R::BYTES].copy_from_slice(bytes);
        let value = values.get_mut(u32::from_le_bytes(*chunk(at)?) as usize);
        let value = value.ok_or(DecodeError::Malformed("a stray lies outside"))?;
        *value = R::from_bits(u64::from_le_bytes(bits));
    }
    Ok(values)
}

fn chunk<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], DecodeError> {
    bytes
        .first_chunk()
        .ok_or(DecodeError::Malformed("it ends early"))
}
