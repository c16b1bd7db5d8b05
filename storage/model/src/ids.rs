//! Identifiers, and the only file through which randomness enters Stemvault.
//!
//! Random ids are 128 bits, printed as 32 lower-case hex digits; tokens are 256 bits, printed as
//! URL-safe base64 without padding. Hashes are BLAKE3 and printed as `b3sum` prints them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Fills an array with bytes from the system's cryptographic generator (aws-lc).
///
/// # Panics
/// If the operating system has no randomness to give: nothing safe can be done without it.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A stream of random numbers: what a sample is drawn with. From a seed it is always the same.
#[derive(Debug)]
pub struct Chance(blake3::OutputReader);

impl Chance {
    /// One that nobody can foresee.
    #[must_use]
    pub fn random() -> Self {
        Self::of(&random::<32>())
    }

    /// One that can be had again.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::of(&seed.to_be_bytes())
    }

    fn of(seed: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("stemvault chance v1");
        hasher.update(seed);
        Self(hasher.finalize_xof())
    }

    /// Another stream, so that who draws for long keeps nobody waiting.
    #[must_use]
    pub fn another(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill(&mut seed);
        Self::of(&seed)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let scaled = u128::from(u64::from_be_bytes(bytes)) * u128::from(end);
        u64::try_from(scaled >> 64).expect("less than `end`")
    }

    /// `count` different numbers below `end`, ascending: each choice as likely as every other.
    pub fn sample(&mut self, count: u64, end: u64) -> Vec<u64> {
        let mut chosen = std::collections::BTreeSet::new();
        for last in end.saturating_sub(count)..end {
            let number = self.below(last + 1);
            if !chosen.insert(number) {
                chosen.insert(last);
            }
        }
        chosen.into_iter().collect()
    }
}

/// A string that is not an identifier of the wanted form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: expected {digits} hex digits, got {text:?}")]
pub struct BadId {
    what: &'static str,
    digits: usize,
    text: String,
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let mut bytes = [0; $len];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) => Ok(Self(bytes)),
                    Err(_) => Err(BadId { what: $what, digits: $len * 2, text: text.into() }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! random_id {
    ($name:ident) => {
        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(random())
            }
        }
    };
}

hex_id!(
    /// The order's inner name, which paths use: random, so that a path says nothing about the order.
    OrderId, 16, "an order id"
);
random_id!(OrderId);
hex_id!(
    /// One file in flight. The same 128 bits as the UUID that the tus protocol core makes.
    UploadId, 16, "an upload id"
);
random_id!(UploadId);
hex_id!(
    /// The start of a block whose end has not arrived, as its object is named.
    FragmentId, 16, "a fragment id"
);
random_id!(FragmentId);
hex_id!(
    /// One run of the archiver over one order.
    AttemptId, 16, "an archive attempt"
);
random_id!(AttemptId);
hex_id!(
    /// One run of a job.
    RunId, 16, "a run id"
);
random_id!(RunId);
hex_id!(
    /// One snapshot of the catalog.
    SnapshotId, 16, "a snapshot id"
);
random_id!(SnapshotId);
hex_id!(
    /// A link or an API token, as lists and logs name it; says nothing about the secret.
    LinkId, 16, "a link id"
);
random_id!(LinkId);
hex_id!(
    /// A sealed session: the BLAKE3 of its manifest's stored bytes.
    SessionId, 32, "a session id"
);
hex_id!(
    /// The BLAKE3 of a block's plain bytes.
    BlockHash, 32, "a block hash"
);
hex_id!(
    /// The hash of an entry of the audit log.
    EntryHash, 32, "a hash of an entry"
);
hex_id!(
    /// The BLAKE3 of a whole file, as `b3sum` prints it.
    FileHash, 32, "a file hash"
);

/// A secret that opens something: shown once, kept only as its [`digest`](Token::digest).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new secret of 256 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::<32>()))
    }

    /// What someone presented; anything is accepted, only the digest decides.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text to hand out, once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up: BLAKE3 under a context of its own.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        blake3::derive_key("stemvault token digest v1", self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        let id = OrderId::random();
        assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        assert!("0".repeat(31).parse::<OrderId>().is_err());
        assert_ne!(OrderId::random(), id);
    }

    #[test]
    fn a_sample_has_its_size_and_can_be_drawn_again() {
        let draw = |seed| Chance::seeded(seed).sample(20, 1000);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        for (count, end) in [(0, 5), (5, 5), (9, 5), (3, 0), (20, 1000)] {
            let sample = Chance::random().sample(count, end);
            assert_eq!(sample.len() as u64, count.min(end));
            assert!(sample.iter().all(|number| *number < end));
        }
        // Every number has its turn.
        let mut chance = Chance::seeded(1);
        let seen: std::collections::HashSet<_> =
            (0..200).flat_map(|_| chance.sample(2, 10)).collect();
        assert_eq!(seen.len(), 10);
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_hides_itself() {
        let token = Token::random();
        assert_eq!(Token::presented(token.reveal()).digest(), token.digest());
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
