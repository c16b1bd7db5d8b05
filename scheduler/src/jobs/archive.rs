//! Archive: every completed order is written to the archive, read back, compared, and then proven.
//!
//! Order of writes: attempt with its gate, objects, index, read back, proof. A crash anywhere
//! leaves an attempt that nothing names; the next run begins another.

use stemvault_storage::catalog::Batch;
use stemvault_storage::error::Result;
use stemvault_storage::ids::AttemptId;
use stemvault_storage::order::{Order, Proof, Stage};
use stemvault_storage::vault::Vault;

use super::Pass;

pub(super) async fn run(pass: &mut Pass<'_>) -> Result<()> {
    for order in pass.vault.orders().await? {
        if order.stage != Stage::Completed || pass.vault.sessions(order.id).await?.is_empty() {
            continue;
        }
        if pass.request.dry_run {
            pass.note(&order.number, "archive", "would be archived and read back");
            continue;
        }
        match archive(pass, &order).await {
            Ok(detail) => pass.note(&order.number, "archive", detail),
            Err(error) => pass.fail(&order.number, "archive", &error),
        }
    }
    Ok(())
}

async fn write_and_read(vault: &Vault, order: &Order, attempt: AttemptId) -> Result<(Proof, u64)> {
    let stored = vault.write_attempt(order, attempt).await?;
    let proof = vault.read_back(order, attempt, stored).await?;
    Ok((proof, stored))
}

async fn archive(pass: &Pass<'_>, order: &Order) -> Result<String> {
    let changed = || Ok("the order changed meanwhile; the next run looks again".to_owned());
    let vault = pass.vault;
    let begun = vault.settled(order.id).await?;
    if begun.order.stage != Stage::Completed {
        return changed();
    }
    let Some(attempt) = vault.begin_attempt(&begun).await? else {
        return changed();
    };
    let (proof, stored) = match write_and_read(vault, &begun.order, attempt).await {
        Ok(proven) => proven,
        Err(error) => {
            // The next run writes everything again: what this one wrote must not add up.
            vault.forget_attempt(order.id, attempt).await?;
            return Err(error);
        }
    };
    loop {
        let at = vault.settled(order.id).await?;
        if at.order.gate != begun.order.gate {
            return changed();
        }
        let next = at.order.archived(proof.clone())?;
        if vault.decide(&at, next, Batch::new()).await?.is_some() {
            let (files, bytes) = (proof.files, proof.bytes);
            return Ok(format!(
                "{files} files, {bytes} bytes in {stored} bytes, read back and compared"
            ));
        }
    }
}
