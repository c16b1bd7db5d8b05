//! The jobs. They act on state and clock, never on events: a missed tick does not matter, twice is
//! once, and every step can be done again.

mod archive;
mod end_recall;
mod expire;
mod lease;
mod purge;
mod release;
mod snapshot;
mod sweep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use serde::{Deserialize, Serialize};
use stemvault_config::Settings;
use stemvault_storage::clock::SharedClock;
use stemvault_storage::error::{Error, Result};
use stemvault_storage::ids::{OrderId, RunId};
use stemvault_storage::order::{Order, OrderNumber, Stage};
use stemvault_storage::session::SessionRow;
use stemvault_storage::store::QUIET_AFTER;
use stemvault_storage::vault::Vault;

use crate::guards::{Brake, ClockWatch, Stock};
use crate::plan::{Action, RetentionPlan, Subject, Verb, plan};
use crate::run::{Note, Outcome, Run};

/// Every job, in the order in which a run by hand does them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Compresses completed orders, reads them back, proves them.
    Archive,
    /// Ends recalls.
    EndRecall,
    /// Deletes working files.
    Release,
    /// Deletes archives and keys.
    Purge,
    /// Removes unfinished uploads that nobody continues.
    Expire,
    /// Removes what nothing names, and finishes what a crash interrupted.
    Sweep,
    /// Writes down what the catalog alone knows.
    Snapshot,
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Archive,
        Self::EndRecall,
        Self::Release,
        Self::Purge,
        Self::Expire,
        Self::Sweep,
        Self::Snapshot,
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Archive => "archive",
            Self::EndRecall => "end_recall",
            Self::Release => "release",
            Self::Purge => "purge",
            Self::Expire => "expire",
            Self::Sweep => "sweep",
        }
    }
}

/// A run by hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunRequest {
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Delete more than the brake allows.
    pub allow_many: bool,
    /// Take the clock as it is now.
    pub accept_clock: bool,
}

/// All jobs of a process, and what they share.
#[derive(Debug)]
pub struct Jobs {
    vault: Arc<Vault>,
    clock: SharedClock,
    watch: ClockWatch,
    brake: Brake,
    time_zone: Tz,
    crons: HashMap<Job, Cron>,
    /// When this process first saw an order under a gate: from then on late puts are waited out.
    seen: Mutex<HashMap<(OrderId, u64), Duration>>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

/// One job at work.
struct Pass<'a> {
    jobs: &'a Jobs,
    vault: &'a Vault,
    request: RunRequest,
    notes: Vec<Note>,
    waiting: bool,
    failed: bool,
    stopped: Option<String>,
    /// What the run says of itself, where it is about no single order.
    said: Option<String>,
}

impl Jobs {
    /// The jobs over a vault, as the settings say.
    ///
    /// # Errors
    /// A sentence that names the cron expression that does not parse.
    pub fn new(vault: Arc<Vault>, settings: &Settings) -> Result<Self, String> {
        let mut crons = HashMap::new();
        for (job, text) in [
            (Job::Snapshot, &settings.jobs.snapshot),
            (Job::Archive, &settings.jobs.archive),
            (Job::EndRecall, &settings.jobs.end_recall),
            (Job::Release, &settings.jobs.release),
            (Job::Purge, &settings.jobs.purge),
            (Job::Expire, &settings.jobs.expire),
            (Job::Sweep, &settings.jobs.sweep),
        ] {
            let cron = text.as_str().parse::<Cron>();
            let cron = cron.map_err(|error| {
                format!("jobs.{}: {text} is no cron expression: {error}", job.name())
            })?;
            crons.insert(job, cron);
        }
        let clock = Arc::clone(vault.clock());
        let retention = &settings.retention;
        Ok(Self {
            watch: ClockWatch::new(Arc::clone(&clock), retention.clock_jump),
            brake: Brake {
                orders: retention.brake_orders.into(),
                percent: retention.brake_percent.into(),
            },
            time_zone: settings.orders.time_zone,
            crons,
            vault,
            clock,
            seen: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        })
    }

    /// What is due by a date.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn plan(&self, at: DateTime<Utc>) -> Result<RetentionPlan> {
        let subjects = self.subjects().await?;
        let subjects = subjects
            .iter()
            .map(|(order, sessions)| Subject { order, sessions });
        Ok(plan(subjects, self.clock.now(), at))
    }

    /// Every job once, now, whatever the cron says.
    ///
    /// # Errors
    /// Those of recording the runs.
    pub async fn run(&self, request: RunRequest) -> Result<Vec<Run>> {
        if request.accept_clock {
            self.watch.accept();
        }
        let mut runs = Vec::new();
        for job in Job::ALL {
            runs.extend(self.run_job(job, request).await?);
        }
        Ok(runs)
    }

    /// The last runs, newest first.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn runs(&self, limit: usize) -> Result<Vec<Run>> {
        Run::latest(&self.vault, limit).await
    }

    /// Every job whose time has come since it last ran, and those that wait.
    ///
    /// # Errors
    /// Those of the catalog; each job's own are in its run.
    pub async fn tick(&self) -> Result<()> {
        for job in Job::ALL {
            if self.is_due(job).await? {
                self.run_job(job, RunRequest::default()).await?;
            }
        }
        Ok(())
    }

    /// Goes on with releases and purges that were decided before this process began, and says how
    /// old the newest snapshot is.
    ///
    /// # Errors
    /// Those of the catalog; each job's own are in its run.
    pub async fn resume(&self) -> Result<()> {
        snapshot::measure_newest(&self.vault).await?;
        let orders = self.vault.orders().await?;
        for (job, stage) in [
            (Job::Release, Stage::Releasing),
            (Job::Purge, Stage::Purging),
        ] {
            if orders.iter().any(|order| order.stage == stage) {
                self.run_job(job, RunRequest::default()).await?;
            }
        }
        Ok(())
    }

    /// Runs a job unless another node does; records the run.
    async fn run_job(&self, job: Job, request: RunRequest) -> Result<Option<Run>> {
        let _one = self.one_at_a_time.lock().await;
        let started_at = self.clock.now();
        if !request.dry_run && !self.lease(job, started_at).await? {
            return Ok(None);
        }
        let mut pass = Pass::new(self, request);
        let result = match job {
            Job::Snapshot => snapshot::run(&mut pass).await,
            Job::Archive => archive::run(&mut pass).await,
            Job::EndRecall => end_recall::run(&mut pass).await,
            Job::Release => release::run(&mut pass).await,
            Job::Purge => purge::run(&mut pass).await,
            Job::Expire => expire::run(&mut pass).await,
            Job::Sweep => sweep::run(&mut pass).await,
        };
        let (outcome, message) = pass.outcome(&result);
        let run = Run {
            id: RunId::random(),
            job,
            started_at,
            ended_at: self.clock.now(),
            outcome,
            dry_run: request.dry_run,
            orders: pass.notes,
            message,
        };
        match outcome {
            Outcome::Failed | Outcome::Stopped => {
                tracing::error!(job = job.name(), run.id = %run.id, message = run.message, "job did not finish");
            }
            _ => {
                tracing::info!(job = job.name(), run.id = %run.id, orders = run.orders.len(), message = run.message, "job ran");
            }
        }
        if request.dry_run {
            return Ok(Some(run));
        }
        measure(&run);
        self.end_lease(job, &run).await?;
        run.record(&self.vault).await.map(Some)
    }

    async fn subjects(&self) -> Result<Vec<(Order, Vec<SessionRow>)>> {
        let mut subjects = Vec::new();
        for order in self.vault.orders().await? {
            let sessions = self.vault.sessions(order.id).await?;
            subjects.push((order, sessions));
        }
        Ok(subjects)
    }

    /// Whether everything that rested on an earlier gate of this order has landed by now.
    fn is_quiet(&self, order: &Order) -> bool {
        let now = self.clock.monotonic();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(id, gate), _| *id != order.id || *gate == order.gate);
        let since = *seen.entry((order.id, order.gate)).or_insert(now);
        now.saturating_sub(since) >= QUIET_AFTER
    }
}

impl<'a> Pass<'a> {
    fn new(jobs: &'a Jobs, request: RunRequest) -> Self {
        Self {
            jobs,
            vault: &jobs.vault,
            request,
            notes: Vec::new(),
            waiting: false,
            failed: false,
            stopped: None,
            said: None,
        }
    }

    fn note(&mut self, order: &OrderNumber, action: &str, detail: impl Into<String>) {
        self.notes.push(Note::new(order, action, detail));
    }

    /// One order failed; the others go on.
    fn fail(&mut self, order: &OrderNumber, action: &str, error: &Error) {
        self.failed = true;
        self.notes
            .push(Note::new(order, action, format!("failed: {error}")));
    }

    /// What a deleting job may begin now: due, with every guard asked before the first delete.
    async fn may_begin(&mut self, verb: Verb) -> Result<Vec<Action>> {
        let subjects = self.jobs.subjects().await?;
        // Only the order's next step: the plan also says what comes after it.
        let next = |order: &Order, sessions: &[SessionRow]| match (verb, &order.stage) {
            (Verb::Release, Stage::Archived) | (Verb::Purge, Stage::Released) => true,
            (Verb::Purge, Stage::Completed) => sessions.is_empty(),
            _ => false,
        };
        let all = subjects
            .iter()
            .filter(|(order, sessions)| next(order, sessions));
        let all = all.map(|(order, sessions)| Subject { order, sessions });
        let now = self.jobs.clock.now();
        let mut due = plan(all, now, now).actions;
        due.retain(|action| action.verb == verb);
        if due.is_empty() {
            return Ok(due);
        }
        let living = subjects
            .iter()
            .filter(|(order, _)| order.stage.name() != "purged");
        let stock = living.fold(Stock::default(), |stock, (_, sessions)| Stock {
            orders: stock.orders + 1,
            bytes: stock.bytes + sessions.iter().map(|row| row.bytes).sum::<u64>(),
        });
        let brake = if self.request.allow_many {
            None
        } else {
            self.jobs.brake.stops(verb, &due, stock)
        };
        self.stopped = self.jobs.watch.jumped().or(brake);
        if self.stopped.is_some() {
            due.clear();
        }
        Ok(due)
    }

    fn outcome(&self, result: &Result<()>) -> (Outcome, String) {
        match (result, &self.stopped) {
            (Err(error), _) => (Outcome::Failed, error.to_string()),
            (Ok(()), Some(why)) => (Outcome::Stopped, why.clone()),
            (Ok(()), None) if self.failed => (
                Outcome::Failed,
                self.said.clone().unwrap_or_else(|| {
                    "some orders failed; the next run tries them again".to_owned()
                }),
            ),
            (Ok(()), None) if self.waiting => {
                let seconds = QUIET_AFTER.as_secs();
                (
                    Outcome::Waiting,
                    format!(
                        "waits up to {seconds} seconds for writes that may still land, then goes on by itself"
                    ),
                )
            }
            (Ok(()), None) if self.notes.is_empty() => {
                let nothing = || "nothing was due".to_owned();
                (Outcome::Done, self.said.clone().unwrap_or_else(nothing))
            }
            (Ok(()), None) => (Outcome::Done, format!("{} done", self.notes.len())),
        }
    }
}

fn measure(run: &Run) {
    let job = run.job.name();
    metrics::counter!("stemvault_job_runs_total", "job" => job).increment(1);
    match run.outcome {
        Outcome::Done | Outcome::Waiting => {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let at = run.ended_at.timestamp() as f64;
            metrics::gauge!("stemvault_job_last_success_timestamp_seconds", "job" => job).set(at);
        }
        Outcome::Stopped | Outcome::Failed => {
            metrics::counter!("stemvault_job_failures_total", "job" => job).increment(1);
        }
    }
}
