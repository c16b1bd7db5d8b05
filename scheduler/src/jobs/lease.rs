//! Whether a job is due, and the lease that keeps two nodes from the same work. It saves work, no
//! more: what makes a run safe is that every decision is a compare-and-swap.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::{Batch, CommitError, Expect};
use stemvault_storage::error::Result;
use stemvault_storage::ids::RunId;
use stemvault_storage::tables::{self, Record, load, put};

use super::job::{Facts, Time, facts_of};
use super::{Job, Jobs, scrub};
use crate::jobs::run::{Outcome, Run};

/// So many runs are looked at after a start: as many as can have been at work, and many more.
const LOOKED_AT: usize = 100;

/// What a job left for its next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobRow {
    /// When it last began, or when it was first seen.
    started_at: DateTime<Utc>,
    /// Whether that run waits for late puts.
    waiting: bool,
    /// The run that is at work, or whose process died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    under_way: Option<UnderWay>,
    /// The run that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Run>,
    /// When one last did its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    succeeded_at: Option<DateTime<Utc>>,
}

/// A run at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UnderWay {
    run: RunId,
    started_at: DateTime<Utc>,
}

impl Record for JobRow {
    const WHAT: &'static str = "job";
}

impl Jobs {
    /// When a job is due after a moment, if it has its times.
    fn next(&self, job: Job, last: DateTime<Utc>) -> Option<DateTime<Utc>> {
        facts_of(job).filter(|facts| facts.has_times(&self.vault))?;
        next(self.crons.get(&job)?, last.with_timezone(&self.time_zone))
    }

    /// Whether the job's time has come since it last began. A job that was never seen is noted,
    /// and runs at its next time.
    pub(super) async fn is_due(&self, facts: &Facts) -> Result<bool> {
        let job = facts.job;
        if let Time::If(finds) = facts.time {
            return Ok(finds(&self.vault));
        }
        if !facts.has_times(&self.vault) {
            return Ok(false);
        }
        let now = self.clock.now();
        let key = tables::job(job.name());
        let Some((row, _)) = load::<JobRow>(&**self.vault.core.catalog(), &key).await? else {
            let row = JobRow::first_seen(now);
            let batch = put(Batch::new(), key.clone(), &row).expect(key, Expect::Absent);
            return match self.vault.core.catalog().commit(batch).await {
                Ok(()) | Err(CommitError::Conflict(_)) => Ok(false),
                Err(CommitError::Failed(error)) => Err(error.into()),
            };
        };
        let next = self.next(job, row.started_at);
        // After a clock was set back, what began "later" than now must not wait until then.
        Ok(row.waiting || row.started_at > now || next.is_some_and(|next| next <= now))
    }

    /// Claims this run of the job, and writes it down before it does anything. `false` if another
    /// node began one in the same moment.
    pub(super) async fn lease(&self, run: &Run) -> Result<bool> {
        let key = tables::job(run.job.name());
        let before = load::<JobRow>(&**self.vault.core.catalog(), &key).await?;
        let expect = before
            .as_ref()
            .map_or(Expect::Absent, |(_, version)| Expect::At(*version));
        let before = before.map_or_else(|| JobRow::first_seen(run.started_at), |(row, _)| row);
        let (before, batch) = self.interrupted(before).await?;
        let row = JobRow {
            started_at: run.started_at,
            waiting: false,
            under_way: Some(UnderWay {
                run: run.id,
                started_at: run.started_at,
            }),
            ..before
        };
        let batch = run.put(put(batch, key.clone(), &row).expect(key, expect));
        match self.vault.core.catalog().commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// Closes a run, and notes what its job left for the next.
    pub(super) async fn end_lease(&self, run: &Run) -> Result<()> {
        let key = tables::job(run.job.name());
        loop {
            let before = load::<JobRow>(&**self.vault.core.catalog(), &key).await?;
            let expect = before
                .as_ref()
                .map_or(Expect::Absent, |(_, version)| Expect::At(*version));
            let mut row = before.map_or_else(|| JobRow::first_seen(run.started_at), |(row, _)| row);
            // Unless another node has begun the next.
            if row.under_way.is_none_or(|it| it.run == run.id) {
                row.under_way = None;
                row.waiting = run.outcome == Outcome::Waiting;
            }
            row.ended(run);
            let batch = run.put(put(Batch::new(), key.clone(), &row));
            match self
                .vault
                .core
                .catalog()
                .commit(batch.expect(key.clone(), expect))
                .await
            {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
    }

    /// Closes what was at work when the process before this one ended. Only at a start, when no run
    /// of this process is under way; one process has the catalog (its decisions/0001).
    pub(super) async fn close_interrupted(&self) -> Result<()> {
        // The first beat may have come before; what it began is not interrupted.
        let mut lanes = Vec::new();
        for job in Job::all() {
            lanes.push(self.lanes[&job].lock().await);
        }
        for job in Job::all() {
            let key = tables::job(job.name());
            let Some((row, version)) = load::<JobRow>(&**self.vault.core.catalog(), &key).await?
            else {
                continue;
            };
            if row.under_way.is_none() {
                continue;
            }
            let (row, batch) = self.interrupted(row).await?;
            let batch = put(batch, key.clone(), &row).expect(key, Expect::At(version));
            match self.vault.core.catalog().commit(batch).await {
                Ok(()) | Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
        // What came back in a snapshot that was taken while it was at work.
        for run in Run::latest(&self.vault, None, LOOKED_AT).await? {
            if run.outcome == Outcome::Running && run.job != scrub::JOB {
                let run = run.interrupted(&self.vault, self.clock.now()).await?;
                self.vault
                    .core
                    .catalog()
                    .commit(run.put(Batch::new()))
                    .await?;
            }
        }
        Ok(())
    }

    /// What a job left, with the run closed whose end nobody saw.
    async fn interrupted(&self, mut row: JobRow) -> Result<(JobRow, Batch)> {
        let mut batch = Batch::new();
        let Some(under_way) = row.under_way.take() else {
            return Ok((row, batch));
        };
        let started_us = under_way.started_at.timestamp_micros();
        let key = tables::run(started_us, under_way.run);
        if let Some((run, _)) = load::<Run>(&**self.vault.core.catalog(), &key).await? {
            let run = run.interrupted(&self.vault, self.clock.now()).await?;
            tracing::warn!(job = run.job.name(), run.id = %run.id, message = run.message, "job was interrupted");
            row.ended(&run);
            batch = run.put(batch);
        }
        Ok((row, batch))
    }

    /// What is known of every job, without reading any list of runs.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn states(&self) -> Result<Vec<JobState>> {
        let mut states = Vec::new();
        for job in Job::all().chain([scrub::JOB]) {
            let row =
                load::<JobRow>(&**self.vault.core.catalog(), &tables::job(job.name())).await?;
            states.extend(row.map(|(row, _)| JobState {
                job,
                due_since: self.next(job, row.succeeded_at.unwrap_or(row.started_at)),
                last: row.last,
                succeeded_at: row.succeeded_at,
                at_work_since: row.under_way.map(|it| it.started_at),
            }));
        }
        Ok(states)
    }
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// Which.
    pub job: Job,
    /// The run that ended last, without its notes.
    pub last: Option<Run>,
    /// When one last did its work.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// When the next one after that was due, or will be.
    pub due_since: Option<DateTime<Utc>>,
    /// Since when one is at work.
    pub at_work_since: Option<DateTime<Utc>>,
}

/// When an expression is met after a moment. When summer time ends an hour comes twice, and a clock
/// on the wall shows it once: what is met every hour is met in both.
fn next(cron: &Cron, last: DateTime<Tz>) -> Option<DateTime<Utc>> {
    let by_wall = cron.find_next_occurrence(&last, false).ok();
    let by_hours = cron.find_next_occurrence(&last.fixed_offset(), false).ok();
    let by_hours = by_hours
        .map(|next| next.with_timezone(&last.timezone()))
        .filter(|next| cron.is_time_matching(next).unwrap_or(false));
    let found = by_wall.into_iter().chain(by_hours).min();
    found.map(|next| next.to_utc())
}

impl JobRow {
    fn first_seen(now: DateTime<Utc>) -> Self {
        Self {
            started_at: now,
            waiting: false,
            under_way: None,
            last: None,
            succeeded_at: None,
        }
    }

    /// Keeps what a run came to.
    fn ended(&mut self, run: &Run) {
        if matches!(run.outcome, Outcome::Done | Outcome::Waiting) {
            self.succeeded_at = run.ended_at;
        }
        self.last = Some(Run {
            orders: Vec::new(),
            ..run.clone()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hour_is_skipped_when_summer_time_begins_or_ends() {
        let zone: Tz = "Europe/Paris".parse().unwrap();
        let hourly: Cron = "5 * * * *".parse().unwrap();
        let nightly: Cron = "30 3 * * *".parse().unwrap();
        for (from, nights) in [("2026-03-27T23:10:00Z", 3), ("2026-10-23T22:10:00Z", 3)] {
            let mut at: DateTime<Utc> = from.parse().unwrap();
            let mut runs = Vec::new();
            for _ in 0..72 {
                let due = next(&hourly, at.with_timezone(&zone)).unwrap();
                assert!((due - at).num_minutes() <= 60, "{at} to {due}");
                at = due;
                let night = next(
                    &nightly,
                    (at - chrono::TimeDelta::hours(1)).with_timezone(&zone),
                );
                runs.extend(night.filter(|night| *night <= at));
            }
            assert_eq!(runs.len(), nights, "once a night: {runs:?}");
        }
    }
}
