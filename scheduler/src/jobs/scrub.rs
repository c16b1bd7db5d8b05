//! Scrub: everything of an order, or of all, is read in the tiers that were asked for, at a rate that
//! leaves room for others, and what is bad is mended from another copy. One at a time; how far it came
//! is kept, so it goes on after a restart, and it can be stopped.

mod work;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::catalog::Batch;
use stemvault_storage::error::Result;
use stemvault_storage::flaw::Tier;
use stemvault_storage::ids::{OrderId, RunId};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::tables::{self, Record, load, put};

use super::{Job, Jobs};
use crate::jobs::run::{Note, Outcome, Run};
use work::Scrubbing;

/// The job, which is begun by hand.
pub const JOB: Job = Job::called("scrub");

const ROW: &str = "scrub under way";

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubRequest {
    /// In which tiers.
    pub tiers: Vec<Tier>,
    /// Only this order.
    pub order: Option<OrderId>,
    /// Bytes a second, at most.
    pub rate: Option<u64>,
}

/// A scrub under way, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// The run that it will be recorded as.
    pub id: RunId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// In which tiers it reads.
    pub tiers: Vec<Tier>,
    /// Only this order.
    pub order: Option<OrderId>,
    /// Bytes a second, at most.
    pub rate: Option<u64>,
    /// Orders that are done.
    pub orders: u64,
    /// Blocks that were read.
    pub blocks: u64,
    /// Their plain bytes.
    pub bytes: u64,
    /// Flaws that were mended.
    pub healed: u64,
    /// Flaws that no copy could mend, and orders that could not be looked at.
    pub left: u64,
    /// The first of both.
    pub notes: Vec<Note>,
    /// How many notes its run has.
    #[serde(default)]
    noted: u64,
    /// The last order that is done; they are gone through by id.
    after: Option<OrderId>,
    /// How many files of the next are done.
    within: u64,
}

impl Record for Scrub {
    const WHAT: &'static str = "scrub";
}

impl Scrub {
    /// Its run, which goes on after a restart.
    fn run(&self) -> Run {
        let run = Run::new(self.id, JOB, self.started_at, false);
        Run {
            noted: self.noted,
            ..run
        }
    }
}

/// What this process knows of its scrub.
#[derive(Debug, Default)]
pub(super) struct Desk {
    now: Mutex<Option<Scrub>>,
    stop: AtomicBool,
    beginning: tokio::sync::Mutex<()>,
}

impl Jobs {
    /// Begins a scrub, which goes on by itself.
    ///
    /// # Errors
    /// [`RefusalKind::AlreadyExists`] while another is under way.
    pub async fn begin_scrub(self: &Arc<Self>, request: ScrubRequest) -> Result<Scrub> {
        let _one = self.scrub.beginning.lock().await;
        let refuse = |kind, message: String| Err(Refusal::new(kind, message).into());
        if let Some(known) = self.last_scrub().await?.filter(|it| it.ended_at.is_none()) {
            let message = format!(
                "a scrub is under way since {}: `stemvault scrub --watch` shows it, `stemvault scrub --stop` ends it",
                known.started_at.format("%F %R UTC")
            );
            return refuse(RefusalKind::AlreadyExists, message);
        }
        if request.tiers.contains(&Tier::Mirror) && self.vault.mirroring.mirror().is_none() {
            let message = "there is no mirror: set `stores.mirror` and `stores.mirror_keys`";
            return refuse(RefusalKind::BadRequest, message.to_owned());
        }
        let scrub = Scrub {
            id: RunId::random(),
            started_at: self.clock.now(),
            ended_at: None,
            outcome: None,
            tiers: request.tiers,
            order: request.order,
            rate: request.rate.filter(|rate| *rate > 0),
            orders: 0,
            blocks: 0,
            bytes: 0,
            healed: 0,
            left: 0,
            notes: Vec::new(),
            noted: 0,
            after: None,
            within: 0,
        };
        let batch = put(scrub.run().put(Batch::new()), tables::job(ROW), &scrub);
        self.vault.core.catalog().commit(batch).await?;
        self.go_on_scrubbing(scrub.clone());
        Ok(scrub)
    }

    /// The scrub that is under way, or the last one.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn last_scrub(&self) -> Result<Option<Scrub>> {
        let known = self.scrub.known().clone();
        if known.is_some() {
            return Ok(known);
        }
        let row = load::<Scrub>(&**self.vault.core.catalog(), &tables::job(ROW)).await?;
        Ok(row.map(|(row, _)| row))
    }

    /// Tells a scrub to end before its next block. `false` if none is under way.
    pub fn stop_scrub(&self) -> bool {
        let known = self.scrub.known();
        let under_way = known.as_ref();
        let under_way = under_way.is_some_and(|scrub| scrub.ended_at.is_none());
        self.scrub.stop.store(under_way, Ordering::SeqCst);
        under_way
    }

    /// Goes on with a scrub that a restart interrupted.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn resume_scrub(self: &Arc<Self>) -> Result<()> {
        let last = self.last_scrub().await?;
        if let Some(scrub) = last.filter(|scrub| scrub.ended_at.is_none()) {
            self.go_on_scrubbing(scrub);
        }
        Ok(())
    }

    fn go_on_scrubbing(self: &Arc<Self>, scrub: Scrub) {
        self.scrub.stop.store(false, Ordering::SeqCst);
        *self.scrub.known() = Some(scrub.clone());
        let jobs = Arc::clone(self);
        tokio::spawn(async move {
            let began = jobs.clock.monotonic();
            let mut scrubbing = Scrubbing {
                jobs: &jobs,
                run: scrub.run(),
                scrub,
                began,
                paced: 0,
                saved: began,
            };
            let done = scrubbing.all().await;
            if let Err(error) = scrubbing.end(done).await {
                tracing::error!(%error, "the end of a scrub was not recorded");
            }
        });
    }

    async fn save_scrub(&self, scrub: &Scrub) -> Result<()> {
        let batch = put(Batch::new(), tables::job(ROW), scrub);
        Ok(self.vault.core.catalog().commit(batch).await?)
    }
}

impl Desk {
    fn known(&self) -> std::sync::MutexGuard<'_, Option<Scrub>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
