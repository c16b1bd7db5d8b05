//! Who asks: API tokens, which staff and their programs send with every request.
//!
//! A missing, an unknown and an expired token look the same from outside. A token is looked up by
//! its digest, so nothing here compares secrets.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use stemvault_storage::Vault;
use stemvault_storage::audit::Actor;
use stemvault_storage::ids::Token;
use stemvault_storage::link::{ApiToken, Digest};
use stemvault_storage::tables::{self, load};

use crate::app::{App, SharedApp};
use crate::error::{Answer, Failure};

/// A request of someone who may do everything: it carried an API token that is open now.
#[derive(Debug)]
pub struct Staff(pub ApiToken);

impl Staff {
    /// The token of a request.
    ///
    /// # Errors
    /// [`Failure::stranger`], [`tried`](Failure::tried) if there was a token; those of the catalog.
    pub async fn of(app: &App, headers: &HeaderMap) -> Answer<Self> {
        let token = presented(headers).ok_or_else(Failure::stranger)?;
        let found = load::<ApiToken>(
            &**app.vault.core.catalog(),
            &tables::token(Digest(token.digest())),
        )
        .await?;
        let now = app.clock.now();
        found
            .map(|(token, _)| token)
            .filter(|token| token.expires_at.is_none_or(|end| now < end))
            .map(Self)
            .ok_or_else(|| Failure::stranger().tried())
    }

    /// Their pseudonym in audit logs.
    #[must_use]
    pub fn who(&self) -> Actor {
        Actor::Token(self.0.id)
    }

    /// The vault in their hands: what is decided with it bears their pseudonym.
    #[must_use]
    pub fn vault(&self, app: &App) -> Arc<Vault> {
        app.vault.by(self.who())
    }
}

impl FromRequestParts<SharedApp> for Staff {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Answer<Self> {
        Self::of(app, &parts.headers).await
    }
}

fn presented(headers: &HeaderMap) -> Option<Token> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Token::presented(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_one() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            presented(&headers).map(|token| token.reveal().to_owned())
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc ").as_deref(), Some("abc"));
        for bad in ["Bearer", "Bearer ", "Basic abc", "abc"] {
            assert_eq!(token(bad), None, "{bad}");
        }
        assert!(presented(&HeaderMap::new()).is_none());
    }
}
