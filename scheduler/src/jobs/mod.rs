//! The jobs. They act on state and clock, never on events: a missed tick does not matter, twice is
//! once, and every step can be done again.

pub mod run;

mod archive;
mod due;
mod end_recall;
mod expire;
mod job;
pub mod keys;
pub mod lease;
mod mend;
pub mod mirror;
mod pass;
pub mod prove;
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
use stemvault_config::Settings;
use stemvault_storage::audit::Actor;
use stemvault_storage::clock::SharedClock;
use stemvault_storage::error::Result;
use stemvault_storage::ids::{Chance, OrderId, RunId};
use stemvault_storage::order::{Order, Stage};
use stemvault_storage::store::QUIET_AFTER;
use stemvault_storage::vault::Vault;

use crate::guards::Brake;
use crate::jobs::run::{Outcome, Run};
use job::{Facts, Time};
use pass::Pass;

pub use job::Job;

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
    #[must_use]
    pub fn new(vault: Arc<Vault>, settings: &Settings) -> Self {
        let times = |facts: &Facts| match facts.time {
            Time::Set(set) | Time::SetIf(set, _) => Some(set(&settings.jobs).times().clone()),
            Time::If(_) => None,
        };
        let crons = job::every();
        let crons = crons.filter_map(|facts| Some((facts.job, times(facts)?)));
        let clock = Arc::clone(vault.core.clock());
        let retention = &settings.retention;
        Self {
            brake: Brake {
                orders: retention.brake_orders.into(),
                percent: retention.brake_percent.into(),
            },
            time_zone: settings.orders.time_zone,
            crons: crons.collect(),
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
            lanes: Job::all().map(|job| (job, Default::default())).collect(),
            scrub: scrub::Desk::default(),
            bad_keys: keys::BadKeys::default(),
        }
    }

    /// The job that was asked for, or every one that decides something, once, now, whatever the
    /// cron says.
    ///
    /// # Errors
    /// Those of recording the runs.
    pub async fn run(&self, request: RunRequest) -> Result<Vec<Run>> {
        // Who only asks what would be done has accepted nothing.
        if request.accept_clock && !request.dry_run {
            self.vault.timekeeper.accept_time().await?;
        }
        let mut runs = Vec::new();
        for facts in job::every() {
            if request.job.map_or(!facts.apart, |only| only == facts.job) {
                runs.extend(self.run_job(facts, request).await?);
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
        self.vault.timekeeper.keep_time().await?;
        self.close_interrupted().await?;
        for state in self.states().await? {
            measure_success(state.job, state.succeeded_at);
        }
        snapshot::measure_newest(&self.vault).await?;
        let orders = self.vault.orders.all().await?;
        for (job, stage) in [
            (&release::FACTS, Stage::Releasing),
            (&purge::FACTS, Stage::Purging),
        ] {
            if orders.iter().any(|order| order.stage() == stage) {
                self.run_job(job, RunRequest::default()).await?;
            }
        }
        Ok(())
    }

    /// Runs a job unless another node does; records the run.
    async fn run_job(&self, facts: &Facts, request: RunRequest) -> Result<Option<Run>> {
        let _lane = self.lanes[&facts.job].lock().await;
        Box::pin(self.run_in_lane(facts, request)).await
    }

    async fn run_in_lane(&self, facts: &Facts, request: RunRequest) -> Result<Option<Run>> {
        let job = facts.job;
        let run = Run::new(RunId::random(), job, self.clock.now(), request.dry_run);
        if !request.dry_run && !self.lease(&run).await? {
            return Ok(None);
        }
        let vault = self.vault.by(Actor::job(job.name()));
        let mut pass = Pass::new(self, &vault, request, run);
        if facts.by_time {
            pass.stopped = pass.doubt();
        }
        let result = match pass.stopped {
            Some(_) => Ok(()),
            None => (facts.run)(&mut pass).await,
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
