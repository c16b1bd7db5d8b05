//! Which tables there are, how their keys are made, and how a record becomes the bytes of a row.
//!
//! A record is JSON with its version in `"v"`; a row of an older version is migrated as it is read
//! ([`Record::decode`]), one of a later version is refused.

mod attempts;
mod audit;
mod care;
mod masters;
mod runs;

pub use attempts::{
    all_progress, attempt, attempt_of, attempts, beat, progress, stretch, stretches,
};

pub use audit::{entries, entry, fetched, fetched_by, lost_entries, sequence_of};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::catalog::{Batch, Catalog, Key, Version};
use crate::error::{Error, Result};
use crate::ids::{LinkId, OrderId, SessionId, UploadId};
use crate::link::{ApiToken, Digest, Link};
use crate::order::{Order, OrderNumber};
use crate::session::{BlockRef, SessionRow};
use crate::upload::{PartOf, PartUse, Upload};

pub use care::{
    Marked, MirrorBegun, Mirrored, Proven, marked, mirror_begun, mirrored, proven, provens, watched,
};
pub use masters::{CurrentMaster, RetiredMasters, current_master, retired_masters};
pub use runs::{
    began, known_time, run, run_note, run_notes, runs, runs_before, runs_from, runs_notes,
};

/// What can be a row.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is, for messages.
    const WHAT: &'static str;
    /// The version that is written.
    const VERSION: u32 = 1;

    /// Reads a row of version `v`; a type with a history overrides this.
    ///
    /// # Errors
    /// A text that says what is wrong.
    fn decode(v: u32, bytes: &[u8]) -> Result<Self, String> {
        if v != Self::VERSION {
            return Err(format!("version {v}, known is {}", Self::VERSION));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    v: u32,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Deserialize)]
struct Tag {
    v: u32,
}

/// A record as the bytes of a row.
#[must_use]
pub fn encode<T: Record>(record: &T) -> Vec<u8> {
    serde_json::to_vec(&Tagged {
        v: T::VERSION,
        record,
    })
    .expect("records are plain data")
}

/// A record from the bytes of a row.
///
/// # Errors
/// [`Error::BadRecord`].
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| error.to_string())
        .and_then(|Tag { v }| T::decode(v, bytes))
        .map_err(|detail| Error::BadRecord {
            what: T::WHAT,
            detail,
        })
}

/// Reads one record and the version to expect.
///
/// # Errors
/// Those of the catalog and [`Error::BadRecord`].
pub async fn load<T: Record>(catalog: &dyn Catalog, key: &Key) -> Result<Option<(T, Version)>> {
    match catalog.get(key).await? {
        Some(row) => Ok(Some((decode(&row.value)?, row.version))),
        None => Ok(None),
    }
}

/// Reads all records of a table below a key.
///
/// # Errors
/// Those of the catalog and [`Error::BadRecord`].
pub async fn load_all<T: Record>(
    catalog: &dyn Catalog,
    prefix: &Key,
) -> Result<Vec<(Key, T, Version)>> {
    let rows = catalog.scan_prefix(prefix).await?;
    rows.into_iter()
        .map(|(key, row)| Ok((key, decode(&row.value)?, row.version)))
        .collect()
}

/// Adds a record to a batch.
#[must_use]
pub fn put<T: Record>(batch: Batch, key: Key, record: &T) -> Batch {
    batch.put(key, encode(record))
}

/// Stands beside the order, so that an append can expect the stage without the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Its number; changes with the stage.
    pub gate: u64,
    /// The stage's name.
    pub stage: String,
}

/// A record object that is still to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Of which version of the order.
    pub version: u64,
}

/// The upload that was created last: changes with every creation, so that a decision about all
/// uploads can expect that none has come meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Which one.
    pub upload: UploadId,
}

/// An archive attempt that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Under which gate.
    pub gate: u64,
}

/// Points from an outer name to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderOf {
    /// Which order.
    pub order: OrderId,
}

/// Points from the id of a link or token to its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestOf {
    /// Its digest.
    pub digest: Digest,
}

macro_rules! records {
    ($($name:ty, $what:literal;)*) => {
        $(impl Record for $name { const WHAT: &'static str = $what; })*
    };
}

records! {
    Order, "order";
    Gate, "gate";
    Outbox, "outbox row";
    SessionRow, "session";
    Upload, "upload";
    BlockRef, "block";
    PartOf, "part of a file";
    PartUse, "use of a part";
    Arrival, "latest arrival";
    Attempt, "archive attempt";
    OrderOf, "pointer to an order";
    Link, "link";
    ApiToken, "API token";
    DigestOf, "pointer to a digest";
}

fn key(table: u8, parts: &[&[u8]]) -> Key {
    let mut bytes = vec![table];
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Key(bytes)
}

/// All orders.
#[must_use]
pub fn orders() -> Key {
    key(b'o', &[])
}

/// An [`Order`].
#[must_use]
pub fn order(order: OrderId) -> Key {
    key(b'o', &[order.as_bytes()])
}

/// Which order the key of an [`Order`] names.
#[must_use]
pub fn order_of(key: &Key) -> Option<OrderId> {
    let id = key.0.get(1..)?;
    id.try_into().ok().map(OrderId)
}

/// The [`OrderOf`] an order number.
#[must_use]
pub fn number(number: &OrderNumber) -> Key {
    key(b'n', &[number.as_str().as_bytes()])
}

/// The [`Gate`] of an order.
#[must_use]
pub fn gate(order: OrderId) -> Key {
    key(b'g', &[order.as_bytes()])
}

/// All [`Outbox`] rows.
#[must_use]
pub fn outboxes() -> Key {
    key(b'x', &[])
}

/// The [`Outbox`] row of an order.
#[must_use]
pub fn outbox(order: OrderId) -> Key {
    key(b'x', &[order.as_bytes()])
}

/// The [`SessionRow`]s of an order.
#[must_use]
pub fn sessions(order: OrderId) -> Key {
    key(b's', &[order.as_bytes()])
}

/// A [`SessionRow`].
#[must_use]
pub fn session(order: OrderId, session: SessionId) -> Key {
    key(b's', &[order.as_bytes(), session.as_bytes()])
}

/// The [`Upload`]s of an order.
#[must_use]
pub fn uploads(order: OrderId) -> Key {
    key(b'u', &[order.as_bytes()])
}

/// An [`Upload`].
#[must_use]
pub fn upload(order: OrderId, upload: UploadId) -> Key {
    key(b'u', &[order.as_bytes(), upload.as_bytes()])
}

/// The [`OrderOf`] an upload.
#[must_use]
pub fn order_of_upload(upload: UploadId) -> Key {
    key(b'U', &[upload.as_bytes()])
}

/// The [`BlockRef`]s of an upload that is not sealed.
#[must_use]
pub fn blocks(upload: UploadId) -> Key {
    key(b'b', &[upload.as_bytes()])
}

/// One [`BlockRef`].
#[must_use]
pub fn block(upload: UploadId, at: u64) -> Key {
    key(b'b', &[upload.as_bytes(), &at.to_be_bytes()])
}

/// The small fragments of an upload: sealed bytes, no record.
#[must_use]
pub fn fragments(upload: UploadId) -> Key {
    key(b'f', &[upload.as_bytes()])
}

/// One small fragment.
#[must_use]
pub fn fragment(upload: UploadId, at: u64) -> Key {
    key(b'f', &[upload.as_bytes(), &at.to_be_bytes()])
}

/// The [`PartOf`] rows of a file made of parts.
#[must_use]
pub fn parts(upload: UploadId) -> Key {
    key(b'c', &[upload.as_bytes()])
}

/// One [`PartOf`].
#[must_use]
pub fn part(upload: UploadId, at: u64) -> Key {
    key(b'c', &[upload.as_bytes(), &at.to_be_bytes()])
}

/// All [`PartOf`] rows there are.
#[must_use]
pub fn all_parts() -> Key {
    key(b'c', &[])
}

/// Of which file the key of a [`PartOf`] is.
#[must_use]
pub fn made_of_parts(key: &Key) -> Option<UploadId> {
    let id = key.0.get(1..1 + size_of::<UploadId>())?;
    id.try_into().ok().map(UploadId)
}

/// The [`PartUse`] of a part.
#[must_use]
pub fn part_use(part: UploadId) -> Key {
    key(b'p', &[part.as_bytes()])
}

/// The [`Arrival`] of an order.
#[must_use]
pub fn arrival(order: OrderId) -> Key {
    key(b'e', &[order.as_bytes()])
}

/// The draft of an order's form: sealed bytes, no record.
#[must_use]
pub fn draft(order: OrderId) -> Key {
    key(b'd', &[order.as_bytes()])
}

/// A [`Link`].
#[must_use]
pub fn link(digest: Digest) -> Key {
    key(b'l', &[&digest.0])
}

/// The [`DigestOf`] every link of an order.
#[must_use]
pub fn links_of(order: OrderId) -> Key {
    key(b'L', &[order.as_bytes()])
}

/// The [`DigestOf`] a link of an order.
#[must_use]
pub fn link_of(order: OrderId, link: LinkId) -> Key {
    key(b'L', &[order.as_bytes(), link.as_bytes()])
}

/// The [`OrderOf`] a link.
#[must_use]
pub fn order_of_link(link: LinkId) -> Key {
    key(b'i', &[link.as_bytes()])
}

/// All [`ApiToken`]s.
#[must_use]
pub fn tokens() -> Key {
    key(b't', &[])
}

/// An [`ApiToken`].
#[must_use]
pub fn token(digest: Digest) -> Key {
    key(b't', &[&digest.0])
}

/// What a job left for its next run: its lease, when it last ran.
#[must_use]
pub fn job(name: &str) -> Key {
    key(b'j', &[name.as_bytes()])
}

#[cfg(test)]
mod letters;

/// All orders, by number.
///
/// # Errors
/// Those of the catalog.
pub async fn all_orders(catalog: &dyn Catalog) -> Result<Vec<Order>> {
    let rows = load_all::<Order>(catalog, &orders()).await?;
    let mut orders: Vec<_> = rows.into_iter().map(|(_, order, _)| order).collect();
    orders.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(orders)
}
