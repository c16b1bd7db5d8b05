//! A catalog that is made beside the one that is there, and takes its place when it is whole: whoever
//! is killed while making it has changed nothing. An old catalog is moved aside and never deleted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use stemvault_config::{MasterKeySource, Settings};
use stemvault_storage::catalog::{CatalogError, Embedded};
use stemvault_storage::tables;

use super::table::count;
use crate::installation::catalog_folder;

/// The place of a catalog, held so that no server starts, and the folder where the new one is made.
pub(super) struct NewCatalog {
    place: PathBuf,
    unfinished: PathBuf,
    old: Option<Embedded>,
}

impl NewCatalog {
    /// Holds the place; refuses where a server runs. A catalog that holds orders has to be
    /// `replace`d on purpose; `otherwise` says how.
    ///
    /// # Errors
    /// In words for whoever asked.
    pub(super) async fn begin(
        settings: &Settings,
        name: &str,
        replace: bool,
        otherwise: &str,
    ) -> anyhow::Result<Self> {
        let data_dir = &settings.data_dir;
        if !data_dir.is_dir() {
            bail!(
                "{} is no data directory: name it with --data-dir",
                data_dir.display()
            );
        }
        // An empty key store would get a new one, and nothing would be readable with it.
        if let MasterKeySource::File(path) = &settings.keys.master_key
            && !path.exists()
        {
            bail!(
                "there is no master key in {}: put your copy of it there first, and the key store beside it",
                path.display()
            );
        }
        let place = catalog_folder(settings);
        let old = hold_old(&place, replace, otherwise).await?;
        let unfinished = data_dir.join(name);
        clear(&unfinished).await?;
        Ok(Self {
            place,
            unfinished,
            old,
        })
    }

    /// Where the new one is made.
    pub(super) fn folder(&self) -> PathBuf {
        self.unfinished.clone()
    }

    /// Puts the new one, which must be closed, in its place. Returns where the old one is now.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) async fn take_its_place(
        self,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<PathBuf>> {
        if let Some(old) = self.old {
            old.close().await;
        }
        let aside = self.place.exists().then(|| aside(&self.place, now));
        if let Some(aside) = &aside {
            rename(&self.place, aside)?;
        }
        rename(&self.unfinished, &self.place)?;
        let folder = self.place.parent().context("a folder in a folder")?;
        fs::File::open(folder)?.sync_all()?;
        Ok(aside)
    }
}

/// A name that is free: two may be replaced in one second.
fn aside(place: &Path, now: DateTime<Utc>) -> PathBuf {
    let name = format!("catalog.replaced-{}", now.format("%Y%m%dT%H%M%SZ"));
    let mut aside = place.with_file_name(&name);
    for nth in 2.. {
        if !aside.exists() {
            break;
        }
        aside = place.with_file_name(format!("{name}-{nth}"));
    }
    aside
}

/// Opens the catalog that is there, if any, which nobody else may have open. One that cannot be
/// read is left closed, and may be replaced.
async fn hold_old(
    place: &Path,
    replace: bool,
    otherwise: &str,
) -> anyhow::Result<Option<Embedded>> {
    if !place.exists() {
        return Ok(None);
    }
    let old = match Embedded::open(place).await {
        Err(CatalogError::Corrupt { .. }) if replace => return Ok(None),
        old => old.context("this works while no server runs")?,
    };
    let orders = old.shared().scan_prefix(&tables::orders()).await?.len() as u64;
    if orders > 0 && !replace {
        old.close().await;
        bail!(
            "{} opens and holds {}: {otherwise}",
            place.display(),
            count(orders, "order")
        );
    }
    Ok(Some(old))
}

/// Removes what one that was killed left; refuses while another one works there.
pub(super) async fn clear(unfinished: &Path) -> anyhow::Result<()> {
    if !unfinished.exists() {
        return Ok(());
    }
    match Embedded::open(unfinished).await {
        Err(error @ CatalogError::Locked { .. }) => return Err(error.into()),
        Ok(left) => left.close().await,
        Err(_) => {}
    }
    fs::remove_dir_all(unfinished).with_context(|| format!("removing {}", unfinished.display()))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("moving {} to {}", from.display(), to.display()))
}
