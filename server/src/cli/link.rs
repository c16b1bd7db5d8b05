//! `stemvault link`: links for clients.

use serde_json::json;

use super::ask::AskArgs;
use super::table::{moment, text};

/// What to do with links.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum LinkCommand {
    Create(CreateArgs),
    Revoke(RevokeArgs),
}

/// Make a link: to upload, or to download a session or one file
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("scope").required(true).args(["upload", "session"])))]
pub struct CreateArgs {
    /// The order's number
    pub number: String,
    /// For uploads; ends when the material is accepted
    #[arg(long)]
    pub upload: bool,
    /// For downloads of this session, by its id or the start of it
    #[arg(long, value_name = "SESSION")]
    pub session: Option<String>,
    /// Only this file of the session
    #[arg(long, value_name = "PATH", requires = "session")]
    pub file: Option<String>,
    /// The most that may be uploaded by it, as in "50 GB"
    #[arg(long, value_name = "SIZE", requires = "upload")]
    pub max_bytes: Option<String>,
    /// The most files that may be uploaded by it
    #[arg(long, value_name = "FILES", requires = "upload")]
    pub max_files: Option<u64>,
    /// When it ends: a day (2026-11-23), a moment, or a span (14d)
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Take a link back, by its id (`stemvault order show` lists them)
#[derive(Debug, Clone, clap::Args)]
pub struct RevokeArgs {
    /// The link's id
    pub id: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal.
pub async fn run(command: LinkCommand) -> anyhow::Result<()> {
    match command {
        LinkCommand::Create(args) => create(args).await,
        LinkCommand::Revoke(args) => {
            let ask = args.ask.ask()?;
            ask.delete(&["links", &args.id]).await?;
            ask.done(&format!("link {} opens nothing any more", args.id))
        }
    }
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let mut body = match (args.session, args.file) {
        (None, _) => json!({"scope": "upload"}),
        (Some(session), None) => json!({"scope": "session", "session": session}),
        (Some(session), Some(path)) => json!({"scope": "file", "session": session, "path": path}),
    };
    if let Some(expires) = args.expires {
        body["expires_at"] = expires.into();
    }
    if let Some(size) = args.max_bytes {
        body["max_bytes"] = size.into();
    }
    if let Some(files) = args.max_files {
        body["max_files"] = files.into();
    }
    let made = ask.post(&["orders", &args.number, "links"], body).await?;
    ask.show(&made, |made| {
        let ends = match moment(made, "expires_at") {
            at if at.is_empty() => String::new(),
            at => format!(", ends {at}"),
        };
        format!(
            "{} link {}{ends} (shown this once):\n\n  {}\n",
            text(made, "scope"),
            text(made, "id"),
            text(made, "url")
        )
    })
}
