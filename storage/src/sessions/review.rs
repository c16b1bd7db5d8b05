//! Accepted, or returned with reasons: the studio's answer to a session.

use super::Sessions;
use crate::audit::{Logged, What};
use crate::catalog::Batch;
use crate::core::TRIES;
use crate::error::{Error, Result};
use crate::ids::{OrderId, SessionId};
use crate::limits::check_text;
use crate::link::{Link, Scope};
use crate::manifests::no_session;
use crate::order::Stage;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Kind, Review, SessionRow};
use crate::tables::{self, load, put};

impl Sessions {
    /// The engineer takes a session. Upload links of the order end with accepted material.
    ///
    /// # Errors
    /// [`RefusalKind::BadRequest`] when findings refuse it and no reason is given.
    pub async fn accept(
        &self,
        order: OrderId,
        session: SessionId,
        reason: Option<String>,
    ) -> Result<SessionRow> {
        let receipt = self.manifests.receipt(order, session).await?;
        check_text("reason", reason.as_deref().unwrap_or(""))?;
        let number = receipt.manifest.number.clone();
        if receipt.manifest.is_refused() && reason.is_none() {
            let message = format!(
                "session {session} of order {number} breaks intake rules: accept it with a reason (\"accepted as received\"), or return it"
            );
            return Err(Refusal::new(RefusalKind::BadRequest, message)
                .of_order(&number)
                .into());
        }
        let now = self.core.clock.now();
        self.review(order, session, Review::Accepted { at: now, reason })
            .await
    }

    /// The engineer gives a session back to its sender; the order's link stays open.
    ///
    /// # Errors
    /// [`RefusalKind::BadRequest`] without a reason.
    pub async fn return_session(
        &self,
        order: OrderId,
        session: SessionId,
        reasons: Vec<String>,
    ) -> Result<SessionRow> {
        if reasons.iter().all(|reason| reason.trim().is_empty()) {
            let message = "say why the session is returned: the client reads it";
            return Err(Refusal::new(RefusalKind::BadRequest, message).into());
        }
        check_text("reasons", &reasons.concat())?;
        let now = self.core.clock.now();
        self.review(order, session, Review::Returned { at: now, reasons })
            .await
    }

    async fn review(
        &self,
        order: OrderId,
        session: SessionId,
        review: Review,
    ) -> Result<SessionRow> {
        let what = match &review {
            Review::Returned { .. } => What::Returned(session),
            _ => What::Accepted(session),
        };
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            at.order.check_lives()?;
            if matches!(at.order.stage(), Stage::Sealing) {
                // The manifest in the making follows from the reviews: finish it first.
                self.submits.resume_sealing(order).await?;
                continue;
            }
            let key = tables::session(order, session);
            let Some((row, _)) = load::<SessionRow>(&*self.core.catalog, &key).await? else {
                return Err(no_session(&at.order, session).into());
            };
            if review.is_returned() && at.order.stage() != Stage::Open {
                let message = format!(
                    "order {} is {}: reopen it before you return a session, or the client cannot send anything",
                    at.order.number,
                    at.order.stage().name()
                );
                return Err(Refusal::new(RefusalKind::WrongStage, message)
                    .of_order(&at.order.number)
                    .into());
            }
            let row = SessionRow {
                review: review.clone(),
                ..row
            };
            let mut batch = put(Batch::new(), key, &row);
            if row.kind == Kind::Material && matches!(review, Review::Accepted { .. }) {
                let now = self.core.clock.now();
                let open = self.core.links(order).await?.into_iter();
                for link in open.filter(|link| link.scope == Scope::Upload && link.is_open(now)) {
                    let ended = Link {
                        expires_at: Some(now),
                        accepted: Some(session),
                        ..link
                    };
                    batch = put(batch, tables::link(ended.digest), &ended);
                }
            }
            let why = match &review {
                Review::Submitted => None,
                Review::Accepted { reason, .. } => reason.clone(),
                Review::Returned { reasons, .. } => {
                    let said = reasons.iter().map(|it| it.trim());
                    let said: Vec<_> = said.filter(|it| !it.is_empty()).collect();
                    Some(said.join("\n"))
                }
            };
            let who = &self.core.who;
            let reviewed =
                self.core
                    .decide_that(&at, at.order.clone(), Logged { what, who, why }, batch);
            if reviewed.await?.is_some() {
                return Ok(row);
            }
        }
        Err(Error::Busy { order })
    }
}
