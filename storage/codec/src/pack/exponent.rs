//! Floats of any kind: in every span, a channel's values become integers in units of its largest
//! exponent, 24 bits long; the digits below that are stored as they are.

use super::DecodeError;
use super::bits::{BitReader, BitWriter};
use super::golomb::take;
use super::real::Real;

/// Bits of the largest integers.
const KEPT: u32 = 24;
/// Sample frames, in all and of a span.
pub(super) type Lengths = (usize, usize);
/// Bytes of an exponent.
const EXPONENT: usize = 2;

/// The integers and the exponents; the other digits go into `low`.
pub(super) fn encode<R: Real>(
    values: &[R],
    lengths: Lengths,
    low: &mut BitWriter,
) -> (Vec<i32>, Vec<u8>) {
    let mut form = Vec::new();
    let mut numbers = vec![0; values.len()];
    for_each_run(values.len(), lengths, |begin, end| {
        let (values, numbers) = (&values[begin..end], &mut numbers[begin..end]);
        let highest = values
            .iter()
            .filter(|it| !it.is_odd())
            .map(|it| it.exponent())
            .max()
            .unwrap_or(0);
        let is_silent = values.iter().all(|it| it.bits() == 0);
        form.extend(&(if is_silent { u16::MAX } else { highest as u16 }).to_le_bytes());
        if is_silent {
            return Ok(());
        }
        for (value, number) in values.iter().zip(numbers) {
            let dropped = R::DIGITS - KEPT + highest.saturating_sub(value.exponent());
            if value.is_odd() || dropped >= R::DIGITS {
                low.put(u64::from(value.bits() != 0), 1);
                if value.bits() != 0 {
                    put(low, value.bits(), 8 * R::BYTES as u32);
                }
                continue;
            }
            let significand = value.significand();
            let size = (significand >> dropped) as i32;
            *number = if value.wide() < 0.0 { -size } else { size };
            put(low, significand & ((1 << dropped) - 1), dropped);
        }
        Ok(())
    })
    .ok();
    (numbers, form)
}

/// The way back.
pub(super) fn decode<R: Real>(
    numbers: &[i32],
    mut form: &[u8],
    lengths: Lengths,
    low: &mut BitReader<'_>,
) -> Result<Vec<R>, DecodeError> {
    let mut values = vec![R::from_bits(0); numbers.len()];
    for_each_run(numbers.len(), lengths, |begin, end| {
        let bytes = take(&mut form, EXPONENT)?;
        let highest = u16::from_le_bytes([bytes[0], bytes[1]]);
        if highest == u16::MAX {
            return Ok(());
        }
        for (value, number) in values[begin..end].iter_mut().zip(&numbers[begin..end]) {
            *value = one(*number, u32::from(highest), low)?;
        }
        Ok(())
    })?;
    if form.is_empty() {
        Ok(values)
    } else {
        Err(DecodeError::Malformed("its parts are too long"))
    }
}

fn one<R: Real>(number: i32, highest: u32, low: &mut BitReader<'_>) -> Result<R, DecodeError> {
    if number == 0 {
        let is_odd = low.get(1)? == 1;
        let bits = if is_odd {
            get(low, 8 * R::BYTES as u32)?
        } else {
            0
        };
        return Ok(R::from_bits(bits));
    }
    let size = u64::from(number.unsigned_abs());
    let digits = size.ilog2() + 1;
    // Its highest bit is the highest of the significand.
    let (Some(dropped), Some(smaller)) = (R::DIGITS.checked_sub(digits), KEPT.checked_sub(digits))
    else {
        return Err(DecodeError::Malformed("a number has too many digits"));
    };
    let Some(exponent) = highest.checked_sub(smaller) else {
        return Err(DecodeError::Malformed("a number is too small"));
    };
    let significand = size << dropped | get(low, dropped)?;
    let stored = significand ^ 1 << (R::DIGITS - 1);
    let sign = u64::from(number < 0) << (8 * R::BYTES - 1);
    Ok(R::from_bits(
        sign | u64::from(exponent) << (R::DIGITS - 1) | stored,
    ))
}

/// Every span of every channel, in the order in which they are stored: by channel.
fn for_each_run(
    count: usize,
    (frames, span): Lengths,
    mut run: impl FnMut(usize, usize) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for channel in (0..count).step_by(frames.max(1)) {
        for begin in (0..frames).step_by(span) {
            run(channel + begin, channel + frames.min(begin + span))?;
        }
    }
    Ok(())
}

fn put(low: &mut BitWriter, bits: u64, count: u32) {
    low.put(bits & u64::from(u32::MAX), count.min(32));
    if count > 32 {
        low.put(bits >> 32, count - 32);
    }
}

fn get(low: &mut BitReader<'_>, count: u32) -> Result<u64, DecodeError> {
    let bits = low.get(count.min(32))?;
    Ok(if count > 32 {
        bits | low.get(count - 32)? << 32
    } else {
        bits
    })
}
