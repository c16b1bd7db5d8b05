//! Linear prediction: which weights of the values before it come closest to a value.
//!
//! What is computed here in floating point steers how small a block gets, never what it decodes to:
//! the weights are rounded to integers, and the prediction they make is exact.

use super::kernels::{self, HISTORY, MAX_ORDER};

/// Bits of the largest weight, without its sign.
const PRECISION: i32 = 15;
/// The largest shift.
pub(super) const MAX_SHIFT: u8 = 30;

/// Weights: a value is predicted by the sum of `weights[j] * value[i - 1 - j]`, shifted right.
#[derive(Clone)]
pub(super) struct Weights {
    pub(super) order: usize,
    pub(super) shift: u8,
    pub(super) weights: [i16; MAX_ORDER],
}

impl Weights {
    /// As multiples of one; exact, because the shift only moves the point.
    pub(super) fn scaled(&self) -> [f64; MAX_ORDER] {
        let scale = 1.0 / f64::from(1_u32 << self.shift);
        self.weights.map(|weight| f64::from(weight) * scale)
    }

    /// Rounds; what rounding one weight loses, the next one makes up for.
    fn round(exact: &[f64]) -> Option<Self> {
        let largest = exact
            .iter()
            .fold(0.0_f64, |largest, it| largest.max(it.abs()));
        if !(largest.is_finite() && largest > 1e-9) {
            return None;
        }
        let digits = largest.log2().floor() as i32 + 1;
        let shift = (PRECISION - digits).clamp(0, i32::from(MAX_SHIFT));
        let limit = f64::from((1 << PRECISION) - 1);
        let mut weights = [0; MAX_ORDER];
        let mut lost = 0.0;
        for (weight, exact) in weights.iter_mut().zip(exact) {
            let wanted = exact * f64::from(shift).exp2() + lost;
            let rounded = wanted.round().clamp(-limit, limit);
            lost = wanted - rounded;
            *weight = rounded as i16;
        }
        let order = weights.iter().rposition(|it| *it != 0)? + 1;
        Some(Self {
            order,
            shift: shift as u8,
            weights,
        })
    }
}

/// Finds weights; keeps its buffers.
#[derive(Default)]
pub(super) struct Analyst {
    window: Vec<f64>,
    windowed: Vec<f64>,
}

impl Analyst {
    /// By autocorrelation: of any order up to `most`, the one that promises the fewest bits.
    /// `values` has [`HISTORY`] zeros in front.
    pub(super) fn autocorrelation(&mut self, values: &[f64], most: usize) -> Option<Weights> {
        let count = values.len() - HISTORY;
        self.shape(count);
        self.windowed.clear();
        self.windowed.resize(HISTORY, 0.0);
        self.windowed.extend(
            values[HISTORY..]
                .iter()
                .zip(&self.window)
                .map(|(value, weight)| value * weight),
        );
        let sums = kernels::autocorrelate(&self.windowed, most);
        let (order, exact) = levinson(&sums, most, count)?;
        Weights::round(&exact[..order])
    }

    /// A Tukey window of half its length.
    fn shape(&mut self, count: usize) {
        if self.window.len() == count {
            return;
        }
        let slope = (count as f64 / 4.0).max(1.0);
        let height = |at: usize| {
            let edge = at.min(count - 1 - at) as f64;
            if edge < slope {
                0.5 - 0.5 * (std::f64::consts::PI * edge / slope).cos()
            } else {
                1.0
            }
        };
        self.window = (0..count).map(height).collect();
    }
}

/// The Levinson-Durbin recursion: the weights of the order that promises the fewest bits.
fn levinson(
    sums: &[f64; MAX_ORDER + 1],
    most: usize,
    count: usize,
) -> Option<(usize, [f64; MAX_ORDER])> {
    let mut error = sums[0] * (1.0 + 1e-10);
    if error <= 0.0 {
        return None;
    }
    let mut weights = [0.0; MAX_ORDER];
    let mut best = None;
    let mut fewest = f64::MAX;
    for order in 1..=most {
        let known: f64 = (1..order)
            .map(|at| weights[at - 1] * sums[order - at])
            .sum();
        let reflection = (sums[order] - known) / error;
        let before = weights;
        weights[order - 1] = reflection;
        for at in 1..order {
            weights[at - 1] -= reflection * before[order - 1 - at];
        }
        error *= 1.0 - reflection * reflection;
        if error <= 0.0 || error.is_nan() {
            break;
        }
        let bits = 0.5 * (error / count as f64).max(1e-3).log2() * count as f64
            + f64::from(PRECISION + 1) * order as f64;
        if bits < fewest {
            fewest = bits;
            best = Some((order, weights));
        }
    }
    best
}

/// By least squares over the values themselves (the covariance method), of order `order`: better
/// where almost nothing is noise, as at high sample rates.
pub(super) fn covariance(values: &[f64], order: usize) -> Option<Weights> {
    let values = &values[HISTORY..];
    let count = values.len();
    let mut sums = [[0.0; MAX_ORDER + 1]; MAX_ORDER + 1];
    sums[0] = kernels::covariate(values, order);
    // Each further row is the one above it, moved by one value.
    for i in 0..order {
        for j in i..order {
            sums[i + 1][j + 1] = sums[i][j] + values[order - 1 - i] * values[order - 1 - j]
                - values[count - 1 - i] * values[count - 1 - j];
        }
    }
    let exact = cholesky(&sums, order)?;
    Weights::round(&exact[..order])
}

/// Solves for the weights; `sums` holds its upper half.
fn cholesky(
    sums: &[[f64; MAX_ORDER + 1]; MAX_ORDER + 1],
    order: usize,
) -> Option<[f64; MAX_ORDER]> {
    // A little of everything is noise, or the sums of a pure tone have no solution.
    let noise = sums[0][0] * 1e-11 + 1e-3;
    let mut lower = [[0.0; MAX_ORDER]; MAX_ORDER];
    let mut solved = [0.0; MAX_ORDER];
    for i in 0..order {
        for j in 0..=i {
            let (done, row) = (lower[j], lower[i]);
            let known: f64 = (0..j).map(|k| row[k] * done[k]).sum();
            let rest = sums[j + 1][i + 1] - known;
            if i > j {
                lower[i][j] = rest / lower[j][j];
            } else if rest + noise > 0.0 {
                lower[i][i] = (rest + noise).sqrt();
            } else {
                return None;
            }
        }
        let known: f64 = (0..i).map(|k| lower[i][k] * solved[k]).sum();
        solved[i] = (sums[0][i + 1] - known) / lower[i][i];
    }
    let mut weights = [0.0; MAX_ORDER];
    for i in (0..order).rev() {
        let known: f64 = (i + 1..order).map(|k| lower[k][i] * weights[k]).sum();
        weights[i] = (solved[i] - known) / lower[i][i];
    }
    Some(weights)
}
