//! Everything about a file that follows from its bytes so far, in a form that any node can go on
//! from: the cut, the header reader in it, and the file hash.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cut::Cut;
use super::facts::FileFacts;
use super::hash::Frontier;
use crate::ids::FileHash;

/// Where a file's bytes have led so far: the same state however they were split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    cut: Cut,
    #[serde(with = "base64_frontier")]
    hash: Frontier,
}

impl Progress {
    /// Both after the same bytes: the cut needs them as they come, the hash is quicker with many at
    /// once.
    pub(super) fn new(cut: Cut, hash: Frontier) -> Self {
        Self { cut, hash }
    }

    pub(super) fn cut(&self) -> &Cut {
        &self.cut
    }

    pub(super) fn frontier(&self) -> &Frontier {
        &self.hash
    }

    /// The file's hash, if this is its end.
    #[must_use]
    pub fn hash(&self) -> FileHash {
        self.hash.finish()
    }

    /// What the file's header says.
    #[must_use]
    pub fn facts(&self) -> FileFacts {
        self.cut.facts()
    }
}

mod base64_frontier {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    use super::{Deserialize, Deserializer, Frontier, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &Frontier, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD_NO_PAD.encode(hash.to_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Frontier, D::Error> {
        let text = String::deserialize(d)?;
        let bytes = STANDARD_NO_PAD
            .decode(text)
            .map_err(serde::de::Error::custom)?;
        Frontier::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}
