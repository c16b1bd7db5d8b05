//! A session: a sealed, immutable set of files of one kind, and what people said about it.
//!
//! The [`Manifest`] is its description; the BLAKE3 of the manifest's exact stored bytes is the
//! session's id. Manifests are never written again: what changes afterwards (the [`Review`], where
//! the bytes are) stands in the [`SessionRow`], and from there in the order record.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};

use crate::checks::facts::FileFacts;
use crate::checks::{Finding, Rule, Severity};
use crate::decimal;
use crate::ids::{AttemptId, BlockHash, FileHash, OrderId, SessionId, UploadId};
use crate::number::OrderNumber;
use crate::path::SessionPath;

/// The form of the studio's terms: field name to what was entered.
pub type Form = BTreeMap<String, String>;

/// What each intake rule does to a session that breaks it.
pub type Rules = BTreeMap<Rule, Severity>;

/// What a set of files is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What the client sent.
    Material,
    /// What the client gets: mix, instrumental, acapella.
    Delivery,
    /// What the studio keeps to be able to recall.
    Stems,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Material => "material",
            Self::Delivery => "delivery",
            Self::Stems => "stems",
        }
    }

    /// What there is to choose from, for whoever has not said it: each word after `before`.
    #[must_use]
    pub fn choices(before: &str) -> String {
        let [material, delivery, stems] =
            [Self::Material, Self::Delivery, Self::Stems].map(|kind| format!("{before}{kind}"));
        format!(
            "{material} (what the client sent), {delivery} (what the client gets) or {stems} (what the studio keeps to be able to recall)"
        )
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Material, Self::Delivery, Self::Stems]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                format!("{text:?} is no kind of session: write material, delivery or stems")
            })
    }
}

/// One block of a file, as manifests and indexes name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// BLAKE3 of its plain bytes: its identity in both tiers.
    pub hash: BlockHash,
    /// Plain length, 1 to 4 MiB.
    pub length: u32,
    /// CRC-32 (IEEE) of its plain bytes, for zip.
    pub crc32: u32,
}

/// One file of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// As sent and as normalised.
    pub path: SessionPath,
    /// Bytes.
    #[serde(with = "decimal")]
    pub length: u64,
    /// What `b3sum` prints.
    pub hash: FileHash,
    /// CRC-32 (IEEE) of the whole file.
    pub crc32: u32,
    /// The upload that it came by; unless `parts` says otherwise, its working blocks lie in that
    /// upload's folder.
    pub upload: UploadId,
    /// Of a file made of parts: whose folders its working blocks lie in, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartBlocks>,
    /// When the last byte arrived.
    pub finished_at: DateTime<Utc>,
    /// When the client's copy was last changed, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// Whether its sender has read its own file again after it had arrived, and has named the same hash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// What its header says.
    pub facts: FileFacts,
    /// Its blocks, in order.
    pub blocks: Vec<BlockRef>,
}

/// A stretch of a file's blocks that came by one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartBlocks {
    /// In whose folder they lie.
    pub upload: UploadId,
    /// How many blocks, counted from where the one before ends.
    pub blocks: u32,
}

impl FileEntry {
    /// When the client's copy was last changed, if it said so in a way that can be read: RFC 3339, of
    /// a year with four digits.
    #[must_use]
    pub fn changed_at(&self) -> Option<DateTime<Utc>> {
        let said = DateTime::parse_from_rfc3339(self.modified.as_deref()?).ok()?;
        Some(said.to_utc()).filter(|at| (0..=9999).contains(&at.year()))
    }

    /// The uploads in whose folders the working blocks lie, each with its stretch of them.
    pub fn folders(&self) -> impl Iterator<Item = (UploadId, &[BlockRef])> {
        let whole = self
            .parts
            .is_empty()
            .then_some((self.upload, &self.blocks[..]));
        let mut rest = &self.blocks[..];
        let parts = self.parts.iter().map(move |part| {
            let count = usize::try_from(part.blocks).unwrap_or(usize::MAX);
            let (of_part, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            (part.upload, of_part)
        });
        whole.into_iter().chain(parts)
    }

    /// The upload in whose folder the working block of this index lies.
    #[must_use]
    pub fn folder_of(&self, block: usize) -> UploadId {
        let mut end = 0;
        let found = self.parts.iter().find(|part| {
            end += usize::try_from(part.blocks).unwrap_or(usize::MAX);
            block < end
        });
        found.map_or(self.upload, |part| part.upload)
    }
}

/// Everything about a session that never changes. Stored sealed, named by its own hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The order's inner name.
    pub order: OrderId,
    /// The studio's name for it.
    pub number: OrderNumber,
    /// What these files are.
    pub kind: Kind,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// The client's form.
    pub form: Form,
    /// The intake rules that were applied.
    pub rules: Rules,
    /// What they found.
    pub findings: Vec<Finding>,
    /// The files, by normalised path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Plain bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Whether an intake rule refuses the session as it is.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Refuse)
    }

    /// The file of this normalised path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        let at = self
            .files
            .binary_search_by(|file| file.path.as_str().cmp(path))
            .ok()?;
        self.files.get(at)
    }
}

/// What the engineer said of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Review {
    /// Nothing yet.
    Submitted,
    /// It is good to work with; a reason stands here if it was accepted in spite of findings.
    Accepted {
        /// When.
        at: DateTime<Utc>,
        /// Why, in spite of findings.
        reason: Option<String>,
    },
    /// It must be sent again in part or as a whole.
    Returned {
        /// When.
        at: DateTime<Utc>,
        /// What is wrong, for the client.
        reasons: Vec<String>,
    },
}

impl Review {
    /// The word for it, in HTTP and messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Accepted { .. } => "accepted",
            Self::Returned { .. } => "returned",
        }
    }

    /// Why it was returned, or accepted in spite of findings.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Submitted => &[],
            Self::Accepted { reason, .. } => reason.as_slice(),
            Self::Returned { reasons, .. } => reasons,
        }
    }

    /// Whether it must be sent again.
    #[must_use]
    pub fn is_returned(&self) -> bool {
        matches!(self, Self::Returned { .. })
    }
}

/// What the catalog and the order record say of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub session: SessionId,
    /// What its files are.
    pub kind: Kind,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// How many files it has.
    pub files: u64,
    /// Their plain bytes.
    pub bytes: u64,
    /// What was said of it.
    pub review: Review,
    /// Whether its working copy was deleted by a release.
    pub released: bool,
    /// The archive attempt in which it was proven, where the order has too many sessions for its
    /// [`Proof`](crate::order::Proof) to name them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<AttemptId>,
}

/// A sealed session as its sender may see it: what arrived, proven by hashes, and what was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Review and place.
    pub row: SessionRow,
    /// Everything else.
    pub manifest: std::sync::Arc<Manifest>,
}
