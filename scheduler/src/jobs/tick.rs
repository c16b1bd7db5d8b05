//! What a beat does: every job that is due and not at work. No tick waits for one that is.

use futures::future::join_all;
use stemvault_storage::error::Result;

use super::job::{Facts, Lane, every};
use super::{Jobs, RunRequest};

impl Jobs {
    /// Every job whose time has come since it last ran, and those that wait; but one that is still
    /// at work is left alone, so that no tick waits for it. Those that take long run beside those
    /// that decide.
    ///
    /// # Errors
    /// Those of the catalog; each job's own are in its run.
    pub async fn tick(&self) -> Result<()> {
        let kept = self.vault.timekeeper.keep_time().await;
        let heard = self.listen().await;
        let in_turn = async {
            let mut ticked = Ok(());
            for facts in of(Lane::InTurn) {
                ticked = ticked.and(self.beat(facts).await);
            }
            ticked
        };
        let beside = join_all(of(Lane::Beside).map(|facts| self.beat(facts)));
        let (in_turn, beside) = tokio::join!(in_turn, beside);
        let ticked = beside.into_iter().fold(in_turn, Result::and);
        kept.and(heard).and(ticked)
    }

    /// A job, if it is due and not at work.
    async fn beat(&self, facts: &Facts) -> Result<()> {
        let Ok(_lane) = self.lanes[&facts.job].try_lock() else {
            return Ok(());
        };
        if self.is_due(facts).await? {
            Box::pin(self.run_in_lane(facts, RunRequest::default())).await?;
        }
        Ok(())
    }
}

/// The jobs of a lane, in their order.
fn of(lane: Lane) -> impl Iterator<Item = &'static Facts> {
    every().filter(move |facts| facts.lane == lane)
}
