//! What is left of a purged order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_model::audit::Head;

use crate::ids::{OrderId, SessionId};
use crate::order::OrderNumber;
use crate::session::Kind;
use crate::tables::Record;

/// The longest tombstone that is read, in bytes.
pub(crate) const TOMBSTONE_MAX: usize = 16 << 20;

/// What is left of a purged order: enough to prove that it is gone, nothing about a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The order's inner name.
    pub order: OrderId,
    /// The studio's name for it; never used again.
    pub number: OrderNumber,
    /// The version of the order that decided the purge.
    pub version: u64,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// When its key was destroyed.
    pub destroyed_at: DateTime<Utc>,
    /// When the last backup of the key store ends that may hold its key; none if no backup does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_ends_at: Option<DateTime<Utc>>,
    /// What it held.
    pub sessions: Vec<Buried>,
    /// Where its audit log ended when the purge was decided.
    #[serde(default, skip_serializing_if = "Head::is_empty")]
    pub audit: Head,
}

/// A session that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buried {
    /// Its id: the hash of its manifest.
    pub session: SessionId,
    /// What its files were.
    pub kind: Kind,
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Record for Tombstone {
    const WHAT: &'static str = "tombstone";
}
