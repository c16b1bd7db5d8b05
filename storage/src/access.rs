//! Links: made, opened and revoked.

use std::sync::Arc;

use crate::audit::What;
use crate::catalog::Batch;
use crate::core::{Core, TRIES};
use crate::error::{Error, Result};
use crate::ids::{LinkId, OrderId, Token};
use crate::link::{Digest, Link, LinkMost, Scope};
use crate::manifests::Manifests;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Review, SessionRow};
use crate::tables::{self, DigestOf, OrderOf, load, put};

/// Who may come in, by what they hold.
#[derive(Clone, Debug)]
pub struct Access {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
}

impl Access {
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
                self.manifests.receipt(order, *session).await?;
            }
            Scope::File { session, path } => {
                let receipt = self.manifests.receipt(order, *session).await?;
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
            at.order.check_lives()?;
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
}
