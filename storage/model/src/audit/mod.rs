//! The entries of an order's audit log: one for every decision, chained by hashes.
//!
//! An entry says when, what and who, and bears the hash of the one before it; the order bears the
//! hash of the last. So nobody can change, remove or swap an entry unless everything after it is
//! changed as well, up to the order records in the bucket. An entry holds ids and words of ours, and
//! nobody's name: it stays when the order is purged. What a person wrote of a decision is in it sealed
//! with the order's key, and dies with that.

mod actor;
mod said;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use actor::Actor;
pub use said::Said;

use crate::decimal;
use crate::ids::{AttemptId, EntryHash, LinkId, OrderId, SessionId, UploadId};

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", content = "about", rename_all = "snake_case")]
pub enum What {
    /// There is an order.
    Created,
    /// A link opens something of it.
    LinkMade(LinkId),
    /// A link was taken back.
    LinkRevoked(LinkId),
    /// A session was sealed.
    Submitted(SessionId),
    /// A session was sealed, and given back in the same moment by the intake checks.
    SubmittedAndReturned(SessionId),
    /// The engineer took a session; upload links end with accepted material.
    Accepted(SessionId),
    /// The engineer gave a session back.
    Returned(SessionId),
    /// The work is done.
    Completed,
    /// Work goes on.
    Reopened,
    /// Every session was read back from an archive attempt.
    Archived(AttemptId),
    /// Something of the proven attempt did not come back when it was read again.
    Doubted(AttemptId),
    /// The whole of that attempt came back.
    ProvenAgain(AttemptId),
    /// The archive is written anew; both clocks go on.
    ArchivedAgain,
    /// An unfinished upload that nobody continued was removed.
    Expired(UploadId),
    /// The working files are to be deleted ...
    Releasing,
    /// ... and are gone.
    Released,
    /// The archive may be downloaded for some days.
    Recalled,
    /// The recall ended.
    RecallEnded,
    /// Nothing is to be deleted.
    Held,
    /// Deleting may go on.
    HoldLifted,
    /// Key and objects are to be destroyed ...
    Purging,
    /// ... and are gone.
    Purged,
    /// Staff removed what was uploaded.
    UploadRemoved(UploadId),
    /// Bytes of a session left, to whoever is named: the first of them of that day.
    Downloaded(SessionId),
    /// Anything else of the order is another.
    Changed,
}

impl What {
    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::LinkMade(_) => "link_made",
            Self::LinkRevoked(_) => "link_revoked",
            Self::Submitted(_) => "submitted",
            Self::SubmittedAndReturned(_) => "submitted_and_returned",
            Self::Accepted(_) => "accepted",
            Self::Returned(_) => "returned",
            Self::Completed => "completed",
            Self::Reopened => "reopened",
            Self::Archived(_) => "archived",
            Self::Doubted(_) => "doubted",
            Self::ProvenAgain(_) => "proven_again",
            Self::ArchivedAgain => "archived_again",
            Self::Expired(_) => "expired",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Recalled => "recalled",
            Self::RecallEnded => "recall_ended",
            Self::Held => "held",
            Self::HoldLifted => "hold_lifted",
            Self::Purging => "purging",
            Self::Purged => "purged",
            Self::UploadRemoved(_) => "upload_removed",
            Self::Downloaded(_) => "downloaded",
            Self::Changed => "changed",
        }
    }

    /// The id of the session, link, archive attempt or upload that it is about, as text.
    #[must_use]
    pub fn about(&self) -> Option<String> {
        match self {
            Self::LinkMade(link) | Self::LinkRevoked(link) => Some(link.to_string()),
            Self::Submitted(session)
            | Self::SubmittedAndReturned(session)
            | Self::Accepted(session)
            | Self::Returned(session)
            | Self::Downloaded(session) => Some(session.to_string()),
            Self::UploadRemoved(upload) => Some(upload.to_string()),
            Self::Archived(attempt) | Self::Doubted(attempt) | Self::ProvenAgain(attempt) => {
                Some(attempt.to_string())
            }
            Self::Expired(upload) => Some(upload.to_string()),
            _ => None,
        }
    }
}

/// Where a log ends: its last entry. All of it follows from this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of that entry; 0 if there is none.
    #[serde(with = "decimal")]
    pub sequence: u64,
    /// Its hash; zeros if there is none.
    pub hash: EntryHash,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            sequence: 0,
            hash: EntryHash([0; 32]),
        }
    }
}

impl Head {
    /// Whether there is no entry: an order of before there was a log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The entry that comes after it.
    #[must_use]
    pub fn then(&self, what: What, who: Actor, at: DateTime<Utc>) -> Entry {
        Entry {
            sequence: self.sequence + 1,
            at,
            what,
            who,
            previous: self.hash,
            said: None,
        }
    }
}

/// A decision, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: 1, 2, 3, ...
    #[serde(with = "decimal")]
    pub sequence: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// Who decided it.
    pub who: Actor,
    /// The hash of the entry before; zeros before the first.
    pub previous: EntryHash,
    /// Why, in the words of whoever decided it, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
}

impl Entry {
    /// Its hash, in the log of this order. FORMATS.md says what is hashed.
    #[must_use]
    pub fn hash(&self, order: OrderId) -> EntryHash {
        let mut hasher = blake3::Hasher::new_derive_key("stemvault audit entry v1");
        hasher.update(order.as_bytes());
        hasher.update(&self.sequence.to_be_bytes());
        hasher.update(&self.at.timestamp().to_be_bytes());
        hasher.update(&self.at.timestamp_subsec_nanos().to_be_bytes());
        hasher.update(self.previous.as_bytes());
        let about = self.what.about().unwrap_or_default();
        for text in [self.what.name(), &about, &self.who.to_string()] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        if let Some(said) = &self.said {
            hasher.update(&(said.as_bytes().len() as u64).to_be_bytes());
            hasher.update(said.as_bytes());
        }
        EntryHash(*hasher.finalize().as_bytes())
    }

    /// The log that ends with it.
    #[must_use]
    pub fn head(&self, order: OrderId) -> Head {
        Head {
            sequence: self.sequence,
            hash: self.hash(order),
        }
    }
}
