//! The catalog: what Stemvault remembers, as rows under keys in one ordered space.
//!
//! [`Catalog`] is the whole interface: read a row, scan a range, commit a batch. A batch is atomic,
//! carries the versions it expects (also of rows it does not write), and is durable when `commit`
//! returns. Reads see durable rows only: what was read is still there after a power cut. Engines
//! know nothing of what the rows mean; typed tables and records are built on top.

mod embedded;
mod memory;
pub mod portable;
mod sled;
#[cfg(test)]
mod suite;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Bound, Range, RangeFrom};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use embedded::Embedded;
pub use memory::MemoryCatalog;
pub use sled::SledCatalog;

/// The longest value of a row, in bytes. Longer ones are refused: the caller pages them.
pub const MAX_VALUE: usize = 16 * 1024;

/// The longest key, in bytes: what every engine can index.
pub const MAX_KEY: usize = 1024;

/// Rows that [`Catalog::scan_prefix`] asks for at a time.
const PAGE: usize = 1000;

/// The name of a row: the byte of its table, then whatever the table chose. Ordered bytewise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Which write of a row one looked at. Opaque, and never used twice for a key: not after a delete
/// and a new row, and not after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Version(pub u64);

/// A row as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What to expect when writing it back.
    pub version: Version,
    /// At most [`MAX_VALUE`] bytes.
    pub value: Bytes,
}

/// What must hold for a row, or else the batch is refused as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Expect {
    /// There is no such row.
    Absent,
    /// The row is there, and it is still the one that was read.
    At(Version),
}

impl Expect {
    /// Whether it holds for a row of this version, or for no row.
    fn holds(self, found: Option<Version>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::At(version) => found == Some(version),
        }
    }
}

/// Changes that happen together or not at all, and what they rest on.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    expected: Vec<(Key, Expect)>,
    /// `None` deletes. One entry per key: the last word counts.
    writes: BTreeMap<Key, Option<Bytes>>,
}

impl Batch {
    /// A batch that expects and changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses the batch unless `expect` holds for `key`, which need not be written by it. Every
    /// expectation is held against the rows as they are before the batch.
    #[must_use]
    pub fn expect(mut self, key: Key, expect: Expect) -> Self {
        self.expected.push((key, expect));
        self
    }

    /// Writes a row, whether or not there is one. A later `put` or `delete` of the key wins.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.writes.insert(key, Some(value.into()));
        self
    }

    /// Removes a row, if there is one. A later `put` or `delete` of the key wins.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.writes.insert(key, None);
        self
    }

    /// This batch and then another, as one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.expected.extend(other.expected);
        self.writes.extend(other.writes);
        self
    }

    /// Whether any row is written or removed by it.
    #[must_use]
    pub fn changes_rows(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Whether the batch neither expects nor changes anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty() && self.writes.is_empty()
    }

    /// Checks the sizes; every engine does so before anything else.
    fn check_sizes(&self) -> Result<(), CatalogError> {
        for (key, value) in &self.writes {
            let value = value.as_ref().map_or(0, Bytes::len);
            for (what, length, limit) in
                [("key", key.0.len(), MAX_KEY), ("value", value, MAX_VALUE)]
            {
                if length > limit {
                    return Err(CatalogError::TooLarge {
                        key: key.clone(),
                        what,
                        length,
                        limit,
                    });
                }
            }
        }
        Ok(())
    }
}

/// A stretch of keys.
#[derive(Clone, Debug)]
pub struct KeyRange {
    from: Bound<Key>,
    to: Bound<Key>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
        }
    }

    /// Every key that begins with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &Key) -> Self {
        let mut end = prefix.0.clone();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        let to = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(Key(end))
            }
            None => Bound::Unbounded,
        };
        Self {
            from: Bound::Included(prefix.clone()),
            to,
        }
    }

    /// The same end, but only what comes after `key`: the next page of a scan.
    #[must_use]
    pub fn after(self, key: Key) -> Self {
        Self {
            from: Bound::Excluded(key),
            to: self.to,
        }
    }

    /// Whether no key can lie in it.
    fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to))
            | (Bound::Excluded(from), Bound::Included(to)) => from >= to,
        }
    }

    fn bounds(&self) -> (Bound<&Key>, Bound<&Key>) {
        (self.from.as_ref(), self.to.as_ref())
    }
}

impl From<Range<Key>> for KeyRange {
    fn from(range: Range<Key>) -> Self {
        Self {
            from: Bound::Included(range.start),
            to: Bound::Excluded(range.end),
        }
    }
}

impl From<RangeFrom<Key>> for KeyRange {
    fn from(range: RangeFrom<Key>) -> Self {
        Self {
            from: Bound::Included(range.start),
            to: Bound::Unbounded,
        }
    }
}

/// Why the catalog could not do what it was asked. Except for [`TooLarge`](Self::TooLarge),
/// the engine is of no more use until it is opened again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CatalogError {
    /// A row is longer than an engine may be given.
    #[error(
        "the {what} of row {key} has {length} bytes, over the limit of {limit}: store it in pages"
    )]
    TooLarge {
        /// The row.
        key: Key,
        /// Its "key" or its "value".
        what: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The disk that holds the catalog is full. Nothing that was acknowledged is lost.
    #[error("no space is left for the catalog in {}: free some, and it goes on by itself", .path.display())]
    Full {
        /// The catalog's directory.
        path: PathBuf,
    },
    /// What is stored is not a catalog, or no longer one.
    #[error("the catalog in {} cannot be read ({detail}): move that directory away and run `stemvault rebuild`", .path.display())]
    Corrupt {
        /// The catalog's directory.
        path: PathBuf,
        /// What was met.
        detail: String,
    },
    /// Another process has the catalog open.
    #[error("another stemvault uses the catalog in {}: stop it first, or choose another --data-dir", .path.display())]
    Locked {
        /// The catalog's directory.
        path: PathBuf,
    },
    /// Reading or writing failed. After a failed write nothing more is written, because nothing
    /// that the disk says from then on can be trusted.
    #[error("cannot {what} {}: {source}; check the disk and the permissions, then start the server again", .path.display())]
    Io {
        /// What was being done, as a verb.
        what: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The catalog was closed: the server is shutting down.
    #[error("the catalog is closed, because the server is shutting down: try again in a moment")]
    Closed,
}

/// Why a batch was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The row is not what the batch expected; nothing was changed. Read again and decide again.
    #[error("row {0} has changed in the meantime: read it again and decide again")]
    Conflict(Key),
    /// The engine failed. Unless it is [`CatalogError::TooLarge`], the batch may or may not be
    /// found when the catalog is opened again.
    #[error(transparent)]
    Failed(#[from] CatalogError),
}

/// Rows under keys, in one ordered space. See the module for what is promised.
#[async_trait]
pub trait Catalog: Send + Sync + fmt::Debug {
    /// The row under `key`, if there is one.
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError>;

    /// The first `limit` rows of `range`, ascending, all as they were at one moment. Keep `limit`
    /// in the thousands: a scan holds up commits.
    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError>;

    /// Makes the changes of `batch` if all its expectations hold. Atomic; durable when it returns.
    /// When the future is dropped before, the batch may or may not have happened.
    async fn commit(&self, batch: Batch) -> Result<(), CommitError>;

    /// All rows whose key begins with `prefix`, ascending. Read in pages: rows that change
    /// meanwhile are seen either way, so whoever acts on one expects its version.
    async fn scan_prefix(&self, prefix: &Key) -> Result<Vec<(Key, Row)>, CatalogError> {
        let mut range = KeyRange::prefix(prefix);
        let mut rows = Vec::new();
        loop {
            let page = self.scan(range.clone(), PAGE).await?;
            let full = page.len() == PAGE;
            rows.extend(page);
            match rows.last() {
                Some((last, _)) if full => range = range.after(last.clone()),
                _ => return Ok(rows),
            }
        }
    }
}
