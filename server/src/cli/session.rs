//! `stemvault submit` and `stemvault session`: what was sealed, and what is said of it.

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use stemvault_storage::session::Kind;

use super::ask::{Ask, AskArgs};
use super::order::{NumberArgs, sessions};
use super::table::{bytes, count, list, table, text};
use crate::form::{INCOMPLETE, LEFT_OUT, fields, label};
use crate::language::Language;
use stemvault_client::answer::printable;

/// Seal what was uploaded into a session, also for a client who forgot to
///
/// What the client wrote into the form of the upload page is taken along; `--form` adds to it.
#[derive(Debug, Clone, clap::Args)]
pub struct SubmitArgs {
    /// The order's number
    pub number: String,
    /// What it is that is submitted: has to be said
    #[arg(long, value_parser = ["material", "delivery", "stems"])]
    pub kind: Option<String>,
    /// What the studio asks for, as in `--form song=Nachtzug`; may be said several times
    #[arg(long, value_name = "NAME=TEXT")]
    pub form: Vec<String>,
    /// Why required fields of the form may stay empty; kept with the session
    #[arg(long, value_name = "REASON")]
    pub incomplete: Option<String>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// What to do with sessions.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SessionCommand {
    /// List the sessions of an order
    List(NumberArgs),
    /// Show a session: its files, its hashes, what was found
    Show(SessionArgs),
    Accept(AcceptArgs),
    Return(ReturnArgs),
}

/// A session of an order.
#[derive(Debug, Clone, clap::Args)]
pub struct SessionArgs {
    /// The order's number
    pub number: String,
    /// Which session, by its id or the start of it; the latest if absent
    pub session: Option<String>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Take a session: it is good to work with
#[derive(Debug, Clone, clap::Args)]
pub struct AcceptArgs {
    /// Which
    #[command(flatten)]
    pub of: SessionArgs,
    /// Why, if the intake checks refuse it ("accepted as received")
    #[arg(long)]
    pub reason: Option<String>,
}

/// Give a session back to its sender; the upload link stays open
#[derive(Debug, Clone, clap::Args)]
pub struct ReturnArgs {
    /// Which
    #[command(flatten)]
    pub of: SessionArgs,
    /// What is wrong, for the client; may be said several times
    #[arg(long, required = true)]
    pub reason: Vec<String>,
}

/// What somebody says that it is which they `verb` an order: what is filed as another kind goes to
/// nobody, and what a client is still sending would be sealed.
///
/// # Errors
/// If they do not say it; the sentence says how.
pub(super) fn said_kind<'a>(
    kind: Option<&'a str>,
    verb: &str,
    number: &str,
) -> anyhow::Result<&'a str> {
    kind.with_context(|| {
        format!(
            "what is it that you {verb} order {number}? Say {}",
            Kind::choices("--kind ")
        )
    })
}

/// Runs `submit`.
///
/// # Errors
/// The server's refusal.
pub async fn submit(args: SubmitArgs) -> anyhow::Result<()> {
    let kind = said_kind(args.kind.as_deref(), "submit of", &args.number)?;
    let ask = args.ask.ask()?;
    let mut form = Map::new();
    for field in &args.form {
        let (name, said) = field
            .split_once('=')
            .with_context(|| format!("{field:?}: write it as NAME=TEXT"))?;
        form.insert(name.trim().to_owned(), said.into());
    }
    let body = json!({"kind": kind, "form": form, "incomplete": args.incomplete});
    let receipt = ask.post(&["orders", &args.number, "submit"], body).await?;
    ask.show(&receipt, words)
}

/// Runs the command.
///
/// # Errors
/// The server's refusal.
pub async fn run(command: SessionCommand) -> anyhow::Result<()> {
    match command {
        SessionCommand::List(args) => {
            let ask = args.ask.ask()?;
            ask.show(&ask.get(&["orders", &args.number]).await?, sessions)
        }
        SessionCommand::Show(of) => {
            let ask = of.ask.ask()?;
            let session = which(&ask, &of, None).await?;
            let receipt = ask
                .get(&["orders", &of.number, "sessions", &session])
                .await?;
            ask.show(&receipt, words)
        }
        SessionCommand::Accept(AcceptArgs { of, reason }) => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
            review(&of, "accept", body).await
        }
        SessionCommand::Return(ReturnArgs { of, reason }) => {
            review(&of, "return", json!({"reasons": reason})).await
        }
    }
}

async fn review(of: &SessionArgs, verb: &str, body: Value) -> anyhow::Result<()> {
    let ask = of.ask.ask()?;
    let session = which(&ask, of, Some("material")).await?;
    let path = ["orders", of.number.as_str(), "sessions", &session, verb];
    let receipt = ask.post(&path, body).await?;
    ask.show(&receipt, |receipt| {
        format!(
            "session {} of order {} is {}",
            text(receipt, "session"),
            text(receipt, "order"),
            text(&receipt["review"], "state")
        )
    })
}

/// The session that was named, or the order's latest (of a kind).
async fn which(ask: &Ask, of: &SessionArgs, kind: Option<&str>) -> anyhow::Result<String> {
    if let Some(session) = &of.session {
        return Ok(session.clone());
    }
    let order = ask.get(&["orders", &of.number]).await?;
    let is_one = |session: &&Value| kind.is_none_or(|kind| session["kind"] == kind);
    match list(&order, "sessions").iter().rfind(is_one) {
        Some(session) => Ok(text(session, "session")),
        None => bail!(
            "order {} has no {} yet",
            of.number,
            kind.unwrap_or("session")
        ),
    }
}

/// What the client wrote, field by field in the order of the page.
fn form(receipt: &Value) -> String {
    let Some(form) = receipt["form"].as_object() else {
        return String::new();
    };
    let known = fields(&[], Language::English)
        .into_iter()
        .map(|field| field.name);
    let known: Vec<_> = known.filter(|name| form.contains_key(name)).collect();
    let others = form.keys().filter(|name| !known.contains(name));
    let mut words = String::new();
    for name in known.iter().chain(others) {
        let label = match name.as_str() {
            INCOMPLETE => "Submitted incomplete, because".to_owned(),
            LEFT_OUT => "Left out by the sender".to_owned(),
            name => printable(&label(name, Language::English)),
        };
        let said = text(&receipt["form"], name);
        let lines: Vec<_> = said.lines().map(printable).collect();
        match lines.as_slice() {
            [] => {}
            [line] => words.push_str(&format!("{label}: {line}\n")),
            lines => words.push_str(&format!("{label}:\n  {}\n", lines.join("\n  "))),
        }
    }
    if !words.is_empty() {
        words.push('\n');
    }
    words
}

/// A receipt for people.
fn words(receipt: &Value) -> String {
    let mut words = form(receipt);
    words += &format!(
        "{} of order {}\nsession {}\n{}, {}, {}\n",
        text(receipt, "kind"),
        text(receipt, "order"),
        text(receipt, "session"),
        text(&receipt["review"], "state"),
        count(receipt["file_count"].as_u64().unwrap_or(0), "file"),
        bytes(receipt, "total_bytes")
    );
    for reason in list(&receipt["review"], "reasons") {
        words.push_str(&format!(
            "  {}\n",
            printable(reason.as_str().unwrap_or_default())
        ));
    }
    for finding in list(receipt, "findings") {
        let message = printable(&text(finding, "message"));
        words.push_str(&format!("{}: {message}\n", text(finding, "severity")));
    }
    let row = |file: &Value| {
        vec![
            text(file, "hash"),
            bytes(file, "length"),
            text(file, "path"),
        ]
    };
    let files: Vec<_> = list(receipt, "files").iter().map(row).collect();
    words + "\n" + &table(&["BLAKE3", "SIZE", "FILE"], &files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_told_with_everything_that_was_found() {
        let told = words(&json!({
            "form": {"notes": "loud\nand \u{1b}[2Jclear", "song": "Nachtzug", "mood": "late"},
            "order": "2026-0117", "kind": "material", "session": "ab", "file_count": 1, "total_bytes": "7",
            "review": {"state": "returned", "reasons": ["two mixes"]},
            "findings": [{"severity": "warn", "message": "48 kHz and 96 kHz"}],
            "files": [{"path": "Kick.wav", "length": "7", "hash": "cd"}],
        }));
        for word in [
            "returned, 1 file, 7 B",
            "two mixes",
            "warn: 48 kHz",
            "Kick.wav",
            "cd",
        ] {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
        let form = "Song: Nachtzug\nNotes for the engineer:\n  loud\n  and \u{fffd}[2Jclear\nMood: late\n\nmaterial of";
        assert!(told.starts_with(form), "{told}");
    }
}
