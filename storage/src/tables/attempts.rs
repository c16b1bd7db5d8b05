//! Keys of archive attempts and of how far each has come.

use super::key;
use crate::catalog::Key;
use crate::ids::{AttemptId, OrderId, SessionId};

/// The [`Attempt`](super::Attempt)s of an order.
#[must_use]
pub fn attempts(order: OrderId) -> Key {
    key(b'a', &[order.as_bytes()])
}

/// An [`Attempt`](super::Attempt).
#[must_use]
pub fn attempt(order: OrderId, attempt: AttemptId) -> Key {
    key(b'a', &[order.as_bytes(), attempt.as_bytes()])
}

/// Which attempt the key of an [`Attempt`](super::Attempt), or of its progress, names.
#[must_use]
pub fn attempt_of(key: &Key) -> Option<AttemptId> {
    let rest = key.0.get(1 + size_of::<OrderId>()..)?;
    rest.first_chunk().copied().map(AttemptId)
}

/// How far the archive attempts of an order have come.
#[must_use]
pub fn all_progress(order: OrderId) -> Key {
    key(b'A', &[order.as_bytes()])
}

/// The beat of an archive attempt: written anew, as an [`Attempt`](super::Attempt), all the time that
/// somebody works on it. First of the rows of its progress, and goes with them.
#[must_use]
pub fn beat(order: OrderId, attempt: AttemptId) -> Key {
    progress(order, attempt)
}

/// How far an archive attempt has come.
#[must_use]
pub fn progress(order: OrderId, attempt: AttemptId) -> Key {
    key(b'A', &[order.as_bytes(), attempt.as_bytes()])
}

/// The stretches of one file that an archive attempt has put.
#[must_use]
pub fn stretches(order: OrderId, attempt: AttemptId, session: SessionId, file: u32) -> Key {
    let Key(mut bytes) = progress(order, attempt);
    bytes.extend_from_slice(session.as_bytes());
    bytes.extend_from_slice(&file.to_be_bytes());
    Key(bytes)
}

/// One of them, by the number of its first block.
#[must_use]
pub fn stretch(
    order: OrderId,
    attempt: AttemptId,
    session: SessionId,
    file: u32,
    first: u32,
) -> Key {
    let Key(mut bytes) = stretches(order, attempt, session, file);
    bytes.extend_from_slice(&first.to_be_bytes());
    Key(bytes)
}
