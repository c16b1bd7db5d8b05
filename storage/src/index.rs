//! The index of an archive: where every file of an attempt lies.

use serde::{Deserialize, Serialize};

use crate::decimal;
use crate::ids::{AttemptId, BlockHash, FileHash, OrderId, SessionId};
use crate::session::BlockRef;
use crate::tables::Record;

/// Where every file of an attempt lies. Stored sealed beside its blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Of which order.
    pub order: OrderId,
    /// Which attempt.
    pub attempt: AttemptId,
    /// What it holds.
    pub sessions: Vec<ArchivedSession>,
}

/// One session in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedSession {
    /// Which.
    pub session: SessionId,
    /// Its files, in the manifest's order.
    pub files: Vec<ArchivedFile>,
}

/// One file in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedFile {
    /// Its normalised path.
    pub path: String,
    /// Bytes.
    #[serde(with = "decimal")]
    pub length: u64,
    /// BLAKE3 of the file.
    pub hash: FileHash,
    /// SHA-256 of the file, hex, for programs that do not know BLAKE3.
    pub sha256: String,
    /// Its archive blocks, in order: cut anew, so not always those of the manifest.
    pub blocks: Vec<ArchivedBlock>,
}

/// One block in the archive. How it is stored is said for those who count; whoever reads it
/// believes the object alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedBlock {
    /// BLAKE3 of its plain bytes.
    pub hash: BlockHash,
    /// Plain length, 1 to 4 MiB.
    pub length: u32,
    /// CRC-32 (IEEE) of its plain bytes, for zip.
    pub crc32: u32,
    /// The codec in the object's header; an index of version 1 does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<u8>,
    /// Bytes of the object; an index of version 1 does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<u32>,
}

impl ArchivedBlock {
    /// What is archived.
    #[must_use]
    pub fn plain(&self) -> BlockRef {
        BlockRef {
            hash: self.hash,
            length: self.length,
            crc32: self.crc32,
        }
    }
}

impl Record for Index {
    const WHAT: &'static str = "archive index";
    /// Version 2 says of each block how it is stored.
    const VERSION: u32 = 2;

    fn decode(v: u32, bytes: &[u8]) -> Result<Self, String> {
        if !(1..=Self::VERSION).contains(&v) {
            return Err(format!("version {v}, known are 1 to {}", Self::VERSION));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

impl Index {
    /// The files of a session in this attempt.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<&ArchivedSession> {
        self.sessions
            .iter()
            .find(|archived| archived.session == session)
    }
}
