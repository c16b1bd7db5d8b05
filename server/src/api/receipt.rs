//! A sealed session, and uploads on their way to one, as JSON: for staff and for clients alike.

use chrono::{DateTime, Utc};
use serde::Serialize;
use stemvault_storage::decimal;
use stemvault_storage::order::OrderNumber;
use stemvault_storage::session;
use stemvault_storage::upload;
use utoipa::ToSchema;

/// What arrived, proven by hashes, and what was said of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The order's number.
    pub order: String,
    /// material, delivery or stems.
    pub kind: &'static str,
    /// The session's id, 64 hex digits.
    pub session: String,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// What the engineer said of it.
    pub review: Review,
    /// The files, by path.
    pub files: Vec<File>,
    /// What the intake checks found.
    pub findings: Vec<Finding>,
    /// Plain bytes of all files.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub total_bytes: u64,
    /// How many files there are.
    pub file_count: usize,
}

impl Receipt {
    /// The receipt of a session.
    #[must_use]
    pub fn of(receipt: &session::Receipt) -> Self {
        let manifest = &receipt.manifest;
        Self {
            order: manifest.number.to_string(),
            kind: manifest.kind.name(),
            session: receipt.row.session.to_string(),
            sealed_at: manifest.sealed_at,
            review: Review::of(&receipt.row.review),
            files: manifest.files.iter().map(File::of).collect(),
            findings: manifest.findings.iter().map(Finding::of).collect(),
            total_bytes: manifest.bytes(),
            file_count: manifest.files.len(),
        }
    }
}

/// What the engineer said of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Review {
    /// submitted, accepted or returned.
    pub state: &'static str,
    /// Why it was returned, or accepted in spite of findings.
    pub reasons: Vec<String>,
    /// When.
    pub at: Option<DateTime<Utc>>,
}

impl Review {
    /// A review in one shape for all three states.
    #[must_use]
    pub fn of(review: &session::Review) -> Self {
        let (state, reasons, at) = match review {
            session::Review::Submitted => ("submitted", Vec::new(), None),
            session::Review::Accepted { at, reason } => {
                ("accepted", reason.iter().cloned().collect(), Some(*at))
            }
            session::Review::Returned { at, reasons } => ("returned", reasons.clone(), Some(*at)),
        };
        Self { state, reasons, at }
    }
}

/// One file of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct File {
    /// Its path in the session.
    pub path: String,
    /// Bytes.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub length: u64,
    /// What `b3sum` prints.
    pub hash: String,
}

impl File {
    fn of(file: &session::FileEntry) -> Self {
        Self {
            path: file.path.as_str().to_owned(),
            length: file.length,
            hash: file.hash.to_string(),
        }
    }
}

/// Something that an intake check found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    /// Which rule, as the settings name it.
    pub rule: &'static str,
    /// refuse or warn.
    #[schema(value_type = String)]
    pub severity: stemvault_storage::intake::checks::Severity,
    /// The files it is about.
    pub files: Vec<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    fn of(finding: &stemvault_storage::intake::checks::Finding) -> Self {
        Self {
            rule: finding.rule.name(),
            severity: finding.severity,
            files: finding.files.clone(),
            message: finding.message.clone(),
        }
    }
}

/// All uploads of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uploads {
    /// The order's number.
    pub order: String,
    /// One for each, sealed ones included.
    pub uploads: Vec<Upload>,
}

impl Uploads {
    /// The uploads of this order.
    #[must_use]
    pub fn of(number: &OrderNumber, uploads: &[upload::Upload]) -> Self {
        Self {
            order: number.to_string(),
            uploads: uploads.iter().map(Upload::of).collect(),
        }
    }
}

/// One file in flight, or arrived.
#[derive(Debug, Serialize, ToSchema)]
pub struct Upload {
    /// The last segment of its URL.
    pub id: String,
    /// Where it will stand in the session.
    pub path: String,
    /// material, delivery or stems.
    pub kind: &'static str,
    /// Bytes, once that is known.
    #[schema(value_type = Option<String>)]
    pub length: Option<String>,
    /// Bytes that are safe here.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub offset: u64,
    /// What `b3sum` prints, once it is whole.
    pub hash: Option<String>,
    /// open, finished or sealed.
    pub state: &'static str,
    /// When the client's copy was last changed, if it said so.
    pub modified: Option<String>,
    /// When it goes if nobody continues it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Upload {
    fn of(upload: &upload::Upload) -> Self {
        Self {
            id: upload.id.to_string(),
            path: upload.path.as_str().to_owned(),
            kind: upload.kind.name(),
            length: upload.length.map(|length| length.to_string()),
            offset: upload.offset,
            hash: upload.state.hash().map(|hash| hash.to_string()),
            state: upload.state.name(),
            modified: upload.metadata.get("modified").cloned(),
            expires_at: upload.expires_at,
        }
    }
}
