//! `stemvault status`: how everything stands, in colours.

use anyhow::bail;
use serde_json::Value;

use super::ask::AskArgs;
use super::table::{list, table, text};

/// Show how stores, keys, mirror, archive, retention, jobs and the certificate stand; fails while
/// anything is red
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs `status`.
///
/// # Errors
/// The server's refusal; something is red.
pub async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let status = ask.get(&["status"]).await?;
    ask.show(&status, words)?;
    if status["colour"] == "red" {
        bail!("something must be done: see above");
    }
    Ok(())
}

fn words(status: &Value) -> String {
    let row = |part: &Value| {
        ["what", "colour", "says"]
            .map(|key| text(part, key))
            .to_vec()
    };
    let rows: Vec<_> = list(status, "parts").iter().map(row).collect();
    table(&["PART", "STATE", "IN WORDS"], &rows)
}
