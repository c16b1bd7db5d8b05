//! What is agreed about an order: its number, its client, how long things are kept, why nothing may
//! be deleted, and what was proven.

use chrono::{DateTime, Days, Months, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, SessionId};
use crate::session::SessionRow;

/// For whom the work is done. Personal data: gone with the purge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Band, label or person.
    pub name: String,
    /// Where notices go.
    pub email: Option<String>,
    /// The record's or song's title.
    pub title: Option<String>,
}

/// How long things are kept; copied to the order when it is completed and never changed silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Days from completion until the working files go.
    pub working_days: u32,
    /// Calendar months from completion until the archive goes.
    pub archive_months: u32,
    /// The studio's time zone, in which days and months are counted.
    pub time_zone: Tz,
}

impl Policy {
    /// When the working files of an order completed at `at` are due.
    #[must_use]
    pub fn release_due(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.calendar(at, |day| {
            day.checked_add_days(Days::new(self.working_days.into()))
        })
    }

    /// When the archive of an order completed at `at` is due.
    #[must_use]
    pub fn purge_due(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.calendar(at, |day| {
            day.checked_add_months(Months::new(self.archive_months))
        })
    }

    /// Moves the local date and keeps the local time of day. A time that summer time skips becomes
    /// the next one that exists; one that occurs twice, the later: never deleted early.
    fn calendar(
        &self,
        at: DateTime<Utc>,
        step: impl Fn(chrono::NaiveDateTime) -> Option<chrono::NaiveDateTime>,
    ) -> DateTime<Utc> {
        let local = at.with_timezone(&self.time_zone).naive_local();
        let Some(mut due) = step(local) else {
            return DateTime::<Utc>::MAX_UTC;
        };
        loop {
            if let Some(due) = self.time_zone.from_local_datetime(&due).latest() {
                return due.with_timezone(&Utc);
            }
            due += chrono::TimeDelta::minutes(15);
        }
    }
}

/// Whether something is due; if not, when.
pub(crate) fn is_due(due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), String> {
    match due {
        Some(due) if due <= now => Ok(()),
        Some(due) => Err(format!("that is due on {}", due.format("%F %R UTC"))),
        None => Err("no retention clock runs for it".to_owned()),
    }
}

/// Why nothing of an order may be deleted for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// In the words of whoever set it.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// Why the archive counts as proven no more: it was read again, and something did not come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    /// In which attempt.
    pub attempt: AttemptId,
    /// Since when.
    pub at: DateTime<Utc>,
    /// How many blocks and documents did not come back.
    pub damaged: u64,
    /// The first of them, in words.
    pub first: String,
}

/// The archive attempt that was read back and compared, and what it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Where it lies.
    pub attempt: AttemptId,
    /// When the read-back ended.
    pub proven_at: DateTime<Utc>,
    /// The sessions in it, if they are few: a row holds 16 KiB. Of many, each session's own row
    /// names the attempt. Ask [`covers`](Self::covers).
    pub sessions: Vec<SessionId>,
    /// Files in them.
    pub files: u64,
    /// Plain bytes.
    pub bytes: u64,
    /// Bytes that the archive takes for them.
    pub stored_bytes: u64,
}

impl Proof {
    /// Whether a session of the order is in it.
    #[must_use]
    pub fn covers(&self, row: &SessionRow) -> bool {
        self.sessions.contains(&row.session) || row.proven == Some(self.attempt)
    }
}
