//! One span of all channels, encoded: what the channels of a pair have in common is taken out, then
//! each is predicted by the method that leaves the least.

use super::estimate;
use super::golomb::{Split, zigzag};
use super::kernels::{self, HISTORY, STEP};
use super::lpc::{self, Analyst, Weights};

/// Sample frames that are predicted alike, as this encoder has it.
pub(super) const SPAN: usize = 4096;
/// Every value is the first one.
pub(super) const CONSTANT: u8 = 5;
/// Prediction by weights; the lower bits hold the order less one.
pub(super) const WEIGHTS: u8 = 0x80;

/// The order up to which weights are sought. Up to the 32 that the format has would make blocks a
/// thousandth smaller, and encoding a seventh slower.
const ORDER: usize = 23;
/// The order of weights by least squares.
const ORDER_HIGH_RATE: usize = 16;
/// From this sample rate on, least squares find better weights.
const HIGH_RATE: u32 = 88_200;

/// How the two channels of a pair are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    Both = 0,
    LeftSide = 1,
    SideRight = 2,
    MidSide = 3,
}

/// Encodes span after span.
pub(super) struct Encoder {
    /// How every span is predicted.
    pub(super) spans: Vec<u8>,
    /// What the predictions miss.
    pub(super) split: Split,
    is_high_rate: bool,
    analyst: Analyst,
    values: Vec<f64>,
    residuals: Vec<i32>,
    best: Vec<i32>,
}

impl Encoder {
    /// For samples of this rate, and partitions of this length.
    pub(super) fn new(sample_rate: u32, partition: usize) -> Self {
        Self {
            spans: Vec::new(),
            split: Split::new(partition),
            is_high_rate: sample_rate >= HIGH_RATE,
            analyst: Analyst::default(),
            values: Vec::new(),
            residuals: Vec::new(),
            best: Vec::new(),
        }
    }

    /// Encodes a span. `channels` are its values, which are lost.
    pub(super) fn push(&mut self, channels: &mut [&mut [i32]]) {
        for group in channels.chunks_mut(2) {
            let all = group
                .iter()
                .flat_map(|it| it.iter())
                .fold(0, |all, it| all | it);
            let wasted = if all == 0 { 0 } else { all.trailing_zeros() };
            if wasted > 0 {
                for value in group.iter_mut().flat_map(|it| it.iter_mut()) {
                    *value >>= wasted;
                }
            }
            self.spans.push(wasted as u8);
            if let [left, right] = group {
                let pair = estimate::pair(left, right);
                self.spans.push(pair as u8);
                part(pair, left, right);
            }
            for values in group {
                self.predict(values);
            }
        }
    }

    fn predict(&mut self, values: &[i32]) {
        let first = values[0];
        if values.iter().all(|it| *it == first) {
            self.spans.push(CONSTANT);
            push_number(&mut self.spans, first);
            return;
        }
        let (order, mut cost) = estimate::differences(values);
        let weights = self.weigh(values, &mut cost);
        if let Some(weights) = weights {
            self.spans.push(WEIGHTS | (weights.order - 1) as u8);
            push_number(&mut self.spans, first);
            self.spans.push(weights.shift);
            self.spans.extend(
                weights.weights[..weights.order]
                    .iter()
                    .flat_map(|it| it.to_le_bytes()),
            );
            differences(&values[..weights.order], 2, &mut self.best[..weights.order]);
        } else {
            self.spans.push(order as u8);
            push_number(&mut self.spans, first);
            self.best.clear();
            self.best.resize(values.len(), 0);
            differences(values, order, &mut self.best);
        }
        self.split.push(&self.best);
    }

    /// Weights that cost less than `cost`, what they miss in `best`.
    fn weigh(&mut self, values: &[i32], cost: &mut f64) -> Option<Weights> {
        if values.len() < 4 * ORDER {
            return None;
        }
        self.values.clear();
        self.values.resize(HISTORY, 0.0);
        self.values.extend(values.iter().map(|it| f64::from(*it)));
        let mut chosen = None;
        let by_sums = self.analyst.autocorrelation(&self.values, ORDER);
        let by_squares = if self.is_high_rate {
            lpc::covariance(&self.values, ORDER_HIGH_RATE)
        } else {
            None
        };
        self.values.resize(HISTORY + values.len() + STEP, 0.0);
        self.residuals.resize(values.len(), 0);
        for weights in [by_sums, by_squares].into_iter().flatten() {
            self.residuals[..weights.order].fill(0);
            if !kernels::residuals(
                &self.values,
                &weights.scaled(),
                weights.order,
                &mut self.residuals,
            ) {
                continue;
            }
            let bits = estimate::bits(&self.residuals) + 16.0 * weights.order as f64;
            if bits < *cost {
                *cost = bits;
                chosen = Some(weights);
                std::mem::swap(&mut self.residuals, &mut self.best);
                self.residuals.resize(values.len(), 0);
            }
        }
        chosen
    }
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

/// Differences of the given order; of the first few values those of a lower one, of the very first
/// a zero.
fn differences(values: &[i32], order: usize, into: &mut [i32]) {
    into.copy_from_slice(values);
    for level in 1..=order {
        let begun = into.split_at_mut(level.min(values.len()) - 1).1;
        let mut last = begun[0];
        for value in &mut begun[1..] {
            last = std::mem::replace(value, value.wrapping_sub(last));
        }
    }
    into[0] = 0;
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
