//! The jobs. They act on state and clock, never on events: a missed tick does not matter, twice is
//! once, and every step can be done again.

mod archive;
mod due;
mod end_recall;
mod expire;
pub mod keys;
pub mod lease;
mod mend;
pub mod mirror;
mod pass;
mod prove;
mod purge;
mod release;
mod repair;
pub mod scrub;
mod silence;
mod snapshot;
mod sweep;
mod tick;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use serde::{Deserialize, Serialize};
use stemvault_config::Settings;
use stemvault_storage::audit::Actor;
use stemvault_storage::clock::SharedClock;
use stemvault_storage::error::Result;
use stemvault_storage::ids::{Chance, OrderId, RunId};
use stemvault_storage::order::{Order, Stage};
use stemvault_storage::store::QUIET_AFTER;
use stemvault_storage::vault::Vault;

use crate::guards::Brake;
use crate::run::{Outcome, Run};
use pass::Pass;

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
    /// Mends what a reader met.
    Repair,
    /// Copies what was decided since to the second place.
    Mirror,
    /// Reads archives again and compares.
    Prove,
    /// Reads everything and mends what is bad. Begun by hand, and none of [`ALL`](Self::ALL).
    Scrub,
}

impl Job {
    /// All that have their times. Those that take long come last.
    pub const ALL: [Self; 10] = [
        Self::Archive,
        Self::EndRecall,
        Self::Release,
        Self::Purge,
        Self::Expire,
        Self::Sweep,
        Self::Snapshot,
        Self::Repair,
        Self::Mirror,
        Self::Prove,
    ];

    /// The job of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }

    /// Whether it decides or removes something, and so never waits for one that takes long.
    #[must_use]
    pub fn decides(self) -> bool {
        !matches!(
            self,
            Self::Archive | Self::Mirror | Self::Prove | Self::Scrub
        )
    }

    /// Whether it ends or removes something because its time is over.
    fn goes_by_time(self) -> bool {
        matches!(
            self,
            Self::EndRecall | Self::Release | Self::Purge | Self::Expire
        )
    }

    /// Whether a run of "every job" leaves it out: it may read for hours, and decides nothing.
    fn is_apart(self) -> bool {
        matches!(self, Self::Repair | Self::Mirror | Self::Prove)
    }

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
            Self::Repair => "repair",
            Self::Mirror => "mirror",
            Self::Prove => "prove",
            Self::Scrub => "scrub",
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
    /// Take the clock as it is now. With `dry_run`: say what would be done if it were taken.
    pub accept_clock: bool,
    /// Only this job; without, every one but repair, mirror and prove.
    pub job: Option<Job>,
    /// Mirror: a new one, in a place that bears no mark.
    pub new_mirror: bool,
    /// Prove: only this order.
    pub order: Option<OrderId>,
    /// Prove: the whole, and no sample.
    pub whole: bool,
}

/// All jobs of a process, and what they share.
#[derive(Debug)]
pub struct Jobs {
    vault: Arc<Vault>,
    clock: SharedClock,
    brake: Brake,
    time_zone: Tz,
    crons: HashMap<Job, Cron>,
    /// When this process first saw an order under a gate: from then on late puts are waited out.
    seen: Mutex<HashMap<(OrderId, u64), Duration>>,
    prove: prove::ProveRules,
    release: release::ReleaseRules,
    chance: tokio::sync::Mutex<Chance>,
    scrub: scrub::Desk,
    bad_keys: keys::BadKeys,
    /// One for each job: none is twice at work in this process, and none waits for another.
    lanes: HashMap<Job, tokio::sync::Mutex<()>>,
    silence: silence::Silence,
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
            (Job::Mirror, &settings.jobs.mirror),
            (Job::Prove, &settings.jobs.prove),
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
            brake: Brake {
                orders: retention.brake_orders.into(),
                percent: retention.brake_percent.into(),
            },
            time_zone: settings.orders.time_zone,
            crons,
            vault,
            silence: silence::Silence::new(clock.monotonic()),
            clock,
            seen: Mutex::default(),
            prove: prove::ProveRules {
                percent: settings.prove.sample_percent.into(),
                blocks: settings.prove.sample_blocks.into(),
                whole_days: settings.prove.whole_within.0.into(),
            },
            release: release::ReleaseRules {
                percent: retention.release_sample_percent.into(),
                blocks: retention.release_sample_blocks.into(),
            },
            chance: tokio::sync::Mutex::new(Chance::random()),
            lanes: Job::ALL
                .into_iter()
                .map(|job| (job, Default::default()))
                .collect(),
            scrub: scrub::Desk::default(),
            bad_keys: keys::BadKeys::default(),
        })
    }

    /// The job that was asked for, or every one that decides something, once, now, whatever the
    /// cron says.
    ///
    /// # Errors
    /// Those of recording the runs.
    pub async fn run(&self, request: RunRequest) -> Result<Vec<Run>> {
        // Who only asks what would be done has accepted nothing.
        if request.accept_clock && !request.dry_run {
            self.vault.accept_time().await?;
        }
        let mut runs = Vec::new();
        for job in Job::ALL {
            if request.job.map_or(!job.is_apart(), |only| only == job) {
                runs.extend(self.run_job(job, request).await?);
            }
        }
        Ok(runs)
    }

    /// The last runs before one of them, newest first.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn runs(&self, before: Option<&Run>, limit: usize) -> Result<Vec<Run>> {
        Run::latest(&self.vault, before, limit).await
    }

    /// Goes on with releases and purges that were decided before this process began, and says how
    /// old the newest snapshot is.
    ///
    /// # Errors
    /// Those of the catalog; each job's own are in its run.
    pub async fn resume(&self) -> Result<()> {
        self.vault.keep_time().await?;
        self.close_interrupted().await?;
        for state in self.states().await? {
            measure_success(state.job, state.succeeded_at);
        }
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
        let _lane = self.lanes[&job].lock().await;
        Box::pin(self.run_in_lane(job, request)).await
    }

    async fn run_in_lane(&self, job: Job, request: RunRequest) -> Result<Option<Run>> {
        let run = Run::new(RunId::random(), job, self.clock.now(), request.dry_run);
        if !request.dry_run && !self.lease(&run).await? {
            return Ok(None);
        }
        let vault = self.vault.by(Actor::job(job.name()));
        let mut pass = Pass::new(self, &vault, request, run);
        if job.goes_by_time() {
            pass.stopped = pass.doubt();
        }
        let result = match job {
            _ if pass.stopped.is_some() => Ok(()),
            Job::Snapshot => snapshot::run(&mut pass).await,
            Job::Archive => archive::run(&mut pass).await,
            Job::EndRecall => end_recall::run(&mut pass).await,
            Job::Release => release::run(&mut pass).await,
            Job::Purge => purge::run(&mut pass).await,
            Job::Expire => expire::run(&mut pass).await,
            Job::Sweep => sweep::run(&mut pass).await,
            Job::Repair => repair::run(&mut pass).await,
            Job::Mirror => mirror::run(&mut pass).await,
            Job::Prove => prove::run(&mut pass).await,
            Job::Scrub => Ok(()),
        };
        let (outcome, message) = pass.outcome(&result);
        let mut run = pass.run;
        run.end(self.clock.now(), outcome, message);
        match outcome {
            Outcome::Failed | Outcome::Stopped => {
                tracing::error!(job = job.name(), run.id = %run.id, message = run.message, "job did not finish");
            }
            _ => {
                tracing::info!(job = job.name(), run.id = %run.id, notes = run.noted, message = run.message, "job ran");
            }
        }
        if request.dry_run {
            return Ok(Some(run));
        }
        // First of all: what comes after it may fail.
        self.end_lease(&run).await?;
        measure(&run);
        self.measure_orders().await?;
        // It is nightly, and so sees the first order that there is.
        if job == Job::Snapshot {
            self.measure_key_backup().await;
        }
        Ok(Some(run))
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

fn measure(run: &Run) {
    let job = run.job.name();
    metrics::counter!("stemvault_job_runs_total", "job" => job).increment(1);
    match run.outcome {
        Outcome::Done | Outcome::Waiting => {
            measure_success(run.job, run.ended_at);
        }
        Outcome::Running => {}
        Outcome::Stopped | Outcome::Failed | Outcome::Interrupted => {
            metrics::counter!("stemvault_job_failures_total", "job" => job).increment(1);
        }
    }
}

fn measure_success(job: Job, at: Option<DateTime<Utc>>) {
    if let Some(at) = at {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let at = at.timestamp() as f64;
        metrics::gauge!("stemvault_job_last_success_timestamp_seconds", "job" => job.name())
            .set(at);
    }
}
