//! Links: a capability in a URL, for people who have no account; and API tokens, for those who do.
//!
//! The secret is shown once; the catalog knows its digest. A stranger cannot tell an unknown link
//! from an expired or revoked one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{LinkId, OrderId, SessionId, Token};

/// What a link opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// Uploading material to the order.
    Upload,
    /// Downloading one session.
    Session {
        /// Which.
        session: SessionId,
    },
    /// Downloading one file.
    File {
        /// Of which session.
        session: SessionId,
        /// Its normalised path.
        path: String,
    },
}

impl Scope {
    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Session { .. } => "session",
            Self::File { .. } => "file",
        }
    }
}

/// The most that one upload link takes; the order's own limits hold beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkMost {
    /// Bytes in all its files together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u64>,
}

/// A link as the catalog and the order record know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// How lists and logs name it.
    pub id: LinkId,
    /// Its order.
    pub order: OrderId,
    /// What it opens.
    #[serde(flatten)]
    pub scope: Scope,
    /// Digest of the secret, hex.
    pub digest: Digest,
    /// What may be uploaded by it, where that is less than by any link.
    #[serde(flatten)]
    pub most: LinkMost,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it was taken back.
    pub revoked: bool,
    /// The session whose acceptance ended it: whoever has the link may read that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<SessionId>,
}

impl Link {
    /// A new link and its secret.
    #[must_use]
    pub fn new(
        order: OrderId,
        scope: Scope,
        now: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
    ) -> (Self, Token) {
        let token = Token::random();
        let link = Self {
            id: LinkId::random(),
            order,
            scope,
            digest: Digest(token.digest()),
            most: LinkMost::default(),
            created_at: now,
            expires_at,
            revoked: false,
            accepted: None,
        };
        (link, token)
    }

    /// Whether it still opens what it is for.
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| now < end)
    }
}

/// An API token as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// How lists and logs name it.
    pub id: LinkId,
    /// For what or whom it was made.
    pub name: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The digest of a secret; printed as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Digest(pub [u8; 32]);

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.as_bytes(), &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_before_it_had_limits_still_opens() {
        let now = "2026-01-05T09:00:00Z".parse().unwrap();
        let (link, _) = Link::new(OrderId([1; 16]), Scope::Upload, now, None);
        let old = serde_json::to_string(&link).unwrap();
        assert!(!old.contains("max_"), "{old}");
        assert_eq!(serde_json::from_str::<Link>(&old).unwrap(), link);
        let most = LinkMost {
            max_bytes: Some(u64::MAX),
            max_files: None,
        };
        let link = Link { most, ..link };
        assert_eq!(
            serde_json::from_str::<Link>(&serde_json::to_string(&link).unwrap()).unwrap(),
            link
        );
    }
}
