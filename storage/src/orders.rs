//! Creating orders, and what is said of them: links, reviews.

use crate::audit::{Logged, What};
use crate::catalog::{Batch, CommitError, Expect};
use crate::error::{Error, Result};
use crate::ids::{LinkId, OrderId, SessionId, Token};
use crate::link::{Digest, Link, LinkMost, Scope};
use crate::order::{Client, Order, OrderNumber, Stage};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Kind, Review, SessionRow};
use crate::store::Lease;
use crate::tables::{self, DigestOf, Gate, OrderOf, Outbox, all_orders, load, put};
use crate::vault::Vault;

/// How often a change that lost a race is made again.
const TRIES: usize = 64;

/// The longest text that a person may attach to an order, in bytes.
pub const TEXT_MAX: usize = 2000;

impl Vault {
    /// Creates an order: its key first, so that no order is ever without one.
    ///
    /// # Errors
    /// [`RefusalKind::AlreadyExists`]; those of the stores.
    pub async fn create_order(&self, number: OrderNumber, client: Client) -> Result<Order> {
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
            let current = self.current_master().await?;
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
    pub async fn orders(&self) -> Result<Vec<Order>> {
        all_orders(&*self.core.catalog).await
    }

    /// Makes a link of an order.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] if the session or file does not exist, [`RefusalKind::Gone`] for a
    /// purged order.
    pub async fn create_link(
        &self,
        order: OrderId,
        scope: Scope,
        expires_at: Option<chrono::DateTime<chrono::Utc>>,
    ) -> Result<(Link, Token)> {
        let most = LinkMost::default();
        self.create_link_with(order, scope, expires_at, most).await
    }

    /// The same, for an upload link that takes no more than so much.
    ///
    /// # Errors
    /// Those of [`create_link`](Self::create_link).
    pub async fn create_link_with(
        &self,
        order: OrderId,
        scope: Scope,
        expires_at: Option<chrono::DateTime<chrono::Utc>>,
        most: LinkMost,
    ) -> Result<(Link, Token)> {
        match &scope {
            Scope::Upload => {}
            Scope::Session { session } => {
                self.receipt(order, *session).await?;
            }
            Scope::File { session, path } => {
                let receipt = self.receipt(order, *session).await?;
                if receipt.manifest.file(path).is_none() {
                    let message = format!(
                        "session {session} has no file {path:?}: `stemvault session show` lists its files"
                    );
                    return Err(Refusal::new(RefusalKind::NotFound, message)
                        .of_order(&receipt.manifest.number)
                        .of_file(path.as_str())
                        .into());
                }
            }
        }
        let (link, token) = Link::new(order, scope, self.core.clock.now(), expires_at);
        let link = Link { most, ..link };
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            gone(&at.order)?;
            let mut batch = put(Batch::new(), tables::link(link.digest), &link);
            batch = put(
                batch,
                tables::link_of(order, link.id),
                &DigestOf {
                    digest: link.digest,
                },
            );
            batch = put(batch, tables::order_of_link(link.id), &OrderOf { order });
            let made = self.core.decide_about(&at, What::LinkMade(link.id), batch);
            if made.await?.is_some() {
                return Ok((link, token));
            }
        }
        Err(Error::Busy { order })
    }

    /// Takes a link back. Twice is once.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`].
    pub async fn revoke_link(&self, id: LinkId) -> Result<Link> {
        let missing = || Refusal::new(RefusalKind::NotFound, format!("there is no link {id}"));
        let order = load::<OrderOf>(&*self.core.catalog, &tables::order_of_link(id)).await?;
        let order = order.ok_or_else(missing)?.0.order;
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            let link = self
                .core
                .links(order)
                .await?
                .into_iter()
                .find(|link| link.id == id);
            let link = Link {
                revoked: true,
                ..link.ok_or_else(missing)?
            };
            let batch = put(Batch::new(), tables::link(link.digest), &link);
            let revoked = self.core.decide_about(&at, What::LinkRevoked(id), batch);
            if revoked.await?.is_some() {
                return Ok(link);
            }
        }
        Err(Error::Busy { order })
    }

    /// The link that a token opens now. Unknown, expired and revoked are one.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn open_link(&self, token: &Token) -> Result<Option<Link>> {
        let link = load::<Link>(&*self.core.catalog, &tables::link(Digest(token.digest()))).await?;
        Ok(link
            .map(|row| row.0)
            .filter(|link| link.is_open(self.core.clock.now())))
    }

    /// The upload link that a token opened until the studio accepted what came by it. One that was
    /// taken back is none, and one whose session was returned after all.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn accepted_link(&self, token: &Token) -> Result<Option<Link>> {
        let link = load::<Link>(&*self.core.catalog, &tables::link(Digest(token.digest()))).await?;
        let Some((link, _)) = link.filter(|(link, _)| !link.revoked) else {
            return Ok(None);
        };
        let Some(session) = link.accepted else {
            return Ok(None);
        };
        let row =
            load::<SessionRow>(&*self.core.catalog, &tables::session(link.order, session)).await?;
        let accepted = row
            .map(|(row, _)| row)
            .filter(|row| matches!(row.review, Review::Accepted { .. }));
        Ok(accepted.map(|_| link))
    }

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
        let receipt = self.receipt(order, session).await?;
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
            gone(&at.order)?;
            if matches!(at.order.stage(), Stage::Sealing) {
                // The manifest in the making follows from the reviews: finish it first.
                self.resume_sealing(order).await?;
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

/// Nothing more is said of an order that is gone.
pub(crate) fn gone(order: &Order) -> Result<(), Refusal> {
    if !order.is_gone() {
        return Ok(());
    }
    let message = format!(
        "order {} is purged: its files and its key are gone for good",
        order.number
    );
    Err(Refusal::new(RefusalKind::Gone, message).of_order(&order.number))
}

pub(crate) fn no_session(order: &Order, session: SessionId) -> Refusal {
    let message = format!(
        "order {} has no session {session}: `stemvault session list` shows them",
        order.number
    );
    Refusal::new(RefusalKind::NotFound, message).of_order(&order.number)
}

fn check_text(what: &str, text: &str) -> Result<(), Refusal> {
    if text.len() > TEXT_MAX {
        let message = format!(
            "the {what} has {} bytes, at most {TEXT_MAX} fit: shorten it",
            text.len()
        );
        return Err(Refusal::new(RefusalKind::BadRequest, message));
    }
    Ok(())
}
