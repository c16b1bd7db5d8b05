//! Expire: an unfinished upload that nobody continued is removed. A finished file never expires
//! while its order is open; a part goes when no file was made of it; nothing goes of an order that is
//! held. The order's audit log says of each that it went.

use stemvault_storage::error::Result;
use stemvault_storage::order::{Order, Stage};
use stemvault_storage::upload::{Role, Upload, UploadState};
use stemvault_storage::vault::Vault;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};
use crate::plan::Unfinished;

pub(super) const FACTS: Facts = Facts {
    job: Job::called("expire"),
    time: Time::Set(|times| &times.expire),
    lane: Lane::InTurn,
    apart: false,
    removes: true,
    by_time: true,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    pass.vault.core.marks.expect_stores().await?;
    // What could not be joined when its last part came is tried again.
    if !pass.request.dry_run {
        pass.jobs.vault.appends.resume_joins().await?;
    }
    for order in pass.vault.orders.all().await? {
        if order.stage() != Stage::Open {
            continue;
        }
        for upload in pass.vault.rows.all_uploads(order.id).await? {
            // What flows slides, if only once it is written down.
            let flows = pass.vault.intake().is_running(upload.id);
            if !may_expire(&upload) || flows || !pass.vault.rows.is_expired(&upload).await? {
                continue;
            }
            expire(pass, &order, &upload).await?;
        }
    }
    Ok(())
}

async fn expire(pass: &mut Pass<'_>, order: &Order, upload: &Upload) -> Result<()> {
    let (number, file, bytes) = (&order.number, upload.path.as_str(), upload.offset);
    if let Some(hold) = &order.hold {
        let detail = format!(
            "the unfinished upload of {file:?} ({bytes} bytes) is over, and stays: the order is held ({})",
            hold.reason
        );
        return pass.note(number, "kept", detail).await;
    }
    if pass.request.dry_run {
        let detail = format!("the unfinished upload of {file:?} ({bytes} bytes) would be removed");
        return pass.note(number, "expire", detail).await;
    }
    match pass.vault.uploads.expire(order.id, upload.id).await {
        Ok(Some(gone)) => {
            let bytes = gone.offset;
            let detail = format!("the unfinished upload of {file:?} ({bytes} bytes) was removed");
            pass.note(number, "expire", detail).await
        }
        // Somebody goes on with it.
        Ok(None) => Ok(()),
        Err(error) => pass.fail(number, "expire", &error).await,
    }
}

fn may_expire(upload: &Upload) -> bool {
    upload.state == UploadState::Open || upload.role == Role::Part
}

/// The uploads of an order that go when nobody continues them, for the plan.
pub(super) async fn unfinished(vault: &Vault, order: &Order) -> Result<Vec<Unfinished>> {
    if order.stage() != Stage::Open {
        return Ok(Vec::new());
    }
    let uploads = vault.rows.all_uploads(order.id).await?;
    let unfinished = uploads.into_iter().filter(may_expire).filter_map(|upload| {
        Some(Unfinished {
            path: upload.path.as_str().to_owned(),
            bytes: upload.offset,
            expires_at: upload.expires_at?,
        })
    });
    Ok(unfinished.collect())
}
