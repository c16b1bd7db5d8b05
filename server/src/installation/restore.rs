//! `stemvault keys restore`, below the command line: keys put back while no server runs.
//!
//! Works with a catalog or without one: a key store that was lost together with the catalog comes
//! first, and `stemvault rebuild` after it.

use std::sync::Arc;

use stemvault_config::{MasterKeySource, Settings};
use stemvault_storage::catalog::{Catalog, Embedded, MemoryCatalog};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::key_care::backup::Backup;
use stemvault_storage::key_care::restore::Restored;
use stemvault_storage::keys::{KeyError, KeyStore};
use stemvault_storage::{Error, Limits, Vault};

use super::{Stores, catalog_folder};

/// Puts back what is missing in the key store, or damaged.
///
/// # Errors
/// While a server runs; without a master key; what the restore itself refuses.
pub async fn restore(
    settings: &Settings,
    clock: SharedClock,
    backup: &Backup,
    although_ended: bool,
) -> anyhow::Result<Restored> {
    // Before anything is opened, and so made.
    backup.has_ended(clock.now(), although_ended)?;
    let stores = Stores::open(settings)?;
    let Some(masters) = stores.masters(settings).await? else {
        let place = match &settings.keys.master_key {
            MasterKeySource::File(path) => path.display().to_string(),
            MasterKeySource::Environment(_) => "the environment".to_owned(),
        };
        return Err(KeyError::NoMaster { place }.into());
    };
    let folder = catalog_folder(settings);
    let catalog = if folder.exists() {
        Some(Embedded::open(folder).await?)
    } else {
        None
    };
    let shared: Arc<dyn Catalog> = match &catalog {
        Some(catalog) => catalog.shared(),
        None => Arc::new(MemoryCatalog::new()),
    };
    #[cfg(feature = "torture")]
    stores.torture.begin();
    let restored = async {
        let Stores {
            working,
            archive,
            keys,
            ..
        } = stores;
        let records = stemvault_storage::key_care::restore_records(&keys, &masters, backup).await?;
        let keys = KeyStore::open(keys, masters).await?;
        let vault = Vault::new(shared, working, archive, keys, clock, Limits::default());
        let mut restored = vault
            .key_restore
            .restore_keys(backup, although_ended)
            .await?;
        if records {
            restored.here -= 1;
            restored.restored.insert(0, "the order records".to_owned());
        }
        Ok::<_, Error>(restored)
    };
    let restored = restored.await;
    if let Some(catalog) = catalog {
        catalog.close().await;
    }
    Ok(restored?)
}
