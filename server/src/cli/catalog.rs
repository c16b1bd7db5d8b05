//! `stemvault catalog`: the whole catalog as a file, for a move to another machine or engine.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use indicatif::DecimalBytes;
use stemvault_config::{Overrides, Settings};
use stemvault_storage::catalog::Embedded;
use stemvault_storage::catalog::portable::{self, Ported};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::rebuild::Imported;
use stemvault_storage::vault::Vault;

use super::new_catalog::NewCatalog;
use super::rebuild::lost;
use super::serve::SettingsArgs;
use super::table::{count, print};
use crate::demo::clock_of;
use crate::first_start::CliFile;
use crate::installation::{Installation, catalog_folder};
use stemvault_client::answer::printable;
use stemvault_client::part::folder_of;

/// Move the catalog to another machine or engine, while no server runs (no server needed)
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Write the whole catalog into a file
    ///
    /// The file holds what the catalog holds: names and addresses of clients, and digests of tokens and
    /// links, but no key. Keep it to yourself, and delete it when the move is done: a purge does not
    /// reach it.
    Export(FileArgs),
    /// Fill an empty catalog from such a file, and hold it against the stores
    ///
    /// Settings, stores, key store and master key have to be in place. What the stores know better wins:
    /// an order that was purged stays purged, one whose record is newer comes back from its record.
    /// Uploads go on where they stood when the file was written.
    Import(FileArgs),
}

/// A file, and where the settings are.
#[derive(Debug, Clone, clap::Args)]
pub struct FileArgs {
    /// The file
    pub file: PathBuf,
    /// Where the settings are
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Runs the command.
///
/// # Errors
/// When a server runs, the file is there already or not whole, or something does not fit.
pub async fn run(command: CatalogCommand, machine: SharedClock) -> anyhow::Result<()> {
    match command {
        CatalogCommand::Export(args) => export(args, machine).await,
        CatalogCommand::Import(args) => Box::pin(import(args, machine)).await,
    }
}

async fn export(args: FileArgs, machine: SharedClock) -> anyhow::Result<()> {
    let settings = args.settings.load(Overrides::default())?;
    crate::log::begin(&settings.log)?;
    let place = catalog_folder(&settings);
    if !place.exists() {
        bail!(
            "there is no catalog in {}: name the data directory with --data-dir",
            place.display()
        );
    }
    let now = clock_of(&settings.data_dir, machine)?.now();
    let catalog = Embedded::open(&place)
        .await
        .context("an export works while no server runs")?;
    let written = write(&catalog, now, &args.file).await;
    catalog.close().await;
    let (ported, bytes) = written?;
    print(&format!(
        "exported: {}, {} into {}\nIt names clients: keep it to yourself, and delete it when the move is done.\nnext, where stores, key store and master key are in place: stemvault catalog import FILE",
        count(ported.rows, "row"),
        DecimalBytes(bytes),
        args.file.display()
    ))
}

/// Under its name the file is whole, or it is not there.
async fn write(
    catalog: &Embedded,
    now: DateTime<Utc>,
    path: &Path,
) -> anyhow::Result<(Ported, u64)> {
    if path.exists() {
        bail!("{} is there already: choose another name", path.display());
    }
    let name = path.file_name().context("this is no name of a file")?;
    let mut unfinished = name.to_owned();
    unfinished.push(".unfinished");
    let unfinished = path.with_file_name(unfinished);
    let written = write_unfinished(catalog, now, &unfinished).await;
    let named = written.and_then(|written| {
        std::fs::rename(&unfinished, path)?;
        File::open(folder_of(path))?.sync_all()?;
        Ok(written)
    });
    if named.is_err() {
        // A full disk is emptied again.
        drop(std::fs::remove_file(&unfinished));
    }
    named.with_context(|| format!("writing {}", path.display()))
}

async fn write_unfinished(
    catalog: &Embedded,
    now: DateTime<Utc>,
    unfinished: &Path,
) -> anyhow::Result<(Ported, u64)> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(unfinished)?;
    let mut out = BufWriter::new(file);
    let ported = portable::export(&*catalog.shared(), now, &mut out).await?;
    out.flush()?;
    let file = out
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((ported, file.metadata()?.len()))
}

async fn import(args: FileArgs, machine: SharedClock) -> anyhow::Result<()> {
    let settings = args.settings.load(Overrides::default())?;
    crate::log::begin(&settings.log)?;
    let file =
        File::open(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    let otherwise =
        "an import fills an empty catalog only; stop here, or move that one aside by hand";
    let new = NewCatalog::begin(&settings, "catalog.importing", false, otherwise).await?;
    let clock = clock_of(&settings.data_dir, machine)?;
    let now = clock.now();
    let installation = Installation::open(&settings, clock, Some(new.folder())).await?;
    installation.started();
    let filled = fill(&settings, &installation.vault, file, now).await;
    installation.close().await;
    let (ported, imported) =
        filled.with_context(|| format!("importing {}", args.file.display()))?;
    new.take_its_place(now).await?;
    print(&words(&ported, &imported))?;
    if imported.problems.is_empty() {
        return Ok(());
    }
    let problems = imported.problems.iter();
    let problems: String = problems
        .map(|problem| format!("\n  - {}", printable(problem)))
        .collect();
    bail!("not everything fits; look at each before you start the server:{problems}")
}

async fn fill(
    settings: &Settings,
    vault: &Vault,
    file: File,
    now: DateTime<Utc>,
) -> anyhow::Result<(Ported, Imported)> {
    let ported = portable::import(&**vault.core.catalog(), &mut BufReader::new(file)).await?;
    let imported = vault.import.check_imported().await?;
    let mut file = CliFile::read(&settings.data_dir)?;
    file.renew_token(&**vault.core.catalog(), now).await?;
    file.write(&settings.data_dir)?;
    Ok((ported, imported))
}

fn words(ported: &Ported, imported: &Imported) -> String {
    let mut words = format!(
        "imported: {}, written on {}; {} as the file says\n",
        count(ported.rows, "row"),
        ported.exported_at.format("%F %R UTC"),
        count(imported.kept, "order")
    );
    if !imported.newer.is_empty() {
        let numbers: Vec<_> = imported
            .newer
            .iter()
            .take(20)
            .map(ToString::to_string)
            .collect();
        words.push_str(&format!(
            "the stores know something newer of {}, and it won: {}\n",
            count(imported.newer.len() as u64, "order"),
            numbers.join(", ")
        ));
    }
    if imported.unknown > 0 {
        words.push_str(&format!(
            "{} of the stores that the file did not know came back from their records\n",
            count(imported.unknown, "order")
        ));
    }
    if imported.purged > 0 {
        words.push_str(&format!(
            "{} purged since: what is left of it goes on to be deleted\n",
            count(imported.purged, "order")
        ));
    }
    words.push_str(&lost(&imported.lost));
    words
        + "Delete the file, and never start the old catalog again on these stores.\nnext: stemvault serve\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_says_what_the_stores_knew_better() {
        let ported = Ported {
            exported_at: "2026-01-05T09:00:00Z".parse().unwrap(),
            rows: 12,
        };
        let imported = Imported {
            kept: 2,
            newer: vec!["2026-0117".to_owned().try_into().unwrap()],
            unknown: 3,
            purged: 1,
            ..Imported::default()
        };
        let told = words(&ported, &imported);
        for word in [
            "12 rows",
            "2 orders as the file",
            "2026-0117",
            "3 orders of",
            "1 order purged",
        ] {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
    }
}
