//! The run of a job: recorded whatever came of it, so that nothing is ever done silently, nor
//! silently not done.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::tables::{self, Record, put};
use stemvault_storage::catalog::{Batch, KeyRange};
use stemvault_storage::error::Result;
use stemvault_storage::ids::RunId;
use stemvault_storage::order::OrderNumber;
use stemvault_storage::vault::Vault;

use crate::jobs::Job;

/// How many orders a record lists; the rest is counted in its message. A row holds 16 KiB.
const NOTES_MAX: usize = 40;

/// The longest detail of a note, in bytes.
const DETAIL_MAX: usize = 300;

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was due is done.
    Done,
    /// Something waits for late puts; the next beat goes on.
    Waiting,
    /// A guard stopped it; someone must look.
    Stopped,
    /// Something failed; the next run tries again.
    Failed,
}

/// What was done to one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The order's number.
    pub order: String,
    /// What was done.
    pub action: String,
    /// With what result.
    pub detail: String,
}

impl Note {
    pub(crate) fn new(order: &OrderNumber, action: &str, detail: impl Into<String>) -> Self {
        Self::of(order.to_string(), action, detail)
    }

    /// One that may be about no single order.
    pub(crate) fn of(order: String, action: &str, detail: impl Into<String>) -> Self {
        Self {
            order,
            action: action.to_owned(),
            detail: shortened(detail.into()),
        }
    }
}

/// Cut in the middle where it is too long: a sentence begins with what it is about, and ends with
/// what is wrong.
fn shortened(detail: String) -> String {
    const CUT: &str = " ... ";
    if detail.len() <= DETAIL_MAX {
        return detail;
    }
    let half = (DETAIL_MAX - CUT.len()) / 2;
    let front = &detail[..detail.floor_char_boundary(half)];
    let back = &detail[detail.ceil_char_boundary(detail.len() - half)..];
    format!("{front}{CUT}{back}")
}

/// One run of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Which job.
    pub job: Job,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it only said what it would do.
    pub dry_run: bool,
    /// What was done to which order.
    pub orders: Vec<Note>,
    /// A sentence about the whole.
    pub message: String,
}

impl Record for Run {
    const WHAT: &'static str = "run";
}

impl Run {
    /// Records it.
    pub(crate) async fn record(mut self, vault: &Vault) -> Result<Self> {
        let more = self.orders.len().saturating_sub(NOTES_MAX);
        if more > 0 {
            self.orders.truncate(NOTES_MAX);
            self.message = format!("{} (and {more} more orders)", self.message);
        }
        let key = tables::run(self.started_at.timestamp_micros(), self.id);
        vault
            .catalog()
            .commit(put(Batch::new(), key, &self))
            .await?;
        Ok(self)
    }

    /// The last `limit` runs, newest first.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn latest(vault: &Vault, limit: usize) -> Result<Vec<Self>> {
        let mut range = KeyRange::prefix(&tables::runs());
        let mut latest = std::collections::VecDeque::with_capacity(limit);
        loop {
            let page = vault.catalog().scan(range.clone(), PAGE).await?;
            for (_, row) in &page {
                latest.truncate(limit.saturating_sub(1));
                latest.push_front(tables::decode(&row.value)?);
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => range = range.after(last.clone()),
                _ => return Ok(latest.into()),
            }
        }
    }
}

/// Runs read at a time.
const PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_keeps_what_it_is_about_and_what_is_wrong() {
        let long = format!("\"Größe.wav\" in {} is missing", "ü".repeat(400));
        let short = shortened(long);
        assert!(short.len() <= DETAIL_MAX && short.starts_with("\"Größe.wav\" in"));
        assert!(short.ends_with("is missing"));
        assert_eq!(shortened("short".to_owned()), "short");
    }
}
