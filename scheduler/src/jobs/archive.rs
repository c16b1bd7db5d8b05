//! Archive: every completed order is written to the archive, read back, compared, and then proven.
//!
//! Order of writes: attempt with its gate, objects, index, read back, proof. A run that finds an
//! attempt which a crash or a failing store interrupted waits until nothing of the run before can
//! land any more, and goes on with it.

use stemvault_storage::archive::{Claim, Turn, Written};
use stemvault_storage::error::{Error, Result};
use stemvault_storage::order::{Order, Proof, Stage};
use stemvault_storage::vault::Vault;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};

pub(super) const FACTS: Facts = Facts {
    job: Job::called("archive"),
    time: Time::Set(|times| &times.archive),
    lane: Lane::Beside,
    apart: false,
    removes: false,
    by_time: false,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    pass.vault.core.marks.expect_stores().await?;
    for order in pass.vault.orders.all().await? {
        if order.stage() != Stage::Completed || pass.vault.core.sessions(order.id).await?.is_empty()
        {
            continue;
        }
        if pass.request.dry_run {
            pass.note(&order.number, "archive", "would be archived and read back")
                .await?;
            continue;
        }
        match archive(pass, &order).await {
            Ok(detail) => pass.note(&order.number, "archive", detail).await?,
            Err(error) => pass.fail(&order.number, "archive", &error).await?,
        }
    }
    Ok(())
}

/// Writes and reads back; once more where something did not come back: a store that garbles now and
/// then must not keep an order from being archived.
async fn write_and_read(vault: &Vault, order: &Order, claim: &Claim) -> Result<(Written, Proof)> {
    let written = vault.archiver.write_attempt(order, claim).await?;
    match vault.archiver.read_back(order, claim, &written).await {
        Ok(proof) => Ok((written, proof)),
        Err(Error::Damaged(damage)) => {
            tracing::warn!(order.number = %order.number, %damage, "not read back as it was written; writes it again");
            let written = vault.archiver.write_attempt(order, claim).await?;
            let proof = vault.archiver.read_back(order, claim, &written).await?;
            Ok((written, proof))
        }
        Err(error) => Err(error),
    }
}

async fn archive(pass: &mut Pass<'_>, order: &Order) -> Result<String> {
    let changed = || Ok("the order changed meanwhile; the next run looks again".to_owned());
    let vault = pass.vault;
    let begun = vault.core.settled(order.id).await?;
    if begun.order.stage() != Stage::Completed {
        return changed();
    }
    let claim = match vault.archiver.claim_attempt(&begun).await? {
        Turn::Ours(claim) => claim,
        Turn::Changed => return changed(),
        Turn::Wait => {
            pass.waiting = true;
            let detail = "another run is at it, or was interrupted: goes on with its work when nothing of it can land any more";
            return Ok(detail.to_owned());
        }
    };
    let (written, proof) = write_and_read(vault, &begun.order, &claim).await?;
    if vault.archiver.prove(&claim, &proof).await?.is_none() {
        return changed();
    }
    measure(&proof);
    let found = match written.found_bytes {
        0 => String::new(),
        found => format!("; {found} bytes were there before"),
    };
    Ok(format!(
        "{} files, {} bytes in {} bytes ({:.2} to 1), read back and compared{found}",
        proof.files,
        proof.bytes,
        proof.stored_bytes,
        ratio(&proof)
    ))
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits")]
fn ratio(proof: &Proof) -> f64 {
    proof.bytes as f64 / (proof.stored_bytes.max(1)) as f64
}

fn measure(proof: &Proof) {
    metrics::counter!("stemvault_archived_files_total").increment(proof.files);
    metrics::counter!("stemvault_archived_bytes_total").increment(proof.bytes);
    metrics::counter!("stemvault_archived_stored_bytes_total").increment(proof.stored_bytes);
    metrics::gauge!("stemvault_archive_last_ratio").set(ratio(proof));
}
