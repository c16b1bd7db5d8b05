//! Finds the `g` of which all values of a channel are multiples, rounded to their width.

use super::real::Real;

/// Integers have so many bits, their sign aside.
const LARGEST: i32 = 31;
/// Values that are looked at closely.
const PROBES: usize = 1 << 15;
/// Of them, the smallest so many.
const SMALLEST: usize = 2048;
/// Fewer tell nothing.
const ENOUGH: usize = 64;

/// Units that may be the one, the likeliest first; each costs more to find than the one before.
pub(super) fn units<R: Real>(values: &[R]) -> impl Iterator<Item = f64> {
    let exact = power_of_two(values);
    let range = if exact.is_none() { probe(values) } else { None };
    let by_all = move || {
        let mut range = range?;
        for value in values.iter().filter(|value| !value.is_odd()) {
            // A stray does not narrow anything, and is counted by the caller.
            range.narrow::<R>(value.wide().abs());
        }
        Some(range.simplest())
    };
    let by_probes = range.map(|range| range.simplest());
    let cheap = exact.into_iter().chain(by_probes);
    cheap.chain(std::iter::once_with(by_all).flatten())
}

/// The largest power of two of which all values are multiples, if none is too large a one.
fn power_of_two<R: Real>(values: &[R]) -> Option<f64> {
    let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
    for value in values.iter().filter(|value| !value.is_odd()) {
        let exponent = value.exponent() as i32;
        lowest = lowest.min(exponent + value.significand().trailing_zeros() as i32);
        highest = highest.max(exponent + R::DIGITS as i32);
    }
    if lowest == i32::MAX {
        return Some(1.0);
    }
    // One is the significand's highest bit alone, at the middle of the exponents.
    let one = R::near(1.0).exponent() as i32 + R::DIGITS as i32 - 1;
    (highest - lowest <= LARGEST).then(|| f64::from(lowest - one).exp2())
}

/// Where the unit lies, if it is no power of two, by a part of the values.
fn probe<R: Real>(values: &[R]) -> Option<Range> {
    let step = (values.len() / PROBES).max(1);
    let odd = |value: &&R| !value.is_odd();
    let mut probes: Vec<f64> = values
        .iter()
        .step_by(step)
        .filter(odd)
        .map(|it| it.wide().abs())
        .collect();
    if probes.len() < ENOUGH {
        return None;
    }
    probes.sort_unstable_by(f64::total_cmp);
    probes.dedup();
    let smallest = &probes[..probes.len().min(SMALLEST)];
    // Where values are further apart than they are precise, the closest two differ by one unit.
    let gaps = smallest.windows(2).map(|pair| (pair[1] - pair[0], pair[1]));
    let gaps = gaps.filter(|(gap, value)| *gap > value * 1e-5);
    let first = (smallest[0], smallest[0]);
    let (unit, value) = gaps.fold(first, |least, it| if it.0 < least.0 { it } else { least });
    let mut range = Range::new(unit, value * 1e-6);
    // Small multiples first: each narrows the unit down enough for the next.
    if !probes.iter().all(|value| range.narrow::<R>(*value)) {
        return None;
    }
    Some(range)
}

/// Where the unit lies.
#[derive(Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn new(unit: f64, give: f64) -> Self {
        Self {
            low: unit - give,
            high: unit + give,
        }
    }

    fn middle(&self) -> f64 {
        self.low + (self.high - self.low) / 2.0
    }

    /// Takes in that `value` is a multiple; false if it is none.
    fn narrow<R: Real>(&mut self, value: f64) -> bool {
        let multiple = (value / self.middle()).round();
        let half = value * (-f64::from(R::DIGITS)).exp2();
        let (low, high) = ((value - half) / multiple, (value + half) / multiple);
        if multiple < 1.0
            || multiple > f64::from(LARGEST).exp2()
            || low > self.high
            || high < self.low
        {
            return false;
        }
        (self.low, self.high) = (self.low.max(low), self.high.min(high));
        true
    }

    /// A unit of 24 digits if one lies in the range: that is what a fader of floats has.
    fn simplest(&self) -> f64 {
        let short = f64::from(self.middle() as f32);
        if (self.low..=self.high).contains(&short) {
            short
        } else {
            self.middle()
        }
    }
}
