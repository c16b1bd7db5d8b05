//! What would it cost? Sums over values that tell which way leaves the least.

use fearless_simd::{Level, dispatch};

use super::golomb::PARTITION;
use super::span::Pair;

/// The highest order of the differences.
const HIGHEST: usize = 4;

/// Bits that residuals will take, nearly.
pub(super) fn bits(residuals: &[i32]) -> f64 {
    let partitions = residuals.chunks(PARTITION);
    let costs = dispatch!(Level::new(), _ => partitions.map(|it| cost(sizes(it), it.len())).sum());
    costs
}

/// Bits of `count` residuals that are so large together.
#[inline(always)]
fn cost(sum: u64, count: usize) -> f64 {
    let count = count as f64;
    (2.0 * sum as f64 / count + 1.0).log2() * count
}

#[inline(always)]
fn sizes(residuals: &[i32]) -> u64 {
    residuals
        .iter()
        .map(|it| u64::from(it.unsigned_abs()))
        .sum()
}

/// The order of the smallest differences, and bits that they will take.
pub(super) fn differences(values: &[i32]) -> (usize, f64) {
    let sums = dispatch!(Level::new(), _ => difference_sums(values));
    let order = (0..=HIGHEST).min_by_key(|order| sums[*order]).unwrap_or(0);
    (order, cost(sums[order], values.len()))
}

#[inline(always)]
fn difference_sums(values: &[i32]) -> [u64; HIGHEST + 1] {
    let mut sums = [0_u64; HIGHEST + 1];
    for window in values.windows(HIGHEST + 1) {
        let [e, d, c, b, a] = *window else { break };
        let first = [
            a.wrapping_sub(b),
            b.wrapping_sub(c),
            c.wrapping_sub(d),
            d.wrapping_sub(e),
        ];
        let second: [i32; 3] = std::array::from_fn(|at| first[at].wrapping_sub(first[at + 1]));
        let third: [i32; 2] = std::array::from_fn(|at| second[at].wrapping_sub(second[at + 1]));
        let fourth = third[0].wrapping_sub(third[1]);
        for (sum, value) in sums
            .iter_mut()
            .zip([a, first[0], second[0], third[0], fourth])
        {
            *sum += u64::from(value.unsigned_abs());
        }
    }
    sums
}

/// How two channels are stored best, by the size of their second differences.
pub(super) fn pair(left: &[i32], right: &[i32]) -> Pair {
    let Some(sums) = dispatch!(Level::new(), _ => pair_sums(left, right)) else {
        return Pair::Both;
    };
    let [left, right, mid, side] = sums.map(|sum| (sum as f64 / left.len() as f64 + 0.5).log2());
    let costs = [
        (Pair::Both, left + right),
        (Pair::LeftSide, left + side),
        (Pair::SideRight, side + right),
        (Pair::MidSide, mid + side),
    ];
    let least = costs.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    least.map_or(Pair::Both, |it| it.0)
}

/// Of left, right, mid and side; `None` if a sum of two values does not fit 31 bits.
#[inline(always)]
fn pair_sums(left: &[i32], right: &[i32]) -> Option<[u64; 4]> {
    let size = |all: u32, value: &i32| all | (value ^ (value >> 31)) as u32;
    let all = left.iter().fold(0, size) | right.iter().fold(0, size);
    if all >= 1 << 30 {
        return None;
    }
    let mut sums = [0_u64; 4];
    for (l, r) in left.windows(3).zip(right.windows(3)) {
        let second = |it: &[i32]| i64::from(it[0]) - 2 * i64::from(it[1]) + i64::from(it[2]);
        let (l, r) = (second(l), second(r));
        for (sum, value) in sums.iter_mut().zip([l, r, (l + r) >> 1, l - r]) {
            *sum += value.unsigned_abs();
        }
    }
    Some(sums)
}
