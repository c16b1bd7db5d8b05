//! A predicted block: its bytes to integers, by one of several modes, what a prediction misses of
//! those, and back.

use super::DecodeError;
use super::bits::{BitReader, BitWriter};
use super::exponent::Lengths;
use super::golomb::{Join, PARTITION};
use super::real::Real;
use super::restore::restore;
use super::samples::{Number, Samples};
use super::span::{Encoder, SPAN};
use super::stream::{self, Head, Parts};
use super::{exponent, planes, scaled};

/// Integers as they stand, moved to the right by as many bits as none of them uses.
const INTEGER: u8 = 0;
/// See [`scaled`].
const SCALED: u8 = 1;
/// See [`exponent`].
const EXPONENT: u8 = 2;
/// See [`planes`].
const PLANES: u8 = 3;
/// Eight-byte floats that say nothing a four-byte one could not: they are taken as such.
const NARROWED: u8 = 0x80;

/// Samples as integers of 32 bits, and what leads back to the samples.
struct Integers {
    mode: u8,
    numbers: Vec<i32>,
    form: Vec<u8>,
    low: BitWriter,
}

/// Packs `plain`; `None` if it does not lend itself to it.
pub(super) fn pack(plain: &[u8], samples: &Samples) -> Option<Vec<u8>> {
    pack_by(plain, samples, SPAN, PARTITION)
}

/// The same with spans and partitions of any length that is a power of two.
pub(super) fn pack_by(
    plain: &[u8],
    samples: &Samples,
    span: usize,
    partition: usize,
) -> Option<Vec<u8>> {
    if !samples.is_sound() || plain.len() < samples.frame() {
        return None;
    }
    let frames = plain.len() / samples.frame();
    let (whole, tail) = plain.split_at(frames * samples.frame());
    let mut head = Head {
        samples: *samples,
        frames: u32::try_from(frames).ok()?,
        mode: PLANES,
        span,
        partition,
    };
    let by_prediction = integers(whole, samples, (frames, span)).and_then(|integers| {
        let mut parts = Parts {
            tail: tail.to_vec(),
            form: integers.form,
            ..Parts::default()
        };
        head.mode = integers.mode;
        let mut low = predict(integers.numbers, &head, &mut parts);
        low.extend(integers.low.finish());
        stream::write(head, &parts, &low)
    });
    if by_prediction
        .as_ref()
        .is_some_and(|packed| packed.len() < plain.len() / 8 * 7)
    {
        return by_prediction;
    }
    let parts = Parts {
        tail: tail.to_vec(),
        quotients: [planes::apart(whole, usize::from(samples.bytes)), Vec::new()],
        ..Parts::default()
    };
    head.mode = PLANES;
    let by_planes = stream::write(head, &parts, &[]);
    let both = [by_prediction, by_planes].into_iter().flatten();
    both.min_by_key(Vec::len)
}

fn predict(mut numbers: Vec<i32>, head: &Head, parts: &mut Parts) -> Vec<u8> {
    let frames = head.frames as usize;
    let mut encoder = Encoder::new(head.samples.sample_rate, head.partition);
    for start in (0..frames).step_by(head.span) {
        let end = frames.min(start + head.span);
        let channels = numbers.chunks_mut(frames);
        let mut channels: Vec<_> = channels.map(|it| &mut it[start..end]).collect();
        encoder.push(&mut channels);
    }
    parts.spans = encoder.spans;
    parts.shifts = encoder.split.shifts;
    parts.escapes = encoder.split.escapes;
    parts.quotients = encoder.split.quotients;
    encoder.split.low.finish()
}

fn integers(whole: &[u8], samples: &Samples, lengths: Lengths) -> Option<Integers> {
    match (samples.number, samples.bytes) {
        (Number::Float, 4) => {
            let bits = samples.read::<i32>(whole);
            let values: Vec<_> = bits
                .into_iter()
                .map(|bits| f32::from_bits(bits as u32))
                .collect();
            Some(reals(&values, lengths))
        }
        (Number::Float, _) => {
            let bits = samples.read::<i64>(whole);
            let values: Vec<_> = bits
                .into_iter()
                .map(|bits| f64::from_bits(bits as u64))
                .collect();
            let narrow: Vec<_> = values.iter().map(|value| *value as f32).collect();
            let is_same =
                |(wide, narrow): (&f64, &f32)| f64::from(*narrow).to_bits() == wide.to_bits();
            if values.iter().zip(&narrow).all(is_same) {
                let integers = reals(&narrow, lengths);
                return Some(Integers {
                    mode: integers.mode | NARROWED,
                    ..integers
                });
            }
            Some(reals(&values, lengths))
        }
        (_, 1..=4) => Some(Integers {
            mode: INTEGER,
            numbers: samples.read(whole),
            form: Vec::new(),
            low: BitWriter::default(),
        }),
        _ => {
            let wide = samples.read::<i64>(whole);
            let unused = wide
                .iter()
                .fold(0, |all, it| all | it)
                .trailing_zeros()
                .min(63);
            let numbers = wide.iter().map(|it| i32::try_from(it >> unused));
            let numbers = numbers.collect::<Result<_, _>>().ok()?;
            Some(Integers {
                mode: INTEGER,
                numbers,
                form: vec![unused as u8],
                low: BitWriter::default(),
            })
        }
    }
}

fn reals<R: Real>(values: &[R], lengths: Lengths) -> Integers {
    let mut low = BitWriter::default();
    if let Some((numbers, form)) = scaled::encode(values, lengths.0) {
        return Integers {
            mode: SCALED,
            numbers,
            form,
            low,
        };
    }
    let (numbers, form) = exponent::encode(values, lengths, &mut low);
    Integers {
        mode: EXPONENT,
        numbers,
        form,
        low,
    }
}

/// Unpacks what [`pack`] made.
pub(super) fn unpack(packed: &[u8], plain_len: usize) -> Result<Vec<u8>, DecodeError> {
    let stream = stream::read(packed, plain_len)?;
    let (samples, frames) = (stream.head.samples, stream.head.frames as usize);
    let view = stream.parts()?;
    let mut plain = vec![0; plain_len];
    let (whole, tail) = plain.split_at_mut(frames * samples.frame());
    tail.copy_from_slice(view.tail);
    if stream.head.mode == PLANES {
        let [planes, large] = view.quotients;
        let others = [view.form, view.spans, view.shifts, view.escapes, large];
        let is_alone = others.iter().all(|it| it.is_empty()) && view.low.is_over();
        if !is_alone || planes.len() != whole.len() {
            return Err(DecodeError::Malformed("its planes are incomplete"));
        }
        planes::together(planes, usize::from(samples.bytes), whole);
        return Ok(plain);
    }
    let mut join = Join {
        partition: stream.head.partition,
        shifts: view.shifts,
        quotients: view.quotients,
        escapes: view.escapes,
        low: view.low,
    };
    let numbers = restore(view.spans, &mut join, &stream.head)?;
    let mut low = join.low.rest();
    place(stream.head, &numbers, view.form, &mut low, whole)?;
    if low.is_over() {
        Ok(plain)
    } else {
        Err(DecodeError::Malformed("its parts are too long"))
    }
}

/// Integers to the bytes of samples.
fn place(
    head: Head,
    numbers: &[i32],
    form: &[u8],
    low: &mut BitReader<'_>,
    whole: &mut [u8],
) -> Result<(), DecodeError> {
    let Head { samples, mode, .. } = head;
    let lengths = (head.frames as usize, head.span);
    match (samples.number, samples.bytes, mode) {
        (Number::Signed | Number::Unsigned, 1..=4, INTEGER) if form.is_empty() => {
            samples.write(numbers, whole);
        }
        (Number::Signed | Number::Unsigned, 5.., INTEGER) => {
            let [unused @ 0..=63] = *form else {
                return Err(DecodeError::Malformed("it wastes too many bits"));
            };
            let wide: Vec<_> = numbers.iter().map(|it| i64::from(*it) << unused).collect();
            samples.write(&wide, whole);
        }
        (Number::Float, 4, SCALED | EXPONENT) => {
            let values = real_values::<f32>(mode, numbers, form, lengths, low)?;
            let bits: Vec<_> = values.into_iter().map(|it| it.to_bits() as i32).collect();
            samples.write(&bits, whole);
        }
        (Number::Float, 8, _) => {
            let values = if mode & NARROWED == 0 {
                real_values::<f64>(mode, numbers, form, lengths, low)?
            } else {
                let narrow = real_values::<f32>(mode & !NARROWED, numbers, form, lengths, low)?;
                narrow.into_iter().map(f64::from).collect()
            };
            let bits: Vec<_> = values.into_iter().map(|it| it.to_bits() as i64).collect();
            samples.write(&bits, whole);
        }
        _ => return Err(DecodeError::Malformed("its numbers are of no known form")),
    }
    Ok(())
}

fn real_values<R: Real>(
    mode: u8,
    numbers: &[i32],
    form: &[u8],
    lengths: Lengths,
    low: &mut BitReader<'_>,
) -> Result<Vec<R>, DecodeError> {
    match mode {
        SCALED => scaled::decode(numbers, form, lengths.0),
        EXPONENT => exponent::decode(numbers, form, lengths, low),
        _ => Err(DecodeError::Malformed("its numbers are of no known form")),
    }
}
