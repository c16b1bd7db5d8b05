//! `stemvault rebuild`: a catalog from the bucket, the key store and the master key alone.

use std::path::Path;

use anyhow::bail;
use indicatif::DecimalBytes;
use stemvault_config::{Overrides, Settings};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::rebuild::{Lost, Rebuilt};
use stemvault_storage::vault::Vault;

use super::new_catalog::NewCatalog;
use super::serve::SettingsArgs;
use super::table::{count, print, table};
use crate::demo::clock_of;
use crate::first_start::CliFile;
use crate::installation::Installation;
use stemvault_client::answer::printable;

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
    let otherwise =
        "nothing needs to be rebuilt; --replace moves it aside and rebuilds all the same";
    let new = NewCatalog::begin(&settings, "catalog.rebuilding", args.replace, otherwise).await?;
    let clock = clock_of(&settings.data_dir, machine)?;
    let now = clock.now();
    let installation = Installation::open(&settings, clock, Some(new.folder())).await?;
    installation.started();
    let rebuilt = fill(&settings, &installation.vault, now).await;
    installation.close().await;
    let (rebuilt, orders) = rebuilt?;
    let aside = new.take_its_place(now).await?;
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

type Lines = Vec<Vec<String>>;

async fn fill(
    settings: &Settings,
    vault: &Vault,
    now: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<(Rebuilt, Lines)> {
    vault.recover().await?;
    let rebuilt = vault.rebuild.rebuild().await?;
    let mut file = CliFile::read(&settings.data_dir)?;
    file.renew_token(&**vault.core.catalog(), now).await?;
    file.write(&settings.data_dir)?;
    let mut lines = Lines::new();
    for order in vault.orders.all().await? {
        let sessions = vault.core.sessions(order.id).await?;
        lines.push(vec![
            order.number.to_string(),
            order.stage().name().to_owned(),
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
            count(rebuilt.drafts, "unsubmitted form"),
            count(rebuilt.runs, "recorded run")
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
    if rebuilt.entries + rebuilt.lost_entries > 0 {
        words.push_str(&format!(
            "audit logs: {} came back, {} lost with the catalog; each log goes on from its last hash\n",
            entries(rebuilt.entries),
            rebuilt.lost_entries
        ));
    }
    words.push_str(&lost(&rebuilt.lost));
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

fn entries(count: u64) -> String {
    format!("{count} {}", if count == 1 { "entry" } else { "entries" })
}

/// The uploads that start again; nothing if there are none.
pub(super) fn lost(lost: &[Lost]) -> String {
    if lost.is_empty() {
        return String::new();
    }
    let lines = lost.iter().map(|lost| {
        let file = lost
            .file
            .as_deref()
            .map_or("(name not known)".into(), printable);
        let had = DecimalBytes(lost.bytes).to_string();
        vec![lost.order.to_string(), file, had]
    });
    format!(
        "lost: {} that nobody had submitted; their senders start again, and the same links work\n{}",
        count(lost.len() as u64, "upload"),
        listed(&["ORDER", "FILE", "HAD"], &lines.collect::<Vec<_>>())
    )
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
            entries: 1,
            lost_entries: 4,
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
            "audit logs: 1 entry came back, 4 lost",
            "catalog.replaced-x",
        ] {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
    }
}
