//! Keys of the runs of jobs, of what each noted, and of what is known of the time.

use chrono::{DateTime, Utc};

use super::key;
use crate::catalog::{Key, KeyRange};
use crate::ids::RunId;

/// All runs of jobs, oldest first.
#[must_use]
pub fn runs() -> Key {
    key(b'r', &[])
}

/// A run of a job, by the microsecond it began.
#[must_use]
pub fn run(started_us: i64, run: RunId) -> Key {
    key(b'r', &[&started_us.max(0).to_be_bytes(), run.as_bytes()])
}

/// The runs that began in that microsecond or later.
#[must_use]
pub fn runs_from(started_us: i64) -> KeyRange {
    let from = key(b'r', &[&started_us.max(0).to_be_bytes()]);
    KeyRange::from(from..key(b'r' + 1, &[]))
}

/// The runs that began in that microsecond or later, and come before this one.
#[must_use]
pub fn runs_before(started_us: i64, before: Key) -> KeyRange {
    KeyRange::from(key(b'r', &[&started_us.max(0).to_be_bytes()])..before)
}

/// The notes of all runs.
#[must_use]
pub fn runs_notes() -> Key {
    key(b'R', &[])
}

/// The notes of a run, in the order in which they were made.
#[must_use]
pub fn run_notes(started_us: i64, run: RunId) -> Key {
    key(b'R', &[&started_us.max(0).to_be_bytes(), run.as_bytes()])
}

/// One of them.
#[must_use]
pub fn run_note(started_us: i64, run: RunId, nth: u64) -> Key {
    key(
        b'R',
        &[
            &started_us.max(0).to_be_bytes(),
            run.as_bytes(),
            &nth.to_be_bytes(),
        ],
    )
}

/// When the run of this key began.
#[must_use]
pub fn began(key: &Key) -> Option<DateTime<Utc>> {
    let micros = key.0.get(1..)?.first_chunk()?;
    DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))
}

/// The [`KnownTime`](crate::trust::KnownTime).
#[must_use]
pub fn known_time() -> Key {
    key(b'T', &[])
}
