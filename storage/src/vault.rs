//! The vault: catalog, stores, keys and clock together, and the rule by which decisions are made.
//!
//! One decision at a time: every batch on an order expects its outbox row to be absent, writes a
//! new one, and is answered only after the order record of that version is stored. So no delete,
//! no hold and no change of stage is ever known to anyone but the catalog alone.

use std::sync::Arc;

use crate::archive::Sights;
use crate::audit::{Actor, Entry, Logged, Said, What};
use crate::block::Background;
use crate::catalog::{Batch, Catalog, CommitError, Expect, Version};
use crate::clock::SharedClock;
use crate::error::{Error, Result};
use crate::flaw::Noticed;
use crate::ids::OrderId;
use crate::intake::Intake;
use crate::keys::KeyStore;
use crate::limits::Limits;
use crate::manifests::Manifests;
use crate::marks::Seen;
use crate::mirror::Mirror;
use crate::order::{Order, OrderNumber};
use crate::orders::gone;
use crate::outflow::Outflow;
use crate::pace::Pace;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::{Lease, Store};
use crate::tables::{self, Gate, Outbox, load, put};
use crate::trust::TrustedClock;

/// How often a decision that lost a race is made again before the caller is asked to.
const TRIES: usize = 64;

/// Everything that keeps sessions. Shared by all requests and jobs of a process; each may hold it in
/// its own name ([`by`](Vault::by)).
#[derive(Clone, Debug)]
pub struct Vault {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) working: Store,
    pub(crate) archive: Store,
    pub(crate) keys: Arc<KeyStore>,
    /// What is known of the time; the clock is this one.
    pub(crate) time: Arc<TrustedClock>,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) intake: Arc<Intake>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) sights: Arc<Sights>,
    /// Where the work of jobs on blocks is done ...
    pub(crate) background: Arc<Background>,
    /// ... and how fast the archive job may be.
    pub(crate) pace: Arc<Pace>,
    pub(crate) mirror: Option<Mirror>,
    pub(crate) noticed: Arc<Noticed>,
    pub(crate) outflow: Arc<Outflow>,
    /// When each store was last seen to be ours.
    pub(crate) seen: Arc<Seen>,
    /// Who decides, for the audit log.
    pub(crate) who: Actor,
}

/// An order as it was read, with everything that a decision about it rests on.
#[derive(Clone, Debug)]
pub struct OrderAt {
    /// The order.
    pub order: Order,
    pub(crate) row: Version,
    pub(crate) gate: Version,
}

impl Vault {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        working: Store,
        archive: Store,
        keys: impl Into<Arc<KeyStore>>,
        clock: SharedClock,
        limits: Limits,
    ) -> Self {
        let time = Arc::new(TrustedClock::new(clock));
        let clock = Arc::clone(&time) as SharedClock;
        let intake = Arc::new(Intake::new(&limits));
        let background = Arc::new(Background::new(limits.archive_threads));
        let pace = Arc::new(Pace::new(Arc::clone(&clock), limits.archive_bandwidth));
        Self {
            catalog,
            working,
            archive,
            keys: keys.into(),
            time,
            clock,
            limits,
            intake,
            manifests: Arc::default(),
            sights: Arc::default(),
            background,
            pace,
            mirror: None,
            noticed: Arc::default(),
            outflow: Arc::new(Outflow::new(limits.outflow)),
            seen: Arc::default(),
            who: Actor::default(),
        }
    }

    /// The same vault in the hands of somebody: their name is in the log of what they decide.
    #[must_use]
    pub fn by(&self, who: Actor) -> Arc<Self> {
        Arc::new(Self {
            who,
            ..self.clone()
        })
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// The catalog, for rows that the vault knows nothing of.
    #[must_use]
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// The store of manifests, records and working blocks.
    #[must_use]
    pub fn working(&self) -> &Store {
        &self.working
    }

    /// The store of archived blocks.
    #[must_use]
    pub fn archive(&self) -> &Store {
        &self.archive
    }

    /// The memory of what leaves.
    #[must_use]
    pub fn outflow(&self) -> &Outflow {
        &self.outflow
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// The appends of this process.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The order of this number.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] if there is none.
    pub async fn order_id(&self, number: &OrderNumber) -> Result<OrderId> {
        let found = load::<tables::OrderOf>(&*self.catalog, &tables::number(number)).await?;
        let found = found.ok_or_else(|| {
            let message = format!(
                "there is no order {number}: check the number, or ask the studio to create it"
            );
            Refusal::new(RefusalKind::NotFound, message).of_order(number)
        })?;
        Ok(found.0.order)
    }

    /// The order, as it is.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] if there is none.
    pub async fn order(&self, id: OrderId) -> Result<Order> {
        Ok(self.read(id).await?.order)
    }

    /// The order with what a decision rests on, after every earlier decision is on record.
    ///
    /// # Errors
    /// Those of [`order`](Self::order) and of storing the record.
    pub async fn settled(&self, id: OrderId) -> Result<OrderAt> {
        self.drain(id).await?;
        self.read(id).await
    }

    /// Whether the order is still as it was read, and so are the rows that change only with it.
    pub(crate) async fn is_still(&self, at: &OrderAt) -> Result<bool> {
        let row = self.catalog.get(&tables::order(at.order.id)).await?;
        Ok(row.is_some_and(|row| row.version == at.row))
    }

    async fn read(&self, id: OrderId) -> Result<OrderAt> {
        let missing = || Refusal::new(RefusalKind::NotFound, format!("there is no order {id}"));
        loop {
            let gate = load::<Gate>(&*self.catalog, &tables::gate(id))
                .await?
                .ok_or_else(missing)?;
            let order = load::<Order>(&*self.catalog, &tables::order(id))
                .await?
                .ok_or_else(missing)?;
            // The two rows change in one batch; read apart, they may be of different times.
            if gate.0.gate == order.0.gate {
                return Ok(OrderAt {
                    order: order.0,
                    row: order.1,
                    gate: gate.1,
                });
            }
        }
    }

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
    /// [`RefusalKind::Gone`] once a purge was decided: a record of anything later could not be
    /// sealed any more, and the purge would wait for it for ever. Those of the catalog; and of
    /// storing the record, when the decision is made all the same and the next one will store it.
    pub async fn decide(&self, at: &OrderAt, next: Order, batch: Batch) -> Result<Option<Order>> {
        let what = What::between(&at.order, &next);
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
        gone(&at.order)?;
        // Its record could not be stored.
        self.expect_store(&self.working).await?;
        let id = next.id;
        let version = at.order.version + 1;
        let batch = put(batch, tables::outbox(id), &Outbox { version });
        let next = Order { version, ..next };
        let said = self.sealed_words(id, logged.why.as_deref()).await?;
        let (next, batch) = self.log_said(next, &logged, said, batch);
        let decided = self.commit(at, next, batch).await?;
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
        self.commit(at, next, batch).await
    }

    async fn commit(&self, at: &OrderAt, next: Order, batch: Batch) -> Result<Option<Order>> {
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
            self.intake.forget_usage(id);
        }
        match done {
            Ok(()) => Ok(Some(next)),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// A lease from now on, for puts of this order.
    #[must_use]
    pub fn lease(&self, order: &Order) -> Lease {
        Lease::new(&self.clock, &order.number)
    }
}
