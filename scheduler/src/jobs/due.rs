//! What is due, of all orders: the plan with what it rests on, and what cannot be done.

use chrono::{DateTime, Utc};
use stemvault_storage::error::Result;
use stemvault_storage::order::{Order, OrderNumber};
use stemvault_storage::session::SessionRow;

use super::{Jobs, expire};
use crate::plan::{self, RetentionPlan, Subject};

impl Jobs {
    /// What is due by a date.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn plan(&self, at: DateTime<Utc>) -> Result<RetentionPlan> {
        let subjects = self.subjects().await?;
        let mut unfinished = Vec::with_capacity(subjects.len());
        for (order, _) in &subjects {
            unfinished.push(expire::unfinished(&self.vault, order).await?);
        }
        let subjects = subjects.iter().zip(&unfinished);
        let subjects = subjects.map(|((order, sessions), unfinished)| Subject {
            order,
            sessions,
            unfinished,
        });
        Ok(plan::plan(subjects, self.clock.now(), at))
    }

    /// The orders that are to be purged by now and cannot be, each with why and what to do.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn overdue(&self) -> Result<Vec<(OrderNumber, String)>> {
        let now = self.clock.now();
        let mut overdue = Vec::new();
        for order in self.vault.orders.all().await? {
            // What is not due needs no second look.
            if plan::overdue(&order, true, now).is_none() {
                continue;
            }
            let has_sessions = !self.vault.core.sessions(order.id).await?.is_empty();
            let why = plan::overdue(&order, has_sessions, now);
            overdue.extend(why.map(|why| (order.number.clone(), why)));
        }
        Ok(overdue)
    }

    pub(super) async fn subjects(&self) -> Result<Vec<(Order, Vec<SessionRow>)>> {
        let mut subjects = Vec::new();
        for order in self.vault.orders.all().await? {
            let sessions = self.vault.core.sessions(order.id).await?;
            subjects.push((order, sessions));
        }
        Ok(subjects)
    }
}
