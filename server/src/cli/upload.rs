//! `stemvault upload`: what is on its way to an order, and removing what shall not be submitted.

use anyhow::ensure;
use serde_json::Value;

use super::ask::AskArgs;
use super::table::{list, moment, table, text};

/// What to do with uploads.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum UploadCommand {
    List(ListArgs),
    Remove(RemoveArgs),
}

/// List the uploads of an order
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// The order's number
    pub number: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Remove an upload: an unfinished one, or a file that no session holds but a returned one
#[derive(Debug, Clone, clap::Args)]
pub struct RemoveArgs {
    /// The order's number
    pub number: String,
    /// The file's path in the session, or the upload's id
    pub upload: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal; a path that names no upload, or several.
pub async fn run(command: UploadCommand) -> anyhow::Result<()> {
    match command {
        UploadCommand::List(args) => {
            let ask = args.ask.ask()?;
            let found = ask.get(&["orders", &args.number, "uploads"]).await?;
            ask.show(&found, uploads)
        }
        UploadCommand::Remove(args) => {
            let ask = args.ask.ask()?;
            let found = ask.get(&["orders", &args.number, "uploads"]).await?;
            let named = |it: &Value| {
                ["id", "path"]
                    .iter()
                    .any(|key| text(it, key) == args.upload)
            };
            let ids: Vec<_> = list(&found, "uploads")
                .iter()
                .filter(|it| named(it))
                .map(|it| text(it, "id"))
                .collect();
            ensure!(
                !ids.is_empty(),
                "order {} has no upload {:?}: `stemvault upload list {}` names them",
                args.number,
                args.upload,
                args.number
            );
            ensure!(
                ids.len() == 1,
                "order {} has {} uploads {:?}: name one by its id ({})",
                args.number,
                ids.len(),
                args.upload,
                ids.join(", ")
            );
            ask.delete(&["orders", &args.number, "uploads", &ids[0]])
                .await?;
            ask.done(&format!(
                "{:?} of order {} is removed",
                args.upload, args.number
            ))
        }
    }
}

fn uploads(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(answer, "uploads")
        .iter()
        .map(|it| {
            let of = |key| text(it, key);
            vec![
                of("id"),
                of("kind"),
                of("state"),
                of("offset"),
                of("length"),
                moment(it, "expires_at"),
                of("path"),
            ]
        })
        .collect();
    if rows.is_empty() {
        return format!("order {} has no uploads", text(answer, "order"));
    }
    table(
        &[
            "UPLOAD", "KIND", "STATE", "RECEIVED", "BYTES", "EXPIRES", "PATH",
        ],
        &rows,
    )
}
