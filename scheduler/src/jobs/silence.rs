//! Jobs of which nothing is heard: not run when they were due, whatever the reason, or not even looked
//! at because the beat has died.
//!
//! A job is silent if it was overdue at the last beat and still is. What counts is when it last did its
//! work, which is a row, so a restart forgets nothing; a date that lies ahead counts as none.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stemvault_storage::error::Result;

use super::lease::JobState;
use super::{Job, Jobs};

/// So long after its time a job should have done its work.
const GRACE: TimeDelta = TimeDelta::hours(2);

/// The beat is every minute.
const NO_BEAT: Duration = Duration::from_secs(600);

/// What this process has heard; the rows decide.
#[derive(Debug)]
pub(super) struct Silence(Mutex<Heard>);

#[derive(Debug)]
struct Heard {
    overdue: HashSet<Job>,
    beat: Duration,
}

impl Silence {
    pub(super) fn new(now: Duration) -> Self {
        Self(Mutex::new(Heard {
            overdue: HashSet::new(),
            beat: now,
        }))
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Listens at a beat, before anything is done.
    pub(super) async fn listen(&self) -> Result<()> {
        let now = self.clock.now();
        let overdue: HashSet<_> = {
            let states = self.states().await?;
            let overdue = states.iter().filter(|state| is_overdue(state, now));
            overdue.map(|state| state.job).collect()
        };
        metrics::counter!("stemvault_beats_total").increment(1);
        let doubt = self.vault.core.time().doubt().is_some();
        metrics::gauge!("stemvault_clock_in_doubt").set(f64::from(u8::from(doubt)));
        for job in Job::all() {
            let silent = self.silence.heard().overdue.contains(&job) && overdue.contains(&job);
            metrics::gauge!("stemvault_job_silent", "job" => job.name())
                .set(f64::from(u8::from(silent)));
        }
        let mut heard = self.silence.heard();
        heard.overdue = overdue;
        heard.beat = self.clock.monotonic();
        Ok(())
    }

    /// What is not heard of, in sentences.
    #[must_use]
    pub fn silent(&self, states: &[JobState]) -> Vec<String> {
        let now = self.clock.now();
        let heard = self.silence.heard();
        let mut silent = Vec::new();
        let passed = self.clock.monotonic().saturating_sub(heard.beat);
        if passed > NO_BEAT {
            silent.push(format!(
                "no job has been looked at for {} minutes: start the server again",
                passed.as_secs() / 60
            ));
        }
        for state in states {
            let overdue = heard.overdue.contains(&state.job) && is_overdue(state, now);
            let Some(due) = state.due_since.filter(|_| overdue) else {
                continue;
            };
            let job = state.job.name();
            let ahead = state.succeeded_at.filter(|at| is_ahead(*at, now));
            silent.push(ahead.map_or_else(
                || {
                    let due = due.format("%F %R UTC");
                    format!("{job} has not done its work since it was due {due}")
                },
                |at| {
                    let at = at.format("%F %R UTC");
                    format!(
                        "{job} has not done its work: when it last did, the clock said {at}, which lies ahead"
                    )
                },
            ));
        }
        silent
    }
}

fn is_overdue(state: &JobState, now: DateTime<Utc>) -> bool {
    let ahead = state.succeeded_at.is_some_and(|at| is_ahead(at, now));
    let late = state.due_since.is_some_and(|due| now - due > GRACE);
    state.at_work_since.is_none() && state.due_since.is_some() && (ahead || late)
}

fn is_ahead(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at - now > GRACE
}
