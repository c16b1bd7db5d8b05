//! The key store: wrapped keys, in a store of their own.
//!
//! A wrapped key is replaced only by itself under another master key, and only after the new
//! wrapping was read back from beside it: there is no moment at which the only copy of a key is one
//! that nobody has opened yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;

use super::master::Wrapped;
use super::place::{path_of, put, read};
use super::{KeyError, MasterKeys, Owner, SealingKeys, whose};
use crate::catalog::Version;
use crate::error::{Error, Result};
use crate::ids::{OrderId, random};
use crate::paths;
use crate::store::{Lease, Store};

/// Makes, opens, re-wraps and destroys keys. Opened keys are remembered until they are destroyed.
#[derive(Debug)]
pub struct KeyStore {
    pub(crate) store: Store,
    masters: RwLock<Arc<MasterKeys>>,
    /// Master keys that open nothing any more, even if they are still at hand.
    retired: RwLock<BTreeSet<String>>,
    /// Since when this process knows which master key is current.
    switched: Mutex<Option<(Version, Duration)>>,
    /// One rotation at a time is enough.
    pub(crate) rotating: tokio::sync::Mutex<()>,
    opened: Mutex<HashMap<OrderId, Arc<SealingKeys>>>,
    records: Arc<SealingKeys>,
}

impl KeyStore {
    /// Opens the key store; makes the records key if there is no key at all, and shows that a deleted
    /// key is really gone.
    ///
    /// # Errors
    /// When the records key is missing beside others, or does not open with these master keys; when
    /// deleting does not delete.
    pub async fn open(store: Store, masters: MasterKeys) -> Result<Self> {
        // A killed put may have left a copy of a wrapped key that no purge would find.
        store.sweep_killed_puts().await?;
        probe(&store).await?;
        let secret = match read(&store, &masters, None).await? {
            Some((secret, _)) => secret,
            // A new one beside keys of orders would open no tombstone and no snapshot there is.
            None if Self::holds_keys(&store).await? => {
                return Err(KeyError::Missing { whose: whose(None) }.into());
            }
            None => {
                let secret = random();
                put(&store, &masters, masters.first().id(), &secret, None, None).await?;
                secret
            }
        };
        Ok(Self::over(store, masters, &secret))
    }

    fn over(store: Store, masters: MasterKeys, records: &[u8; 32]) -> Self {
        Self {
            store,
            masters: RwLock::new(Arc::new(masters)),
            retired: RwLock::default(),
            switched: Mutex::default(),
            rotating: tokio::sync::Mutex::default(),
            opened: Mutex::default(),
            records: Arc::new(SealingKeys::derive(records)),
        }
    }

    /// Opens the key store to read: nothing is made, probed or swept, so another process may use it.
    ///
    /// # Errors
    /// When the records key is missing, or does not open with these master keys.
    pub async fn open_to_read(store: Store, masters: MasterKeys) -> Result<Self> {
        let store = store.read_only();
        let secret = read(&store, &masters, None).await?;
        let (secret, _) = secret.ok_or_else(|| KeyError::Missing { whose: whose(None) })?;
        Ok(Self::over(store, masters, &secret))
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

    /// Makes the key of a new order, wrapped by this master key: put, then read back.
    ///
    /// # Errors
    /// When the store fails, or the lease is over.
    pub(crate) async fn create(
        &self,
        order: OrderId,
        master: &str,
        lease: &Lease,
    ) -> Result<Arc<SealingKeys>> {
        let secret = random();
        self.put(master, &secret, Some(order), lease).await?;
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
        let (secret, _) = self
            .secret(Some(order))
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
    pub async fn wrapped_bytes(&self, path: &Path) -> Result<Option<Bytes>> {
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

    pub(crate) fn store(&self) -> &Store {
        &self.store
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
        for path in [paths::prepared(&path), path] {
            self.store.delete(&path).await?;
        }
        self.store.settle(&Path::from("orders")).await?;
        self.store.settle(&Path::from("prepared/orders")).await?;
        if self.holds(order).await? {
            return Err(KeyError::Undeletable.into());
        }
        Ok(())
    }

    /// Destroys the key of an order that was never made. A rotation that has seen it would put it
    /// back: it ends first.
    ///
    /// # Errors
    /// As [`destroy`](Self::destroy).
    pub(crate) async fn discard(&self, order: OrderId) -> Result<()> {
        let _none = self.rotating.lock().await;
        self.destroy(order).await
    }

    /// Whether there is a key of this order, in whatever state.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn holds(&self, order: OrderId) -> Result<bool> {
        let path = paths::order_key(order);
        for path in [paths::prepared(&path), path] {
            if self.store.get_opt(&path).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The master keys at hand.
    #[must_use]
    pub fn masters(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.masters.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the master key file again, if they came from one.
    ///
    /// # Errors
    /// When it cannot be read; what was known stays.
    pub async fn reload(&self) -> Result<Arc<MasterKeys>> {
        let Some(file) = self.masters().file().map(ToOwned::to_owned) else {
            return Ok(self.masters());
        };
        let place = file.display().to_string();
        let read = tokio::task::spawn_blocking(move || MasterKeys::read(&file));
        let read = read.await.expect("no panic in reading a file")?;
        let masters = Arc::new(read.ok_or(KeyError::NoMaster { place })?);
        *self.masters.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&masters);
        Ok(masters)
    }

    /// Notes which version of the row about the current master key was seen, and when first.
    pub(crate) fn note_current(&self, version: Version, now: Duration) {
        let mut switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
        if switched.is_none_or(|(known, _)| known != version) {
            *switched = Some((version, now));
        }
    }

    /// Since when this process knows the current master key.
    pub(crate) fn current_since(&self) -> Option<Duration> {
        let switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
        switched.map(|(_, since)| since)
    }

    /// From now on these open nothing, although they may be at hand.
    pub(crate) fn set_retired(&self, ids: Vec<String>) {
        let mut retired = self.retired.write().unwrap_or_else(PoisonError::into_inner);
        *retired = ids.into_iter().collect();
    }

    pub(crate) fn is_retired(&self, id: &str) -> bool {
        let retired = self.retired.read();
        retired.unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Every key there is, the records key first.
    pub(crate) async fn owners(&self) -> Result<Vec<Owner>> {
        let listed = self.store.list(&Path::from("orders")).await?;
        let orders = listed.iter().filter_map(|(path, _)| path.filename());
        let orders = orders.filter_map(|name| name.parse().ok()).map(Some);
        Ok(std::iter::once(None).chain(orders).collect())
    }

    /// A wrapped key as it lies there.
    pub(crate) async fn wrapped(&self, owner: Owner) -> Result<Option<Wrapped>> {
        let bytes = self.store.get_opt(&path_of(owner)).await?;
        let wrapped = bytes.map(|bytes| Wrapped::parse(&bytes, &whose(owner)));
        Ok(wrapped.transpose()?)
    }

    /// An opened key, and the master key that wraps it. Another process may have wrapped it with a
    /// master key that this one has not read yet.
    pub(crate) async fn secret(&self, owner: Owner) -> Result<Option<([u8; 32], String)>> {
        let masters = self.masters();
        let found = match read(&self.store, &masters, owner).await {
            Err(Error::Key(KeyError::UnknownMaster { .. })) => {
                let masters = self.reload().await?;
                read(&self.store, &masters, owner).await?
            }
            found => found?,
        };
        match found {
            Some((_, id)) if self.is_retired(&id) => {
                let whose = whose(owner);
                Err(KeyError::RetiredMaster { whose, id }.into())
            }
            found => Ok(found),
        }
    }

    /// Wraps a key and puts it in its place, after it was read back from beside it.
    pub(crate) async fn put(
        &self,
        master: &str,
        secret: &[u8; 32],
        owner: Owner,
        lease: &Lease,
    ) -> Result<()> {
        let masters = self.masters();
        put(&self.store, &masters, master, secret, owner, Some(lease)).await
    }

    /// Removes what a rotation that was killed left beside a key that is wrapped by `master`.
    pub(crate) async fn tidy(&self, master: &str) -> Result<()> {
        for (beside, _) in self.store.list(&Path::from("prepared")).await? {
            let owner = match beside.filename() {
                Some("records") => None,
                Some(name) => match name.parse() {
                    Ok(order) => Some(order),
                    Err(_) => continue,
                },
                None => continue,
            };
            let found = self.wrapped(owner).await?;
            if found.is_some_and(|wrapped| wrapped.master == master) {
                self.store.delete(&beside).await?;
            }
        }
        Ok(())
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, Arc<SealingKeys>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
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
