//! `stemvault store`: taking another disk for a store, on purpose.

use serde_json::json;

use super::ask::AskArgs;
use super::table::text;

/// What can be done to a store.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum StoreCommand {
    Mark(MarkArgs),
}

/// Take a store for this installation's that bears no mark: another disk stands there on purpose
///
/// Look first that it is the disk you mean, and mounted: what it lacks counts as lost from then on.
/// A store that bears another installation's mark is refused.
#[derive(Debug, Clone, clap::Args)]
pub struct MarkArgs {
    /// working, archive or keys
    pub store: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal.
pub async fn run(command: StoreCommand) -> anyhow::Result<()> {
    let StoreCommand::Mark(args) = command;
    let ask = args.ask.ask()?;
    let store = &args.store;
    let stores = ask.post(&["stores", store, "mark"], json!({})).await?;
    ask.show(&stores, |stores| {
        format!(
            "the {store} store is taken as it is; `stemvault scrub` puts back what other copies have, and names what is lost\nstores: {}",
            text(stores, "says")
        )
    })
}
