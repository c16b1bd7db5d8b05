//! Keys of the audit log. Its rows outlive the purge of their order: they hold nothing about a person that
//! could be read then. The rows of downloads go with their order.

use super::key;
use crate::catalog::Key;
use crate::ids::{OrderId, SessionId};

/// The [`Entry`](crate::audit::Entry) rows of an order, by their numbers.
#[must_use]
pub fn entries(order: OrderId) -> Key {
    key(b'h', &[order.as_bytes()])
}

/// One [`Entry`](crate::audit::Entry).
#[must_use]
pub fn entry(order: OrderId, sequence: u64) -> Key {
    key(b'h', &[order.as_bytes(), &sequence.to_be_bytes()])
}

/// The number under which the key of an [`Entry`](crate::audit::Entry) puts it.
#[must_use]
pub fn sequence_of(key: &Key) -> Option<u64> {
    let number = key.0.get(1 + size_of::<OrderId>()..)?;
    number.try_into().ok().map(u64::from_be_bytes)
}

/// Which entries of an order a rebuild did not find: [`LostEntries`](crate::audit::LostEntries).
#[must_use]
pub fn lost_entries(order: OrderId) -> Key {
    key(b'H', &[order.as_bytes()])
}

/// Who got something of an order, and when last: [`Fetched`](crate::downloads::Fetched).
#[must_use]
pub fn fetched(order: OrderId) -> Key {
    key(b'w', &[order.as_bytes()])
}

/// One of them: a session, and the credential as the log names it.
#[must_use]
pub fn fetched_by(order: OrderId, session: SessionId, who: &str) -> Key {
    key(
        b'w',
        &[order.as_bytes(), session.as_bytes(), who.as_bytes()],
    )
}
