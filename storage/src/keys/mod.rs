//! Keys: one per order, and who may open them.
//!
//! A master key (a file or an environment variable, never in a store) wraps one random 256-bit key
//! per order and one records key. Wrapped keys live in the [`KeyStore`](store::KeyStore) and
//! nowhere else: destroying an order's wrapped key destroys every copy of its bytes, wherever
//! copies of the bucket lie. From an order's key a data key and a name key are derived (BLAKE3
//! `derive_key`). A master key is changed by wrapping every key again ([`rotate`]); the key store
//! is copied only as a [`backup`], which says when it must be destroyed.

pub mod backup;
mod master;
pub mod mend;
mod place;
pub mod restore;
pub mod rotate;
mod store;
#[cfg(test)]
mod tests;

pub use master::{MasterKey, MasterKeys};
pub use store::KeyStore;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

use crate::ids::{BlockHash, OrderId};

/// Whose key it is: an order's, or that of the records.
pub(crate) type Owner = Option<OrderId>;

/// What is wrong with a key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// The master key is not where it should be, and there are keys that need it.
    #[error(
        "no master key in {place}, but the key store holds keys that were wrapped with one: put the master key back (your copy of master.key); without it nothing in the bucket can be read"
    )]
    NoMaster {
        /// Where it was looked for.
        place: String,
    },
    /// The text is no master key.
    #[error(
        "{place} holds no master key ({detail}): it has one line `stemvault-master-key v1 <64 hex digits>`, the current key first"
    )]
    BadMaster {
        /// Where it was read.
        place: String,
        /// What is wrong.
        detail: String,
    },
    /// Wrapped with a master key that is not at hand.
    #[error(
        "the key of {whose} was wrapped with master key {id}, which is not at hand: add that key to the master key file"
    )]
    UnknownMaster {
        /// Whose key.
        whose: String,
        /// The id of the master key.
        id: String,
    },
    /// Wrapped with a master key that was retired.
    #[error(
        "the key of {whose} was wrapped with master key {id}, which was retired and opens nothing here any more: if it is an older copy, `stemvault keys restore` brings the key back from a backup"
    )]
    RetiredMaster {
        /// Whose key.
        whose: String,
        /// The id of the master key.
        id: String,
    },
    /// The text is no backup of a key store, or not a whole one.
    #[error(
        "this is no whole backup of a key store: {detail}; take another copy of it, or another backup"
    )]
    BadBackup {
        /// What is wrong.
        detail: String,
    },
    /// The order's key is gone.
    #[error(
        "the key of {whose} is missing from the key store: `stemvault keys restore` brings it back from a backup; without it nothing of it can be read"
    )]
    Missing {
        /// Whose key.
        whose: String,
    },
    /// The wrapped key does not open.
    #[error(
        "the key of {whose} in the key store is damaged ({detail}): `stemvault keys restore` brings it back from a backup"
    )]
    Damaged {
        /// Whose key.
        whose: String,
        /// What is wrong.
        detail: String,
    },
    /// A deleted key can still be read.
    #[error(
        "the key store still answers with a key that was deleted: switch off versioning and retention there, or a purge is no purge"
    )]
    Undeletable,
}

/// The first bytes of every derived id of a key: says which key it was, and nothing about it.
pub(crate) type KeyId = [u8; 8];

/// The keys of one order (or of the records), ready for use.
pub struct SealingKeys {
    id: KeyId,
    data: LessSafeKey,
    name: [u8; 32],
}

impl SealingKeys {
    fn derive(secret: &[u8; 32]) -> Self {
        let id = blake3::derive_key("stemvault key id v1", secret);
        let data = blake3::derive_key("stemvault data key v1", secret);
        Self {
            id: id[..8].try_into().expect("eight of 32 bytes"),
            data: aes(&data),
            name: blake3::derive_key("stemvault name key v1", secret),
        }
    }

    /// The id that sealed objects bear.
    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    /// AES-256-GCM under the data key.
    pub(crate) fn data(&self) -> &LessSafeKey {
        &self.data
    }

    /// The name of the object that holds this block: who has the bucket but not the key cannot
    /// tell whether a known recording is in it.
    #[must_use]
    pub fn object_name(&self, block: BlockHash) -> String {
        blake3::keyed_hash(&self.name, block.as_bytes())
            .to_hex()
            .to_string()
    }

    /// Keys of no order, for tests.
    #[cfg(any(test, feature = "torture"))]
    #[must_use]
    pub fn random() -> Self {
        Self::derive(&crate::ids::random())
    }
}

impl std::fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKeys({})", hex::encode(self.id))
    }
}

fn aes(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key"))
}

fn whose(order: Option<OrderId>) -> String {
    order.map_or_else(
        || "the order records".to_owned(),
        |order| format!("order {order}"),
    )
}
