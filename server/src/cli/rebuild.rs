//! `stemvault rebuild`: a catalog from the bucket, the key store and the master key alone.
//!
//! The new catalog is made beside the old one and takes its place when it is whole: a rebuild that
//! is killed has changed nothing. An old catalog is moved aside and never deleted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::DecimalBytes;
use stemvault_config::{Overrides, Settings};
use stemvault_storage::catalog::{CatalogError, Embedded, tables};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::rebuild::Rebuilt;
use stemvault_storage::vault::Vault;

use super::serve::SettingsArgs;
use super::table::{count, print, table};
use crate::client::answer::printable;
use crate::demo::clock_of;
use crate::first_start::CliFile;
use crate::house::{House, catalog_folder};

/// So many lines of a table are printed.
const LISTED: usize = 40;

/// Make the catalog anew from bucket, key store and master key, while no server runs (no server
/// needed)
///
/// Every order comes back with its sessions, and what the newest snapshot of the catalog knew beside:
/// forms that were not submitted, the history of runs. Files that were uploaded but not submitted
/// start again, and are listed. Commands on this machine get a new token; other tokens must be made
/// again.
#[derive(Debug, Clone, clap::Args)]
pub struct RebuildArgs {
    /// Where the settings are
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Move aside a catalog that holds orders
    #[arg(long)]
    pub replace: bool,
}

/// Runs the command.
///
/// # Errors
/// When a server runs, when there is a catalog and nobody said to replace it, and when something
/// could not be read: then what could be read is there all the same.
pub async fn run(args: RebuildArgs, machine: SharedClock) -> anyhow::Result<()> {
    let settings = args.settings.load(Overrides::default())?;
    crate::log::begin(&settings.log)?;
    let data_dir = settings.data_dir.clone();
    if !data_dir.is_dir() {
        bail!(
            "{} is no data directory: name it with --data-dir",
            data_dir.display()
        );
    }
    let place = catalog_folder(&settings);
    // Held to the end, so that no server starts meanwhile.
    let old = hold_old(&place, args.replace).await?;
    let unfinished = data_dir.join("catalog.rebuilding");
    clear(&unfinished).await?;
    let clock = clock_of(&data_dir, machine)?;
    let now = clock.now();
    let house = House::open(&settings, clock, Some(unfinished.clone())).await?;
    let rebuilt = fill(&settings, &house.vault, now).await;
    house.close().await;
    let (rebuilt, orders) = rebuilt?;

    if let Some(old) = old {
        old.close().await;
    }
    let aside = place.exists().then(|| {
        let name = format!("catalog.replaced-{}", now.format("%Y%m%dT%H%M%SZ"));
        data_dir.join(name)
    });
    if let Some(aside) = &aside {
        rename(&place, aside)?;
    }
    rename(&unfinished, &place)?;
    fs::File::open(&data_dir)?.sync_all()?;
    print(&words(&rebuilt, &orders, aside.as_deref()))?;
    if rebuilt.problems.is_empty() {
        return Ok(());
    }
    let problems = rebuilt
        .problems
        .iter()
        .map(|problem| format!("\n  - {}", printable(problem)));
    bail!(
        "not everything could be read; mend it, then `stemvault rebuild --replace` again, or start the server with what came back:{}",
        problems.collect::<String>()
    )
}

/// Opens the catalog that is there, if any, which nobody else may have open. One that cannot be
/// read is left closed, and may be replaced.
async fn hold_old(place: &Path, replace: bool) -> anyhow::Result<Option<Embedded>> {
    if !place.exists() {
        return Ok(None);
    }
    let old = match Embedded::open(place).await {
        Err(CatalogError::Corrupt { .. }) if replace => return Ok(None),
        old => old.context("`stemvault rebuild` works while no server runs")?,
    };
    let orders = old.shared().scan_prefix(&tables::orders()).await?.len() as u64;
    if orders > 0 && !replace {
        old.close().await;
        bail!(
            "{} opens and holds {}: nothing needs to be rebuilt; --replace moves it aside and rebuilds all the same",
            place.display(),
            count(orders, "order")
        );
    }
    Ok(Some(old))
}

/// Removes what a killed rebuild left; refuses while another one runs.
async fn clear(unfinished: &PathBuf) -> anyhow::Result<()> {
    if !unfinished.exists() {
        return Ok(());
    }
    if let Err(error @ CatalogError::Locked { .. }) = Embedded::open(unfinished).await {
        return Err(error.into());
    }
    fs::remove_dir_all(unfinished).with_context(|| format!("removing {}", unfinished.display()))
}

type Lines = Vec<Vec<String>>;

async fn fill(
    settings: &Settings,
    vault: &Vault,
    now: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<(Rebuilt, Lines)> {
    vault.recover().await?;
    let rebuilt = vault.rebuild().await?;
    let mut file = CliFile::read(&settings.data_dir)?;
    file.renew_token(&**vault.catalog(), now).await?;
    file.write(&settings.data_dir)?;
    let mut lines = Lines::new();
    for order in vault.orders().await? {
        let sessions = vault.sessions(order.id).await?;
        lines.push(vec![
            order.number.to_string(),
            order.stage.name().to_owned(),
            sessions.len().to_string(),
            sessions
                .iter()
                .map(|row| row.files)
                .sum::<u64>()
                .to_string(),
        ]);
    }
    Ok((rebuilt, lines))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("moving {} to {}", from.display(), to.display()))
}

fn words(rebuilt: &Rebuilt, orders: &[Vec<String>], aside: Option<&Path>) -> String {
    let mut words = format!(
        "came back: {}, {}, {}, {}\n",
        count(rebuilt.orders, "order"),
        count(rebuilt.sessions, "session"),
        count(rebuilt.files, "file"),
        DecimalBytes(rebuilt.bytes)
    );
    match rebuilt.snapshot {
        Some(at) => words.push_str(&format!(
            "from the catalog snapshot of {}: {}, {}\n",
            at.format("%F %R UTC"),
            count(rebuilt.drafts, "form that was not submitted"),
            count(rebuilt.runs, "run of a job")
        )),
        None => words.push_str("there is no catalog snapshot: forms that were not submitted and the history of runs did not come back\n"),
    }
    words.push_str(&listed(&["ORDER", "STAGE", "SESSIONS", "FILES"], orders));
    if rebuilt.purging > 0 {
        words.push_str(&format!(
            "{} purged before, by a tombstone: what is left of it goes on to be deleted\n",
            count(rebuilt.purging, "order")
        ));
    }
    if !rebuilt.lost.is_empty() {
        words.push_str(&format!(
            "lost: {} that nobody had submitted; their senders start again, and the same links work\n",
            count(rebuilt.lost.len() as u64, "upload")
        ));
        let lost = rebuilt.lost.iter().map(|lost| {
            let file = lost
                .file
                .as_deref()
                .map_or("(name not known)".into(), printable);
            vec![
                lost.order.to_string(),
                file,
                DecimalBytes(lost.bytes).to_string(),
            ]
        });
        words.push_str(&listed(
            &["ORDER", "FILE", "HAD"],
            &lost.collect::<Vec<_>>(),
        ));
    }
    words.push_str("API tokens have to be made again, but this machine's");
    if !rebuilt.tokens.is_empty() {
        let names: Vec<_> = rebuilt.tokens.iter().map(|name| printable(name)).collect();
        words.push_str(&format!("; there were: {}", names.join(", ")));
    }
    words.push('\n');
    if let Some(aside) = aside {
        words.push_str(&format!("the old catalog is in {}\n", aside.display()));
    }
    words + "next: stemvault serve\n"
}

/// A table of the first lines; nothing if there are none.
fn listed(head: &[&str], lines: &[Vec<String>]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut words = format!("\n{}\n", table(head, &lines[..lines.len().min(LISTED)]));
    if lines.len() > LISTED {
        words.push_str(&format!("and {} more\n", lines.len() - LISTED));
    }
    words + "\n"
}

#[cfg(test)]
mod tests {
    use stemvault_storage::rebuild::Lost;

    use super::*;

    #[test]
    fn a_rebuild_says_what_came_back_and_what_did_not() {
        let rebuilt = Rebuilt {
            orders: 1,
            purging: 2,
            lost: vec![Lost {
                order: "2026-0117".to_owned().try_into().unwrap(),
                file: Some("Drums/Kick.wav".into()),
                bytes: 1_200_000,
            }],
            tokens: vec!["the mixing desk".into()],
            ..Rebuilt::default()
        };
        let orders = [["2026-0117", "open", "0", "0"].map(str::to_owned).to_vec()];
        let many = vec![orders[0].clone(); LISTED + 2];
        assert!(words(&rebuilt, &many, None).contains("and 2 more"));
        let told = words(&rebuilt, &orders, Some(Path::new("/d/catalog.replaced-x")));
        for word in [
            "came back: 1 order,",
            "2026-0117",
            "2 orders purged",
            "no catalog snapshot",
            "start again",
            "Drums/Kick.wav",
            "1.20 MB",
            "the mixing desk",
            "catalog.replaced-x",
        ] {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
    }
}
