//! Which runs there were, newest first, and how long they are kept.
//!
//! Rows lie oldest first, so they are read in stretches of time that grow: a list costs what it
//! shows. Kept are the newest of each job; for longer, those that failed or were stopped; and for
//! longest, those that removed something.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use stemvault_storage::catalog::{Batch, Key, KeyRange, Row};
use stemvault_storage::error::Result;
use stemvault_storage::ids::RunId;
use stemvault_storage::tables::{self, decode};
use stemvault_storage::vault::Vault;

use super::{Outcome, Run, SHOWN};
use crate::jobs::Job;

/// So many of each job are kept, whatever came of them.
const KEPT: usize = 200;

/// Those that did not do their work are kept so long.
const FAILED_KEPT: TimeDelta = TimeDelta::days(90);

/// Those that removed something are kept so long: two months longer than an archive by default.
const REMOVED_KEPT: TimeDelta = TimeDelta::days(800);

/// Rows read, or removed, at a time.
const PAGE: usize = 1000;

/// The first stretch that is read; each next one is as long as all before, three times over.
const STRETCH: TimeDelta = TimeDelta::hours(6);

impl Run {
    /// The last `limit` runs before one of them, newest first, with their first notes.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn latest(vault: &Vault, before: Option<&Self>, limit: usize) -> Result<Vec<Self>> {
        let mut runs = back(vault, before, limit, |_| true).await?;
        for run in &mut runs {
            run.show_notes(vault).await?;
        }
        Ok(runs)
    }

    /// The run of this id, if it is still known.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn find(vault: &Vault, id: RunId) -> Result<Option<Self>> {
        let mut found = back(vault, None, 1, |run| run.id == id).await?;
        Ok(found.pop())
    }

    async fn show_notes(&mut self, vault: &Vault) -> Result<()> {
        self.orders = self.notes(vault, 0, SHOWN).await?;
        // Of one at work nobody has counted them; and older rows hold theirs.
        self.noted = self.noted.max(self.orders.len() as u64);
        Ok(())
    }
}

/// The last `limit` runs that are wanted, newest first.
async fn back(
    vault: &Vault,
    before: Option<&Run>,
    limit: usize,
    wanted: impl Fn(&Run) -> bool,
) -> Result<Vec<Run>> {
    let newest = before.map_or_else(|| vault.core.clock().now(), |run| run.started_at);
    let mut span = STRETCH;
    let mut end = before.map(Run::key);
    let mut found = Vec::new();
    loop {
        let from = newest
            .checked_sub_signed(span)
            .map_or(0, |from| from.timestamp_micros().max(0));
        let range = match end {
            // What bears a time in the future is the newest as well.
            None => tables::runs_from(from),
            Some(end) => tables::runs_before(from, end),
        };
        let mut stretch: Vec<Run> = Vec::new();
        for_each(vault, range, |_, run| stretch.push(run)).await?;
        found.extend(stretch.into_iter().rev().filter(&wanted));
        if found.len() >= limit || from == 0 {
            found.truncate(limit);
            return Ok(found);
        }
        end = Some(Key(tables::run(from, RunId([0; 16])).0));
        span = span * 4;
    }
}

async fn for_each(
    vault: &Vault,
    mut range: KeyRange,
    mut take: impl FnMut(Key, Run),
) -> Result<()> {
    loop {
        let page: Vec<(Key, Row)> = vault.core.catalog().scan(range.clone(), PAGE).await?;
        let full = page.len() == PAGE;
        let last = page.last().map(|(key, _)| key.clone());
        for (key, row) in page {
            take(key, decode(&row.value)?);
        }
        match last {
            Some(last) if full => range = range.after(last),
            _ => return Ok(()),
        }
    }
}

/// Removes runs that are too old to be kept, with their notes. Returns how many went.
pub(crate) async fn prune(vault: &Vault, now: DateTime<Utc>) -> Result<u64> {
    let mut newest = HashMap::<Job, VecDeque<Run>>::new();
    let mut old = Vec::new();
    for_each(vault, tables::runs_from(0), |_, run| {
        let kept = newest.entry(run.job).or_default();
        kept.push_back(Run {
            orders: Vec::new(),
            message: String::new(),
            noted: run.noted.max(run.orders.len() as u64),
            ..run
        });
        let beyond = (kept.len() > KEPT).then(|| kept.pop_front()).flatten();
        old.extend(beyond.filter(|run| is_over(run, now)));
    })
    .await?;
    for run in &old {
        let mut batch = Batch::new().delete(run.key());
        let notes = vault.core.catalog().scan_prefix(&run.notes_key()).await?;
        for page in notes.chunks(PAGE) {
            for (key, _) in page {
                batch = batch.delete(key.clone());
            }
            vault
                .core
                .catalog()
                .commit(std::mem::take(&mut batch))
                .await?;
        }
        vault.core.catalog().commit(batch).await?;
    }
    Ok(old.len() as u64)
}

/// Whether one that is not among the newest of its job may go.
fn is_over(run: &Run, now: DateTime<Utc>) -> bool {
    let kept = match run.outcome {
        Outcome::Running => return false,
        _ if run.job.removes() && run.noted > 0 => REMOVED_KEPT,
        Outcome::Failed | Outcome::Stopped | Outcome::Interrupted => FAILED_KEPT,
        Outcome::Done | Outcome::Waiting => return true,
    };
    now - run.started_at > kept
}
