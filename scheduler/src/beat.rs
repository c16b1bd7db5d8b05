//! The beat: the only file that knows the cron library. It taps every minute; whether a job is due
//! is computed from the `Clock` (the library polls the machine's clock, and is an hour off after a
//! change to or from summer time).

use std::sync::Arc;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::jobs::Jobs;

/// A running beat; ends with [`stop`](Self::stop).
pub struct Beat {
    scheduler: JobScheduler,
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
        let scheduler = JobScheduler::new().await?;
        let tap = Job::new_async("0 * * * * *", move |_, _| {
            let jobs = Arc::clone(&jobs);
            Box::pin(async move {
                if let Err(error) = jobs.tick().await {
                    tracing::error!(%error, "the jobs could not be looked at");
                }
            })
        })?;
        scheduler.add(tap).await?;
        scheduler.start().await?;
        Ok(Self { scheduler })
    }

    /// Taps no more. A job at work goes on to its next step.
    ///
    /// # Errors
    /// Those of the cron library.
    pub async fn stop(mut self) -> Result<(), JobSchedulerError> {
        self.scheduler.shutdown().await
    }
}
