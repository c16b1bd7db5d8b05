//! Rows about the care that an archive gets after it was written. None of them is needed to read a
//! byte: a catalog that is rebuilt without a snapshot begins without them, and then everything counts
//! as not looked at since.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Key, Record, key};
use crate::ids::{AttemptId, OrderId};

/// When the archive of an order was last read again, with nothing amiss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Which attempt was read.
    pub attempt: AttemptId,
    /// When, last.
    pub at: DateTime<Utc>,
    /// What share of its blocks, in percent; at least 1.
    pub percent: u8,
    /// When the whole of it was read, last.
    pub whole_at: DateTime<Utc>,
}

impl Record for Proven {
    const WHAT: &'static str = "last proof";
}

/// All [`Proven`] rows.
#[must_use]
pub fn provens() -> Key {
    key(b'v', &[])
}

/// The [`Proven`] row of an order.
#[must_use]
pub fn proven(order: OrderId) -> Key {
    key(b'v', &[order.as_bytes()])
}

/// Of which version of an order the mirror has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrored {
    /// The order's version.
    pub version: u64,
}

impl Record for Mirrored {
    const WHAT: &'static str = "mirrored order";
}

/// That a mirror was begun, and so bears the mark of this installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorBegun {
    /// When.
    pub at: DateTime<Utc>,
}

impl Record for MirrorBegun {
    const WHAT: &'static str = "mirror that was begun";
}

/// The [`MirrorBegun`] row.
#[must_use]
pub fn mirror_begun() -> Key {
    key(b'm', &[b"mirror"])
}

/// The rows of purged orders that are looked at again: all, or that of one.
#[must_use]
pub fn watched(order: Option<OrderId>) -> Key {
    let order = order.as_ref().map_or(&[][..], |order| order.as_bytes());
    key(b'W', &[order])
}

/// That a store bears the mark of this installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The id of the records key.
    pub installation: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

impl Record for Marked {
    const WHAT: &'static str = "store that was marked";
}

/// The [`Marked`] row of a store: working, archive or keys.
#[must_use]
pub fn marked(store: &str) -> Key {
    key(b'k', &[b"store ", store.as_bytes()])
}

/// The [`Mirrored`] row of an order.
#[must_use]
pub fn mirrored(order: OrderId) -> Key {
    key(b'm', &[order.as_bytes()])
}
