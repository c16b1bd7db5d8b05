//! Sweep: finishes submits and records that a crash interrupted, and removes what nothing names, and
//! what has landed after a purge.

use stemvault_storage::error::Result;
use stemvault_storage::order::Stage;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};

pub(super) const FACTS: Facts = Facts {
    job: Job::called("sweep"),
    time: Time::Set(|times| &times.sweep),
    lane: Lane::InTurn,
    apart: false,
    removes: true,
    by_time: false,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    if pass.request.dry_run {
        return Ok(());
    }
    pass.vault.core.marks.expect_stores().await?;
    pass.vault.core.drain_all().await?;
    look_again(pass).await?;
    for order in pass.vault.orders.all().await? {
        if order.stage() == Stage::Purged {
            continue;
        }
        if let Stage::Sealing = order.stage() {
            match pass.vault.submits.resume_sealing(order.id).await {
                Ok(()) => {
                    let done = "an interrupted submit was finished";
                    pass.note(&order.number, "sweep", done).await?;
                }
                Err(error) => pass.fail(&order.number, "sweep", &error).await?,
            }
        }
        match pass.vault.sweep.sweep(order.id).await {
            Ok(swept) if swept.objects > 0 => {
                pass.note(
                    &order.number,
                    "sweep",
                    format!(
                        "{} objects, {} bytes that nothing named",
                        swept.objects, swept.bytes
                    ),
                )
                .await?;
            }
            Ok(_) => {}
            Err(error) => pass.fail(&order.number, "sweep", &error).await?,
        }
    }
    Ok(())
}

/// Looks at purged orders again: a node that slept may have gone on with a put after the last list.
async fn look_again(pass: &mut Pass<'_>) -> Result<()> {
    let now = pass.jobs.clock.now();
    for watched in pass.vault.late.watched().await? {
        let order = pass.vault.core.order(watched.order).await?;
        match pass.vault.late.look_again(order.id).await {
            Ok(late) if late.objects > 0 => {
                let detail = format!(
                    "{} objects, {} bytes landed after its purge, and were deleted: a node slept, or was paused",
                    late.objects, late.bytes
                );
                pass.note(&order.number, "purge", detail).await?;
            }
            Ok(_) if watched.until <= now => pass.vault.late.end_watch(order.id).await?,
            Ok(_) => {}
            Err(error) => pass.fail(&order.number, "purge", &error).await?,
        }
    }
    Ok(())
}
