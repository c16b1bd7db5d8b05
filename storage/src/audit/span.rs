//! Which entries of a log are not there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decimal;
use crate::tables::Record;

/// Entries in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The number of the first.
    #[serde(with = "decimal")]
    pub first: u64,
    /// The number of the last.
    #[serde(with = "decimal")]
    pub last: u64,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_one() {
            write!(f, "entry {}", self.first)
        } else {
            write!(f, "entries {} to {}", self.first, self.last)
        }
    }
}

impl Span {
    pub(super) fn is_one(&self) -> bool {
        self.first == self.last
    }

    /// Those between two entries that are there, if any.
    pub(super) fn between(before: u64, after: u64) -> Option<Self> {
        (before + 1 < after).then_some(Self {
            first: before + 1,
            last: after - 1,
        })
    }

    fn and(&self, other: &Self) -> Option<Self> {
        let both = Self {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        };
        (both.first <= both.last).then_some(both)
    }
}

/// What a rebuild did not find. Without this row nobody could tell it from what was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostEntries {
    /// In ascending order.
    pub spans: Vec<Span>,
}

impl Record for LostEntries {
    const WHAT: &'static str = "list of lost entries";
}

impl LostEntries {
    /// What of 1 to `last` is not among `there`, which ascends.
    pub(super) fn of(there: impl IntoIterator<Item = u64>, last: u64) -> Self {
        let mut before = 0;
        let ends = there.into_iter().chain([last + 1]);
        let spans =
            ends.filter_map(|next| Span::between(std::mem::replace(&mut before, next), next));
        Self {
            spans: spans.collect(),
        }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        let lengths = self.spans.iter().map(|span| span.last - span.first + 1);
        lengths.sum()
    }

    /// Parts what is missing into what was lost, and what must have been removed.
    pub(super) fn part(&self, missing: Span) -> (Vec<Span>, Vec<Span>) {
        let lost: Vec<_> = self
            .spans
            .iter()
            .filter_map(|it| it.and(&missing))
            .collect();
        let mut before = missing.first - 1;
        let mut removed = Vec::new();
        for span in &lost {
            removed.extend(Span::between(before, span.first));
            before = span.last;
        }
        removed.extend(Span::between(before, missing.last + 1));
        (lost, removed)
    }
}
