//! An upload: one file in flight, until a session takes it.
//!
//! The record holds everything that an append continues from, on any node: the offset, the state
//! of the cut, of the file hash and of the header reader, and the fragments of the block in the
//! making. It covers exactly the bytes before the offset, all of which are durable.

pub mod cut;
pub mod hash;
pub mod progress;
pub mod sum;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{FileHash, FragmentId, LinkId, OrderId, SessionId, UploadId};
use crate::path::SessionPath;
use crate::session::Kind;
use crate::upload::progress::Progress;

/// The longest metadata of one upload, keys and values together, in bytes.
pub const METADATA_MAX: usize = 4096;

/// One file in flight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// Its id; also the name of its folder.
    pub id: UploadId,
    /// Its order.
    pub order: OrderId,
    /// The link that it came by; none if staff uploads it, or it is older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// What the file is part of.
    pub kind: Kind,
    /// Where it will stand in the session.
    pub path: SessionPath,
    /// Everything else the client said of it.
    pub metadata: BTreeMap<String, String>,
    /// How long the file is, once that is known.
    pub length: Option<u64>,
    /// How many bytes are durable.
    pub offset: u64,
    /// How many whole blocks they make.
    pub blocks: u64,
    /// The start of the next block, in pieces.
    pub fragments: Vec<Fragment>,
    /// Counts fragments ever kept.
    pub fragments_made: u64,
    /// Cut, file hash and header reader at the offset.
    pub progress: Progress,
    /// What it is to its file.
    #[serde(default, skip_serializing_if = "Role::is_file")]
    pub role: Role,
    /// Whether its sender has read its own file again after it had arrived, and has named the same hash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it goes if nobody continues it; a finished file never does while its order is open, and
    /// a part not while there is a file that is made of it.
    pub expires_at: Option<DateTime<Utc>>,
    /// How far it is.
    #[serde(flatten)]
    pub state: UploadState,
}

/// What an upload is to its file (tus calls the last two concatenation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The file itself.
    #[default]
    File,
    /// A part of files that are made of parts. No file: it is listed, counted and submitted nowhere.
    Part,
    /// A part that its sender removed while a file still needs its bytes. To outsiders it is gone.
    RemovedPart,
    /// A file made of parts. It has no bytes of its own: its blocks are theirs, one part after
    /// another, and its offset is how far they were read and joined.
    Final,
}

impl Role {
    /// Whether it is the file itself.
    #[must_use]
    pub fn is_file(&self) -> bool {
        *self == Self::File
    }

    /// Whether it is a part, removed or not.
    #[must_use]
    pub fn is_part(&self) -> bool {
        matches!(self, Self::Part | Self::RemovedPart)
    }
}

/// That a file is made of this upload: one row for each part of a file, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// Which.
    pub part: UploadId,
    /// How the client named it.
    pub said: String,
}

/// Which files are made of a part. While there are any, its bytes stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartUse {
    /// Their uploads.
    pub finals: Vec<UploadId>,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UploadState {
    /// Bytes are missing.
    Open,
    /// All bytes are here.
    Finished {
        /// What `b3sum` prints.
        hash: FileHash,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// A session took it.
    Sealed {
        /// What `b3sum` prints.
        hash: FileHash,
        /// Which session.
        session: SessionId,
    },
}

impl UploadState {
    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished { .. } => "finished",
            Self::Sealed { .. } => "sealed",
        }
    }

    /// The file's hash, once it is whole.
    #[must_use]
    pub fn hash(&self) -> Option<FileHash> {
        match self {
            Self::Open => None,
            Self::Finished { hash, .. } | Self::Sealed { hash, .. } => Some(*hash),
        }
    }
}

/// A piece of the start of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// Its number, unique among those that were kept.
    pub number: u64,
    /// Random: a put that was given up may land when its number was long given to another.
    pub id: FragmentId,
    /// Plain bytes.
    pub length: u32,
    /// Whether it is a row of the catalog (small) or an object.
    pub inline: bool,
}

impl Fragment {
    /// The name of its object, and what is bound into it.
    #[must_use]
    pub fn name(&self) -> String {
        self.id.to_string()
    }
}
