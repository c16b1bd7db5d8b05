//! Everything about a file that follows from its bytes so far, in a form that any node can go on
//! from: the cut, the header reader in it, the file hash, and another sum if its sender wants one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cut::Cut;
use super::hash::Frontier;
use super::sum::Sum;
use crate::checks::facts::FileFacts;
use crate::ids::FileHash;

/// Where a file's bytes have led so far: the same state however they were split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    cut: Cut,
    #[serde(flatten)]
    sums: Sums,
}

/// What is summed up over a file's bytes. They are quicker with many at once; the cut needs them as
/// they come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    #[serde(with = "base64_frontier")]
    hash: Frontier,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<Sum>,
}

impl Sums {
    /// How many bytes were pushed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.hash.len()
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hash.push(bytes);
        if let Some(sum) = &mut self.sum {
            sum.push(bytes);
        }
    }

    /// The file's hash, if this is its end.
    #[must_use]
    pub fn finish(&self) -> FileHash {
        self.hash.finish()
    }
}

impl Progress {
    /// Of no bytes of a file of this length, with another sum to be carried along.
    #[must_use]
    pub fn begin(length: Option<u64>, sum: Option<Sum>) -> Self {
        let hash = Frontier::new();
        let (cut, sums) = (Cut::of(length), Sums { hash, sum });
        Self { cut, sums }
    }

    /// Both after the same bytes.
    #[must_use]
    pub fn new(cut: Cut, sums: Sums) -> Self {
        Self { cut, sums }
    }

    /// Where its blocks end, after the same bytes.
    #[must_use]
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// What is summed up over them.
    #[must_use]
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The file's hash, if this is its end.
    #[must_use]
    pub fn hash(&self) -> FileHash {
        self.sums.finish()
    }

    /// The sum that its sender said or asked for.
    #[must_use]
    pub fn sum(&self) -> Option<&Sum> {
        self.sums.sum.as_ref()
    }

    /// The same of a file that is sealed and will not go on: its hash stands in its state, so what leads
    /// on to it is not kept. It is most of the row, and an order may have 20,000.
    #[must_use]
    pub fn ended(self) -> Self {
        let hash = Frontier::new();
        let sums = Sums { hash, ..self.sums };
        Self { sums, ..self }
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

    pub fn serialize<S: Serializer>(hash: &Frontier, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD_NO_PAD.encode(hash.to_bytes()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Frontier, D::Error> {
        let text = String::deserialize(d)?;
        let bytes = STANDARD_NO_PAD
            .decode(text)
            .map_err(serde::de::Error::custom)?;
        Frontier::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}
