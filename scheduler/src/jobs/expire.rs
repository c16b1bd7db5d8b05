//! Expire: an unfinished upload that nobody continued is removed. A finished file never expires
//! while its order is open.

use stemvault_storage::error::Result;
use stemvault_storage::order::Stage;
use stemvault_storage::upload::UploadState;

use super::Pass;

pub(super) async fn run(pass: &mut Pass<'_>) -> Result<()> {
    let now = pass.jobs.clock.now();
    for order in pass.vault.orders().await? {
        if order.stage != Stage::Open {
            continue;
        }
        for upload in pass.vault.uploads(order.id).await? {
            let expired = upload.expires_at.is_some_and(|end| end <= now);
            if !expired || upload.state != UploadState::Open {
                continue;
            }
            let file = upload.path.as_str();
            if pass.request.dry_run {
                pass.note(
                    &order.number,
                    "expire",
                    format!("the unfinished upload of {file:?} would be removed"),
                );
                continue;
            }
            match pass.vault.terminate(order.id, upload.id).await {
                Ok(()) => pass.note(
                    &order.number,
                    "expire",
                    format!(
                        "the unfinished upload of {file:?} ({} bytes) was removed",
                        upload.offset
                    ),
                ),
                Err(error) => pass.fail(&order.number, "expire", &error),
            }
        }
    }
    Ok(())
}
