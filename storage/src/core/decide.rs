//! How a decision is made: in one batch with its record owed, and answered when the record is stored.

use stemvault_model::audit::{Actor, Entry, Said, What};

use super::{Core, OrderAt, TRIES};
use crate::block::{Logical, seal_copy};
use crate::catalog::{Batch, CommitError, Expect};
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::order::{Order, decision};
use crate::refusal::Refusal;
use crate::tables::{self, Gate, Outbox, put};

/// A decision, as it goes into the log.
#[derive(Clone, Debug)]
pub struct Logged<'a> {
    /// What.
    pub what: What,
    /// Who decides it.
    pub who: &'a Actor,
    /// Why, in their words; of an upload that goes, which file it was.
    pub why: Option<String>,
}

impl<'a> From<(What, &'a Actor)> for Logged<'a> {
    fn from((what, who): (What, &'a Actor)) -> Self {
        let why = None;
        Self { what, who, why }
    }
}

impl Core {
    /// Makes a decision from the order as it is, again if another one came first. What changes
    /// nothing is none.
    ///
    /// # Errors
    /// A refusal of `make`; [`Error::Busy`] if others always came first.
    pub async fn change(
        &self,
        id: OrderId,
        make: impl Fn(&Order) -> Result<Order, Refusal> + Send,
    ) -> Result<Order> {
        for _ in 0..TRIES {
            let at = self.settled(id).await?;
            let next = make(&at.order)?;
            if next == at.order {
                return Ok(next);
            }
            if let Some(order) = self.decide(&at, next, Batch::new()).await? {
                return Ok(order);
            }
        }
        Err(Error::Busy { order: id })
    }

    /// Commits a decision with the rows that belong to it, and stores its record. `None` if the
    /// order, or something that `batch` expects, has changed meanwhile: read again, decide again.
    ///
    /// # Errors
    /// [`Gone`](crate::refusal::RefusalKind::Gone) once a purge was decided: a record of anything
    /// later could not be sealed any more, and the purge would wait for it for ever. Those of the
    /// catalog; and of storing the record, when the decision is made all the same and the next one
    /// will store it.
    pub async fn decide(&self, at: &OrderAt, next: Order, batch: Batch) -> Result<Option<Order>> {
        let what = decision(&at.order, &next);
        let why = next.hold.as_ref().map(|hold| hold.reason.clone());
        let logged = Logged {
            what,
            who: &self.who,
            why: why.filter(|_| what == What::Held),
        };
        Box::pin(self.decide_that(at, next, logged, batch)).await
    }

    /// The same, of which the order alone does not say what it is, or of somebody else.
    pub(crate) async fn decide_that(
        &self,
        at: &OrderAt,
        next: Order,
        logged: impl Into<Logged<'_>>,
        batch: Batch,
    ) -> Result<Option<Order>> {
        let logged = logged.into();
        at.order.check_lives()?;
        // Its record could not be stored.
        self.marks.expect_store(&self.working).await?;
        let id = next.id;
        let version = at.order.version + 1;
        let batch = put(batch, tables::outbox(id), &Outbox { version });
        let next = Order { version, ..next };
        let said = self.sealed_words(id, logged.why.as_deref()).await?;
        let (next, batch) = self.log_said(next, &logged, said, batch);
        let decided = self.step(at, next, batch).await?;
        if decided.is_some() {
            self.drain(id).await?;
        }
        Ok(decided)
    }

    /// Adds a decision to the order's audit log, in the batch that makes it.
    pub(crate) fn log(&self, order: Order, logged: (What, &Actor), batch: Batch) -> (Order, Batch) {
        self.log_said(order, &logged.into(), None, batch)
    }

    fn log_said(
        &self,
        order: Order,
        logged: &Logged<'_>,
        said: Option<Said>,
        batch: Batch,
    ) -> (Order, Batch) {
        let entry = order
            .audit
            .then(logged.what, logged.who.clone(), self.clock.now());
        let entry = Entry { said, ..entry };
        let audit = entry.head(order.id);
        let batch = put(batch, tables::entry(order.id, entry.sequence), &entry);
        (Order { audit, ..order }, batch)
    }

    /// Commits a step that needs no record: the begin of a submit, the end of a purge.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn step(&self, at: &OrderAt, next: Order, batch: Batch) -> Result<Option<Order>> {
        let id = next.id;
        let gate = at.order.gate + u64::from(next.stage().name() != at.order.stage().name());
        let next = Order { gate, ..next };
        let mut batch = put(batch, tables::order(id), &next)
            .expect(tables::order(id), Expect::At(at.row))
            .expect(tables::gate(id), Expect::At(at.gate))
            .expect(tables::outbox(id), Expect::Absent);
        let moved = gate != at.order.gate;
        if moved {
            let row = Gate {
                gate,
                stage: next.stage().name().to_owned(),
            };
            batch = put(batch, tables::gate(id), &row);
        }
        let done = self.catalog.commit(batch).await;
        if moved {
            // A submit, a release and a purge remove uploads.
            (self.moved.0)(id);
        }
        match done {
            Ok(()) => Ok(Some(next)),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// The words, sealed; none if there are none.
    async fn sealed_words(&self, order: OrderId, why: Option<&str>) -> Result<Option<Said>> {
        let Some(why) = why.map(str::trim).filter(|why| !why.is_empty()) else {
            return Ok(None);
        };
        let keys = self.keys.order(order).await?;
        let sealed = seal_copy(&keys, order, &Logical::Said, why.as_bytes());
        Ok(Some(Said::sealed(sealed)))
    }

    /// A decision about a link or a session: the order stays as it is.
    pub(crate) async fn decide_about(
        &self,
        at: &OrderAt,
        what: What,
        batch: Batch,
    ) -> Result<Option<Order>> {
        let next = at.order.clone();
        self.decide_that(at, next, (what, &self.who), batch).await
    }
}
