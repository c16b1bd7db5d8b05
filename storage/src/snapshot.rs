//! Snapshots of the catalog, in the working store: what the order records do not say.
//!
//! A snapshot is a folder of pages and, written last, an index: without it the snapshot does not
//! count. Pages are sealed with the records key. What a page says of an order is sealed once more
//! with that order's key, so that a purge ends every snapshot of it; of purged orders a snapshot
//! says nothing. Keys are never in it, nor anything that opens something: tokens are named only.
//!
//! Each order is as it was at one moment while the snapshot was taken, with every decision on
//! record; two orders may be of different moments. Nothing that belongs to one order rests on
//! another, so that is all the consistency there is to have.

mod read;
mod take;

pub use read::Snapshots;

#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::paths::SnapshotName;
pub use read::Snapshot;
pub use take::Taken;

use crate::audit::Entry;
use crate::core::record::OrderRecord;
use crate::decimal;
use crate::ids::{OrderId, UploadId};
use crate::session::{Form, Kind};
use crate::tables::{Proven, Record};
use crate::upload::Role;

/// Whose name is bound into what belongs to no order.
const NO_ORDER: OrderId = OrderId([0; 16]);

/// Makes a snapshot whole: it is written when every page is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotIndex {
    /// When it was begun, in the studio's clock.
    pub taken_at: DateTime<Utc>,
    /// Counts up with each one, whatever the clock says: the highest is the newest.
    #[serde(default, with = "decimal")]
    pub sequence: u64,
    /// How many pages it has.
    pub pages: u32,
    /// How many orders are in it.
    #[serde(with = "decimal")]
    pub orders: u64,
    /// How many other rows.
    #[serde(with = "decimal")]
    pub rows: u64,
    /// The names of the API tokens that there were. The tokens are not in it: what was taken back
    /// later must not open anything again.
    pub tokens: Vec<String>,
}

impl Record for SnapshotIndex {
    const WHAT: &'static str = "index of a snapshot";
}

/// What an order was like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// What its record of that version says as well.
    pub record: OrderRecord,
    /// Its audit log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<Entry>,
    /// The form that was filled in and not submitted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Form>,
    /// When its archive was last read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<Proven>,
    /// What was uploaded, or begun, and not submitted yet.
    pub uploads: Vec<Unsubmitted>,
}

impl Record for Section {
    const WHAT: &'static str = "snapshot of an order";
}

/// An upload that no session has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubmitted {
    /// Its id; also the name of its folder.
    pub upload: UploadId,
    /// Its path, normalised.
    pub path: String,
    /// What it is to its file.
    #[serde(default, skip_serializing_if = "Role::is_file")]
    pub role: Role,
    /// What it was to be part of.
    pub kind: Kind,
    /// How many bytes were there.
    #[serde(with = "decimal")]
    pub offset: u64,
}

/// Some orders and rows of a snapshot.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) orders: Vec<SealedSection>,
    pub(crate) rows: Vec<PlainRow>,
}

impl Record for Page {
    const WHAT: &'static str = "page of a snapshot";
}

/// A [`Section`], sealed with the key of its order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SealedSection {
    pub(crate) order: OrderId,
    #[serde(with = "text")]
    pub(crate) sealed: bytes::Bytes,
}

/// A row of the catalog that belongs to no order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlainRow {
    #[serde(with = "text")]
    pub(crate) key: bytes::Bytes,
    pub(crate) value: serde_json::Value,
}

/// Bytes as base64.
mod text {
    use super::{Engine, STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(bytes.into())
    }
}
