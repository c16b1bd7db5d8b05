//! What can go wrong below the front ends, sorted by what the caller can do about it.

use crate::catalog::{CatalogError, CommitError};
use crate::ids::{OrderId, UploadId};
use crate::keys::KeyError;
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
            Self::Store { cause, .. } => crate::store::is_full(cause),
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
