//! Prove: every month a random sample of every archive is read again, and the whole of those that
//! were not read whole for long.
//!
//! What does not come back is mended from another copy, if there is one, and read again. What cannot be
//! mended is named, block by block; the order bears the doubt, in its record as
//! well, and its working files stay until a reading of the whole ends it.

use stemvault_storage::core::OrderAt;
use stemvault_storage::error::{Damage, Error, Result};
use stemvault_storage::ids::{AttemptId, Chance, OrderId};
use stemvault_storage::order::{Order, Proof};
use stemvault_storage::proof::{Extent, Reread, unproven};
use stemvault_storage::tables::Proven;
use stemvault_storage::vault::Vault;

use super::job::{Facts, Job, Lane, Time};
use super::mend::{left_over, mend};
use super::{Jobs, Pass};

/// How often what was mended is read again.
const ROUNDS: usize = 3;

/// The job.
pub const JOB: Job = Job::called("prove");

pub(super) const FACTS: Facts = Facts {
    job: JOB,
    time: Time::Set(|times| &times.prove),
    lane: Lane::Beside,
    apart: true,
    removes: false,
    by_time: false,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    pass.vault.core.marks.expect_stores().await?;
    for order in pass.vault.orders.all().await? {
        let only = pass.request.order;
        if only.is_some_and(|only| only != order.id) || !has_archive(&order) {
            continue;
        }
        if pass.request.dry_run {
            pass.note(&order.number, "prove", "would be read again")
                .await?;
            continue;
        }
        if let Err(error) = prove(pass, order.id).await {
            pass.fail(&order.number, "prove", &error).await?;
        }
    }
    Ok(())
}

/// Whether there is an archive that has to come back.
fn has_archive(order: &Order) -> bool {
    order.proof().is_some() && !order.is_gone()
}

async fn prove(pass: &mut Pass<'_>, id: OrderId) -> Result<()> {
    let at = pass.vault.core.settled(id).await?;
    let Some(proof) = at.order.proof().cloned().filter(|_| has_archive(&at.order)) else {
        return Ok(());
    };
    let key = pass.jobs.look_after_key(&at, false).await?;
    if !pass.looked(key).await? {
        return Ok(());
    }
    let extent = extent(pass, &at.order).await?;
    read_again(pass, &at, &proof, extent).await.map(drop)
}

/// Reads an archive again, mends what does not come back, and notes what came of it: whether all that
/// was read is good now. Where it is not, the order bears the doubt.
pub(super) async fn read_again(
    pass: &mut Pass<'_>,
    at: &OrderAt,
    proof: &Proof,
    mut extent: Extent,
) -> Result<bool> {
    let id = at.order.id;
    for _ in 0..ROUNDS {
        let mut chance = pass.jobs.chance.lock().await.another();
        let read = pass
            .vault
            .proofs
            .reread(&at.order, proof, extent, &mut chance);
        let read = read.await;
        let now = pass.vault.core.order(id).await?;
        if now.proof() != Some(proof) || !has_archive(&now) {
            let detail = "the order changed meanwhile";
            pass.note(&now.number, "prove", detail).await?;
            return Ok(false);
        }
        let mut read = read?;
        if read.flaws.is_empty() {
            proven(pass, at, proof, extent, &read).await?;
            return Ok(true);
        }
        let mended = mend(pass.vault, at, std::mem::take(&mut read.flaws)).await?;
        pass.notes(mended.notes).await?;
        if !mended.left.is_empty() {
            pass.failed = true;
            pass.notes(left_over(&at.order, &mended.left)).await?;
            let damaged: Vec<_> = mended.left.into_iter().map(|flaw| flaw.damage).collect();
            doubt(pass.vault, id, proof.attempt, &damaged).await?;
            return Ok(false);
        }
        // What was mended came from another copy: now all of it is looked at.
        extent = Extent::Whole;
    }
    pass.failed = true;
    let detail = "failed: what is mended goes bad again; look at the disk of the archive store";
    pass.note(&at.order.number, "prove", detail).await?;
    Ok(false)
}

/// A sample; or the whole, if that is due, or there is a doubt to be ended.
async fn extent(pass: &Pass<'_>, order: &Order) -> Result<Extent> {
    let rules = &pass.jobs.prove;
    let last = pass.vault.proofs.last_proven(order).await?;
    let since = last.map(|last| pass.jobs.clock.now() - last.whole_at);
    let due = since.is_none_or(|since| since.num_days() >= rules.whole_days);
    if due || order.unproven().is_some() || pass.request.whole {
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
    let before = pass.vault.proofs.last_proven(&at.order).await?;
    let row = Proven {
        attempt: proof.attempt,
        at: now,
        percent: if whole { 100 } else { read.percent() },
        whole_at: before.filter(|_| !whole).map_or(now, |last| last.whole_at),
    };
    pass.vault.proofs.note_proven(at, &row).await?;
    let mut detail = format!("{} of {} blocks came back", read.blocks, read.of);
    if whole && at.order.unproven().is_some() {
        let attempt = proof.attempt;
        let again = |order: &Order| order.proven_again(attempt);
        match pass.vault.core.change(at.order.id, again).await {
            Ok(_) => detail.push_str(": it is proven again, and may be released when it is due"),
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    pass.note(&at.order.number, "prove", detail).await
}

/// Writes on the order that its archive did not come back: the working files stay.
pub(super) async fn doubt(
    vault: &Vault,
    id: OrderId,
    attempt: AttemptId,
    damaged: &[Damage],
) -> Result<()> {
    // What is missing from a disk that is away is not bad.
    vault.core.marks.expect_stores().await?;
    metrics::counter!("stemvault_proof_failures_total").increment(1);
    let Some(unproven) = unproven(damaged, attempt, vault.core.clock().now()) else {
        return Ok(());
    };
    let doubted = |order: &Order| order.doubted(unproven.clone());
    match vault.core.change(id, doubted).await {
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

    /// Says in metrics how archives, keys and mirror stand.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn measure(&self) -> Result<()> {
        self.measure_key_backup().await;
        self.measure_orders().await?;
        self.measure_mirror().await
    }

    /// Says in metrics how the archives and the keys of all orders stand.
    ///
    /// # Errors
    /// Those of the catalog.
    pub(super) async fn measure_orders(&self) -> Result<()> {
        let mut orders = self.vault.orders.all().await?;
        self.measure_keys(&orders);
        #[expect(clippy::cast_precision_loss, reason = "counts of orders are small")]
        let overdue = self.overdue().await?.len() as f64;
        metrics::gauge!("stemvault_purge_overdue_orders").set(overdue);
        orders.retain(has_archive);
        let unproven = orders.iter().filter(|order| order.unproven().is_some());
        #[expect(clippy::cast_precision_loss, reason = "counts of orders are small")]
        let unproven = unproven.count() as f64;
        metrics::gauge!("stemvault_archive_unproven_orders").set(unproven);
        let proven = self.vault.proofs.all_last_proven(&orders).await?;
        if let Some(oldest) = proven.iter().map(|(_, last)| last.at.timestamp()).min() {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let oldest = oldest as f64;
            metrics::gauge!("stemvault_archive_last_proven_timestamp_seconds").set(oldest);
        }
        Ok(())
    }
}
