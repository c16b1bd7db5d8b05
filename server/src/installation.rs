//! Everything that keeps sessions, opened from the settings: stores, keys, catalog, vault.
//!
//! Looks before it makes anything: a master key or a catalog that is missing where there is
//! something that needs it is a loss, and never replaced by a new one.

pub mod restore;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use stemvault_config::{MasterKeySource, Settings, StoreUrl};
use stemvault_storage::catalog::{Catalog, Embedded};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::keys::{KeyError, KeyStore, MasterKey, MasterKeys};
use stemvault_storage::mirror::Mirror;
use stemvault_storage::order::Order;
use stemvault_storage::store::Store;
use stemvault_storage::tables::{self, load_all};
use stemvault_storage::{Limits, Vault};

use crate::first_start::{make_private_folder, write_durably};
use crate::master_file::lines;
use crate::private;

/// The stores, the keys and the catalog of a process.
#[derive(Debug)]
pub struct Installation {
    /// All of it, as requests and jobs use it.
    pub vault: Arc<Vault>,
    catalog: Embedded,
    #[cfg(feature = "torture")]
    torture: Arc<stemvault_storage::torture::Torture>,
}

/// The three stores, and the mirror's two.
struct Stores {
    working: Store,
    archive: Store,
    keys: Store,
    mirror: Option<Mirror>,
    /// What counts their writes, in a build for tests.
    #[cfg(feature = "torture")]
    torture: Arc<stemvault_storage::torture::Torture>,
}

/// Where the catalog of these settings lies.
#[must_use]
pub fn catalog_folder(settings: &Settings) -> PathBuf {
    settings.data_dir.join("catalog")
}

impl Installation {
    /// Opens everything, and makes what a first start has to make. With `rebuilding`, the catalog
    /// is another one, in that folder, and may be new although there are orders.
    ///
    /// # Errors
    /// In words for whoever started it: what is missing, locked or wrong, and what to do.
    pub async fn open(
        settings: &Settings,
        clock: SharedClock,
        rebuilding: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        private::data_folder(&settings.data_dir)?;
        let stores = Stores::open(settings)?;
        let masters = stores.masters(settings).await?;
        stores.check_keys().await?;
        let folder = match rebuilding {
            Some(folder) => folder,
            None => {
                let folder = catalog_folder(settings);
                if !folder.exists() {
                    stores.check_empty().await?;
                }
                folder
            }
        };
        let catalog = Embedded::open(folder).await?;
        stores.check_keys_of(&*catalog.shared()).await?;
        let masters = match masters {
            Some(masters) => masters,
            None => make_master(settings)?,
        };
        // No put of another process is under way: the catalog's lock is ours.
        stores.keys.sweep_killed_puts().await?;
        stores.mend_records(&masters).await;
        let keys = KeyStore::open(stores.keys, masters).await?;
        let shared: Arc<dyn Catalog> = catalog.shared();
        #[cfg(feature = "torture")]
        let shared = stores.torture.catalog(shared);
        let limits = limits(settings)?;
        check_mirror(stores.mirror.as_ref()).await;
        let vault = Vault::new(shared, stores.working, stores.archive, keys, clock, limits);
        let vault = vault.with_mirror(stores.mirror);
        vault.core.time().allow(settings.retention.clock_jump);
        Ok(Self {
            vault: Arc::new(vault),
            catalog,
            #[cfg(feature = "torture")]
            torture: stores.torture,
        })
    }

    /// The start is done: what is written from now on is the server's work.
    pub fn started(&self) {
        #[cfg(feature = "torture")]
        self.torture.begin();
    }

    /// Closes the catalog; from then on whoever still writes is refused.
    pub async fn close(self) {
        self.catalog.close().await;
    }
}

/// A vault over these settings' stores and a catalog of the caller's, that reads the stores and
/// writes nothing: a server may use them meanwhile.
///
/// # Errors
/// When a store, the master key or the records key is not there.
pub async fn to_read(
    settings: &Settings,
    clock: SharedClock,
    catalog: Arc<dyn Catalog>,
) -> anyhow::Result<Arc<Vault>> {
    let open = |name, url: &StoreUrl| {
        if let Some(folder) = url.local_path().filter(|folder| !folder.is_dir()) {
            bail!(
                "the {name} store is missing: there is no folder {}",
                folder.display()
            );
        }
        open_store(name, url)
    };
    let stores = Stores {
        working: open("working", &settings.stores.working)?.read_only(),
        archive: open("archive", &settings.stores.archive)?.read_only(),
        keys: open("keys", &settings.stores.keys)?.read_only(),
        mirror: None,
        #[cfg(feature = "torture")]
        torture: Arc::default(),
    };
    let masters = stores.masters(settings).await?;
    let masters = masters.context("there is no master key, and no key that it could open")?;
    let keys = KeyStore::open_to_read(stores.keys, masters).await?;
    let limits = limits(settings)?;
    let vault = Vault::new(catalog, stores.working, stores.archive, keys, clock, limits);
    Ok(Arc::new(vault))
}

impl Stores {
    fn open(settings: &Settings) -> anyhow::Result<Self> {
        #[cfg(feature = "torture")]
        let torture = stemvault_storage::torture::Torture::from_environment();
        let open = |name, url: &StoreUrl| {
            let store = open_store(name, url);
            #[cfg(feature = "torture")]
            let store = store.map(|store| torture.store(store));
            store
        };
        let mirror = match (&settings.stores.mirror, &settings.stores.mirror_keys) {
            (Some(bucket), Some(keys)) => Some(Mirror {
                bucket: open("mirror", bucket)?,
                keys: open("mirror_keys", keys)?,
            }),
            _ => None,
        };
        Ok(Self {
            working: open("working", &settings.stores.working)?,
            archive: open("archive", &settings.stores.archive)?,
            keys: open("keys", &settings.stores.keys)?,
            mirror,
            #[cfg(feature = "torture")]
            torture,
        })
    }

    /// The master keys; `None` if they are still to be made.
    async fn masters(&self, settings: &Settings) -> anyhow::Result<Option<MasterKeys>> {
        let path = match &settings.keys.master_key {
            MasterKeySource::Environment(key) => {
                let place = "the environment variable STEMVAULT_MASTER_KEY";
                // Several in one line, which is all that some ways to set a variable can hold.
                let lines = key.expose().replace(',', "\n");
                return Ok(Some(MasterKeys::parse(&lines, place)?));
            }
            MasterKeySource::File(path) => path,
        };
        let masters = MasterKeys::read(path)?;
        if masters.is_some() {
            private::master_key(path);
        } else if KeyStore::holds_keys(&self.keys).await? {
            let place = path.display().to_string();
            return Err(KeyError::NoMaster { place }.into());
        }
        Ok(masters)
    }

    /// Without the records key there is no start; the mirror may have it. What is wrong with that
    /// copy keeps nobody from starting who does not need it.
    async fn mend_records(&self, masters: &MasterKeys) {
        let Some(mirror) = &self.mirror else {
            return;
        };
        if let Err(error) =
            stemvault_storage::key_care::mend_records(&self.keys, &mirror.keys, masters).await
        {
            tracing::error!(%error, "the key of the order records did not come back from the mirror");
        }
    }

    /// A key store may be new only where nothing is in the bucket that was sealed with a key.
    async fn check_keys(&self) -> anyhow::Result<()> {
        if KeyStore::holds_keys(&self.keys).await? {
            return Ok(());
        }
        for store in [&self.working, &self.archive] {
            if !store.folders(&"orders".into()).await?.is_empty() {
                bail!(
                    "the key store is empty, but the {} store holds orders, which only their keys open: put the key store back, or `stemvault keys restore FILE` from its backup",
                    store.name()
                );
            }
        }
        Ok(())
    }

    /// Nor may it be new under a catalog that knows orders, whose stores are away as well.
    async fn check_keys_of(&self, catalog: &dyn Catalog) -> anyhow::Result<()> {
        let orders = load_all::<Order>(catalog, &tables::orders()).await?;
        let living = orders.iter().find(|(_, order, _)| !order.is_gone());
        if let Some((_, order, _)) = living
            && !KeyStore::holds_keys(&self.keys).await?
        {
            bail!(
                "the key store is empty, but the catalog knows orders ({} for one), which only their keys open: is its disk mounted? Put it back, or `stemvault keys restore FILE` from its backup",
                order.number
            );
        }
        Ok(())
    }

    /// A catalog may be new only where nothing is in the bucket that it should know of.
    async fn check_empty(&self) -> anyhow::Result<()> {
        for store in [&self.working, &self.archive] {
            for folder in ["orders", "tombstones"] {
                if !store.list(&folder.into()).await?.is_empty() {
                    bail!(
                        "the catalog is missing, but the {} store holds orders: `stemvault rebuild` makes the catalog anew from the stores",
                        store.name()
                    );
                }
            }
        }
        Ok(())
    }
}

/// A mirror that is away keeps nobody from working; one that keeps what is deleted is told.
async fn check_mirror(mirror: Option<&Mirror>) {
    let Some(mirror) = mirror else {
        return;
    };
    for store in [&mirror.bucket, &mirror.keys] {
        if let Err(error) = store.sweep_killed_puts().await {
            tracing::warn!(%error, "the mirror is not cleaned up");
        }
    }
    if let Err(error) = KeyStore::check_deletes(&mirror.keys).await {
        tracing::error!(%error, "the mirror's key store does not delete: no purge will end until it does");
    }
}

fn open_store(name: &'static str, store: &StoreUrl) -> anyhow::Result<Store> {
    let options = store.options.iter();
    let options = options.map(|(key, secret)| (key.clone(), secret.expose().to_owned()));
    if let Some(folder) = store.local_path() {
        make_private_folder(&folder)?;
    }
    Ok(Store::open(name, &store.url, options.collect())?)
}

fn make_master(settings: &Settings) -> anyhow::Result<MasterKeys> {
    let MasterKeySource::File(path) = &settings.keys.master_key else {
        bail!("the master key is not in a file: it cannot be made here");
    };
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    write_durably(path, lines(&MasterKey::random()).as_bytes(), 0o600)?;
    MasterKeys::read(path)?.with_context(|| format!("{} is gone again", path.display()))
}

fn limits(settings: &Settings) -> anyhow::Result<Limits> {
    let uploads = &settings.uploads;
    Ok(Limits {
        max_file: uploads.max_file,
        max_order: uploads.max_order,
        max_files: uploads.max_files.into(),
        max_link: uploads.max_link.unwrap_or(u64::MAX),
        max_link_files: uploads.max_link_files.map_or(u64::MAX, u64::from),
        max_open: uploads.max_open.into(),
        max_open_total: uploads.max_open_total.into(),
        max_unfinished: uploads.max_unfinished,
        max_new_per_minute: uploads.max_new_per_minute.into(),
        expire_after: TimeDelta::from_std(uploads.expire_after)?,
        memory: usize::try_from(uploads.memory)?,
        outflow: usize::try_from(settings.downloads.memory)?,
        floor_bytes: uploads.free_disk_floor.bytes,
        floor_percent: uploads.free_disk_floor.percent.into(),
        archive_threads: settings.archive.threads.unwrap_or_else(half_of_the_cores),
        archive_bandwidth: settings.archive.bandwidth,
    })
}

fn half_of_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

#[cfg(test)]
mod tests {
    use stemvault_storage::clock::SystemClock;

    use super::*;

    async fn open(settings: &Settings) -> anyhow::Result<Installation> {
        Installation::open(settings, Arc::new(SystemClock), None).await
    }

    async fn refused(settings: &Settings) -> String {
        format!("{:#}", open(settings).await.unwrap_err())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_master_key_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::defaults(home.path()).unwrap();
        open(&settings).await.unwrap().close().await;
        let key = home.path().join("master.key");
        let text = std::fs::read_to_string(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        assert!(refused(&settings).await.contains("master.key"));
        assert!(!key.exists());
        std::fs::write(&key, MasterKey::random().reveal()).unwrap();
        assert!(refused(&settings).await.contains("master key"));
        std::fs::write(&key, text).unwrap();
        open(&settings).await.unwrap().close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_key_store_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::defaults(home.path()).unwrap();
        let installation = open(&settings).await.unwrap();
        let number = "2026-0117".to_owned().try_into().unwrap();
        let client = Default::default();
        installation
            .vault
            .orders
            .create(number, client)
            .await
            .unwrap();
        installation.close().await;
        let keys = home.path().join("keys");
        std::fs::remove_dir_all(&keys).unwrap();
        assert!(refused(&settings).await.contains("stemvault keys restore"));
        assert!(!keys.join("records").exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_catalog_is_never_replaced_by_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::defaults(home.path()).unwrap();
        let installation = open(&settings).await.unwrap();
        let number = "2026-0117".to_owned().try_into().unwrap();
        installation
            .vault
            .orders
            .create(number, Default::default())
            .await
            .unwrap();
        installation.close().await;
        std::fs::remove_dir_all(catalog_folder(&settings)).unwrap();
        assert!(refused(&settings).await.contains("stemvault rebuild"));
        assert!(!catalog_folder(&settings).exists());
    }
}
