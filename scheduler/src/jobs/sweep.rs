//! Sweep: finishes submits and records that a crash interrupted, and removes what nothing names.

use stemvault_storage::error::Result;
use stemvault_storage::order::Stage;

use super::Pass;

pub(super) async fn run(pass: &mut Pass<'_>) -> Result<()> {
    if pass.request.dry_run {
        return Ok(());
    }
    pass.vault.drain_all().await?;
    for order in pass.vault.orders().await? {
        if order.stage == Stage::Purged {
            continue;
        }
        if let Stage::Sealing(_) = order.stage {
            match pass.vault.resume_sealing(order.id).await {
                Ok(()) => {
                    let done = "an interrupted submit was finished";
                    pass.note(&order.number, "sweep", done).await?;
                }
                Err(error) => pass.fail(&order.number, "sweep", &error).await?,
            }
        }
        match pass.vault.sweep(order.id).await {
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
