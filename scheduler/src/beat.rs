//! The beat: the only file that knows the cron library. It taps every minute; whether a job is due
//! is computed from the `Clock` (the library polls the machine's clock, and is an hour off after a
//! change to or from summer time).
//!
//! The library waits for a full minute of the machine's clock, which may be set back by a year. So
//! time that only runs forward taps as well, whenever the library has not for longer than a minute.
//! A tap that nobody waited for is remembered once: however late the beat is, it is one beat.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::jobs::Jobs;

/// The library taps more often than this, or its clock was set.
const LONGEST: Duration = Duration::from_secs(75);

/// A running beat; ends with [`stop`](Self::stop).
pub struct Beat {
    scheduler: JobScheduler,
    beating: JoinHandle<()>,
}

impl std::fmt::Debug for Beat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beat")
    }
}

impl Beat {
    /// Begins to tap: every full minute, each time all jobs that are due.
    ///
    /// # Errors
    /// Those of the cron library.
    pub async fn start(jobs: Arc<Jobs>) -> Result<Self, JobSchedulerError> {
        let taps = Arc::new(Notify::new());
        let scheduler = JobScheduler::new().await?;
        let tapped = Arc::clone(&taps);
        let tap = Job::new_async("0 * * * * *", move |_, _| {
            tapped.notify_one();
            Box::pin(async {})
        })?;
        scheduler.add(tap).await?;
        scheduler.start().await?;
        let beat = async move {
            if !rests() {
                beat(jobs, taps).await;
            }
        };
        Ok(Self {
            scheduler,
            beating: tokio::spawn(beat),
        })
    }

    /// Taps no more. A job at work goes on to its next step.
    ///
    /// # Errors
    /// Those of the cron library.
    pub async fn stop(mut self) -> Result<(), JobSchedulerError> {
        self.beating.abort();
        self.scheduler.shutdown().await
    }
}

/// Whether jobs run only when somebody asks for them: never in a build that is shipped.
fn rests() -> bool {
    #[cfg(feature = "torture")]
    let rests = stemvault_storage::torture::beat_rests();
    #[cfg(not(feature = "torture"))]
    let rests = false;
    rests
}

/// Each beat is a task of its own: one in which a job takes long keeps no other from coming.
async fn beat(jobs: Arc<Jobs>, taps: Arc<Notify>) {
    loop {
        // Whichever comes first.
        let _ = tokio::time::timeout(LONGEST, taps.notified()).await;
        let jobs = Arc::clone(&jobs);
        tokio::spawn(async move {
            if let Err(error) = jobs.tick().await {
                tracing::error!(%error, "the jobs could not be looked at");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::TimeDelta;
    use stemvault_config::Settings;
    use stemvault_storage::catalog::MemoryCatalog;
    use stemvault_storage::clock::{MovableClock, SharedClock, StoppedClock};
    use stemvault_storage::keys::{KeyStore, MasterKey, MasterKeys};
    use stemvault_storage::store::Store;
    use stemvault_storage::{Limits, Vault};
    use url::Url;

    use super::*;

    async fn jobs(clock: &Arc<MovableClock>, folder: &Path) -> Arc<Jobs> {
        let store = |name: &'static str| {
            let url = Url::from_directory_path(folder.join(name)).unwrap();
            Store::open(name, &url, Vec::new()).unwrap()
        };
        let masters = MasterKeys::from(MasterKey::random());
        let keys = KeyStore::open(store("keys"), masters).await.unwrap();
        let vault = Vault::new(
            Arc::new(MemoryCatalog::new()),
            store("working"),
            store("archive"),
            keys,
            Arc::clone(clock) as SharedClock,
            Limits::default(),
        );
        let settings = Settings::defaults("/nowhere".as_ref()).unwrap();
        Arc::new(Jobs::new(Arc::new(vault), &settings))
    }

    /// A minute on the wall is what the library waits for: with the clock set back by a year it taps
    /// again in a year.
    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_set_back_by_a_year_keeps_no_job_from_running() {
        let start = "2026-11-30T09:00:00Z".parse().unwrap();
        let clock = Arc::new(MovableClock::new(Arc::new(StoppedClock::new(start))));
        let folder = tempfile::tempdir().unwrap();
        let jobs = jobs(&clock, folder.path()).await;
        jobs.tick().await.unwrap();
        clock.jump(TimeDelta::days(-365));
        let never = Arc::new(Notify::new());
        let beating = tokio::spawn(beat(Arc::clone(&jobs), never));
        // Time that only runs forward: a day of it, hour by hour.
        for _ in 0..24 {
            clock.advance(Duration::from_secs(3600));
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        beating.abort();
        let runs = jobs.runs(None, 1000).await.unwrap();
        let swept = runs.iter().filter(|run| run.job.name() == "sweep");
        assert!(swept.count() > 0, "{runs:?}");
        let hourly = runs.iter().filter(|run| run.job.name() == "end_recall");
        assert!(hourly.count() >= 20, "{runs:?}");
    }
}
