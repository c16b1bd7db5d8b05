//! Spans, decoded: residuals to the values they were, many runs side by side.
//!
//! Nothing here trusts what it reads: whatever stands there, the result is an error or some values.

use super::DecodeError;
use super::golomb::{Join, take, unzigzag};
use super::kernels::{self, LANES, MAX_ORDER};
use super::lpc::{MAX_SHIFT, Weights};
use super::span::{CONSTANT, Pair, WEIGHTS};
use super::stream::Head;

/// Channels that share a span.
struct Group {
    /// Of the first channel, in all values.
    start: usize,
    length: usize,
    /// From one channel to the other; none of a channel alone.
    right: Option<usize>,
    pair: Pair,
    wasted: u8,
}

/// A run whose values hang on weights.
struct Weighed {
    start: usize,
    length: usize,
    weights: Weights,
}

/// Decodes all spans: the values of every channel, one channel after another.
pub(super) fn restore(
    mut spans: &[u8],
    join: &mut Join<'_>,
    head: &Head,
) -> Result<Vec<i32>, DecodeError> {
    let (frames, channels) = (head.frames as usize, usize::from(head.samples.channels));
    let mut values = vec![0; frames * channels];
    let mut groups = Vec::new();
    let mut weighed = Vec::new();
    for begin in (0..frames).step_by(head.span) {
        let length = head.span.min(frames - begin);
        for channel in (0..channels).step_by(2) {
            let right = (channel + 1 < channels).then_some(frames);
            let start = channel * frames + begin;
            groups.push(group(&mut spans, start, length, right)?);
            for start in [Some(start), right.map(|right| start + right)]
                .into_iter()
                .flatten()
            {
                let run = &mut values[start..start + length];
                if let Some(weights) = run_of(run, &mut spans, join)? {
                    weighed.push(Weighed {
                        start,
                        length,
                        weights,
                    });
                }
            }
        }
    }
    if !(spans.is_empty() && join.is_over()) {
        return Err(DecodeError::Malformed("its parts are too long"));
    }
    weighed.sort_by_key(|run| (run.length, run.weights.order.next_multiple_of(4)));
    for runs in weighed.chunk_by(|a, b| a.length == b.length) {
        for lanes in runs.chunks(LANES) {
            side_by_side(&mut values, lanes);
        }
    }
    for group in groups {
        unite(&mut values, &group);
    }
    Ok(values)
}

fn group(
    spans: &mut &[u8],
    start: usize,
    length: usize,
    right: Option<usize>,
) -> Result<Group, DecodeError> {
    let wasted = byte(spans)?;
    if wasted > 31 {
        return Err(DecodeError::Malformed("it wastes too many bits"));
    }
    let pair = match right.map(|_| byte(spans)).transpose()? {
        None | Some(0) => Pair::Both,
        Some(1) => Pair::LeftSide,
        Some(2) => Pair::SideRight,
        Some(3) => Pair::MidSide,
        Some(_) => return Err(DecodeError::Malformed("its channels are no pair")),
    };
    Ok(Group {
        start,
        length,
        right,
        pair,
        wasted,
    })
}

/// One channel of one span: done, unless it comes with weights.
fn run_of(
    values: &mut [i32],
    spans: &mut &[u8],
    join: &mut Join<'_>,
) -> Result<Option<Weights>, DecodeError> {
    let kind = byte(spans)?;
    let first = number(spans)?;
    if kind == CONSTANT {
        values.fill(first);
        return Ok(None);
    }
    let weights = match kind {
        0..=4 => None,
        WEIGHTS.. => Some(weights(usize::from(kind - WEIGHTS) + 1, spans)?),
        _ => return Err(DecodeError::Malformed("it is predicted by no known method")),
    };
    join.pull(values)?;
    let (count, order) = match &weights {
        None => (values.len(), usize::from(kind)),
        Some(weights) if weights.order <= values.len() => (weights.order, 2),
        Some(_) => return Err(DecodeError::Malformed("its weights are too many")),
    };
    accumulate(&mut values[..count], order, first);
    Ok(weights)
}

fn weights(order: usize, spans: &mut &[u8]) -> Result<Weights, DecodeError> {
    let shift = byte(spans)?;
    if order > MAX_ORDER || shift > MAX_SHIFT {
        return Err(DecodeError::Malformed("its weights are out of range"));
    }
    let mut weights = [0; MAX_ORDER];
    let bytes = take(spans, 2 * order)?.chunks_exact(2);
    for (weight, bytes) in weights.iter_mut().zip(bytes) {
        *weight = i16::from_le_bytes([bytes[0], bytes[1]]);
    }
    Ok(Weights {
        order,
        shift,
        weights,
    })
}

/// Undoes differences of the given order; `first` is the very first value.
fn accumulate(values: &mut [i32], order: usize, first: i32) {
    values[0] = first;
    for level in (1..=order.min(values.len() - 1)).rev() {
        let mut last = values[level - 1];
        for value in &mut values[level..] {
            last = value.wrapping_add(last);
            *value = last;
        }
    }
}

/// Up to [`LANES`] runs of one length.
fn side_by_side(values: &mut [i32], runs: &[Weighed]) {
    let mut weights = [[0.0; LANES]; MAX_ORDER];
    let mut orders = [0; LANES];
    let mut starts = Vec::with_capacity(LANES);
    for (lane, run) in runs.iter().enumerate() {
        starts.push(run.start);
        orders[lane] = run.weights.order;
        for (by_lane, weight) in weights.iter_mut().zip(run.weights.scaled()) {
            by_lane[lane] = weight;
        }
    }
    let length = runs.first().map_or(0, |run| run.length);
    kernels::restore(values, length, &starts, &orders, &weights);
}

fn unite(values: &mut [i32], group: &Group) {
    let Group {
        start,
        length,
        wasted,
        ..
    } = *group;
    let Some(right) = group.right else {
        return widen(&mut values[start..start + length], wasted);
    };
    let (left, right) = values[start..].split_at_mut(right);
    let (left, right) = (&mut left[..length], &mut right[..length]);
    for (l, r) in left.iter_mut().zip(right.iter_mut()) {
        match group.pair {
            Pair::Both => break,
            Pair::LeftSide => *r = l.wrapping_sub(*r),
            Pair::SideRight => *l = l.wrapping_add(*r),
            Pair::MidSide => {
                let side = *r;
                *r = l.wrapping_sub(side >> 1);
                *l = r.wrapping_add(side);
            }
        }
    }
    widen(left, wasted);
    widen(right, wasted);
}

fn widen(values: &mut [i32], wasted: u8) {
    if wasted > 0 {
        for value in values {
            *value <<= wasted;
        }
    }
}

fn byte(bytes: &mut &[u8]) -> Result<u8, DecodeError> {
    Ok(take(bytes, 1)?[0])
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn number(bytes: &mut &[u8]) -> Result<i32, DecodeError> {
    let mut value = 0_u32;
    for place in 0..5 {
        let byte = byte(bytes)?;
        value |= u32::from(byte & 0x7F) << (7 * place);
        if byte < 0x80 {
            return Ok(unzigzag(value));
        }
    }
    Err(DecodeError::Malformed("a number is too long"))
}
