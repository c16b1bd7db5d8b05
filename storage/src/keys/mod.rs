//! Keys: one per order, and who may open them.
//!
//! A master key (a file or an environment variable, never in a store) wraps one random 256-bit key
//! per order and one records key. Wrapped keys live in the [`KeyStore`](store::KeyStore) and
//! nowhere else: destroying an order's wrapped key destroys every copy of its bytes, wherever
//! copies of the bucket lie. From an order's key a data key and a name key are derived (BLAKE3
//! `derive_key`). How keys are looked after: [`key_care`](crate::key_care).

pub(crate) mod master;
pub(crate) mod place;
mod store;

pub use master::{MasterKey, MasterKeys};
pub use store::KeyStore;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

pub use crate::error::KeyError;
use crate::ids::{BlockHash, OrderId};

/// Whose key it is: an order's, or that of the records.
pub(crate) type Owner = Option<OrderId>;

/// The first bytes of every derived id of a key: says which key it was, and nothing about it.
pub(crate) type KeyId = [u8; 8];

/// The keys of one order (or of the records), ready for use.
pub struct SealingKeys {
    id: KeyId,
    data: LessSafeKey,
    name: [u8; 32],
}

impl SealingKeys {
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
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

pub(crate) fn whose(order: Option<OrderId>) -> String {
    order.map_or_else(
        || "the order records".to_owned(),
        |order| format!("order {order}"),
    )
}
