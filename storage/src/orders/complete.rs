//! Completing: the work on an order is done, and both retention clocks start.
//!
//! What is in no session would never reach the archive, so a file that nobody submitted stands in
//! the way. One that begins at this very moment does as well: the decision expects that none has
//! arrived since the uploads were read.

use chrono::{DateTime, Utc};

use super::Orders;
use crate::catalog::{Batch, Expect};
use crate::core::TRIES;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::order::{Order, Policy, Stage};
use crate::refusal::{Refusal, RefusalKind};
use crate::submits::{count, named};
use crate::tables::{self, Arrival, load, load_all};
use crate::upload::{Upload, UploadState};

impl Orders {
    /// The work is done; both retention clocks start. Parts that no file was made of belong to no
    /// session, and go.
    ///
    /// # Errors
    /// [`RefusalKind::WrongStage`] unless the order is open and everything uploaded is submitted.
    pub async fn complete(&self, order: OrderId, policy: Policy) -> Result<Order> {
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            let latest = load::<Arrival>(&*self.core.catalog, &tables::arrival(order)).await?;
            let latest = latest.map_or(Expect::Absent, |(_, version)| Expect::At(version));
            let uploads = self.rows.uploads(order).await?;
            let open = |upload: &Upload| !matches!(upload.state, UploadState::Sealed { .. });
            let left: Vec<_> = uploads.into_iter().filter(open).collect();
            if !left.is_empty() {
                return Err(not_submitted(&at.order, &left).into());
            }
            let now = self.core.clock.now();
            self.check_time_of(&at.order, now).await?;
            let next = at.order.complete(now, policy)?;
            let batch = Batch::new().expect(tables::arrival(order), latest);
            let batch = match at.order.stage() {
                Stage::Open => self.without_loose_parts(batch, order).await?,
                _ => batch,
            };
            if let Some(order) = self.core.decide(&at, next, batch).await? {
                self.intake.forget_usage(order.id);
                return Ok(order);
            }
        }
        Err(Error::Busy { order })
    }

    /// Both retention clocks count from the time that a completion bears: one that comes too early
    /// deletes too early.
    async fn check_time_of(&self, order: &Order, now: DateTime<Utc>) -> Result<()> {
        let number = &order.number;
        let refuse = |message: String| {
            Err(Refusal::new(RefusalKind::WrongStage, message)
                .of_order(number)
                .into())
        };
        if let Some(doubt) = self.core.time.doubt() {
            return refuse(format!("order {number} cannot be completed now: {doubt}"));
        }
        let entry = self.audit.last_entry(order).await?;
        let last = entry.map_or(order.created_at, |entry| entry.at.max(order.created_at));
        if now < last {
            return refuse(format!(
                "order {number} cannot be completed: the clock of this machine says {}, and something was decided about it on {}: set the clock, then complete it",
                now.format("%F %R UTC"),
                last.format("%F %R UTC")
            ));
        }
        Ok(())
    }

    /// Removes the rows of all parts. Their objects are left for the sweep.
    async fn without_loose_parts(&self, mut batch: Batch, order: OrderId) -> Result<Batch> {
        let rows = load_all::<Upload>(&*self.core.catalog, &tables::uploads(order)).await?;
        for (key, part, version) in rows.into_iter().filter(|(_, it, _)| it.role.is_part()) {
            batch = self.rows.without_upload(batch, order, part.id).await?;
            // Whoever still writes to it may have committed a block meanwhile.
            batch = batch.expect(key, Expect::At(version));
        }
        Ok(batch)
    }
}

fn not_submitted(order: &Order, left: &[Upload]) -> Refusal {
    let number = &order.number;
    let message = format!(
        "order {number} cannot be completed: {} not submitted ({}); submit or remove them (`stemvault upload remove`) first",
        count(left.len(), "file"),
        named(left)
    );
    Refusal::new(RefusalKind::WrongStage, message).of_order(number)
}
