//! What can go wrong below the front ends, sorted by what the caller can do about it.

use crate::catalog::{CatalogError, CommitError};
use crate::ids::{OrderId, UploadId};
use crate::refusal::Refusal;

/// The result of everything that touches a store or the catalog.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A no with its reason; asking again as it is will not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Bytes are not what they should be. They were not sent on.
    #[error(transparent)]
    Damaged(Box<Damage>),
    /// A key is missing or does not fit.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An object store did not do what it was asked.
    #[error("the {store} store could not {verb} {path}: {said}")]
    Store {
        /// Which store: working, archive or keys.
        store: &'static str,
        /// What it was to do.
        verb: &'static str,
        /// With which object.
        path: String,
        /// What it said, and what to check.
        said: String,
        /// The same for programs.
        cause: Box<object_store::Error>,
    },
    /// A store is not the one it should be: its disk is away, or another one stands in its place.
    #[error("{says}")]
    Away {
        /// Which, and what to do.
        says: String,
    },
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Another decision on the order came first, again and again.
    #[error("order {order} is being changed by others at this moment: try again")]
    Busy {
        /// Which order.
        order: OrderId,
    },
    /// A put could not start in time after its gate was read.
    #[error("a write for order {order} came too late after it was allowed: try again")]
    TooLate {
        /// Which order.
        order: String,
    },
    /// A row of the catalog does not decode.
    #[error(
        "the catalog holds a {what} that this version cannot read ({detail}): use the version that wrote it, or `stemvault rebuild`"
    )]
    BadRecord {
        /// What kind of row.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl Error {
    /// Whether a store, or the machine that holds it, has no room left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Catalog(CatalogError::Full { .. }) => true,
            Self::Store { cause, .. } => is_full(cause),
            _ => false,
        }
    }

    /// Which file: added where it is known, so that every message can say it.
    #[must_use]
    pub fn of_file(mut self, path: &str) -> Self {
        if let Self::Damaged(damage) = &mut self {
            damage.file.get_or_insert_with(|| path.to_owned());
        }
        self
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Failed(error) => Self::Catalog(error),
            CommitError::Conflict(key) => Self::Catalog(CatalogError::Corrupt {
                path: std::path::PathBuf::new(),
                detail: format!("unexpected conflict on {key}"),
            }),
        }
    }
}

/// Bytes that are not what they should be, named so that one can go and look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged: {what}{} in object {object} of the {store} store (order {order}): {detail}; nothing wrong was sent, restore this object from the second copy", .file.as_ref().map(|file| format!(" of {file:?}")).unwrap_or_default())]
pub struct Damage {
    /// Which order.
    pub order: OrderId,
    /// Which file of it, where that is known.
    pub file: Option<String>,
    /// Which part: "block 3", "the manifest", "the archive index".
    pub what: String,
    /// Which store.
    pub store: &'static str,
    /// Which object.
    pub object: String,
    /// In what way.
    pub detail: String,
}

/// Something is not there although a row says so.
#[must_use]
pub fn no_such_upload(upload: UploadId) -> Refusal {
    Refusal::new(
        crate::refusal::RefusalKind::NotFound,
        format!("there is no upload {upload} here: it was removed or has expired; begin it again"),
    )
}

/// What is wrong with a key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// The master key is not where it should be, and there are keys that need it.
    #[error(
        "no master key in {place}, but the key store holds keys that were wrapped with one: put the master key back (your copy of master.key); without it nothing in the bucket can be read"
    )]
    NoMaster {
        /// Where it was looked for.
        place: String,
    },
    /// The text is no master key.
    #[error(
        "{place} holds no master key ({detail}): it has one line `stemvault-master-key v1 <64 hex digits>`, the current key first"
    )]
    BadMaster {
        /// Where it was read.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// Wrapped with a master key that is not at hand.
    #[error(
        "the key of {whose} was wrapped with master key {id}, which is not at hand: add that key to the master key file"
    )]
    UnknownMaster {
        /// Whose key.
        whose: String,
        /// The id of the master key.
        id: String,
    },
    /// Wrapped with a master key that was retired.
    #[error(
        "the key of {whose} was wrapped with master key {id}, which was retired and opens nothing here any more: if it is an older copy, `stemvault keys restore` brings the key back from a backup"
    )]
    RetiredMaster {
        /// Whose key.
        whose: String,
        /// The id of the master key.
        id: String,
    },
    /// The text is no backup of a key store, or not a whole one.
    #[error(
        "this is no whole backup of a key store: {detail}; take another copy of it, or another backup"
    )]
    BadBackup {
        /// What is wrong.
        detail: String,
    },
    /// The order's key is gone.
    #[error(
        "the key of {whose} is missing from the key store: `stemvault keys restore` brings it back from a backup; without it nothing of it can be read"
    )]
    Missing {
        /// Whose key.
        whose: String,
    },
    /// The wrapped key does not open.
    #[error(
        "the key of {whose} in the key store is damaged ({detail}): `stemvault keys restore` brings it back from a backup"
    )]
    Damaged {
        /// Whose key.
        whose: String,
        /// What is wrong.
        detail: String,
    },
    /// A deleted key can still be read.
    #[error(
        "the key store still answers with a key that was deleted: switch off versioning and retention there, or a purge is no purge"
    )]
    Undeletable,
}

/// What stores say when a bucket, an account or their own disk has no room left.
const FULL: [&str; 6] = [
    "QuotaExceeded",
    "InsufficientStorage",
    "507 Insufficient",
    "StorageFull",
    "TotalStorageExceeded",
    "os error 28",
];

/// Whether a store has no room left.
pub(crate) fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::StorageFull;
        }
        let said = error.to_string();
        if FULL.iter().any(|word| said.contains(word)) {
            return true;
        }
        cause = error.source();
    }
    false
}
