//! Purge: 24 months after completion key and archive go.
//!
//! Order of writes: Purging and its record, key destroyed and read back, tombstone, objects, late
//! puts waited out, a list that shows nothing, Purged.

use stemvault_storage::catalog::Batch;
use stemvault_storage::error::Result;
use stemvault_storage::ids::OrderId;
use stemvault_storage::order::Stage;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};
use crate::plan::Verb;

pub(super) const FACTS: Facts = Facts {
    job: Job::called("purge"),
    time: Time::Set(|times| &times.purge),
    lane: Lane::InTurn,
    apart: false,
    removes: true,
    by_time: true,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    pass.vault.core.marks.expect_stores().await?;
    let overdue = pass.jobs.overdue().await?;
    for (order, why) in &overdue {
        pass.note(order, "kept", why.clone()).await?;
    }
    for action in pass.may_begin(Verb::Purge).await? {
        if pass.request.dry_run {
            pass.note(
                &action.order,
                "purge",
                format!(
                    "key and {} bytes would go for good: {}",
                    action.bytes, action.reason
                ),
            )
            .await?;
            continue;
        }
        let id = pass.vault.core.order_id(&action.order).await?;
        if let Err(error) = begin(pass, id).await {
            pass.fail(&action.order, "purge", &error).await?;
        }
    }
    if pass.request.dry_run {
        return Ok(());
    }
    for order in pass.vault.orders.all().await? {
        if order.stage() == Stage::Purging
            && let Err(error) = go_on(pass, order.id).await
        {
            pass.fail(&order.number, "purge", &error).await?;
        }
    }
    Ok(())
}

/// Commits Purging; every guard of the order is read again in the same batch.
async fn begin(pass: &Pass<'_>, id: OrderId) -> Result<()> {
    loop {
        let at = pass.vault.core.settled(id).await?;
        // Whose working files are still to go is purged by a later run; that is no failure.
        if let Stage::Purging | Stage::Archived | Stage::Releasing = at.order.stage() {
            return Ok(());
        }
        let has_sessions = !pass.vault.core.sessions(id).await?.is_empty();
        let next = at.order.purging(pass.jobs.clock.now(), has_sessions)?;
        if pass
            .vault
            .core
            .decide(&at, next, Batch::new())
            .await?
            .is_some()
        {
            return Ok(());
        }
    }
}

async fn go_on(pass: &mut Pass<'_>, id: OrderId) -> Result<()> {
    let at = pass.vault.core.settled(id).await?;
    if at.order.stage() != Stage::Purging {
        return Ok(());
    }
    at.order.may_be_purged_on()?;
    let deleted = pass.vault.deletion.destroy(&at.order).await?;
    let closed = if pass.jobs.is_quiet(&at.order) {
        pass.vault.deletion.close_purge(&at).await?
    } else {
        None
    };
    let what = format!(
        "key destroyed, {} objects, {} bytes deleted",
        deleted.objects, deleted.bytes
    );
    pass.waiting |= closed.is_none();
    let then = if closed.is_some() {
        "; nothing is left"
    } else {
        "; waits for late writes"
    };
    pass.note(&at.order.number, "purge", what + then).await
}
