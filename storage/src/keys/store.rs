//! The key store: wrapped keys, in a store of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;

use super::master::Wrapped;
use super::{KeyError, MasterKeys, SealingKeys, whose};
use crate::error::Result;
use crate::ids::{OrderId, random};
use crate::paths;
use crate::store::Store;

/// Makes, opens and destroys keys. Opened keys are remembered until they are destroyed.
#[derive(Debug)]
pub struct KeyStore {
    store: Store,
    masters: MasterKeys,
    opened: Mutex<HashMap<OrderId, Arc<SealingKeys>>>,
    records: Arc<SealingKeys>,
}

impl KeyStore {
    /// Opens the key store; makes the records key if there is none, and shows that a deleted key
    /// is really gone.
    ///
    /// # Errors
    /// When the records key does not open with these master keys, or deleting does not delete.
    pub async fn open(store: Store, masters: MasterKeys) -> Result<Self> {
        // A killed put may have left a copy of a wrapped key that no purge would find.
        store.sweep_killed_puts().await?;
        probe(&store).await?;
        let path = paths::records_key();
        let secret = match read(&store, &masters, &path, None).await? {
            Some(secret) => secret,
            None => write(&store, &masters, &path, None).await?,
        };
        let records = Arc::new(SealingKeys::derive(&secret));
        Ok(Self {
            store,
            masters,
            opened: Mutex::default(),
            records,
        })
    }

    /// Whether the store holds any key: then a missing master key is a loss, not a first start.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn holds_keys(store: &Store) -> Result<bool> {
        if store.get_opt(&paths::records_key()).await?.is_some() {
            return Ok(true);
        }
        Ok(!store.list(&Path::from("orders")).await?.is_empty())
    }

    /// Makes the key of a new order: put, then read back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create(&self, order: OrderId) -> Result<Arc<SealingKeys>> {
        write(
            &self.store,
            &self.masters,
            &paths::order_key(order),
            Some(order),
        )
        .await?;
        self.order(order).await
    }

    /// The key of an order.
    ///
    /// # Errors
    /// [`KeyError::Missing`] if there is none, the other kinds if it does not open.
    pub async fn order(&self, order: OrderId) -> Result<Arc<SealingKeys>> {
        let known = self.opened().get(&order).cloned();
        if let Some(keys) = known {
            return Ok(keys);
        }
        let secret = read(
            &self.store,
            &self.masters,
            &paths::order_key(order),
            Some(order),
        )
        .await?
        .ok_or_else(|| KeyError::Missing {
            whose: whose(Some(order)),
        })?;
        let keys = Arc::new(SealingKeys::derive(&secret));
        self.opened().insert(order, Arc::clone(&keys));
        Ok(keys)
    }

    /// A wrapped key as it lies in the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn wrapped(&self, path: &Path) -> Result<Option<Bytes>> {
        self.store.get_opt(path).await
    }

    /// Shows that what is deleted in a store is really gone, as for keys it must be.
    ///
    /// # Errors
    /// [`KeyError::Undeletable`].
    pub async fn check_deletes(store: &Store) -> Result<()> {
        probe(store).await
    }

    /// Asks whether the key store is there and lets us read.
    ///
    /// # Errors
    /// When it is not, or does not.
    pub async fn answers(&self) -> Result<()> {
        self.store.answers().await
    }

    /// The key that seals tombstones.
    #[must_use]
    pub fn records(&self) -> &Arc<SealingKeys> {
        &self.records
    }

    /// Destroys the key of an order, and reads back that it is gone. Twice is once.
    ///
    /// # Errors
    /// [`KeyError::Undeletable`] if the store still answers with it.
    pub async fn destroy(&self, order: OrderId) -> Result<()> {
        self.opened().remove(&order);
        let path = paths::order_key(order);
        self.store.delete(&path).await?;
        self.store.settle(&Path::from("orders")).await?;
        match self.store.get_opt(&path).await? {
            Some(_) => Err(KeyError::Undeletable.into()),
            None => Ok(()),
        }
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, Arc<SealingKeys>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(
    store: &Store,
    masters: &MasterKeys,
    path: &Path,
    order: Option<OrderId>,
) -> Result<Option<[u8; 32]>> {
    let Some(bytes) = store.get_opt(path).await? else {
        return Ok(None);
    };
    let wrapped: Wrapped = serde_json::from_slice(&bytes).map_err(|error| KeyError::Damaged {
        whose: whose(order),
        detail: error.to_string(),
    })?;
    Ok(Some(masters.unwrap(&wrapped, &whose(order))?))
}

async fn write(
    store: &Store,
    masters: &MasterKeys,
    path: &Path,
    order: Option<OrderId>,
) -> Result<[u8; 32]> {
    let secret = random();
    let wrapped = masters.wrap(&secret, &whose(order));
    let bytes = serde_json::to_vec(&wrapped).expect("strings are JSON");
    store.prepare(&Path::from("orders")).await?;
    store.put_now(path, Bytes::from(bytes)).await?;
    match read(store, masters, path, order).await? {
        Some(back) if back == secret => Ok(secret),
        _ => Err(KeyError::Damaged {
            whose: whose(order),
            detail: "the key store does not give back what was put".into(),
        }
        .into()),
    }
}

/// A store that keeps old versions would make every purge a lie.
async fn probe(store: &Store) -> Result<()> {
    let path = Path::from(format!("probe-{}", hex::encode(random::<8>())));
    store
        .put_now(
            &path,
            Bytes::from_static(b"stemvault asks whether deleting deletes\n"),
        )
        .await?;
    store.delete(&path).await?;
    match store.get_opt(&path).await? {
        Some(_) => Err(KeyError::Undeletable.into()),
        None => Ok(()),
    }
}
