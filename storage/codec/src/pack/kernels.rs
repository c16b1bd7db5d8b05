//! The loops in which the time goes. Each is compiled once for every kind of vector unit and chosen
//! when it runs; what they compute does not depend on the choice.
//!
//! Predictions are sums of products of integers below 2^15 and 2^31, at most 32 of them, kept in f64
//! with the point moved: nothing is ever rounded, in whichever order they are added. Rounding the
//! sum to an integer (to the even one of two equally near) is adding and taking away [`ROUND`].

use fearless_simd::{Level, dispatch};

/// The highest order of a prediction.
pub(super) const MAX_ORDER: usize = 32;
/// Zeros in front of values, so that any order finds something to look back to.
pub(super) const HISTORY: usize = LAGS_MANY;
/// Values that are predicted side by side.
pub(super) const STEP: usize = 16;
/// Lags that are summed side by side: whole vectors of them.
const LAGS_FEW: usize = 24;
const LAGS_MANY: usize = 40;
/// A number so large that its lowest digit is the ones place.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Sums of `values[i] * values[i - lag]` for every lag up to `most`. The first [`HISTORY`] values
/// are zeros.
pub(super) fn autocorrelate(values: &[f64], most: usize) -> [f64; MAX_ORDER + 1] {
    dispatch!(Level::new(), _ => match most {
        0..LAGS_FEW => autocorrelate_by::<LAGS_FEW>(values),
        _ => autocorrelate_by::<LAGS_MANY>(values),
    })
}

#[inline(always)]
fn autocorrelate_by<const LAGS: usize>(values: &[f64]) -> [f64; MAX_ORDER + 1] {
    let mut sums = [0.0; LAGS];
    for window in values.windows(LAGS) {
        let Some(window) = window.first_chunk::<LAGS>() else {
            break;
        };
        let value = window[LAGS - 1];
        for (sum, before) in sums.iter_mut().zip(window) {
            *sum += value * before;
        }
    }
    sums.reverse();
    let mut by_lag = [0.0; MAX_ORDER + 1];
    for (by_lag, sum) in by_lag.iter_mut().zip(sums) {
        *by_lag = sum;
    }
    by_lag
}

/// Sums of `values[i] * values[i - lag]` for every lag up to `order`, over all `i` from `order`.
pub(super) fn covariate(values: &[f64], order: usize) -> [f64; MAX_ORDER + 1] {
    // The loop begins where all its lags exist.
    let begin = if order < LAGS_FEW {
        LAGS_FEW
    } else {
        LAGS_MANY
    } - 1;
    let mut sums = autocorrelate(&values[order.max(begin) - begin..], order);
    for (lag, sum) in sums[..=order].iter_mut().enumerate() {
        *sum += (order..begin)
            .map(|i| values[i] * values[i - lag])
            .sum::<f64>();
    }
    sums
}

/// What the weights of `order` miss of every value from `order` on. `values` has [`HISTORY`] zeros in
/// front and [`STEP`] behind. False if a residual is out of range.
pub(super) fn residuals(
    values: &[f64],
    weights: &[f64; MAX_ORDER],
    order: usize,
    into: &mut [i32],
) -> bool {
    dispatch!(Level::new(), _ => match order {
        0..=8 => residuals_by::<8>(values, weights, order, into),
        9..=12 => residuals_by::<12>(values, weights, order, into),
        13..=16 => residuals_by::<16>(values, weights, order, into),
        17..=24 => residuals_by::<24>(values, weights, order, into),
        _ => residuals_by::<32>(values, weights, order, into),
    })
}

#[inline(always)]
fn residuals_by<const ORDER: usize>(
    values: &[f64],
    weights: &[f64; MAX_ORDER],
    order: usize,
    into: &mut [i32],
) -> bool {
    let mut most = [0.0_f64; STEP];
    let mut at = order;
    while at < into.len() {
        let mut sums = [0.0; STEP];
        for (back, weight) in weights[..ORDER].iter().enumerate() {
            let Some(before) = values[HISTORY + at - 1 - back..].first_chunk::<STEP>() else {
                return false;
            };
            for (sum, value) in sums.iter_mut().zip(before) {
                *sum += weight * value;
            }
        }
        let Some(now) = values[HISTORY + at..].first_chunk::<STEP>() else {
            return false;
        };
        let mut missed = [0.0; STEP];
        for lane in 0..STEP {
            missed[lane] = now[lane] - ((sums[lane] + ROUND) - ROUND);
        }
        let count = STEP.min(into.len() - at);
        if count == STEP {
            for lane in 0..STEP {
                into[at + lane] = integer(missed[lane]);
                most[lane] = most[lane].max(missed[lane].abs());
            }
        } else {
            for lane in 0..count {
                into[at + lane] = integer(missed[lane]);
                most[lane] = most[lane].max(missed[lane].abs());
            }
        }
        at += STEP;
    }
    most.iter().all(|it| *it < f64::from(i32::MAX))
}

/// An f64 that holds a 32-bit integer; of any other, some integer.
#[inline(always)]
pub(super) fn integer(value: f64) -> i32 {
    (value + ROUND).to_bits() as i32
}

/// Runs of values that are restored side by side.
pub(super) const LANES: usize = 16;
/// Values of every run that are restored before they are written back.
const STRIP: usize = 64;

/// Restores up to [`LANES`] runs of `length` values, in place, from residuals. `starts` says where
/// they lie in `values`, `orders` how many values of each stand already, `weights` have their order
/// as the first index.
pub(super) fn restore(
    values: &mut [i32],
    length: usize,
    starts: &[usize],
    orders: &[usize; LANES],
    weights: &[[f64; LANES]; MAX_ORDER],
) {
    let most = orders.iter().copied().max().unwrap_or(0);
    dispatch!(Level::new(), _ => match most {
        0..=8 => restore_by::<8>(values, length, starts, orders, weights),
        9..=12 => restore_by::<12>(values, length, starts, orders, weights),
        13..=16 => restore_by::<16>(values, length, starts, orders, weights),
        17..=24 => restore_by::<24>(values, length, starts, orders, weights),
        _ => restore_by::<32>(values, length, starts, orders, weights),
    });
}

#[inline(always)]
fn restore_by<const ORDER: usize>(
    values: &mut [i32],
    length: usize,
    starts: &[usize],
    orders: &[usize; LANES],
    weights: &[[f64; LANES]; MAX_ORDER],
) {
    let mut rows = [[0.0; LANES]; MAX_ORDER + STRIP];
    let Some(weights) = weights.first_chunk::<ORDER>() else {
        return;
    };
    let mut begin = 0;
    while begin < length {
        let count = STRIP.min(length - begin);
        for (lane, start) in starts.iter().enumerate() {
            for (row, value) in rows[MAX_ORDER..]
                .iter_mut()
                .zip(&values[start + begin..][..count])
            {
                row[lane] = f64::from(*value);
            }
        }
        for step in 0..count {
            let window = &rows[MAX_ORDER + step - ORDER..MAX_ORDER + step];
            let mut sums = [0.0; LANES];
            for back in (0..ORDER).rev() {
                for lane in 0..LANES {
                    sums[lane] += weights[back][lane] * window[ORDER - 1 - back][lane];
                }
            }
            let row = &mut rows[MAX_ORDER + step];
            if begin + step < MAX_ORDER {
                for lane in 0..LANES {
                    if begin + step >= orders[lane] {
                        row[lane] += (sums[lane] + ROUND) - ROUND;
                    }
                }
            } else {
                for lane in 0..LANES {
                    row[lane] += (sums[lane] + ROUND) - ROUND;
                }
            }
        }
        for (lane, start) in starts.iter().enumerate() {
            for (row, value) in rows[MAX_ORDER..]
                .iter()
                .zip(&mut values[start + begin..][..count])
            {
                *value = integer(row[lane]);
            }
        }
        rows.copy_within(count..count + MAX_ORDER, 0);
        begin += count;
    }
}
