//! Repair: what a reader met and was not sent is mended within a minute, if any copy has it.

use std::collections::BTreeMap;

use stemvault_storage::error::Result;
use stemvault_storage::flaw::{Flaw, Tier};
use stemvault_storage::ids::OrderId;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};
use super::mend::{left_over, mend};
use super::prove::doubt;

pub(super) const FACTS: Facts = Facts {
    job: Job::called("repair"),
    time: Time::If(|vault| !vault.noticed().is_empty()),
    lane: Lane::InTurn,
    apart: true,
    removes: false,
    by_time: false,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    if pass.request.dry_run {
        return Ok(());
    }
    // What is missing from a disk that is away is not bad.
    pass.vault.core.marks.expect_stores().await?;
    let mut of = BTreeMap::<OrderId, Vec<Flaw>>::new();
    for flaw in pass.vault.noticed().take() {
        of.entry(flaw.damage.order).or_default().push(flaw);
    }
    for (id, flaws) in of {
        let order = pass.vault.core.order(id).await?;
        if let Err(error) = repair(pass, id, flaws).await {
            pass.fail(&order.number, "heal", &error).await?;
        }
    }
    Ok(())
}

async fn repair(pass: &mut Pass<'_>, id: OrderId, flaws: Vec<Flaw>) -> Result<()> {
    let at = pass.vault.core.settled(id).await?;
    let mended = mend(pass.vault, &at, flaws).await?;
    pass.notes(mended.notes).await?;
    if mended.left.is_empty() {
        return Ok(());
    }
    pass.failed = true;
    pass.notes(left_over(&at.order, &mended.left)).await?;
    let archived: Vec<_> = mended
        .left
        .into_iter()
        .filter(|flaw| flaw.tier == Tier::Archive)
        .map(|flaw| flaw.damage)
        .collect();
    if let (Some(proof), false) = (at.order.proof(), archived.is_empty()) {
        doubt(pass.vault, id, proof.attempt, &archived).await?;
    }
    Ok(())
}
