//! Release: 90 days after completion the working files go, and only if every session is proven, and
//! its archive was read again in this very run.
//!
//! Order of writes: the archive's index and a fresh sample of its blocks read, Releasing and its
//! record, deletes, late puts waited out, a list that shows nothing, Released.

use std::collections::HashSet;

use stemvault_storage::block::BLOCK_MAX;
use stemvault_storage::catalog::Batch;
use stemvault_storage::core::OrderAt;
use stemvault_storage::error::Result;
use stemvault_storage::ids::{AttemptId, OrderId};
use stemvault_storage::order::{Proof, Stage};
use stemvault_storage::proof::Extent;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};
use super::prove::read_again;
use crate::plan::Verb;

/// How much of an archive is read before its working files go.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReleaseRules {
    pub(super) percent: u64,
    pub(super) blocks: u64,
}

/// Attempts that were read again in this run, and came back.
type Came = HashSet<(OrderId, AttemptId)>;

pub(super) const FACTS: Facts = Facts {
    job: Job::called("release"),
    time: Time::Set(|times| &times.release),
    lane: Lane::InTurn,
    apart: false,
    removes: true,
    by_time: true,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    pass.vault.core.marks.expect_stores().await?;
    let mut came = Came::new();
    for action in pass.may_begin(Verb::Release).await? {
        if pass.request.dry_run {
            pass.note(
                &action.order,
                "release",
                format!(
                    "{} bytes of working files would go, if its archive is read again and comes back: {}",
                    action.bytes, action.reason
                ),
            )
            .await?;
            continue;
        }
        let id = pass.vault.core.order_id(&action.order).await?;
        if let Err(error) = begin(pass, id, &mut came).await {
            pass.fail(&action.order, "release", &error).await?;
        }
    }
    if pass.request.dry_run {
        return Ok(());
    }
    for order in pass.vault.orders.all().await? {
        if order.stage() == Stage::Releasing
            && let Err(error) = go_on(pass, order.id, &mut came).await
        {
            pass.fail(&order.number, "release", &error).await?;
        }
    }
    Ok(())
}

/// Commits Releasing; every guard of the order is read again in the same batch.
async fn begin(pass: &mut Pass<'_>, id: OrderId, came: &mut Came) -> Result<()> {
    loop {
        let at = pass.vault.core.settled(id).await?;
        if at.order.stage() == Stage::Releasing {
            return Ok(());
        }
        let sessions = pass.vault.core.sessions(id).await?;
        let proof = at.order.proof();
        let sessions = sessions.into_iter();
        let sessions = sessions.filter(|row| proof.is_none_or(|proof| !proof.covers(row)));
        let sessions: Vec<_> = sessions.map(|row| row.session).collect();
        let next = at.order.releasing(pass.jobs.clock.now(), &sessions)?;
        if !comes_back(pass, &at, came).await? {
            return Ok(());
        }
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

/// Whether the archive of an order comes back now: its index and a sample of its blocks, read from
/// the store once in a run. If not, the notes say what is wrong, and the order bears the doubt.
async fn comes_back(pass: &mut Pass<'_>, at: &OrderAt, came: &mut Came) -> Result<bool> {
    let Some(proof) = at.order.proof().cloned() else {
        return Ok(false);
    };
    let known = (at.order.id, proof.attempt);
    if came.contains(&known) {
        return Ok(true);
    }
    let comes = read_again(pass, at, &proof, extent(pass.jobs.release, &proof)).await?;
    if comes {
        came.insert(known);
    } else {
        let number = &at.order.number;
        let stays = match at.order.stage() {
            Stage::Releasing => "what is left of its working files stays",
            _ => "its working files stay",
        };
        let detail = format!(
            "its archive did not come back when it was read again: {stays}; mend the archive, then `stemvault prove {number}`"
        );
        pass.note(number, "kept", detail).await?;
    }
    Ok(comes)
}

fn extent(rules: ReleaseRules, proof: &Proof) -> Extent {
    let ReleaseRules { percent, blocks } = rules;
    if proof.bytes <= blocks.saturating_mul(BLOCK_MAX as u64) {
        return Extent::Whole;
    }
    Extent::Sample { percent, blocks }
}

async fn go_on(pass: &mut Pass<'_>, id: OrderId, came: &mut Came) -> Result<()> {
    let at = pass.vault.core.settled(id).await?;
    if at.order.stage() != Stage::Releasing {
        return Ok(());
    }
    at.order.may_be_released_on()?;
    // Decided by an earlier run: what is still there may be all that there is by now.
    if pass.vault.deletion.has_to_release(&at.order).await? && !comes_back(pass, &at, came).await? {
        return Ok(());
    }
    let deleted = pass.vault.deletion.delete_released(&at.order).await?;
    let closed = if pass.jobs.is_quiet(&at.order) {
        pass.vault.deletion.close_release(&at).await?
    } else {
        None
    };
    let what = format!(
        "{} objects, {} bytes deleted",
        deleted.objects, deleted.bytes
    );
    pass.waiting |= closed.is_none();
    let then = if closed.is_some() {
        "; nothing is left of the working files"
    } else {
        "; waits for late writes"
    };
    pass.note(&at.order.number, "release", what + then).await
}
