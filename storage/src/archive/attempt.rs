//! Who writes an attempt: whoever claimed it last.
//!
//! A run that finds an attempt of the order's gate goes on with it, but not before it has seen it
//! stand still for [`QUIET_AFTER`]: whoever writes one renews its lease all the time, which shows in
//! the attempt's beat, and no put starts later than a lease allows. So whatever the run before had
//! sent has landed by then. Claiming writes the attempt's row anew, and with that the run before may
//! put, prove and note nothing more: each of these rests on the row as that run had written it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Archiver;
use crate::catalog::{Batch, Catalog, CommitError, Expect, Key, Version};
use crate::clock::SharedClock;
use crate::core::{Core, OrderAt};
use crate::error::Result;
use crate::ids::{AttemptId, OrderId};
use crate::order::{Order, OrderNumber, Proof};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::SessionRow;
use crate::store::{Lease, QUIET_AFTER};
use crate::tables::{self, Attempt, load_all, put};

/// So many sessions are named by a proof itself: 67 bytes each, of a row of 16 KiB.
const NAMED_MAX: usize = 64;

/// Whose turn it is to write an order's attempt.
#[derive(Clone, Debug)]
pub enum Turn {
    /// Ours.
    Ours(Claim),
    /// Another run's, or one was interrupted and something of it may still land: ask again later.
    Wait,
    /// The order changed meanwhile.
    Changed,
}

/// The right to write an attempt, until somebody else claims it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Of which order.
    pub order: OrderId,
    /// Which attempt.
    pub attempt: AttemptId,
    number: OrderNumber,
    gate: u64,
    gate_row: Version,
    row: Version,
}

/// An attempt of somebody else as it was seen first: its row and its beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    attempt: AttemptId,
    row: Version,
    beat: Option<Version>,
}

/// When this process saw the attempts of others change last.
#[derive(Debug, Default)]
pub(crate) struct Sights(Mutex<HashMap<OrderId, (Sight, Duration)>>);

impl Sights {
    /// Whether it has stood still for so long that nothing of it can land any more.
    fn is_still(&self, order: OrderId, sight: Sight, now: Duration) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.entry(order).or_insert((sight, now));
        if known.0 != sight {
            *known = (sight, now);
        }
        now.saturating_sub(known.1) >= QUIET_AFTER
    }

    fn forget(&self, order: OrderId) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&order);
    }
}

impl Archiver {
    /// Claims the attempt that was begun under the order's gate, or begins one.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn claim_attempt(&self, at: &OrderAt) -> Result<Turn> {
        self.core.marks.expect_stores().await?;
        let order = at.order.id;
        let found = self.begun_attempt(&at.order).await?;
        if let Some(sight) = found
            && !self
                .sights
                .is_still(order, sight, self.core.clock.monotonic())
        {
            return Ok(Turn::Wait);
        }
        self.sights.forget(order);
        let (attempt, expect) = match found {
            Some(sight) => (sight.attempt, Expect::At(sight.row)),
            None => (AttemptId::random(), Expect::Absent),
        };
        let key = tables::attempt(order, attempt);
        let row = Attempt {
            gate: at.order.gate,
        };
        let mut batch = put(Batch::new(), key.clone(), &row)
            .expect(key.clone(), expect)
            .expect(tables::gate(order), Expect::At(at.gate))
            .expect(tables::outbox(order), Expect::Absent);
        if let Some(Sight { beat, .. }) = found {
            let expect = beat.map_or(Expect::Absent, Expect::At);
            batch = batch.expect(tables::beat(order, attempt), expect);
        }
        match self.core.catalog.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Conflict(_)) => return Ok(Turn::Changed),
            Err(CommitError::Failed(error)) => return Err(error.into()),
        }
        let Some(row) = self.core.catalog.get(&key).await? else {
            return Ok(Turn::Changed);
        };
        Ok(Turn::Ours(Claim {
            order,
            attempt,
            number: at.order.number.clone(),
            gate: at.order.gate,
            gate_row: at.gate,
            row: row.version,
        }))
    }

    /// The attempt that was begun under the order's gate.
    async fn begun_attempt(&self, order: &Order) -> Result<Option<Sight>> {
        let rows = load_all::<Attempt>(&*self.core.catalog, &tables::attempts(order.id)).await?;
        let proven = order.proof().map(|proof| proof.attempt);
        let found = rows.into_iter().find_map(|(key, attempt, row)| {
            let id = tables::attempt_of(&key)?;
            (attempt.gate == order.gate && proven != Some(id)).then_some((id, row))
        });
        let Some((attempt, row)) = found else {
            return Ok(None);
        };
        let beat = self
            .core
            .catalog
            .get(&tables::beat(order.id, attempt))
            .await?;
        Ok(Some(Sight {
            attempt,
            row,
            beat: beat.map(|row| row.version),
        }))
    }

    /// Commits the proof of an attempt. `None` if the order changed meanwhile, or somebody else
    /// claimed the attempt.
    ///
    /// # Errors
    /// Only a completed order can be proven; those of the catalog, and of storing the record.
    pub async fn prove(&self, claim: &Claim, proof: &Proof) -> Result<Option<Order>> {
        loop {
            let at = self.core.settled(claim.order).await?;
            let row = self.core.catalog.get(&claim.key()).await?;
            let ours = row.is_some_and(|row| row.version == claim.row);
            if at.order.gate != claim.gate || !ours {
                return Ok(None);
            }
            // What was read back from a disk that is not the archive's proves nothing.
            self.core.marks.expect_stores().await?;
            let batch = Batch::new().expect(claim.key(), claim.expected());
            let (proof, batch) = self.named(claim.order, proof.clone(), batch).await?;
            let next = at.order.archived(proof)?;
            if let Some(order) = self.core.decide(&at, next, batch).await? {
                self.progress
                    .forget_progress(claim.order, claim.attempt)
                    .await?;
                return Ok(Some(order));
            }
        }
    }

    /// A proof of many sessions names none: the row of each names it. Rows of sessions change only
    /// with their order, which the batch expects as it was read.
    async fn named(&self, id: OrderId, proof: Proof, mut batch: Batch) -> Result<(Proof, Batch)> {
        if proof.sessions.len() <= NAMED_MAX {
            return Ok((proof, batch));
        }
        for row in self.core.sessions(id).await? {
            if proof.sessions.contains(&row.session) {
                let proven = Some(proof.attempt);
                let key = tables::session(id, row.session);
                batch = put(batch, key, &SessionRow { proven, ..row });
            }
        }
        let sessions = Vec::new();
        Ok((Proof { sessions, ..proof }, batch))
    }

    /// Gives an attempt up: it will never be proven, and the next sweep removes what it wrote.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn forget_attempt(&self, order: OrderId, attempt: AttemptId) -> Result<()> {
        // The row first: without it nobody notes progress any more.
        let batch = Batch::new().delete(tables::attempt(order, attempt));
        match self.core.catalog.commit(batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Failed(error)) => return Err(error.into()),
        }
        self.progress.forget_progress(order, attempt).await
    }
}

impl Claim {
    pub(super) fn key(&self) -> Key {
        tables::attempt(self.order, self.attempt)
    }

    /// The row that everything done under this claim expects.
    pub(super) fn expected(&self) -> Expect {
        Expect::At(self.row)
    }

    pub(super) fn lost(&self) -> Refusal {
        let message = format!(
            "order {} changed while it was being archived, or another run archives it: the next run looks again",
            self.number
        );
        Refusal::new(RefusalKind::TakenOver, message).of_order(&self.number)
    }
}

/// What puts of an attempt rest on: the order's gate and the claim, both seen not long before.
#[derive(Debug)]
pub(super) struct Ground {
    catalog: Arc<dyn Catalog>,
    clock: SharedClock,
    claim: Claim,
    lease: tokio::sync::Mutex<Option<Lease>>,
}

impl Ground {
    pub(super) fn new(core: &Core, claim: &Claim) -> Self {
        Self {
            catalog: Arc::clone(&core.catalog),
            clock: Arc::clone(&core.clock),
            claim: claim.clone(),
            lease: tokio::sync::Mutex::default(),
        }
    }

    /// A lease for a put that begins now. Whoever works on the attempt asks for one at each step,
    /// also where it puts nothing, so that others see that it is being worked on.
    ///
    /// # Errors
    /// [`RefusalKind::TakenOver`] when the order changed, or somebody else claimed the attempt.
    pub(super) async fn lease(&self) -> Result<Lease> {
        let mut known = self.lease.lock().await;
        if let Some(lease) = known.as_ref().filter(|lease| !lease.is_stale()) {
            return Ok(lease.clone());
        }
        let claim = &self.claim;
        let lease = Lease::new(&self.clock, &claim.number);
        let beat = tables::beat(claim.order, claim.attempt);
        let batch = put(Batch::new(), beat, &Attempt { gate: claim.gate })
            .expect(claim.key(), claim.expected())
            .expect(tables::gate(claim.order), Expect::At(claim.gate_row));
        match self.catalog.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Conflict(_)) => return Err(claim.lost().into()),
            Err(CommitError::Failed(error)) => return Err(error.into()),
        }
        *known = Some(lease.clone());
        Ok(lease)
    }
}
