//! The audit log of an order: what was decided, when and by whom, and whether the chain holds.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use stemvault_storage::audit;
use stemvault_storage::decimal;
use stemvault_storage::ids::EntryHash;
use utoipa::ToSchema;

use super::auth::Staff;
use super::orders::id_of;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::route::{Routes, nothing, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/orders/{number}/audit" Token nothing() => 200 schema::<AuditLog>(); "Every decision on an order, and whether their chain holds"),
            show,
        )
}

/// Every decision on an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditLog {
    /// The order's number.
    pub order: String,
    /// Whether the chain holds: there are no problems.
    pub holds: bool,
    /// What does not hold, in sentences that name the entry.
    pub problems: Vec<String>,
    /// What is to be known beside: what was lost with a catalog.
    pub remarks: Vec<String>,
    /// Where the log ends; write it down elsewhere, and nobody can change anything before it.
    pub head: AuditHead,
    /// Oldest first.
    pub entries: Vec<AuditEntry>,
}

/// The last entry of a log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditHead {
    /// Its number; 0 if there is none.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub sequence: u64,
    /// Its hash; zeros if there is none.
    pub hash: String,
}

/// One decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number: 1, 2, 3, ...
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub sequence: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// created, link_made, link_revoked, submitted, submitted_and_returned, accepted, returned,
    /// completed, reopened, archived, doubted, proven_again, archived_again, expired, releasing,
    /// released, recalled, recall_ended, held, hold_lifted, upload_removed, downloaded, purging,
    /// purged or changed.
    pub what: &'static str,
    /// The id of the link, session, upload or archive attempt, where it is about one.
    pub about: Option<String>,
    /// Why, in the words of whoever decided it; of an upload that was removed or has expired, which
    /// file it was. None if they said nothing, or the order's key, with which it is sealed, is
    /// destroyed.
    pub why: Option<String>,
    /// Who decided it: token:ID, link:ID or system:JOB. No name.
    pub who: String,
    /// Its hash, which the next entry names.
    pub hash: String,
}

impl AuditEntry {
    fn of((entry, hash): &(audit::Entry, EntryHash), why: Option<String>) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            what: entry.what.name(),
            about: entry.what.about(),
            why,
            who: entry.who.to_string(),
            hash: hash.to_string(),
        }
    }
}

pub(super) async fn show(
    _: Staff,
    State(app): State<SharedApp>,
    Path(number): Path<String>,
) -> Answer<Json<AuditLog>> {
    let id = id_of(&app, &number).await?;
    let mut log = app.vault.audit.log(id).await?;
    let mut entries = Vec::new();
    for entry in &log.entries {
        let why = app
            .vault
            .audit
            .why(id, &entry.0)
            .await
            .unwrap_or_else(|error| {
                let remark = format!("what was said of entry {}: {error}", entry.0.sequence);
                log.remarks.push(remark);
                None
            });
        entries.push(AuditEntry::of(entry, why));
    }
    Ok(Json(AuditLog {
        order: number,
        holds: log.problems.is_empty(),
        problems: log.problems,
        remarks: log.remarks,
        head: AuditHead {
            sequence: log.head.sequence,
            hash: log.head.hash.to_string(),
        },
        entries,
    }))
}
