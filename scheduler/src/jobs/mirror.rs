//! Mirror: every hour what was decided since is copied to the second place, and what was decided to
//! go goes there as well. Complete is a run after which nothing was left to do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::Batch;
use stemvault_storage::error::{Error, Result};
use stemvault_storage::ids::OrderId;
use stemvault_storage::mirror::Mirror;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::tables::{self, Record, load, put};

use super::job::{Facts, Job, Lane, Time};
use super::{Jobs, Pass};

/// When the mirror was last complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Complete {
    at: DateTime<Utc>,
}

impl Record for Complete {
    const WHAT: &'static str = "mirror";
}

/// How the mirror stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorState {
    /// Whether there is one.
    pub is_set: bool,
    /// When it was last complete.
    pub complete_at: Option<DateTime<Utc>>,
    /// Orders of which it lacks what was decided since.
    pub behind: u64,
}

const COMPLETE: &str = "mirror complete";

/// The job.
pub const JOB: Job = Job::called("mirror");

pub(super) const FACTS: Facts = Facts {
    job: JOB,
    time: Time::SetIf(
        |times| &times.mirror,
        |vault| vault.mirroring.mirror().is_some(),
    ),
    lane: Lane::Beside,
    apart: true,
    removes: false,
    by_time: false,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    let Some(mirror) = pass.vault.mirroring.mirror().cloned() else {
        return Ok(());
    };
    pass.vault.core.marks.expect_stores().await?;
    let began = pass.jobs.clock.now();
    if let Err(error) = begin(pass, &mirror).await {
        let Error::Refused(refusal) = error else {
            return Err(error);
        };
        pass.stopped = Some(refusal.message);
        return Ok(());
    }
    let mut complete = true;
    for order in pass.vault.orders.all().await? {
        if order.is_gone() {
            continue;
        }
        if pass.request.dry_run {
            if !pass.vault.mirrored.is_mirrored(&order).await? {
                pass.note(&order.number, "mirror", "would be copied")
                    .await?;
            }
            continue;
        }
        match mirrored(pass, &mirror, order.id).await {
            Ok(true) => {}
            Ok(false) => complete = false,
            Err(error) => {
                complete = false;
                pass.fail(&order.number, "mirror", &error).await?;
            }
        }
    }
    if pass.request.dry_run {
        return Ok(());
    }
    let records = pass.jobs.look_after_records_key(true).await?;
    complete &= pass.looked(records).await?;
    pass.vault.mirroring.mirror_rest(&mirror).await?;
    pass.vault.mirroring.forget_purged(&mirror).await?;
    if complete {
        let row = Complete { at: began };
        let batch = put(Batch::new(), tables::job(COMPLETE), &row);
        pass.vault.core.catalog().commit(batch).await?;
    }
    pass.jobs.measure_mirror().await?;
    Ok(())
}

/// Looks that it is the mirror that was begun, or begins one.
async fn begin(pass: &Pass<'_>, mirror: &Mirror) -> Result<()> {
    let (vault, complete) = (pass.vault, tables::job(COMPLETE));
    if pass.request.dry_run {
        return vault.mirroring.check_mirror().await;
    }
    if pass.request.new_mirror {
        vault.mirroring.begin_mirror_anew(mirror).await?;
        let batch = Batch::new().delete(complete);
        return Ok(vault.core.catalog().commit(batch).await?);
    }
    let was_complete = load::<Complete>(&**vault.core.catalog(), &complete).await?;
    vault
        .mirroring
        .begin_mirror(mirror, was_complete.is_some())
        .await
}

/// Whether the copy of an order is complete now.
async fn mirrored(pass: &mut Pass<'_>, mirror: &Mirror, id: OrderId) -> Result<bool> {
    let at = pass.vault.core.settled(id).await?;
    // Keys change with the master key, and no order does.
    let key = pass.jobs.look_after_key(&at, true).await?;
    if !pass.looked(key).await? {
        return Ok(false);
    }
    if pass.vault.mirrored.is_mirrored(&at.order).await? {
        return Ok(true);
    }
    match pass.vault.mirroring.mirror_order(mirror, &at).await {
        Ok(copied) => {
            let detail = format!(
                "{} objects, {} bytes copied and read back, {} deleted",
                copied.objects, copied.bytes, copied.deleted
            );
            pass.note(&at.order.number, "mirror", detail).await?;
            let now = pass.vault.core.order(id).await?;
            pass.vault.mirrored.is_mirrored(&now).await
        }
        Err(error) => {
            let now = pass.vault.core.order(id).await?;
            let taken_over =
                matches!(&error, Error::Refused(refusal) if refusal.kind == RefusalKind::TakenOver);
            // What a release or a purge removes meanwhile is missing, and no fault.
            if taken_over || now.gate != at.order.gate {
                return Ok(false);
            }
            Err(error)
        }
    }
}

impl Jobs {
    /// How the mirror stands.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn mirror_state(&self) -> Result<MirrorState> {
        let row = load::<Complete>(&**self.vault.core.catalog(), &tables::job(COMPLETE)).await?;
        let is_set = self.vault.mirroring.mirror().is_some();
        let mut behind = 0;
        if is_set {
            for order in self.vault.orders.all().await? {
                behind +=
                    u64::from(!order.is_gone() && !self.vault.mirrored.is_mirrored(&order).await?);
            }
        }
        Ok(MirrorState {
            is_set,
            complete_at: row.map(|(row, _)| row.at),
            behind,
        })
    }

    /// Says in metrics how the mirror stands.
    pub(super) async fn measure_mirror(&self) -> Result<()> {
        let state = self.mirror_state().await?;
        if !state.is_set {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of orders are small")]
        metrics::gauge!("stemvault_mirror_orders_behind").set(state.behind as f64);
        if let Some(at) = state.complete_at {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let at = at.timestamp() as f64;
            metrics::gauge!("stemvault_mirror_last_complete_timestamp_seconds").set(at);
        }
        Ok(())
    }
}
