//! `stemvault clock`: the clock of a demo.

use serde_json::json;

use super::ask::AskArgs;
use super::table::moment;

/// How to move it.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ClockCommand {
    /// Let time pass, as if one had waited
    Advance(SpanArgs),
    /// Move the date alone, as a wrong time server does: the retention jobs then refuse to delete
    Jump(SpanArgs),
}

/// By how much.
#[derive(Debug, Clone, clap::Args)]
pub struct SpanArgs {
    /// A span: 91d, 36h, 5m; a jump may go back: -2h
    #[arg(allow_hyphen_values = true)]
    pub span: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal.
pub async fn run(command: ClockCommand) -> anyhow::Result<()> {
    let (verb, args) = match command {
        ClockCommand::Advance(args) => ("advance", args),
        ClockCommand::Jump(args) => ("jump", args),
    };
    let ask = args.ask.ask()?;
    let answer = ask.post(&["clock"], json!({verb: args.span})).await?;
    ask.show(&answer, |answer| format!("it is {}", moment(answer, "now")))
}
