//! A predicted block: bytes to numbers, numbers to what a prediction misses of them, and back.

use super::golomb::{Join, Split};
use super::samples::Samples;
use super::span::{self, SPAN};
use super::stream::{self, Head, Parts};
use super::{DecodeError, golomb::take};

/// Numbers are integers of up to 32 bits as they stand.
const INTEGER: u8 = 0;

/// Packs `plain`; `None` if it does not lend itself to prediction.
pub(super) fn pack(plain: &[u8], samples: &Samples) -> Option<Vec<u8>> {
    if !samples.is_sound() {
        return None;
    }
    let frames = plain.len() / samples.frame();
    let (whole, tail) = plain.split_at(frames * samples.frame());
    let mode = INTEGER;
    let numbers = samples.read(whole);
    let mut numbers = numbers
        .iter()
        .map(|it| i32::try_from(*it))
        .collect::<Result<Vec<_>, _>>()
        .ok()?;
    let mut spans = Vec::new();
    let mut split = Split::default();
    for start in (0..frames).step_by(SPAN) {
        let end = frames.min(start + SPAN);
        let mut channels: Vec<_> = numbers
            .chunks_mut(frames)
            .map(|it| &mut it[start..end])
            .collect();
        span::encode(&mut channels, &mut spans, &mut split);
    }
    let parts = Parts {
        tail: tail.to_vec(),
        form: Vec::new(),
        spans,
        shifts: split.shifts,
        escapes: split.escapes,
        quotients: split.quotients,
    };
    let head = Head {
        samples: *samples,
        frames: u32::try_from(frames).ok()?,
        mode,
    };
    stream::write(head, &parts, split.low)
}

/// Unpacks what [`pack`] made.
pub(super) fn unpack(packed: &[u8], plain_len: usize) -> Result<Vec<u8>, DecodeError> {
    let stream = stream::read(packed, plain_len)?;
    let (samples, frames) = (stream.head.samples, stream.head.frames as usize);
    let mut parts = stream.parts()?;
    if stream.head.mode != INTEGER || !parts.form.is_empty() {
        return Err(DecodeError::Malformed("its numbers are of no known form"));
    }
    let mut join = Join {
        shifts: parts.shifts,
        quotients: parts.quotients,
        escapes: parts.escapes,
        low: parts.low,
    };
    let mut numbers = vec![0; frames * usize::from(samples.channels)];
    for start in (0..frames).step_by(SPAN) {
        let end = frames.min(start + SPAN);
        let mut channels: Vec<_> = numbers
            .chunks_mut(frames)
            .map(|it| &mut it[start..end])
            .collect();
        span::decode(&mut channels, &mut parts.spans, &mut join)?;
    }
    if !(parts.spans.is_empty() && join.is_over()) {
        return Err(DecodeError::Malformed("its parts are too long"));
    }
    let numbers: Vec<_> = numbers.into_iter().map(i64::from).collect();
    let mut plain = vec![0; plain_len];
    let (whole, tail) = plain.split_at_mut(frames * samples.frame());
    samples.write(&numbers, whole);
    tail.copy_from_slice(take(&mut parts.tail, tail.len())?);
    Ok(plain)
}
