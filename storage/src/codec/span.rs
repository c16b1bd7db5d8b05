//! One span of all channels: what they have in common is taken out, then each is predicted.

use super::DecodeError;
use super::golomb::{Join, Split, take, unzigzag, zigzag};

/// Sample frames that are predicted alike.
pub(super) const SPAN: usize = 4096;

/// Every value is the first one.
const CONSTANT: u8 = 5;
/// The highest order of the fixed predictors.
const FIXED: usize = 4;

/// How the two channels of a pair are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    Both = 0,
    LeftSide = 1,
    SideRight = 2,
    MidSide = 3,
}

/// Encodes a span. `channels` are its numbers, which are lost.
pub(super) fn encode(channels: &mut [&mut [i32]], spans: &mut Vec<u8>, split: &mut Split) {
    for group in channels.chunks_mut(2) {
        let all = group
            .iter()
            .flat_map(|it| it.iter())
            .fold(0, |all, it| all | it);
        let wasted = if all == 0 { 0 } else { all.trailing_zeros() };
        for value in group.iter_mut().flat_map(|it| it.iter_mut()) {
            *value >>= wasted;
        }
        spans.push(wasted as u8);
        if let [left, right] = group {
            let pair = choose(left, right);
            spans.push(pair as u8);
            part(pair, left, right);
        }
        for channel in group {
            predict(channel, spans, split);
        }
    }
}

/// Undoes [`encode`]; `channels` are zeros at first.
pub(super) fn decode(
    channels: &mut [&mut [i32]],
    spans: &mut &[u8],
    join: &mut Join<'_>,
) -> Result<(), DecodeError> {
    for group in channels.chunks_mut(2) {
        let wasted = byte(spans)?;
        if wasted > 31 {
            return Err(DecodeError::Malformed("it wastes too many bits"));
        }
        let pair = match group.len() {
            1 => Pair::Both,
            _ => match byte(spans)? {
                0 => Pair::Both,
                1 => Pair::LeftSide,
                2 => Pair::SideRight,
                3 => Pair::MidSide,
                _ => return Err(DecodeError::Malformed("its channels are no pair")),
            },
        };
        for channel in group.iter_mut() {
            restore(channel, spans, join)?;
        }
        if let [left, right] = group {
            unite(pair, left, right);
        }
        for value in group.iter_mut().flat_map(|it| it.iter_mut()) {
            *value <<= wasted;
        }
    }
    Ok(())
}

/// By the size of second differences.
fn choose(left: &[i32], right: &[i32]) -> Pair {
    if !left
        .iter()
        .chain(right)
        .all(|it| (-1 << 30..1 << 30).contains(it))
    {
        return Pair::Both;
    }
    let mut sums = [0_u64; 4];
    for (l, r) in left.windows(3).zip(right.windows(3)) {
        let second = |it: &[i32]| i64::from(it[0]) - 2 * i64::from(it[1]) + i64::from(it[2]);
        let (l, r) = (second(l), second(r));
        for (sum, value) in sums.iter_mut().zip([l, r, (l + r) >> 1, l - r]) {
            *sum += value.unsigned_abs();
        }
    }
    let [left, right, mid, side] = sums.map(|sum| (sum as f64 / left.len() as f64 + 0.5).log2());
    let costs = [
        (Pair::Both, left + right),
        (Pair::LeftSide, left + side),
        (Pair::SideRight, side + right),
        (Pair::MidSide, mid + side),
    ];
    costs
        .into_iter()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(Pair::Both, |it| it.0)
}

fn part(pair: Pair, left: &mut [i32], right: &mut [i32]) {
    for (l, r) in left.iter_mut().zip(right) {
        let side = l.wrapping_sub(*r);
        match pair {
            Pair::Both => {}
            Pair::LeftSide => *r = side,
            Pair::SideRight => *l = side,
            Pair::MidSide => (*l, *r) = (r.wrapping_add(side >> 1), side),
        }
    }
}

fn unite(pair: Pair, left: &mut [i32], right: &mut [i32]) {
    for (l, r) in left.iter_mut().zip(right) {
        match pair {
            Pair::Both => {}
            Pair::LeftSide => *r = l.wrapping_sub(*r),
            Pair::SideRight => *l = l.wrapping_add(*r),
            Pair::MidSide => {
                let side = *r;
                *r = l.wrapping_sub(side >> 1);
                *l = r.wrapping_add(side);
            }
        }
    }
}

fn predict(values: &mut [i32], spans: &mut Vec<u8>, split: &mut Split) {
    let first = values[0];
    let is_constant = values.iter().all(|it| *it == first);
    let order = if is_constant { 0 } else { best_fixed(values) };
    spans.push(if is_constant { CONSTANT } else { order as u8 });
    push_number(spans, first);
    if is_constant {
        return;
    }
    values[0] = 0;
    let mut before = first;
    // From the back: each difference needs the values in front of it.
    for step in 0..order {
        if step > 0 {
            before = 0;
        }
        for at in (1..values.len()).rev() {
            let left = if at == 1 { before } else { values[at - 1] };
            values[at] = values[at].wrapping_sub(left);
        }
    }
    split.push(values);
}

fn restore(values: &mut [i32], spans: &mut &[u8], join: &mut Join<'_>) -> Result<(), DecodeError> {
    let kind = byte(spans)?;
    let first = pull_number(spans)?;
    if kind == CONSTANT {
        values.fill(first);
        return Ok(());
    }
    let order = usize::from(kind);
    if order > FIXED {
        return Err(DecodeError::Malformed("it is predicted by no known method"));
    }
    join.pull(values)?;
    for step in (0..order).rev() {
        let mut before = if step == 0 { first } else { 0 };
        for value in &mut values[1..] {
            before = value.wrapping_add(before);
            *value = before;
        }
    }
    values[0] = first;
    Ok(())
}

/// The order whose residuals are smallest.
fn best_fixed(values: &[i32]) -> usize {
    let mut sums = [0_u64; FIXED + 1];
    let mut last = [0_i32; FIXED];
    for value in values {
        let mut difference = *value;
        for (order, sum) in sums.iter_mut().enumerate() {
            *sum += u64::from(difference.unsigned_abs());
            if let Some(last) = last.get_mut(order) {
                let next = difference.wrapping_sub(*last);
                *last = difference;
                difference = next;
            }
        }
    }
    (0..=FIXED).min_by_key(|order| sums[*order]).unwrap_or(0)
}

fn byte(bytes: &mut &[u8]) -> Result<u8, DecodeError> {
    Ok(take(bytes, 1)?[0])
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn push_number(bytes: &mut Vec<u8>, value: i32) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn pull_number(bytes: &mut &[u8]) -> Result<i32, DecodeError> {
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
