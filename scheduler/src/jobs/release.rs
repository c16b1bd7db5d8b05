//! Release: 90 days after completion the working files go, and only if every session is proven.
//!
//! Order of writes: Releasing and its record, deletes, late puts waited out, a list that shows
//! nothing, Released.

use stemvault_storage::catalog::Batch;
use stemvault_storage::error::Result;
use stemvault_storage::ids::OrderId;
use stemvault_storage::order::Stage;

use super::Pass;
use crate::plan::Verb;

pub(super) async fn run(pass: &mut Pass<'_>) -> Result<()> {
    for action in pass.may_begin(Verb::Release).await? {
        if pass.request.dry_run {
            pass.note(
                &action.order,
                "release",
                format!(
                    "{} bytes of working files would go: {}",
                    action.bytes, action.reason
                ),
            )
            .await?;
            continue;
        }
        let id = pass.vault.order_id(&action.order).await?;
        if let Err(error) = begin(pass, id).await {
            pass.fail(&action.order, "release", &error).await?;
        }
    }
    if pass.request.dry_run {
        return Ok(());
    }
    for order in pass.vault.orders().await? {
        if order.stage == Stage::Releasing
            && let Err(error) = go_on(pass, order.id).await
        {
            pass.fail(&order.number, "release", &error).await?;
        }
    }
    Ok(())
}

/// Commits Releasing; every guard of the order is read again in the same batch.
async fn begin(pass: &Pass<'_>, id: OrderId) -> Result<()> {
    loop {
        let at = pass.vault.settled(id).await?;
        if at.order.stage == Stage::Releasing {
            return Ok(());
        }
        let sessions = pass.vault.sessions(id).await?;
        let proof = at.order.proof.as_ref();
        let sessions = sessions.into_iter();
        let sessions = sessions.filter(|row| proof.is_none_or(|proof| !proof.covers(row)));
        let sessions: Vec<_> = sessions.map(|row| row.session).collect();
        let next = at.order.releasing(pass.jobs.clock.now(), &sessions)?;
        if pass.vault.decide(&at, next, Batch::new()).await?.is_some() {
            return Ok(());
        }
    }
}

async fn go_on(pass: &mut Pass<'_>, id: OrderId) -> Result<()> {
    let at = pass.vault.settled(id).await?;
    if at.order.stage != Stage::Releasing {
        return Ok(());
    }
    if let Some(refusal) = at.order.in_doubt("released any further") {
        // Decided before the doubt arose: what is still there may be what heals the archive.
        return Err(refusal.into());
    }
    let deleted = pass.vault.delete_released(&at.order).await?;
    let closed = if pass.jobs.is_quiet(&at.order) {
        pass.vault.close_release(&at).await?
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
