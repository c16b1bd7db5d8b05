//! End recall: a recall is a permission with an end; here it ends.

use stemvault_storage::error::Result;
use stemvault_storage::order::Order;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};

pub(super) const FACTS: Facts = Facts {
    job: Job::called("end_recall"),
    time: Time::Set(|times| &times.end_recall),
    lane: Lane::InTurn,
    apart: false,
    removes: false,
    by_time: true,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    let now = pass.jobs.clock.now();
    for order in pass.vault.orders.all().await? {
        let is_over = |order: &Order| order.recalled_until().is_some_and(|until| until <= now);
        if !is_over(&order) {
            continue;
        }
        if pass.request.dry_run {
            pass.note(&order.number, "end_recall", "the recall would end")
                .await?;
            continue;
        }
        // It may have been extended since it was read.
        let ended = pass.vault.core.change(order.id, |order| {
            if is_over(order) {
                order.end_recall()
            } else {
                Ok(order.clone())
            }
        });
        let noted = match ended.await {
            Ok(_) => {
                pass.note(&order.number, "end_recall", "the recall ended")
                    .await
            }
            Err(error) => pass.fail(&order.number, "end_recall", &error).await,
        };
        noted?;
    }
    Ok(())
}
