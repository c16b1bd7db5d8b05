//! Whether a job is due, and the lease that keeps two nodes from the same work. It saves work, no
//! more: what makes a run safe is that every decision is a compare-and-swap.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::tables::{self, Record, load, put};
use stemvault_storage::catalog::{Batch, CommitError, Expect};
use stemvault_storage::error::Result;

use super::{Job, Jobs};
use crate::run::{Outcome, Run};

/// What a job left for its next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobRow {
    /// When it last began, or when it was first seen.
    started_at: DateTime<Utc>,
    /// Whether that run waits for late puts.
    waiting: bool,
}

impl Record for JobRow {
    const WHAT: &'static str = "job";
}

impl Jobs {
    /// Whether the job's time has come since it last began. A job that was never seen is noted,
    /// and runs at its next time.
    pub(super) async fn is_due(&self, job: Job) -> Result<bool> {
        match job {
            Job::Repair => return Ok(self.vault.has_noticed()),
            Job::Mirror if self.vault.mirror().is_none() => return Ok(false),
            _ => {}
        }
        let now = self.clock.now();
        let key = tables::job(job.name());
        let Some((row, _)) = load::<JobRow>(&**self.vault.catalog(), &key).await? else {
            let row = JobRow {
                started_at: now,
                waiting: false,
            };
            let batch = put(Batch::new(), key.clone(), &row).expect(key, Expect::Absent);
            return match self.vault.catalog().commit(batch).await {
                Ok(()) | Err(CommitError::Conflict(_)) => Ok(false),
                Err(CommitError::Failed(error)) => Err(error.into()),
            };
        };
        let last = row.started_at.with_timezone(&self.time_zone);
        let next = self.crons[&job].find_next_occurrence(&last, false);
        // After a clock was set back, what began "later" than now must not wait until then.
        Ok(row.waiting || row.started_at > now || next.is_ok_and(|next| next <= now))
    }

    /// Claims this run of the job. `false` if another node began one in the same moment.
    pub(super) async fn lease(&self, job: Job, now: DateTime<Utc>) -> Result<bool> {
        let key = tables::job(job.name());
        let before = load::<JobRow>(&**self.vault.catalog(), &key).await?;
        let expect = before
            .as_ref()
            .map_or(Expect::Absent, |(_, version)| Expect::At(*version));
        let row = JobRow {
            started_at: now,
            waiting: false,
        };
        let batch = put(Batch::new(), key.clone(), &row).expect(key, expect);
        match self.vault.catalog().commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// Notes whether the run waits for more.
    pub(super) async fn end_lease(&self, job: Job, run: &Run) -> Result<()> {
        let row = JobRow {
            started_at: run.started_at,
            waiting: run.outcome == Outcome::Waiting,
        };
        Ok(self
            .vault
            .catalog()
            .commit(put(Batch::new(), tables::job(job.name()), &row))
            .await?)
    }
}
