//! The JSON shapes that more than one part of the server answers with.
//!
//! 64-bit integers are strings, times are RFC 3339 in UTC.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use stemvault_storage::checks::room::Room;
use stemvault_storage::checks::{self, Severity};
use stemvault_storage::ids::{FileHash, SessionId, UploadId};
use stemvault_storage::session::{self, FileEntry};
use stemvault_storage::upload;
use utoipa::ToSchema;

use crate::form::LEFT_OUT;

/// A sealed session: what arrived, proven by hashes, and what was said of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The order's number.
    pub order: String,
    /// `material`, `delivery` or `stems`.
    pub kind: &'static str,
    /// The session's id.
    #[schema(value_type = String)]
    pub session: SessionId,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// What the engineer said.
    pub review: Review,
    /// What was written into the form, by the names of its fields; for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<BTreeMap<String, String>>,
    /// The files, by path.
    pub files: Vec<File>,
    /// What the intake checks found.
    pub findings: Vec<Finding>,
    /// What its sender said was left out: paths, as many as fit.
    pub left_out: Option<String>,
    /// The sum of all lengths.
    pub total_bytes: String,
    /// How many files there are.
    pub file_count: usize,
}

/// What was said of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Review {
    /// `submitted`, `accepted` or `returned`.
    pub state: &'static str,
    /// Why it was returned, or accepted in spite of findings.
    pub reasons: Vec<String>,
}

/// A file of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct File {
    /// Its path in the session.
    pub path: String,
    /// Bytes.
    pub length: String,
    /// BLAKE3, as `b3sum` prints it.
    #[schema(value_type = String)]
    pub hash: FileHash,
    /// Whether its sender has read its own file again after it had arrived: it is the same.
    pub checked: bool,
    /// When its sender's copy was last changed, as it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// Something that an intake check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// Which rule, as the settings name it.
    pub rule: &'static str,
    /// `refuse` or `warn`.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// The files that it is about.
    pub files: Vec<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl From<&checks::Finding> for Finding {
    fn from(finding: &checks::Finding) -> Self {
        Self {
            rule: finding.rule.name(),
            severity: finding.severity,
            files: finding.files.clone(),
            message: finding.message.clone(),
        }
    }
}

impl From<&session::Receipt> for Receipt {
    fn from(receipt: &session::Receipt) -> Self {
        let session::Receipt { row, manifest } = receipt;
        Self {
            order: manifest.number.to_string(),
            kind: manifest.kind.name(),
            session: row.session,
            sealed_at: manifest.sealed_at,
            review: (&row.review).into(),
            form: None,
            files: manifest.files.iter().map(File::from).collect(),
            findings: manifest.findings.iter().map(Finding::from).collect(),
            left_out: manifest.form.get(LEFT_OUT).cloned(),
            total_bytes: manifest.bytes().to_string(),
            file_count: manifest.files.len(),
        }
    }
}

impl Receipt {
    /// The same for staff, who read what the client wrote.
    #[must_use]
    pub fn for_staff(receipt: &session::Receipt) -> Self {
        let form = receipt.manifest.form.clone().into_iter().collect();
        Self {
            form: Some(form),
            ..Self::from(receipt)
        }
    }
}

impl From<&session::Review> for Review {
    fn from(review: &session::Review) -> Self {
        Self {
            state: review.name(),
            reasons: review.reasons().to_vec(),
        }
    }
}

impl From<&FileEntry> for File {
    fn from(file: &FileEntry) -> Self {
        Self {
            path: file.path.as_str().to_owned(),
            length: file.length.to_string(),
            hash: file.hash,
            checked: file.checked,
            modified: file.modified.clone(),
        }
    }
}

/// The uploads of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Uploads {
    /// The order's number.
    pub order: String,
    /// Oldest first.
    pub uploads: Vec<Upload>,
    /// What each intake rule does: `ignore`, `warn` or `refuse`.
    #[schema(value_type = BTreeMap<String, String>)]
    pub rules: BTreeMap<&'static str, Severity>,
    /// How much the order may hold, and holds.
    pub limits: Limits,
}

/// How much an order may hold, and holds; bytes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Limits {
    /// In one file.
    pub max_file: String,
    /// In all files.
    pub max_order: String,
    /// Files.
    pub max_files: String,
    /// Unfinished uploads at once, through the link that was asked; `null`: as many as files.
    pub max_open: Option<String>,
    /// Announced so far.
    pub used_bytes: String,
    /// Uploads so far.
    pub used_files: String,
    /// For which the server has room at this moment; `null`: for more than the order may still take.
    pub space: Option<String>,
    /// In the body of one request; `null`: any number.
    pub body: Option<String>,
}

impl From<Room> for Limits {
    fn from(room: Room) -> Self {
        Self {
            max_file: room.max_file.to_string(),
            max_order: room.max_order.to_string(),
            max_files: room.max_files.to_string(),
            max_open: room.max_open.map(|most| most.to_string()),
            used_bytes: room.used_bytes.to_string(),
            used_files: room.used_files.to_string(),
            space: room.space.map(|space| space.to_string()),
            body: None,
        }
    }
}

/// One file in flight, or arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Upload {
    /// The last segment of its address.
    #[schema(value_type = String)]
    pub id: UploadId,
    /// Its path in the session.
    pub path: String,
    /// `material`, `delivery` or `stems`.
    pub kind: &'static str,
    /// Bytes; `null` while its sender has not said.
    pub length: Option<String>,
    /// Bytes that are durable.
    pub offset: String,
    /// BLAKE3, once it is whole.
    #[schema(value_type = Option<String>)]
    pub hash: Option<FileHash>,
    /// `open`, `finished` or `sealed`.
    pub state: &'static str,
    /// Whether its sender has read its own file again after it had arrived: it is the same.
    pub checked: bool,
    /// When its sender's copy was last changed, as it said.
    pub modified: Option<String>,
    /// When it goes if nobody continues it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<&upload::Upload> for Upload {
    fn from(upload: &upload::Upload) -> Self {
        Self {
            id: upload.id,
            path: upload.path.as_str().to_owned(),
            kind: upload.kind.name(),
            length: upload.length.map(|length| length.to_string()),
            offset: upload.offset.to_string(),
            hash: upload.state.hash(),
            state: upload.state.name(),
            checked: upload.checked,
            modified: upload.metadata.get("modified").cloned(),
            expires_at: upload.expires_at,
        }
    }
}
