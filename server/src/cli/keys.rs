//! `stemvault keys`: the master key, changed and retired; backups of the key store.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use stemvault_config::{MasterKeySource, Overrides};
use stemvault_storage::clock::SharedClock;
use stemvault_storage::key_care::backup::Backup;
use stemvault_storage::key_care::restore::Restored;

use super::ask::{Ask, AskArgs};
use super::serve::SettingsArgs;
use super::table::{count, list, moment, print, table, text};
use crate::demo::clock_of;
use crate::installation::restore::restore as put_back;
use crate::master_file::MasterFile;
use stemvault_client::answer::printable;
use stemvault_client::disk::WholeFile;
use stemvault_client::terminal::say;

/// Bytes that no line of a backup exceeds.
const LINE: u64 = 1 << 10;
/// Lines for what begins and ends it, and for keys that come meanwhile.
const SPARE: u64 = 32;

/// What to do with keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum KeysCommand {
    /// List master keys, how many keys each wraps, and backups of the key store; no secrets
    List(AskArgs),
    Rotate(RotateArgs),
    Retire(RetireArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
}

/// Change the master key: a new one, and every key wrapped again with it
///
/// Run it on the server's machine while the server runs. The new key is written in front of the
/// master key file; the server then wraps every key again. Uploads go on meanwhile. Whatever
/// interrupts it: run it again, and it goes on with the same new key, until `stemvault keys retire`
/// has ended the change.
#[derive(Debug, Clone, clap::Args)]
pub struct RotateArgs {
    /// The settings file of the server
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Take old master keys out of use that wrap nothing any more
///
/// Two minutes after a rotation at the earliest: until then a late write might still use the old
/// key. A retired key opens nothing here any more, and is taken out of the master key file.
#[derive(Debug, Clone, clap::Args)]
pub struct RetireArgs {
    /// Which one, by its id; all that wrap nothing if absent
    pub id: Option<String>,
    /// The settings file of the server
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Make a backup of the key store: one file, wrapped keys only
///
/// It opens nothing without the master key. It must be destroyed 30 days after it was made: until
/// then the keys of orders that were purged meanwhile are in it.
#[derive(Debug, Clone, clap::Args)]
pub struct BackupArgs {
    /// The file to write; it must not be there yet
    pub file: PathBuf,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Put back keys from a backup, while no server runs (no server needed)
///
/// Only what is missing or damaged is put back. Keys that open are left alone, and no key of a
/// purged order comes back.
#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    /// The backup
    pub file: PathBuf,
    /// Where the settings are
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Take a backup that is older than 30 days; only for orders that the bucket still holds
    #[arg(long)]
    pub although_ended: bool,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal; a file that cannot be read or written; keys that could not be dealt with.
pub async fn run(command: KeysCommand, clock: SharedClock) -> anyhow::Result<()> {
    match command {
        KeysCommand::List(args) => {
            let ask = args.ask()?;
            ask.show(&ask.get(&["keys"]).await?, keys)
        }
        KeysCommand::Rotate(args) => rotate(args).await,
        KeysCommand::Retire(args) => retire(args).await,
        KeysCommand::Backup(args) => backup(args).await,
        KeysCommand::Restore(args) => Box::pin(restore(args, clock)).await,
    }
}

/// The master key file of the server that was asked; none if its keys come from the environment.
fn master_file(
    state: &Value,
    config: Option<PathBuf>,
    ask: &AskArgs,
) -> anyhow::Result<Option<MasterFile>> {
    if text(state, "from") == "environment" {
        return Ok(None);
    }
    let settings = SettingsArgs {
        config,
        data_dir: ask.connect.data_dir.clone(),
    };
    let settings = settings.load(Overrides::default())?;
    let MasterKeySource::File(path) = &settings.keys.master_key else {
        bail!(
            "the server has its master key in a file, and the settings here say the environment: name the server's settings with --config"
        );
    };
    let file = MasterFile::open(path)
        .context("the master key is changed on the server's machine, with the server's settings")?;
    let current = text(state, "current");
    if !file.ids()?.contains(&current) {
        bail!(
            "{} does not hold the server's current master key {current}: name the server's settings with --config",
            path.display()
        );
    }
    Ok(Some(file))
}

async fn rotate(args: RotateArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let state = ask.get(&["keys"]).await?;
    let current = text(&state, "current");
    let with = |wanted: &str| {
        let mut masters = list(&state, "masters").iter();
        masters.find(|it| it["state"] == wanted)
    };
    let file = master_file(&state, args.config.clone(), &args.ask)?;
    let first = match &file {
        Some(file) => file.ids()?.into_iter().next(),
        None => with("next").map(|next| text(next, "id")),
    };
    let first = first.unwrap_or_else(|| current.clone());
    // Until the old one is retired: who runs this again after a lost answer wants no third key.
    let unfinished = list(&state, "masters")
        .iter()
        .any(|it| it["state"] == "old" || (it["keys"] != 0 && text(it, "id") != current));
    let to = match file {
        _ if first != current || unfinished => {
            say(&format!("going on with the rotation to master key {first}"));
            first
        }
        Some(mut file) => {
            let made = file.put_new_in_front()?;
            say(&format!(
                "new master key {made}: it stands in front of the master key file.\n\n  COPY THE MASTER KEY FILE NOW, to where your copy of the old one lies, apart from the bucket.\n  Without the new key nothing can be read from now on.\n"
            ));
            made
        }
        None => bail!(
            "the server takes its master key from STEMVAULT_MASTER_KEY, which no command can change. Put a new one in front of it, with a comma between: `stemvault-master-key v1 ` and 64 random hex digits (openssl rand -hex 32). Keep a copy. Restart every server with it, then `stemvault keys rotate` again"
        ),
    };
    let rotated = ask
        .post(&["keys", "rotate"], json!({"master": to}))
        .await
        .context("the new master key is in place, but not every key is wrapped with it: `stemvault keys rotate` goes on; keep both keys until then")?;
    ask.show(&rotated, words_of_rotation)?;
    refuse_if_any(&rotated)
}

fn words_of_rotation(rotated: &Value) -> String {
    let keys = &rotated["keys"];
    let wrapped = rotated["wrapped"].as_u64().unwrap_or_default();
    let mut words = format!(
        "master key {} is current; {} wrapped again\n",
        text(keys, "current"),
        count(wrapped, "key")
    );
    let old = list(keys, "masters")
        .iter()
        .filter(|it| it["state"] == "old" && it["keys"] == 0);
    for old in old {
        words.push_str(&format!(
            "master key {} wraps nothing any more: `stemvault keys retire` takes it out of use, in two minutes or later\n",
            text(old, "id")
        ));
    }
    let end = moment(keys, "last_backup_ends_at");
    if !end.is_empty() {
        words.push_str(&format!(
            "older backups of the key store need the old key: keep your copy of it until {end}, when the last of them ends, then destroy both\n"
        ));
    }
    words + "now make a new backup: `stemvault keys backup FILE`\n"
}

async fn retire(args: RetireArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let state = ask.get(&["keys"]).await?;
    let idle = list(&state, "masters")
        .iter()
        .filter(|it| (it["state"] == "old" && it["keys"] == 0) || it["state"] == "retired");
    let ids: Vec<_> = match &args.id {
        Some(id) => vec![id.clone()],
        None => idle.map(|it| text(it, "id")).collect(),
    };
    if ids.is_empty() {
        bail!("there is no old master key that wraps nothing: `stemvault keys list` shows them");
    }
    let mut file = master_file(&state, args.config.clone(), &args.ask)?;
    let mut answer = state;
    for id in &ids {
        answer = ask.post(&["keys", "retire"], json!({"master": id})).await?;
        // Only now: until the server has agreed, the key may be needed.
        if let Some(file) = &mut file {
            file.take_out(id)?;
        }
    }
    ask.show(&answer, |answer| retired(answer, &ids))
}

fn retired(answer: &Value, ids: &[String]) -> String {
    let mut words: String = ids
        .iter()
        .map(|id| format!("master key {id} is retired: it opens nothing here any more\n"))
        .collect();
    if text(answer, "from") == "environment" {
        words.push_str("take it out of STEMVAULT_MASTER_KEY\n");
    }
    words
}

async fn backup(args: BackupArgs) -> anyhow::Result<()> {
    if args.file.exists() {
        bail!(
            "{} is there already: choose another name, and destroy backups that have ended",
            args.file.display()
        );
    }
    let ask: Ask = args.ask.ask()?;
    // From the moment it is asked the server counts this backup: there must be room for it before.
    let state = ask.get(&["keys"]).await?;
    let mut room = WholeFile::begin(&args.file, 0o600)?;
    room.reserve(at_most(&state))?;
    let file = ask.bytes(&["keys", "backup"]).await?;
    let backup = Backup::parse(&file)?;
    let note = &backup.note;
    room.end(&file).with_context(|| {
        format!(
            "the server counts backup {} as made, but it is not here",
            note.name
        )
    })?;
    let known = json!({
        "file": args.file,
        "name": note.name,
        "made_at": note.made_at,
        "ends_at": note.ends_at,
        "keys": backup.len(),
        "problems": backup.problems,
    });
    ask.show(&known, |known| {
        format!(
            "{} of the key store in {}, wrapped; no master key is in it\n\n  DESTROY IT ON {}. Until then, orders that are purged are still in it.\n",
            count(backup.len() as u64, "key"),
            args.file.display(),
            moment(known, "ends_at")
        )
    })?;
    refuse_if_any(&known)
}

/// Bytes that no backup of such a key store exceeds: a line for each key, and every backup named.
fn at_most(state: &Value) -> u64 {
    let masters = list(state, "masters").iter();
    let keys: u64 = masters.filter_map(|it| it["keys"].as_u64()).sum();
    let backups = list(state, "backups").len() as u64;
    LINE * (keys + backups + list(state, "problems").len() as u64 + SPARE)
}

async fn restore(args: RestoreArgs, machine: SharedClock) -> anyhow::Result<()> {
    let file =
        std::fs::read(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    let backup = Backup::parse(&file)?;
    let settings = args.settings.load(Overrides::default())?;
    crate::log::begin(&settings.log)?;
    if !settings.data_dir.is_dir() {
        bail!(
            "{} is no data directory: name it with --data-dir",
            settings.data_dir.display()
        );
    }
    let clock = clock_of(&settings.data_dir, machine)?;
    let restored = put_back(&settings, clock, &backup, args.although_ended)
        .await
        .context("`stemvault keys restore` works while no server runs")?;
    print(&words_of_restore(&backup, &restored))?;
    refuse_if_any(&json!({"problems": restored.problems}))
}

fn words_of_restore(backup: &Backup, restored: &Restored) -> String {
    let mut words = format!(
        "backup of {}: {} put back, {} were there and are as they were\n",
        backup.note.made_at.format("%F %R UTC"),
        count(restored.restored.len() as u64, "key"),
        restored.here
    );
    for name in &restored.restored {
        words.push_str(&format!("  put back: the key of {}\n", printable(name)));
    }
    for (name, why) in &restored.left_out {
        words.push_str(&format!(
            "  left out: the key of {}: {why}\n",
            printable(name)
        ));
    }
    words
}

fn refuse_if_any(answer: &Value) -> anyhow::Result<()> {
    let problems = list(answer, "problems").iter();
    let problems: Vec<_> = problems.filter_map(Value::as_str).map(printable).collect();
    if problems.is_empty() {
        return Ok(());
    }
    bail!(
        "not every key was dealt with:\n  - {}",
        problems.join("\n  - ")
    )
}

fn keys(answer: &Value) -> String {
    let master = |it: &Value| vec![text(it, "id"), text(it, "state"), text(it, "keys")];
    let masters: Vec<_> = list(answer, "masters").iter().map(master).collect();
    let mut words = table(&["MASTER KEY", "STATE", "WRAPS"], &masters);
    let backups = list(answer, "backups");
    let row = |it: &Value| {
        let ended = if it["ended"] == true { "has ended" } else { "" };
        vec![
            text(it, "name"),
            moment(it, "made_at"),
            text(it, "keys"),
            moment(it, "ends_at"),
            ended.to_owned(),
        ]
    };
    words.push('\n');
    if backups.iter().all(|it| it["ended"] == true) {
        words.push_str("no backup of the key store: `stemvault keys backup FILE` makes one\n");
    }
    if !backups.is_empty() {
        let titles = ["BACKUP", "MADE", "KEYS", "DESTROY BY", ""];
        let rows: Vec<_> = backups.iter().map(row).collect();
        words.push_str(&table(&titles, &rows));
    }
    for problem in list(answer, "problems").iter().filter_map(Value::as_str) {
        words.push_str(&format!("\ncannot be read: {}", printable(problem)));
    }
    words
}
