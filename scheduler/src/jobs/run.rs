//! The run of a job: written before the job does anything, a note for every step as it is done, and
//! closed whatever came of it, so that nothing is ever done silently, nor silently not done. One
//! whose process died is found by the next start, or the next run, and closed as interrupted.
//!
//! Notes are rows of their own: however much a run does, its row stays short and no note is lost.

pub mod history;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::{Batch, Key, KeyRange};
use stemvault_storage::error::Result;
use stemvault_storage::ids::RunId;
use stemvault_storage::order::OrderNumber;
use stemvault_storage::tables::{self, Record, put};
use stemvault_storage::vault::Vault;

use crate::jobs::Job;

/// How many notes a run bears when it is shown in a list; the rest is read by the page.
pub const SHOWN: usize = 40;

/// The longest detail of a note, in bytes: it is a row of its own.
const DETAIL_MAX: usize = 4000;

/// The longest sentence about the whole. A row holds 16 KiB, and this is in two.
const MESSAGE_MAX: usize = 4000;

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is at work.
    Running,
    /// Everything that was due is done.
    Done,
    /// Something waits for late puts; the next beat goes on.
    Waiting,
    /// A guard stopped it; someone must look.
    Stopped,
    /// Something failed; the next run tries again.
    Failed,
    /// Its process ended before it did; the next run goes on.
    Interrupted,
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
            detail: shortened(detail.into(), DETAIL_MAX),
        }
    }
}

impl Note {
    /// The same with a detail of so many bytes at most.
    pub(crate) fn short(&self, longest: usize) -> Self {
        Self {
            detail: shortened(self.detail.clone(), longest),
            ..self.clone()
        }
    }
}

impl Record for Note {
    const WHAT: &'static str = "note of a run";
}

/// Cut in the middle where it is too long: a sentence begins with what it is about, and ends with
/// what is wrong.
fn shortened(detail: String, longest: usize) -> String {
    const CUT: &str = " ... ";
    if detail.len() <= longest {
        return detail;
    }
    let half = (longest - CUT.len()) / 2;
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
    /// When it ended, or was found to have ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it only said what it would do.
    pub dry_run: bool,
    /// The first of what was done to which order: at most [`SHOWN`], of a dry run all. In the row
    /// only of runs that were recorded before notes had rows of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Note>,
    /// How many notes there are.
    #[serde(default)]
    pub noted: u64,
    /// A sentence about the whole.
    pub message: String,
}

impl Record for Run {
    const WHAT: &'static str = "run";
}

impl Run {
    /// One that begins.
    pub(crate) fn new(id: RunId, job: Job, now: DateTime<Utc>, dry_run: bool) -> Self {
        Self {
            id,
            job,
            started_at: now,
            ended_at: None,
            outcome: Outcome::Running,
            dry_run,
            orders: Vec::new(),
            noted: 0,
            message: "at work".to_owned(),
        }
    }

    /// Its row.
    pub(crate) fn key(&self) -> Key {
        tables::run(self.started_at.timestamp_micros(), self.id)
    }

    /// All its notes.
    fn notes_key(&self) -> Key {
        tables::run_notes(self.started_at.timestamp_micros(), self.id)
    }

    /// Adds its row to a batch; the notes have theirs.
    pub(crate) fn put(&self, batch: Batch) -> Batch {
        let row = Self {
            orders: Vec::new(),
            ..self.clone()
        };
        put(batch, self.key(), &row)
    }

    /// Notes a step, durably unless nothing was done.
    pub(crate) async fn note(&mut self, vault: &Vault, note: Note) -> Result<()> {
        if !self.dry_run {
            let started_us = self.started_at.timestamp_micros();
            let key = tables::run_note(started_us, self.id, self.noted);
            vault
                .core
                .catalog()
                .commit(put(Batch::new(), key, &note))
                .await?;
        }
        self.noted += 1;
        if self.dry_run || self.orders.len() < SHOWN {
            self.orders.push(note);
        }
        Ok(())
    }

    /// What came of it, when it ends.
    pub(crate) fn end(&mut self, now: DateTime<Utc>, outcome: Outcome, message: String) {
        self.ended_at = Some(now);
        self.outcome = outcome;
        self.message = shortened(message, MESSAGE_MAX);
    }

    /// The same, of one whose process died.
    pub(crate) async fn interrupted(mut self, vault: &Vault, now: DateTime<Utc>) -> Result<Self> {
        self.noted = vault
            .core
            .catalog()
            .scan_prefix(&self.notes_key())
            .await?
            .len() as u64;
        let message = format!(
            "its process ended after {} steps; the next run goes on where it stopped",
            self.noted
        );
        self.end(now, Outcome::Interrupted, message);
        Ok(self)
    }

    /// Some of its notes, in the order in which they were made.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn notes(&self, vault: &Vault, from: u64, limit: usize) -> Result<Vec<Note>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        if !self.orders.is_empty() {
            let of_old = self.orders.iter().skip(from).take(limit);
            return Ok(of_old.cloned().collect());
        }
        let started_us = self.started_at.timestamp_micros();
        let mut range = KeyRange::prefix(&self.notes_key());
        if let Some(before) = from.checked_sub(1) {
            range = range.after(tables::run_note(started_us, self.id, before as u64));
        }
        let rows = vault.core.catalog().scan(range, limit).await?;
        rows.iter()
            .map(|(_, row)| tables::decode(&row.value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_keeps_what_it_is_about_and_what_is_wrong() {
        let long = format!("\"Größe.wav\" in {} is missing", "ü".repeat(4000));
        let short = shortened(long, DETAIL_MAX);
        assert!(short.len() <= DETAIL_MAX && short.starts_with("\"Größe.wav\" in"));
        assert!(short.ends_with("is missing"));
        assert_eq!(shortened("short".to_owned(), DETAIL_MAX), "short");
    }
}
