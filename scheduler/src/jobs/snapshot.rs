//! Snapshot: every night the catalog is written down in the working
//! store, and snapshots that are too old go.

use chrono::{DateTime, Utc};
use stemvault_storage::error::Result;
use stemvault_storage::vault::Vault;

use super::Pass;
use super::job::{Facts, Job, Lane, Time};
use crate::jobs::run::history;

pub(super) const FACTS: Facts = Facts {
    job: Job::called("snapshot"),
    time: Time::Set(|times| &times.snapshot),
    lane: Lane::InTurn,
    apart: false,
    removes: false,
    by_time: false,
    run: |pass| Box::pin(run(pass)),
};

async fn run(pass: &mut Pass<'_>) -> Result<()> {
    if pass.request.dry_run {
        return Ok(());
    }
    // It is nightly, and so sees the first order that there is.
    pass.jobs.measure_key_backup().await;
    let taken = pass.vault.snapshots.take().await?;
    measure(taken.name.begun_at);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
    metrics::gauge!("stemvault_snapshot_bytes").set(taken.bytes as f64);
    let removed = pass.vault.snapshots.remove_old_snapshots().await?;
    let runs = match pass.vault.core.time().doubt() {
        None => history::prune(pass.vault, pass.jobs.clock.now()).await?,
        Some(_) => 0,
    };
    let mut said = format!(
        "{}: {} orders, {} bytes; {removed} old ones removed, and {runs} old runs",
        taken.name, taken.orders, taken.bytes
    );
    for problem in &taken.problems {
        tracing::error!(problem, "an order is not in the snapshot of the catalog");
        pass.failed = true;
    }
    if let Some(problem) = taken.problems.first() {
        said = format!(
            "{said}; {} not in it, first: {problem}",
            taken.problems.len()
        );
    }
    pass.said = Some(said);
    Ok(())
}

/// Says how old the newest snapshot is, after a start.
pub(super) async fn measure_newest(vault: &Vault) -> Result<()> {
    if let Some(newest) = vault.snapshots.newest_snapshot(&mut Vec::new()).await? {
        // One of the future is of a clock that was wrong.
        measure(newest.name.begun_at.min(vault.core.clock().now()));
    }
    Ok(())
}

fn measure(taken_at: DateTime<Utc>) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let at = taken_at.timestamp() as f64;
    metrics::gauge!("stemvault_snapshot_timestamp_seconds").set(at);
}
