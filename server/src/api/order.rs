//! An order as JSON: what staff and their programs see of it.
//!
//! Everywhere in this API bytes, offsets and versions are strings, because JSON numbers lose
//! digits beyond 2^53 in most languages; counts of things are numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use stemvault_storage::decimal;
use stemvault_storage::link;
use stemvault_storage::order;
use stemvault_storage::session::{Kind, SessionRow};
use stemvault_storage::tables::Proven;
use stemvault_storage::upload::{Upload, UploadState};
use utoipa::ToSchema;

use crate::wire::Review;

/// One job for one client.
#[derive(Debug, Serialize, ToSchema)]
pub struct Order {
    /// The studio's own number.
    pub number: String,
    /// The name that paths in the bucket use.
    pub id: String,
    /// Band, label or person; empty once the order is purged.
    pub client: String,
    /// Where notices go.
    pub email: Option<String>,
    /// The record's or song's title.
    pub title: Option<String>,
    /// open, sealing, completed, archived, releasing, released, recalled, purging or purged.
    pub stage: &'static str,
    /// Counts decisions.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub version: u64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was completed, last.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the working files are due.
    pub release_due_at: Option<DateTime<Utc>>,
    /// When the archive is due.
    pub purge_due_at: Option<DateTime<Utc>>,
    /// When a recall ends.
    pub recalled_until: Option<DateTime<Utc>>,
    /// Why its release or its purge, which was begun, does not go on for now; not in lists of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_still: Option<String>,
    /// Why nothing of it may be deleted for now.
    pub hold: Option<Hold>,
    /// The archive attempt that was read back and compared.
    pub proof: Option<Proof>,
    /// What of it did not come back when it was read again, if anything; its working files stay.
    pub unproven: Option<Unproven>,
    /// When its key was destroyed, once it is purged; not in lists of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_destroyed_at: Option<DateTime<Utc>>,
    /// When the last backup of the key store ends that may hold its key; none if no backup does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_key_backup_ends_at: Option<DateTime<Utc>>,
    /// What has arrived or is on its way and is in no session yet, by kind; not in lists of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_submitted: Option<Vec<NotSubmitted>>,
    /// Its sessions, oldest first; not in lists of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<Session>>,
    /// Its links, oldest first; not in lists of orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
    /// The upload link that was made with the order. Its URL is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_link: Option<super::links::MadeLink>,
}

impl Order {
    /// An order without its sessions and links.
    #[must_use]
    pub fn of(order: &order::Order) -> Self {
        Self {
            number: order.number.to_string(),
            id: order.id.to_string(),
            client: order.client.name.clone(),
            email: order.client.email.clone(),
            title: order.client.title.clone(),
            stage: order.stage().name(),
            version: order.version,
            created_at: order.created_at,
            completed_at: order.completed_at(),
            release_due_at: order.release_due(),
            purge_due_at: order.purge_due(),
            recalled_until: order.recalled_until(),
            stands_still: None,
            hold: order.hold.as_ref().map(|hold| Hold {
                reason: hold.reason.clone(),
                at: hold.at,
            }),
            proof: order.proof().map(Proof::of),
            unproven: order.unproven().map(Unproven::of),
            key_destroyed_at: None,
            last_key_backup_ends_at: None,
            not_submitted: None,
            sessions: None,
            links: None,
            upload_link: None,
        }
    }

    /// The same, with when its archive was read last.
    #[must_use]
    pub fn proven(mut self, last: Option<&Proven>) -> Self {
        if let (Some(proof), Some(last)) = (&mut self.proof, last) {
            proof.last_proven_at = last.at;
            proof.last_percent = last.percent;
            proof.last_whole_at = last.whole_at;
        }
        self
    }

    /// The same, whole.
    #[must_use]
    pub fn with(self, sessions: &[SessionRow], links: &[link::Link]) -> Self {
        Self {
            sessions: Some(sessions.iter().map(Session::of).collect()),
            links: Some(links.iter().map(Link::of).collect()),
            ..self
        }
    }
}

/// Why nothing of an order may be deleted for now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hold {
    /// In the words of whoever set it.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// The archive attempt that was read back and compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct Proof {
    /// Where it lies.
    pub attempt: String,
    /// When the read-back ended.
    pub proven_at: DateTime<Utc>,
    /// Files in it.
    pub files: u64,
    /// Plain bytes.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub bytes: u64,
    /// Bytes that the archive takes for them.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub stored_bytes: u64,
    /// When it was last read again, or the proof itself, with nothing amiss.
    pub last_proven_at: DateTime<Utc>,
    /// What share of its blocks was read then.
    pub last_percent: u8,
    /// When the whole of it was last read.
    pub last_whole_at: DateTime<Utc>,
}

/// What did not come back when an archive was read again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unproven {
    /// Since when.
    pub at: DateTime<Utc>,
    /// How many blocks and documents.
    pub damaged: u64,
    /// The first of them, with what to do; the run of the job prove names all.
    pub first: String,
}

impl Unproven {
    fn of(unproven: &order::Unproven) -> Self {
        Self {
            at: unproven.at,
            damaged: unproven.damaged,
            first: unproven.first.clone(),
        }
    }
}

impl Proof {
    fn of(proof: &order::Proof) -> Self {
        Self {
            attempt: proof.attempt.to_string(),
            proven_at: proof.proven_at,
            files: proof.files,
            bytes: proof.bytes,
            stored_bytes: proof.stored_bytes,
            last_proven_at: proof.proven_at,
            last_percent: 100,
            last_whole_at: proof.proven_at,
        }
    }
}

/// Files of one kind that were uploaded, and not submitted.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotSubmitted {
    /// material, delivery or stems.
    pub kind: &'static str,
    /// Files that have arrived whole.
    pub files: u64,
    /// Their bytes.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub bytes: u64,
    /// Files of which bytes are missing.
    pub unfinished: u64,
}

impl NotSubmitted {
    /// Counts, kind by kind.
    #[must_use]
    pub fn of(uploads: &[Upload]) -> Vec<Self> {
        let mut kinds = BTreeMap::<Kind, Self>::new();
        for upload in uploads {
            let finished = match upload.state {
                UploadState::Open => false,
                UploadState::Finished { .. } => true,
                UploadState::Sealed { .. } => continue,
            };
            let count = kinds.entry(upload.kind).or_insert_with(|| Self {
                kind: upload.kind.name(),
                files: 0,
                bytes: 0,
                unfinished: 0,
            });
            if finished {
                count.files += 1;
                count.bytes += upload.offset;
            } else {
                count.unfinished += 1;
            }
        }
        kinds.into_values().collect()
    }
}

/// A session in an order's list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Its id, 64 hex digits.
    pub session: String,
    /// material, delivery or stems.
    pub kind: &'static str,
    /// What the engineer said of it.
    pub review: Review,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
    /// How many files it has.
    pub files: u64,
    /// Their plain bytes.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub bytes: u64,
    /// Where its files are: working or archive.
    pub tier: &'static str,
}

impl Session {
    fn of(row: &SessionRow) -> Self {
        Self {
            session: row.session.to_string(),
            kind: row.kind.name(),
            review: Review::from(&row.review),
            sealed_at: row.sealed_at,
            files: row.files,
            bytes: row.bytes,
            tier: if row.released { "archive" } else { "working" },
        }
    }
}

/// A link in an order's list; its URL was shown when it was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Link {
    /// How lists and logs name it.
    pub id: String,
    /// upload, session or file.
    pub scope: &'static str,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it was taken back.
    pub revoked: bool,
    /// Bytes that may be uploaded by it, if it was made for less than any link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<String>,
    /// Files that may be uploaded by it, if it was made for less than any link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u64>,
}

impl Link {
    fn of(link: &link::Link) -> Self {
        Self {
            id: link.id.to_string(),
            scope: link.scope.name(),
            created_at: link.created_at,
            expires_at: link.expires_at,
            revoked: link.revoked,
            max_bytes: link.most.max_bytes.map(|bytes| bytes.to_string()),
            max_files: link.most.max_files,
        }
    }
}
