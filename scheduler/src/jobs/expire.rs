//! Expire: an unfinished upload that nobody continued is removed. A finished file never expires
//! while its order is open; a part goes when no file was made of it.

use stemvault_storage::error::Result;
use stemvault_storage::order::Stage;
use stemvault_storage::upload::{Role, UploadState};

use super::Pass;

pub(super) async fn run(pass: &mut Pass<'_>) -> Result<()> {
    // What could not be joined when its last part came is tried again.
    if !pass.request.dry_run {
        pass.jobs.vault.resume_joins().await?;
    }
    for order in pass.vault.orders().await? {
        if order.stage != Stage::Open {
            continue;
        }
        for upload in pass.vault.all_uploads(order.id).await? {
            let unfinished = upload.state == UploadState::Open || upload.role == Role::Part;
            // What flows slides, if only once it is written down.
            let flows = pass.vault.intake().is_running(upload.id);
            if !unfinished || flows || !pass.vault.is_expired(&upload).await? {
                continue;
            }
            let file = upload.path.as_str();
            if pass.request.dry_run {
                pass.note(
                    &order.number,
                    "expire",
                    format!("the unfinished upload of {file:?} would be removed"),
                )
                .await?;
                continue;
            }
            let done = match pass.vault.expire(order.id, upload.id).await {
                // Somebody has gone on with it at this very moment.
                Ok(false) => continue,
                Ok(true) => format!(
                    "the unfinished upload of {file:?} ({} bytes) was removed",
                    upload.offset
                ),
                Err(error) => {
                    pass.fail(&order.number, "expire", &error).await?;
                    continue;
                }
            };
            pass.note(&order.number, "expire", done).await?;
        }
    }
    Ok(())
}
