//! Submit: the finished uploads of an order become a session.
//!
//! The order of writes: a batch that fixes what the manifest will say (stage Sealing), the
//! manifest, a batch with the session and the closed uploads, the order record, the receipt.
//! Whoever finds an order in the middle of it finishes it, and writes the same bytes.

use chrono::TimeDelta;

use super::Sessions;
use crate::catalog::{Batch, Expect};
use crate::core::TRIES;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::order::{Order, Sealing, Stage};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Form, Kind, Receipt, Rules};
use crate::tables::{self, Arrival, load};

/// The most sessions of an order: several for every day of a year.
pub const SESSIONS_MAX: usize = 1000;

/// The most sessions of an order in an hour: one a minute.
pub const SUBMITS_PER_HOUR: usize = 60;

impl Sessions {
    /// Seals what was uploaded into a session. Doing it again without new files gives the same
    /// receipt.
    ///
    /// # Errors
    /// [`BadRequest`](crate::refusal::RefusalKind) when there is nothing to submit, or files are
    /// unfinished: it
    /// names them.
    pub async fn submit(
        &self,
        order: OrderId,
        kind: Kind,
        form: Form,
        rules: Rules,
    ) -> Result<Receipt> {
        self.appends.wait_for_joins(order, kind).await?;
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            at.order.check_takes_files()?;
            if matches!(at.order.stage(), Stage::Sealing) {
                self.submits.resume_sealing(order).await?;
                continue;
            }
            let arrival = tables::arrival(order);
            let newest = load::<Arrival>(&*self.core.catalog, &arrival).await?;
            // Looked at and let go: the rows of many files are read again once they cannot change.
            let done = self
                .submits
                .taken(order, kind)
                .await?
                .check(&at.order, kind)?;
            if let Some(done) = done {
                return self.manifests.receipt(order, done).await;
            }
            self.check_may_submit(&at.order).await?;
            let rules = if kind == Kind::Material {
                rules.clone()
            } else {
                Rules::new()
            };
            let sealing = Sealing {
                kind,
                sealed_at: self.core.clock.now(),
                form: form.clone(),
                rules,
                who: self.core.who.clone(),
            };
            let next = at.order.begin_sealing(sealing)?;
            // Nothing has begun that was not looked at: its name could be one that cannot be sealed.
            let newest = newest.map_or(Expect::Absent, |(_, version)| Expect::At(version));
            let batch = Batch::new().expect(arrival, newest);
            if self.core.step(&at, next, batch).await?.is_some()
                && let Some(session) = self.submits.finish_sealing(order).await?
            {
                return self.manifests.receipt(order, session).await;
            }
        }
        Err(Error::Busy { order })
    }

    /// An order holds its sessions in its record, whole, with every decision: they are not without end.
    async fn check_may_submit(&self, order: &Order) -> Result<()> {
        let number = &order.number;
        let sessions = self.core.sessions(order.id).await?;
        if sessions.len() >= SESSIONS_MAX {
            let message = format!(
                "order {number} has {} sessions, and takes no more: go on in a new order",
                sessions.len()
            );
            return Err(Refusal::new(RefusalKind::WrongStage, message)
                .of_order(number)
                .into());
        }
        let hour = TimeDelta::hours(1);
        let since = self.core.clock.now() - hour;
        let mut late = sessions.iter().filter(|row| row.sealed_at > since);
        if let Some(first) = late.clone().map(|row| row.sealed_at).min()
            && late.by_ref().count() >= SUBMITS_PER_HOUR
        {
            let wait = (first + hour - self.core.clock.now()).clamp(TimeDelta::zero(), hour);
            let message = format!(
                "order {number} was submitted {SUBMITS_PER_HOUR} times in an hour: put together what belongs together, and submit it in {} minutes",
                wait.num_minutes() + 1
            );
            let retry = wait.to_std().unwrap_or_default();
            let kind = RefusalKind::TooMany { retry };
            return Err(Refusal::new(kind, message).of_order(number).into());
        }
        Ok(())
    }
}
