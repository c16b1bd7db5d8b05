//! Master keys: they wrap the others, and stand in a file or an environment variable.
//!
//! One line a key, `stemvault-master-key v1 <64 hex digits>`; the first is the current one, which
//! wraps new keys; `#` begins a comment. A file can be read again while the server runs: that is how
//! a new master key reaches it.

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{Aad, Nonce};
use serde::{Deserialize, Serialize};

use super::{KeyError, aes};
use crate::ids::random;

const PREFIX: &str = "stemvault-master-key v1 ";

/// One master key.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    secret: [u8; 32],
}

impl MasterKey {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self::new(random())
    }

    fn new(secret: [u8; 32]) -> Self {
        let id = blake3::derive_key("stemvault master key id v1", &secret);
        Self {
            id: hex::encode(&id[..8]),
            secret,
        }
    }

    /// Says which key it is, and nothing about it: 16 hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The line for the file. Keep it safe.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}\n", hex::encode(self.secret))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// All master keys at hand; the first is meant to wrap new keys.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    keys: Vec<MasterKey>,
    file: Option<PathBuf>,
}

impl From<MasterKey> for MasterKeys {
    fn from(key: MasterKey) -> Self {
        Self {
            keys: vec![key],
            file: None,
        }
    }
}

impl MasterKeys {
    /// Reads the lines of a master key file; `place` is for messages.
    ///
    /// # Errors
    /// [`KeyError::BadMaster`] with what is wrong; never the key.
    pub fn parse(text: &str, place: &str) -> Result<Self, KeyError> {
        let bad = |detail: String| KeyError::BadMaster {
            place: place.to_owned(),
            detail,
        };
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut secret = [0; 32];
            line.strip_prefix(PREFIX)
                .and_then(|digits| hex::decode_to_slice(digits.trim(), &mut secret).ok())
                .ok_or_else(|| bad(format!("line {} is none", number + 1)))?;
            keys.push(MasterKey::new(secret));
        }
        if keys.is_empty() {
            Err(bad("it is empty".into()))
        } else {
            Ok(Self { keys, file: None })
        }
    }

    /// The same, from a file that may be read again later. `None` if there is no such file.
    ///
    /// # Errors
    /// [`KeyError::BadMaster`] if it cannot be read or understood.
    pub fn read(file: &Path) -> Result<Option<Self>, KeyError> {
        let place = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let detail = error.to_string();
                return Err(KeyError::BadMaster { place, detail });
            }
            Ok(text) => text,
        };
        Ok(Some(Self {
            file: Some(file.to_owned()),
            ..Self::parse(&text, &place)?
        }))
    }

    /// The key that is meant to wrap new keys: the first.
    #[must_use]
    pub fn first(&self) -> &MasterKey {
        &self.keys[0]
    }

    /// All of them, by their ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(MasterKey::id)
    }

    /// The file they were read from; none if they came from the environment.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The key of this id, if it is at hand.
    pub(crate) fn get(&self, id: &str) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Wraps a secret for `whose`, which is bound into it.
    pub(crate) fn wrap(master: &MasterKey, secret: &[u8; 32], whose: &str) -> Wrapped {
        let nonce = random::<12>();
        let mut sealed = secret.to_vec();
        aes(&master.secret)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad(&master.id, whose)),
                &mut sealed,
            )
            .expect("32 bytes can be sealed");
        Wrapped {
            v: 1,
            master: master.id.clone(),
            nonce: hex::encode(nonce),
            sealed: hex::encode(sealed),
        }
    }

    /// Opens what [`wrap`](Self::wrap) made, with whichever key it was.
    pub(crate) fn unwrap(&self, wrapped: &Wrapped, whose: &str) -> Result<[u8; 32], KeyError> {
        let master = self
            .get(&wrapped.master)
            .ok_or_else(|| KeyError::UnknownMaster {
                whose: whose.to_owned(),
                id: wrapped.master.clone(),
            })?;
        let damaged = |detail: &str| KeyError::Damaged {
            whose: whose.to_owned(),
            detail: detail.into(),
        };
        let mut nonce = [0; 12];
        hex::decode_to_slice(&wrapped.nonce, &mut nonce).map_err(|_| damaged("bad nonce"))?;
        let mut sealed = hex::decode(&wrapped.sealed).map_err(|_| damaged("bad hex"))?;
        let secret = aes(&master.secret)
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad(&master.id, whose)),
                &mut sealed,
            )
            .map_err(|_| damaged("it does not open"))?;
        (&*secret).try_into().map_err(|_| damaged("bad length"))
    }
}

fn aad(master: &str, whose: &str) -> Vec<u8> {
    format!("stemvault wrapped key v1\0{master}\0{whose}").into_bytes()
}

/// A wrapped key as it lies in the key store: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wrapped {
    v: u32,
    /// The id of the master key that wrapped it.
    pub(crate) master: String,
    nonce: String,
    sealed: String,
}

impl Wrapped {
    pub(crate) fn parse(bytes: &[u8], whose: &str) -> Result<Self, KeyError> {
        serde_json::from_slice(bytes).map_err(|error| KeyError::Damaged {
            whose: whose.to_owned(),
            detail: error.to_string(),
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_wrapped_and_bound_to_their_owner() {
        let (old, new) = (MasterKey::random(), MasterKey::random());
        let wrapped = MasterKeys::wrap(&old, &[5; 32], "order a");
        let text = format!("# comment\n{}\n{}", new.reveal(), old.reveal());
        let both = MasterKeys::parse(&text, "master.key").unwrap();
        assert_eq!(both.first().id(), new.id());
        assert_eq!(both.unwrap(&wrapped, "order a").unwrap(), [5; 32]);
        assert!(matches!(
            both.unwrap(&wrapped, "order b"),
            Err(KeyError::Damaged { .. })
        ));
        let other = MasterKeys::from(new).unwrap(&wrapped, "order a");
        assert!(matches!(other, Err(KeyError::UnknownMaster { .. })));
    }

    #[test]
    fn a_bad_file_is_named_and_never_printed() {
        let error = MasterKeys::parse("stemvault-master-key v1 abcd", "/x/master.key").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("/x/master.key") && text.contains("line 1") && !text.contains("abcd")
        );
    }
}
