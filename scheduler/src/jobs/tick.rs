//! What a beat does: every job that is due and not at work. No tick waits for one that is.

use stemvault_storage::error::Result;

use super::{Job, Jobs, RunRequest};

impl Jobs {
    /// Every job whose time has come since it last ran, and those that wait; but one that is still
    /// at work is left alone, so that no tick waits for it. Those that take long run beside those
    /// that decide.
    ///
    /// # Errors
    /// Those of the catalog; each job's own are in its run.
    pub async fn tick(&self) -> Result<()> {
        let kept = self.vault.keep_time().await;
        let heard = self.listen().await;
        let deciding = async {
            let mut ticked = Ok(());
            for job in Job::ALL.into_iter().filter(|job| job.decides()) {
                ticked = ticked.and(self.beat(job).await);
            }
            ticked
        };
        let (deciding, archive, mirror, prove) = tokio::join!(
            deciding,
            self.beat(Job::Archive),
            self.beat(Job::Mirror),
            self.beat(Job::Prove)
        );
        let ticked = deciding.and(archive).and(mirror).and(prove);
        kept.and(heard).and(ticked)
    }

    /// A job, if it is due and not at work.
    async fn beat(&self, job: Job) -> Result<()> {
        let Ok(_lane) = self.lanes[&job].try_lock() else {
            return Ok(());
        };
        if self.is_due(job).await? {
            Box::pin(self.run_in_lane(job, RunRequest::default())).await?;
        }
        Ok(())
    }
}
