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
        Ok(Self {
            scheduler,
            beating: tokio::spawn(beat(jobs, taps)),
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
