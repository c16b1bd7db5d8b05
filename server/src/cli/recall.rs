//! `stemvault recall`, `end-recall`: permission to download from the archive of a released order.

use serde_json::json;

use super::ask::AskArgs;
use super::order::{NumberArgs, verb};

/// Let the archive of a released order be downloaded for some days
#[derive(Debug, Clone, clap::Args)]
pub struct RecallArgs {
    /// The order's number
    pub number: String,
    /// For how many days; the setting retention.recall_kept if absent
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs `recall`.
///
/// # Errors
/// The server's refusal.
pub async fn recall(args: RecallArgs) -> anyhow::Result<()> {
    let body = match args.days {
        Some(days) => json!({"days": days}),
        None => json!({}),
    };
    let RecallArgs { number, ask, .. } = args;
    verb(&NumberArgs { number, ask }, "recall", body).await
}

/// Runs `end-recall`.
///
/// # Errors
/// The server's refusal.
pub async fn end_recall(args: NumberArgs) -> anyhow::Result<()> {
    verb(&args, "end-recall", json!({})).await
}
