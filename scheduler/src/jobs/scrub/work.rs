//! The work on one scrub: order by order, file by file, block by block.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stemvault_storage::audit::Actor;
use stemvault_storage::core::OrderAt;
use stemvault_storage::error::Result;
use stemvault_storage::flaw::{Flaw, Tier};
use stemvault_storage::holdings::Held;
use stemvault_storage::ids::OrderId;
use stemvault_storage::order::Stage;

use super::{JOB, Scrub};
use crate::jobs::Jobs;
use crate::jobs::keys::Looked;
use crate::jobs::mend::{left_over, mend};
use crate::jobs::prove::doubt;
use crate::jobs::run::{Note, Outcome, Run};

/// How many notes its own row shows; a row holds 16 KiB. All of them are with its run.
const NOTES_MAX: usize = 25;

/// The longest detail that is shown there.
const SHOWN_MAX: usize = 300;

/// How often its row is written while it goes on.
const SAVED_EVERY: Duration = Duration::from_secs(5);

/// The work on one scrub.
pub(super) struct Scrubbing<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) scrub: Scrub,
    pub(super) run: Run,
    pub(super) began: Duration,
    pub(super) paced: u64,
    pub(super) saved: Duration,
}

impl Scrubbing<'_> {
    /// Every order that is asked for. `false`: it was stopped.
    pub(super) async fn all(&mut self) -> Result<bool> {
        let vault = &self.jobs.vault;
        if self.scrub.tiers.contains(&Tier::Mirror)
            && let Err(error) = vault.mirroring.check_mirror().await
        {
            self.scrub.left += 1;
            let detail = format!("failed: {error}");
            let note = Note::of("the mirror".to_owned(), "scrub", detail);
            self.note(note).await?;
        }
        let mut orders = vault.orders.all().await?;
        orders.sort_by_key(|order| order.id);
        for order in orders {
            let asked = self.scrub.order.is_none_or(|only| only == order.id);
            if !asked || self.scrub.after.is_some_and(|after| order.id <= after) {
                continue;
            }
            match self.order(order.id).await {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    self.scrub.left += 1;
                    let note = Note::new(&order.number, "scrub", format!("failed: {error}"));
                    self.note(note).await?;
                }
            }
            self.scrub.orders += 1;
            self.scrub.after = Some(order.id);
            self.scrub.within = 0;
            self.tell().await?;
        }
        if self.scrub.order.is_none() {
            // A mirror that was never complete has no flaws: it lacks what is still to be copied.
            let complete = self.jobs.mirror_state().await?.complete_at.is_some();
            let copied = complete && self.reads_mirror().await;
            let records = self.jobs.look_after_records_key(copied).await?;
            self.looked(records).await?;
            for name in vault.holdings.unknown_orders().await? {
                tracing::warn!(folder = name, "objects of no order that the catalog knows");
                self.scrub.left += 1;
                self.note(Note {
                    order: name.clone(),
                    action: "scrub".to_owned(),
                    detail: format!("failed: orders/{name} is of no order that the catalog knows: `stemvault rebuild` reads it, or delete it by hand"),
                })
                .await?;
            }
        }
        Ok(true)
    }

    async fn order(&mut self, id: OrderId) -> Result<bool> {
        let vault = &self.jobs.vault;
        // What is missing from a disk that is away is not bad.
        vault.core.marks.expect_stores().await?;
        let at = vault.core.settled(id).await?;
        match at.order.stage() {
            Stage::Purging => return Ok(true),
            Stage::Purged => {
                vault.core.tombstone(id).await?;
                return Ok(true);
            }
            _ => {}
        }
        if self.scrub.within == 0 && !self.key(&at).await? {
            return Ok(true);
        }
        let files = self.files(&at).await?;
        let done = usize::try_from(self.scrub.within).unwrap_or(usize::MAX);
        for (nth, held) in files.iter().enumerate().skip(done) {
            let mut flaws = Vec::new();
            for block in 0..held.source.block_count() {
                if self.jobs.scrub.stop.load(Ordering::SeqCst) {
                    return Ok(false);
                }
                match vault.holdings.examine_block(held, block).await? {
                    Ok(bytes) => self.paced(bytes).await,
                    Err(flaw) => flaws.push(flaw),
                }
                self.scrub.blocks += 1;
            }
            if !flaws.is_empty() {
                let now = vault.core.settled(id).await?;
                if now.order.gate != at.order.gate {
                    // What is missing may have been deleted by decision: another scrub looks again.
                    return Ok(true);
                }
                self.settle(&now, flaws).await?;
            }
            self.scrub.within = nth as u64 + 1;
            self.tell().await?;
        }
        Ok(true)
    }

    /// Looks after the key, whatever tier is read: without it nothing can be. Whether it opens.
    async fn key(&mut self, at: &OrderAt) -> Result<bool> {
        let copied = self
            .jobs
            .vault
            .mirrored
            .mirrored_version(at.order.id)
            .await?
            .is_some();
        let copied = copied && self.reads_mirror().await;
        let looked = self.jobs.look_after_key(at, copied).await?;
        self.looked(looked).await
    }

    /// Whether the mirror is asked for and is the right one: its disk may go at any moment.
    async fn reads_mirror(&self) -> bool {
        self.scrub.tiers.contains(&Tier::Mirror)
            && self.jobs.vault.mirroring.check_mirror().await.is_ok()
    }

    async fn looked(&mut self, looked: Looked) -> Result<bool> {
        let opens = !looked.is_bad();
        self.scrub.left += u64::from(!opens);
        self.scrub.healed += u64::from(looked.is_mended());
        if let Some(note) = looked.note {
            self.note(note).await?;
        }
        Ok(opens)
    }

    /// The files to be read. Documents are looked at, and mended, on the way: they say which.
    async fn files(&mut self, at: &OrderAt) -> Result<Vec<Held>> {
        let vault = &self.jobs.vault;
        let mut tiers = self.scrub.tiers.clone();
        if !self.reads_mirror().await {
            tiers.retain(|tier| *tier != Tier::Mirror);
        }
        let mut flaws = Vec::new();
        if self.scrub.within == 0 {
            let swept = vault.sweep.sweep(at.order.id).await?;
            if swept.objects > 0 {
                let detail = format!("{} objects that nothing named were removed", swept.objects);
                let note = Note::new(&at.order.number, "sweep", detail);
                self.note(note).await?;
            }
            if tiers.contains(&Tier::Working) {
                vault.holdings.examine_records(at, &mut flaws).await?;
            }
            if tiers.contains(&Tier::Mirror) {
                vault.holdings.examine_mirrored(at, &mut flaws).await?;
            }
        }
        let mut files = Vec::new();
        for again in [true, false] {
            files.clear();
            for tier in &tiers {
                files.extend(vault.holdings.held_in(at, *tier, &mut flaws).await?);
            }
            let healed = self.scrub.healed;
            self.settle(at, std::mem::take(&mut flaws)).await?;
            if !again || self.scrub.healed == healed {
                break;
            }
        }
        Ok(files)
    }

    /// Mends what can be mended and names the rest; an archive with a flaw is in doubt.
    async fn settle(&mut self, at: &OrderAt, flaws: Vec<Flaw>) -> Result<()> {
        if flaws.is_empty() {
            return Ok(());
        }
        let vault = self.jobs.vault.by(Actor::job(JOB.name()));
        let mended = mend(&vault, at, flaws).await?;
        self.scrub.healed += mended.healed;
        self.scrub.left += mended.left.len() as u64;
        let left = left_over(&at.order, &mended.left);
        for note in mended.notes.into_iter().chain(left) {
            self.note(note).await?;
        }
        let archived = mended.left.into_iter();
        let archived: Vec<_> = archived
            .filter(|flaw| flaw.tier == Tier::Archive)
            .map(|flaw| flaw.damage)
            .collect();
        if let (Some(proof), false) = (at.order.proof(), archived.is_empty()) {
            doubt(&vault, at.order.id, proof.attempt, &archived).await?;
        }
        Ok(())
    }

    async fn note(&mut self, note: Note) -> Result<()> {
        if self.scrub.notes.len() < NOTES_MAX {
            self.scrub.notes.push(note.short(SHOWN_MAX));
        }
        self.run.note(&self.jobs.vault, note).await?;
        self.scrub.noted = self.run.noted;
        Ok(())
    }

    /// Waits as long as the rate asks for.
    async fn paced(&mut self, bytes: u64) {
        self.scrub.bytes += bytes;
        self.paced += bytes;
        metrics::counter!("stemvault_scrub_bytes_total").increment(bytes);
        let Some(rate) = self.scrub.rate else {
            return;
        };
        loop {
            let now = self.jobs.clock.monotonic().saturating_sub(self.began);
            let nanos = u128::from(self.paced) * 1_000_000_000 / u128::from(rate);
            let due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            let wait = due.saturating_sub(now).min(Duration::from_millis(200));
            if wait.is_zero() || self.jobs.scrub.stop.load(Ordering::SeqCst) {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Shows how far it is, and keeps it from time to time.
    async fn tell(&mut self) -> Result<()> {
        *self.jobs.scrub.known() = Some(self.scrub.clone());
        let now = self.jobs.clock.monotonic();
        if now.saturating_sub(self.saved) < SAVED_EVERY {
            return Ok(());
        }
        self.saved = now;
        self.jobs.save_scrub(&self.scrub).await
    }

    pub(super) async fn end(mut self, done: Result<bool>) -> Result<()> {
        let (orders, healed, left) = (self.scrub.orders, self.scrub.healed, self.scrub.left);
        let read = format!("{orders} orders, {} blocks read", self.scrub.blocks);
        let (outcome, message) = match done {
            Err(error) => (Outcome::Failed, error.to_string()),
            Ok(false) => (Outcome::Stopped, format!("stopped by hand; {read}")),
            Ok(true) if left > 0 => (
                Outcome::Failed,
                format!(
                    "{read}; {healed} flaws mended, {left} left: restore what is named here from your own copy of the bucket, keys with `stemvault keys restore`, then scrub again"
                ),
            ),
            Ok(true) => (Outcome::Done, format!("{read}; {healed} flaws mended")),
        };
        let now = self.jobs.clock.now();
        self.scrub.ended_at = Some(now);
        self.scrub.outcome = Some(outcome);
        tracing::info!(outcome = ?outcome, message, "scrub ended");
        self.run.end(now, outcome, message);
        self.jobs.end_lease(&self.run).await?;
        self.jobs.save_scrub(&self.scrub).await?;
        *self.jobs.scrub.known() = Some(self.scrub);
        self.jobs.measure_orders().await
    }
}
