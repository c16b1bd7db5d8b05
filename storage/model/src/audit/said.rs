//! Why something was decided, in somebody's words.
//!
//! A person wrote it and it may name others, so it is sealed with the order's key: it can be read as
//! long as the order lives, and a purge ends every copy of it, while the hash of its entry stays what
//! it was.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Words, sealed. As text: hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(Bytes);

impl Said {
    /// Words that were sealed with the order's key.
    #[must_use]
    pub fn sealed(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// What is stored, and hashed.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let bytes = hex::decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}
