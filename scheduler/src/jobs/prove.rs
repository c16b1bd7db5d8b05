//! Prove: every month a random sample of every archive is read again, and the whole of those that
//! were not read whole for long.
//!
//! What does not come back is named, block by block; the order bears the doubt, in its record as
//! well, and its working files stay until a reading of the whole ends it.

use stemvault_storage::catalog::tables::Proven;
use stemvault_storage::error::{Error, Result};
use stemvault_storage::ids::{Chance, OrderId};
use stemvault_storage::order::{Order, OrderNumber, Proof, Stage};
use stemvault_storage::proof::{Extent, Reread};
use stemvault_storage::vault::OrderAt;

use super::{Jobs, Pass};

pub(super) async fn run(pass: &mut Pass<'_>) -> Result<()> {
    for order in pass.vault.orders().await? {
        let only = pass.request.order;
        if only.is_some_and(|only| only != order.id) || !has_archive(&order) {
            continue;
        }
        if pass.request.dry_run {
            pass.note(&order.number, "prove", "would be read again");
            continue;
        }
        if let Err(error) = prove(pass, order.id).await {
            pass.fail(&order.number, "prove", &error);
        }
    }
    Ok(())
}

/// Whether there is an archive that has to come back.
fn has_archive(order: &Order) -> bool {
    order.proof.is_some() && !matches!(order.stage, Stage::Purging | Stage::Purged)
}

async fn prove(pass: &mut Pass<'_>, id: OrderId) -> Result<()> {
    let at = pass.vault.settled(id).await?;
    let Some(proof) = at.order.proof.clone().filter(|_| has_archive(&at.order)) else {
        return Ok(());
    };
    let extent = extent(pass, &at.order).await?;
    let read = {
        let mut chance = pass.jobs.chance.lock().await;
        let chance = &mut chance;
        let read = pass.vault.reread(&at.order, &proof, extent, chance);
        read.await
    };
    let now = pass.vault.order(id).await?;
    if now.proof.as_ref() != Some(&proof) || !has_archive(&now) {
        pass.note(&now.number, "prove", "the order changed meanwhile");
        return Ok(());
    }
    let read = read?;
    if read.damaged.is_empty() {
        proven(pass, &at, &proof, extent, &read).await
    } else {
        doubt(pass, &at.order.number, id, &proof, &read).await
    }
}

/// A sample; or the whole, if that is due, or there is a doubt to be ended.
async fn extent(pass: &Pass<'_>, order: &Order) -> Result<Extent> {
    let rules = &pass.jobs.prove;
    let last = pass.vault.last_proven(order).await?;
    let since = last.map(|last| pass.jobs.clock.now() - last.whole_at);
    let due = since.is_none_or(|since| since.num_days() >= rules.whole_days);
    if due || order.unproven.is_some() || pass.request.whole {
        return Ok(Extent::Whole);
    }
    Ok(Extent::Sample {
        percent: rules.percent,
        blocks: rules.blocks,
    })
}

async fn proven(
    pass: &mut Pass<'_>,
    at: &OrderAt,
    proof: &Proof,
    extent: Extent,
    read: &Reread,
) -> Result<()> {
    let now = pass.jobs.clock.now();
    let whole = extent == Extent::Whole;
    let before = pass.vault.last_proven(&at.order).await?;
    let row = Proven {
        attempt: proof.attempt,
        at: now,
        percent: if whole { 100 } else { read.percent() },
        whole_at: before.filter(|_| !whole).map_or(now, |last| last.whole_at),
    };
    pass.vault.note_proven(at, &row).await?;
    let mut detail = format!("{} of {} blocks came back", read.blocks, read.of);
    if whole && at.order.unproven.is_some() {
        let attempt = proof.attempt;
        let again = |order: &Order| order.proven_again(attempt);
        match pass.vault.change(at.order.id, again).await {
            Ok(_) => detail.push_str(": it is proven again, and may be released when it is due"),
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    pass.note(&at.order.number, "prove", detail);
    Ok(())
}

/// Names everything that did not come back, and keeps the working files.
async fn doubt(
    pass: &mut Pass<'_>,
    number: &OrderNumber,
    id: OrderId,
    proof: &Proof,
    read: &Reread,
) -> Result<()> {
    pass.failed = true;
    metrics::counter!("stemvault_proof_failures_total").increment(1);
    for damage in &read.damaged {
        tracing::error!(order = %number, order.id = %id, file = damage.file, what = damage.what, object = damage.object, detail = damage.detail, "the archive did not come back: the working files stay");
        pass.note(number, "prove", format!("failed: {damage}"));
    }
    let now = pass.jobs.clock.now();
    let Some(unproven) = read.unproven(proof.attempt, now) else {
        return Ok(());
    };
    match pass
        .vault
        .change(id, |order| order.doubted(unproven.clone()))
        .await
    {
        // It was archived anew, or its purge has begun.
        Ok(_) | Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a month's reading takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProveRules {
    pub(super) percent: u64,
    pub(super) blocks: u64,
    pub(super) whole_days: i64,
}

impl Jobs {
    /// The same, with samples that can be drawn again.
    #[must_use]
    pub fn with_chance(self, chance: Chance) -> Self {
        Self {
            chance: tokio::sync::Mutex::new(chance),
            ..self
        }
    }

    /// Says in metrics how the archives stand.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn measure_proofs(&self) -> Result<()> {
        let mut orders = self.vault.orders().await?;
        orders.retain(has_archive);
        let unproven = orders.iter().filter(|order| order.unproven.is_some());
        #[expect(clippy::cast_precision_loss, reason = "counts of orders are small")]
        let unproven = unproven.count() as f64;
        metrics::gauge!("stemvault_archive_unproven_orders").set(unproven);
        let proven = self.vault.all_last_proven(&orders).await?;
        if let Some(oldest) = proven.iter().map(|(_, last)| last.at.timestamp()).min() {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let oldest = oldest as f64;
            metrics::gauge!("stemvault_archive_last_proven_timestamp_seconds").set(oldest);
        }
        Ok(())
    }
}
