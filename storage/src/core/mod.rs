//! The core: catalog, stores, keys and clock together, and who uses them. The parts of the vault stand
//! on it.
//!
//! One decision at a time ([`decide`](Core::decide)): every batch on an order expects its outbox row to
//! be absent, writes a new one, and is answered only after the order record of that version is stored.
//! So no delete, no hold and no change of stage is ever known to anyone but the catalog alone.

mod decide;
pub mod record;
pub mod tombstone;

pub use decide::Logged;

use std::sync::Arc;

use stemvault_model::audit::Actor;

use crate::catalog::{Catalog, Version};
use crate::clock::SharedClock;
use crate::error::Result;
use crate::ids::OrderId;
use crate::keys::KeyStore;
use crate::limits::Limits;
use crate::link::Link;
use crate::marks::Marks;
use crate::order::{Order, OrderNumber};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::SessionRow;
use crate::store::{Lease, Mirror, Store};
use crate::tables::{self, DigestOf, Gate, load, load_all};
use crate::trusted::TrustedClock;

/// How often what lost a race is made again before whoever asked for it has to ask again.
pub(crate) const TRIES: usize = 64;

/// What every part stands on. A copy may be in another name ([`who`](Self::who)).
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) working: Store,
    pub(crate) archive: Store,
    pub(crate) mirror: Option<Mirror>,
    pub(crate) keys: Arc<KeyStore>,
    /// What is known of the time; the clock is this one.
    pub(crate) time: Arc<TrustedClock>,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    /// Whose the stores are.
    pub marks: Marks,
    /// Who is told when an order has moved to another stage: its uploads may be others now.
    pub(crate) moved: Moved,
    /// Who decides, for the audit log.
    pub(crate) who: Actor,
}

/// Told of an order whose stage has changed. It only paces or caches: another node is not told.
#[derive(Clone)]
pub(crate) struct Moved(pub(crate) Arc<dyn Fn(OrderId) + Send + Sync>);

impl std::fmt::Debug for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Moved")
    }
}

/// An order as it was read, with everything that a decision about it rests on.
#[derive(Clone, Debug)]
pub struct OrderAt {
    /// The order.
    pub order: Order,
    pub(crate) row: Version,
    pub(crate) gate: Version,
}

impl Core {
    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// What is known of the time.
    #[must_use]
    pub fn time(&self) -> &TrustedClock {
        &self.time
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

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        &self.keys
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

    /// The sessions of an order, oldest first.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn sessions(&self, order: OrderId) -> Result<Vec<SessionRow>> {
        let rows = load_all::<SessionRow>(&*self.catalog, &tables::sessions(order)).await?;
        let mut sessions: Vec<_> = rows.into_iter().map(|(_, row, _)| row).collect();
        sessions.sort_by_key(|row| (row.sealed_at, row.session));
        Ok(sessions)
    }

    /// The links of an order, oldest first.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn links(&self, order: OrderId) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for (_, of, _) in load_all::<DigestOf>(&*self.catalog, &tables::links_of(order)).await? {
            links.extend(
                load::<Link>(&*self.catalog, &tables::link(of.digest))
                    .await?
                    .map(|row| row.0),
            );
        }
        links.sort_by_key(|link| (link.created_at, link.id));
        Ok(links)
    }

    /// A lease from now on, for puts of this order.
    #[must_use]
    pub fn lease(&self, order: &Order) -> Lease {
        Lease::new(&self.clock, &order.number)
    }
}
