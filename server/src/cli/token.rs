//! `stemvault token`: API tokens.

use anyhow::bail;
use serde_json::{Value, json};
use stemvault_config::Overrides;
use stemvault_storage::catalog::Embedded;
use stemvault_storage::clock::SharedClock;

use super::ask::AskArgs;
use super::serve::SettingsArgs;
use super::table::{list, moment, print, table, text};
use crate::api::tokens::{make, usual_end};
use crate::api::when::when;
use crate::demo::clock_of;
use crate::installation::catalog_folder;

/// What to do with tokens.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TokenCommand {
    Create(CreateArgs),
    /// List all tokens, without their secrets
    List(AskArgs),
    Revoke(RevokeArgs),
}

/// Make a token
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// For what or whom it is
    pub name: String,
    /// When it ends: a day (2026-11-23), a moment, or a span (30d); 365 days if absent
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Write it into the data directory of a stopped server on this machine (no server needed)
    #[arg(long)]
    pub offline: bool,
    /// With --offline: the settings file of that server
    #[arg(long, value_name = "FILE", requires = "offline")]
    pub config: Option<std::path::PathBuf>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Take a token back, by its id
#[derive(Debug, Clone, clap::Args)]
pub struct RevokeArgs {
    /// The token's id
    pub id: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal; with `--offline`, a server that runs.
pub async fn run(command: TokenCommand, clock: SharedClock) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(args) if args.offline => offline(args, clock).await,
        TokenCommand::Create(args) => {
            let ask = args.ask.ask()?;
            let mut body = json!({"name": args.name});
            if let Some(expires) = args.expires {
                body["expires_at"] = expires.into();
            }
            ask.show(&ask.post(&["tokens"], body).await?, made)
        }
        TokenCommand::List(args) => {
            let ask = args.ask()?;
            ask.show(&ask.get(&["tokens"]).await?, tokens)
        }
        TokenCommand::Revoke(args) => {
            let ask = args.ask.ask()?;
            ask.delete(&["tokens", &args.id]).await?;
            ask.done(&format!("token {} opens nothing any more", args.id))
        }
    }
}

async fn offline(args: CreateArgs, machine: SharedClock) -> anyhow::Result<()> {
    let settings = SettingsArgs {
        config: args.config,
        data_dir: args.ask.connect.data_dir,
    };
    let settings = settings.load(Overrides::default())?;
    let folder = catalog_folder(&settings);
    if !folder.exists() {
        bail!(
            "{} has no catalog yet: `stemvault serve` makes one, and a token",
            settings.data_dir.display()
        );
    }
    let now = clock_of(&settings.data_dir, machine)?.now();
    let expires_at = match &args.expires {
        Some(text) => when(text, now, settings.orders.time_zone)?,
        None => usual_end(now),
    };
    let catalog = Embedded::open(folder).await?;
    let token = make(&*catalog.shared(), &args.name, now, Some(expires_at)).await;
    catalog.close().await;
    let (row, token) = token?;
    let value = json!({"id": row.id, "token": token.reveal(), "expires_at": row.expires_at});
    if args.ask.json {
        return print(&value.to_string());
    }
    print(&made(&value))
}

fn made(token: &Value) -> String {
    format!(
        "token {}, ends {} (shown this once):\n\n  {}\n",
        text(token, "id"),
        moment(token, "expires_at"),
        text(token, "token")
    )
}

fn tokens(answer: &Value) -> String {
    let row = |token: &Value| {
        vec![
            text(token, "id"),
            text(token, "name"),
            moment(token, "created_at"),
            moment(token, "expires_at"),
        ]
    };
    let rows: Vec<_> = list(answer, "tokens").iter().map(row).collect();
    table(&["TOKEN", "NAME", "MADE", "ENDS"], &rows)
}
