//! Where objects lie. Every path of a bucket or key store is formatted here.
//!
//! ```text
//! orders/<OrderId>/working/<UploadId>/<name>       blocks and large fragments of an upload
//! orders/<OrderId>/archive/<AttemptId>/<name>      blocks of an archive attempt
//! orders/<OrderId>/archive/<AttemptId>/index       what lies where in the attempt
//! orders/<OrderId>/sessions/<SessionId>            manifests
//! orders/<OrderId>/record/<version>                order records, 20 digits
//! tombstones/<OrderId>                             what is left of a purged order
//! snapshots/<SnapshotName>/<page, 6 digits>        what a snapshot of the catalog says
//! snapshots/<SnapshotName>/index                   that it is whole
//! README.txt, FORMATS.md                           for whoever finds the bucket
//! ```
//! Working, archive and key store: `marks/<working, archive or keys>`, which says whose store it is.
//! Key store: `orders/<OrderId>` and `records`; for the time in which a key is wrapped again
//! `prepared/<the same>`; `backups/<name>`, which says what copies of it there are. Both places of a
//! mirror: `mirror`, which says whose it is.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use object_store::path::Path;

use crate::ids::{AttemptId, OrderId, SessionId, SnapshotId, UploadId};

/// How a name says the time.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// When a snapshot was begun, and random bits: `20270117T010000Z-<32 hex digits>`. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName {
    /// When, in whole seconds.
    pub begun_at: DateTime<Utc>,
    id: SnapshotId,
}

impl SnapshotName {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        Self {
            begun_at: now.trunc_subsecs(0),
            id: SnapshotId::random(),
        }
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.begun_at.format(TIME), self.id)
    }
}

impl FromStr for SnapshotName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, id) = text.rsplit_once('-').ok_or(())?;
        Ok(Self {
            begun_at: NaiveDateTime::parse_from_str(time, TIME)
                .map_err(|_| ())?
                .and_utc(),
            id: id.parse().map_err(|_| ())?,
        })
    }
}

/// Everything of an order.
#[must_use]
pub fn order(order: OrderId) -> Path {
    Path::from(format!("orders/{order}"))
}

/// The folder of an upload.
#[must_use]
pub fn upload(order: OrderId, upload: UploadId) -> Path {
    Path::from(format!("orders/{order}/working/{upload}"))
}

/// The folders of all uploads.
#[must_use]
pub fn working(order: OrderId) -> Path {
    Path::from(format!("orders/{order}/working"))
}

/// The folders of all archive attempts.
#[must_use]
pub fn archive(order: OrderId) -> Path {
    Path::from(format!("orders/{order}/archive"))
}

/// The folder of an archive attempt.
#[must_use]
pub fn attempt(order: OrderId, attempt: AttemptId) -> Path {
    Path::from(format!("orders/{order}/archive/{attempt}"))
}

/// The index of an archive attempt.
#[must_use]
pub fn index(order: OrderId, attempt: AttemptId) -> Path {
    Path::from(format!("orders/{order}/archive/{attempt}/index"))
}

/// The folder of manifests.
#[must_use]
pub fn sessions(order: OrderId) -> Path {
    Path::from(format!("orders/{order}/sessions"))
}

/// A manifest.
#[must_use]
pub fn manifest(order: OrderId, session: SessionId) -> Path {
    Path::from(format!("orders/{order}/sessions/{session}"))
}

/// The folder of order records.
#[must_use]
pub fn records(order: OrderId) -> Path {
    Path::from(format!("orders/{order}/record"))
}

/// One version of an order record.
#[must_use]
pub fn record(order: OrderId, version: u64) -> Path {
    Path::from(format!("orders/{order}/record/{version:020}"))
}

/// The tombstone of a purged order.
#[must_use]
pub fn tombstone(order: OrderId) -> Path {
    Path::from(format!("tombstones/{order}"))
}

/// All snapshots of the catalog.
#[must_use]
pub fn snapshots() -> Path {
    Path::from("snapshots")
}

/// The folder of a snapshot.
#[must_use]
pub fn snapshot(name: &SnapshotName) -> Path {
    Path::from(format!("snapshots/{name}"))
}

/// A page of a snapshot.
#[must_use]
pub fn snapshot_page(name: &SnapshotName, page: u32) -> Path {
    Path::from(format!("snapshots/{name}/{page:06}"))
}

/// The object that makes a snapshot whole.
#[must_use]
pub fn snapshot_index(name: &SnapshotName) -> Path {
    Path::from(format!("snapshots/{name}/index"))
}

/// A wrapped order key, in the key store.
#[must_use]
pub fn order_key(order: OrderId) -> Path {
    Path::from(format!("orders/{order}"))
}

/// The wrapped records key, in the key store.
#[must_use]
pub fn records_key() -> Path {
    Path::from("records")
}

/// Where a newly wrapped key waits until it has taken the place of the one at `key`.
#[must_use]
pub fn prepared(key: &Path) -> Path {
    Path::from(format!("prepared/{key}"))
}

/// What is known of all backups of the key store, in the key store.
#[must_use]
pub fn key_backups() -> Path {
    Path::from("backups")
}

/// What is known of one backup of the key store.
#[must_use]
pub fn key_backup(name: &str) -> Path {
    Path::from(format!("backups/{name}"))
}

/// The marks of the stores.
#[must_use]
pub fn marks() -> Path {
    Path::from("marks")
}

/// Whose store it is, in the store of that name.
#[must_use]
pub fn mark(store: &str) -> Path {
    Path::from(format!("marks/{store}"))
}

/// Whose mirror it is, in both places of one.
#[must_use]
pub fn mirror_mark() -> Path {
    Path::from("mirror")
}

/// A few words for whoever finds the bucket.
#[must_use]
pub fn readme() -> Path {
    Path::from("README.txt")
}
