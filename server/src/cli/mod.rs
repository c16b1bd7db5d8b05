//! The commands of the one binary: arguments in, words and exit code out.
//!
//! `serve`, `config`, `rebuild`, `catalog`, `drill` and `keys restore` work on this machine's files; all others ask a
//! running server.
//! Exit codes: 0 done, 1 refused or failed, 2 not understood.

mod ask;
mod audit;
mod before;
mod catalog;
mod clock;
mod config;
pub mod connect;
mod drill;
mod export;
mod keys;
mod link;
mod new_catalog;
mod order;
mod outcome;
pub mod pull;
pub mod push;
mod rebuild;
mod recall;
pub mod receipt;
mod retention;
mod scrub;
mod sending;
mod serve;
mod session;
mod status;
mod store;
mod table;
mod token;
mod told;
mod upload;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use stemvault_storage::clock::{SharedClock, SystemClock};

use stemvault_client::terminal::say;

/// Receives multitrack sessions, hands out mixes, and keeps every session recallable, bit for bit,
/// for exactly as long as the studio promised
#[derive(Debug, Parser)]
#[command(name = "stemvault", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    /// Look at the settings, on this machine (no server needed)
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Orders and their life
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// Links for clients
    #[command(subcommand)]
    Link(link::LinkCommand),
    /// What is on its way, and removing what shall not be submitted
    #[command(subcommand)]
    Upload(upload::UploadCommand),
    Submit(session::SubmitArgs),
    /// What was submitted, and what you say of it
    #[command(subcommand)]
    Session(session::SessionCommand),
    Recall(recall::RecallArgs),
    EndRecall(order::NumberArgs),
    /// What is kept how long: what is due, doing it, what was done
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    Status(status::StatusArgs),
    Prove(retention::ProveArgs),
    Scrub(scrub::ScrubArgs),
    /// Taking another disk for a store
    #[command(subcommand)]
    Store(store::StoreCommand),
    Mirror(retention::MirrorArgs),
    Push(push::PushArgs),
    Pull(pull::PullArgs),
    Export(export::ExportArgs),
    Rebuild(rebuild::RebuildArgs),
    /// The master key and backups of the key store
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    Drill(drill::DrillArgs),
    /// API tokens, for programs and for commands on other machines
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Move the clock of a demo (a server that was first started with --demo-clock)
    #[command(subcommand)]
    Clock(clock::ClockCommand),
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Serve(_)) {
        crate::memory::keep_little();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system gives no threads");
    let done = runtime.and_then(|runtime| {
        let done = runtime.block_on(run(cli.command));
        // What matters is closed by now: nothing else is waited for.
        runtime.shutdown_background();
        done
    });
    crate::log::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("stemvault: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let clock: SharedClock = Arc::new(SystemClock);
    match command {
        Command::Serve(args) => Box::pin(serve::run(args)).await,
        Command::Config(command) => config::run(command),
        Command::Order(command) => order::run(command).await,
        Command::Link(command) => link::run(command).await,
        Command::Upload(command) => upload::run(command).await,
        Command::Submit(args) => session::submit(args).await,
        Command::Session(command) => session::run(command).await,
        Command::Recall(args) => recall::recall(args).await,
        Command::EndRecall(args) => recall::end_recall(args).await,
        Command::Retention(command) => retention::run(command).await,
        Command::Status(args) => status::run(args).await,
        Command::Prove(args) => retention::prove(args).await,
        Command::Scrub(args) => scrub::run(args).await,
        Command::Store(command) => store::run(command).await,
        Command::Mirror(args) => retention::mirror(args).await,
        Command::Push(args) => Box::pin(push::run(args, clock)).await,
        Command::Pull(args) => Box::pin(pull::run(args, clock)).await,
        Command::Export(args) => Box::pin(export::run(args, clock)).await,
        Command::Rebuild(args) => Box::pin(rebuild::run(args, clock)).await,
        Command::Keys(command) => keys::run(command, clock).await,
        Command::Catalog(command) => catalog::run(command, clock).await,
        Command::Drill(args) => Box::pin(drill::run(args, clock)).await,
        Command::Token(command) => token::run(command, clock).await,
        Command::Clock(command) => clock::run(command).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_people_type_is_understood() {
        for line in [
            "serve --demo-clock --listen 127.0.0.1:0 --log-format json --data-dir /d --config /c",
            "config check --config /c",
            "config sample",
            "order create 2026-0117 --client Band --email a@b --title Song",
            "order hold 2026-0117 --reason why",
            "order archive-again 2026-0117",
            "link create 2026-0117 --upload",
            "link create 2026-0117 --session abababab --file a/b.wav --expires 14d --json",
            "link revoke abc",
            "upload list 2026-0117",
            "upload remove 2026-0117 Drums/Kick.wav",
            "submit 2026-0117 --kind stems --form song=Nachtzug",
            "session list 2026-0117",
            "session show 2026-0117 abababab",
            "session accept 2026-0117",
            "session return 2026-0117 --reason one --reason two",
            "recall 2026-0117 --days 3",
            "end-recall 2026-0117",
            "retention plan --at 2027-01-01",
            "retention run --dry-run --allow-many --accept-clock",
            "retention run --job prove",
            "retention runs",
            "prove 2026-0117 --whole",
            "scrub 2026-0117 --tier working --tier archive --rate 50MB",
            "scrub --stop",
            "scrub --watch",
            "store mark archive",
            "mirror --new",
            "status",
            "push folder --to https://x/u/y --submit --parallel 2",
            "pull 2026-0117 abababab --into dir",
            "export 2026-0117 abababab --into dir",
            "export https://x/d/y --zip bag.zip",
            "rebuild --replace",
            "keys list",
            "keys rotate --config /c",
            "keys retire abab --data-dir /d",
            "keys backup /b/keys.jsonl",
            "keys restore /b/keys.jsonl --although-ended --config /c",
            "catalog export file --data-dir /d",
            "catalog import file",
            "drill --blocks 5 --json --config /c",
            "token create ci --expires 30d --token-file t --ca c --server https://x",
            "token revoke abc",
            "clock advance 91d",
            "clock jump -2h",
        ] {
            let words = std::iter::once("stemvault").chain(line.split(' '));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
        for line in [
            "",
            "link create 2026-0117",
            "order create 2026-0117",
            "orders",
            "export 2026-0117",
            "export 2026-0117 --into a --zip b",
        ] {
            let words = std::iter::once("stemvault")
                .chain(line.split(' '))
                .filter(|w| !w.is_empty());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
