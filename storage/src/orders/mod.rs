//! Creating orders, and what is said of them: links, reviews.

mod complete;

use std::sync::Arc;

use crate::audit::{Audit, What};
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::{Core, TRIES};
use crate::error::Result;
use crate::ids::OrderId;
use crate::intake::Intake;
use crate::key_care::KeyRotation;
use crate::limits::check_text;
use crate::order::{Client, Order, OrderNumber};
use crate::refusal::{Refusal, RefusalKind};
use crate::rows::UploadRows;
use crate::store::Lease;
use crate::tables::{self, Gate, OrderOf, Outbox, all_orders, load, put};

/// The orders.
#[derive(Clone, Debug)]
pub struct Orders {
    pub(crate) core: Arc<Core>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) rotation: Arc<KeyRotation>,
}

impl Orders {
    /// Creates an order: its key first, so that no order is ever without one.
    ///
    /// # Errors
    /// [`RefusalKind::AlreadyExists`]; those of the stores.
    pub async fn create(&self, number: OrderNumber, client: Client) -> Result<Order> {
        for (what, text) in [
            ("client", Some(&client.name)),
            ("email", client.email.as_ref()),
            ("title", client.title.as_ref()),
        ] {
            check_text(what, text.map_or("", String::as_str))?;
        }
        let exists = |number: &OrderNumber| {
            let message = format!("order {number} exists already: choose another number");
            Refusal::new(RefusalKind::AlreadyExists, message).of_order(number)
        };
        if load::<OrderOf>(&*self.core.catalog, &tables::number(&number))
            .await?
            .is_some()
        {
            return Err(exists(&number).into());
        }
        let by_number = tables::number(&number);
        for _ in 0..TRIES {
            let number = number.clone();
            let order = Order::new(
                OrderId::random(),
                number,
                client.clone(),
                self.core.clock.now(),
            );
            let id = order.id;
            let lease = Lease::new(&self.core.clock, &order.number);
            let current = self.rotation.current_master().await?;
            self.core.marks.expect_store(self.core.keys.store()).await?;
            self.core.keys.create(id, &current.id, &lease).await?;
            let gate = Gate {
                gate: order.gate,
                stage: order.stage().name().to_owned(),
            };
            let version = order.version;
            let mut batch = current.expected(Batch::new());
            batch = batch.expect(by_number.clone(), Expect::Absent);
            batch = put(batch, by_number.clone(), &OrderOf { order: id });
            let (order, mut batch) = self.core.log(order, (What::Created, &self.core.who), batch);
            batch = put(batch, tables::order(id), &order);
            batch = put(batch, tables::gate(id), &gate);
            batch = put(batch, tables::outbox(id), &Outbox { version });
            match self.core.catalog.commit(batch).await {
                Ok(()) => {
                    self.core.drain(id).await?;
                    return Ok(order);
                }
                Err(CommitError::Conflict(row)) => {
                    self.core.keys.discard(id).await?;
                    if row == by_number {
                        return Err(exists(&order.number).into());
                    }
                    // The master key was changed meanwhile: again, with a key of its own.
                }
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
        let message = "the master key is being changed again and again: try again in a minute";
        Err(Refusal::new(RefusalKind::TakenOver, message)
            .of_order(&number)
            .into())
    }

    /// All orders, by number.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn all(&self) -> Result<Vec<Order>> {
        all_orders(&*self.core.catalog).await
    }
}
