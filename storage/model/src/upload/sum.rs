//! A second sum of a whole file, beside its BLAKE3: one that its sender said, or asked for, in an
//! algorithm of its own (`Repr-Digest`, RFC 9530).
//!
//! It is carried on in the upload's record from byte to byte, however many requests bring them, so
//! that nothing is read twice. The file that turns out to have another one is not finished.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::digest::Digest;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Sha256, Sha512};

/// The algorithms, by their keys in the registry of RFC 9530. Others in it are broken, or no sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them; the quickest first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Its key.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes of a sum.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A sum in the making.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Sum {
    state: State,
    said: Option<Box<[u8]>>,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Sum {
    /// Of no bytes yet; `said` is what it is to be in the end.
    #[must_use]
    pub fn new(algorithm: Algorithm, said: Option<&[u8]>) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::default()),
            Algorithm::Sha512 => State::Sha512(Sha512::default()),
        };
        let said = said.map(Box::from);
        Self { state, said }
    }

    /// What kind of sum it is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.state {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// What it was said to be.
    #[must_use]
    pub fn said(&self) -> Option<&[u8]> {
        self.said.as_deref()
    }

    /// What it is, of all bytes so far.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        match self.state.clone() {
            State::Sha256(sum) => sum.finalize().to_vec(),
            State::Sha512(sum) => sum.finalize().to_vec(),
        }
    }

    /// Whether these bytes are not what was said, should they be all.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.said
            .as_deref()
            .is_some_and(|said| said != self.value())
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(sum) => sum.update(bytes),
            State::Sha512(sum) => sum.update(bytes),
        }
    }

    fn state(&self) -> Vec<u8> {
        match &self.state {
            State::Sha256(sum) => sum.serialize().to_vec(),
            State::Sha512(sum) => sum.serialize().to_vec(),
        }
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        let of = |sum: &Self| (sum.algorithm(), sum.state());
        self.said == other.said && of(self) == of(other)
    }
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sum({})", self.algorithm().name())
    }
}

/// As it lies in the record.
#[derive(Serialize, Deserialize)]
struct Stored {
    algorithm: String,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

impl From<Sum> for Stored {
    fn from(sum: Sum) -> Self {
        Self {
            algorithm: sum.algorithm().name().to_owned(),
            state: STANDARD_NO_PAD.encode(sum.state()),
            said: sum.said.map(|said| STANDARD_NO_PAD.encode(said)),
        }
    }
}

impl TryFrom<Stored> for Sum {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let known = Algorithm::ALL
            .into_iter()
            .find(|it| it.name() == stored.algorithm);
        let algorithm = known.ok_or_else(|| format!("no sum is called {:?}", stored.algorithm))?;
        let bytes = |text: &str| {
            let bytes = STANDARD_NO_PAD.decode(text);
            bytes.map_err(|error| format!("the {} of an upload: {error}", algorithm.name()))
        };
        let state = bytes(&stored.state)?;
        let state = match algorithm {
            Algorithm::Sha256 => restored(&state).map(State::Sha256),
            Algorithm::Sha512 => restored(&state).map(State::Sha512),
        };
        let damaged = || format!("the {} of an upload is damaged", algorithm.name());
        let said = stored.said.as_deref().map(bytes).transpose()?;
        Ok(Self {
            state: state.ok_or_else(damaged)?,
            said: said.map(Box::from),
        })
    }
}

fn restored<S: SerializableState>(state: &[u8]) -> Option<S> {
    let state = SerializedState::<S>::try_from(state).ok()?;
    S::deserialize(&state).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_wherever_the_record_was_written() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        for algorithm in Algorithm::ALL {
            let whole = match algorithm {
                Algorithm::Sha256 => Sha256::digest(&bytes).to_vec(),
                Algorithm::Sha512 => Sha512::digest(&bytes).to_vec(),
            };
            assert_eq!(whole.len(), algorithm.length());
            let mut sum = Sum::new(algorithm, Some(&whole));
            for piece in bytes.chunks(4_999) {
                assert!(sum.is_wrong());
                sum.push(piece);
                let record = serde_json::to_string(&sum).unwrap();
                let read: Sum = serde_json::from_str(&record).unwrap();
                assert_eq!(read, sum);
                assert_ne!(read, Sum::new(algorithm, Some(&whole)));
                sum = read;
            }
            assert_eq!(sum.value(), whole);
            assert!(!sum.is_wrong() && !Sum::new(algorithm, None).is_wrong());
        }
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        let stored = |algorithm: &str, state: &str| {
            let record = serde_json::json!({"algorithm": algorithm, "state": state});
            serde_json::from_value::<Sum>(record)
        };
        for (algorithm, state) in [("md5", ""), ("sha-256", "AAAA"), ("sha-512", "*")] {
            assert!(stored(algorithm, state).is_err());
        }
    }
}
