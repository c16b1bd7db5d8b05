//! `stemvault order`: an order and the verbs of its life.

use serde_json::{Value, json};

use super::ask::{Ask, AskArgs};
use super::audit::AuditArgs;
use super::table::{bytes, count, list, moment, table, text};
use stemvault_client::answer::printable;

/// What to do with orders.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum OrderCommand {
    Create(CreateArgs),
    /// List all orders
    List(AskArgs),
    /// Show an order with its sessions and links
    Show(NumberArgs),
    Audit(AuditArgs),
    Complete(CompleteArgs),
    /// Go on working: both retention clocks stop
    Reopen(NumberArgs),
    /// Write an archive that did not come back anew from the working files; no date changes
    ArchiveAgain(NumberArgs),
    Hold(HoldArgs),
    /// Let an order that was held be deleted when it is due
    ReleaseHold(NumberArgs),
}

/// Create an order, and the upload link for its client
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// The order's number
    pub number: String,
    /// Band, label or person
    #[arg(long)]
    pub client: String,
    /// Where notices to the client go
    #[arg(long)]
    pub email: Option<String>,
    /// The record's or song's title
    #[arg(long)]
    pub title: Option<String>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// An order's number.
#[derive(Debug, Clone, clap::Args)]
pub struct NumberArgs {
    /// The order's number
    pub number: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Say that the work is done: both retention clocks start
#[derive(Debug, Clone, clap::Args)]
pub struct CompleteArgs {
    /// The order's number
    pub number: String,
    /// Also if there is nothing to keep: nothing was submitted, or all of it was returned
    #[arg(long)]
    pub empty: bool,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Keep everything of an order until the hold is released
#[derive(Debug, Clone, clap::Args)]
pub struct HoldArgs {
    /// The order's number
    pub number: String,
    /// Why, for whoever asks later
    #[arg(long)]
    pub reason: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal.
pub async fn run(command: OrderCommand) -> anyhow::Result<()> {
    match command {
        OrderCommand::Create(args) => create(args).await,
        OrderCommand::List(args) => {
            let ask = args.ask()?;
            ask.show(&ask.get(&["orders"]).await?, orders)
        }
        OrderCommand::Show(args) => {
            let ask = args.ask.ask()?;
            ask.show(&ask.get(&["orders", &args.number]).await?, order)
        }
        OrderCommand::Audit(args) => super::audit::run(args).await,
        OrderCommand::Complete(CompleteArgs { number, empty, ask }) => {
            let body = json!({"empty": empty});
            verb(&NumberArgs { number, ask }, "complete", body).await
        }
        OrderCommand::Reopen(args) => verb(&args, "reopen", json!({})).await,
        OrderCommand::ArchiveAgain(args) => verb(&args, "archive-again", json!({})).await,
        OrderCommand::ReleaseHold(args) => verb(&args, "release-hold", json!({})).await,
        OrderCommand::Hold(HoldArgs {
            number,
            reason,
            ask,
        }) => {
            let body = json!({"reason": reason});
            verb(&NumberArgs { number, ask }, "hold", body).await
        }
    }
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let mut body = json!({"number": args.number, "client": args.client, "upload_link": true});
    for (key, value) in [("email", args.email), ("title", args.title)] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    let made = ask.post(&["orders"], body).await?;
    ask.show(&made, |made| {
        format!(
            "order {} for {} is open\n\nupload link, to send to the client (shown this once):\n\n  {}\n",
            printable(&text(made, "number")),
            printable(&text(made, "client")),
            text(&made["upload_link"], "url")
        )
    })
}

/// Asks for a verb of an order, and shows where it stands then.
pub(super) async fn verb(args: &NumberArgs, verb: &str, body: Value) -> anyhow::Result<()> {
    let ask: Ask = args.ask.ask()?;
    let changed = ask.post(&["orders", &args.number, verb], body).await?;
    ask.show(&changed, state)
}

/// Where an order stands, in a line or two.
fn state(order: &Value) -> String {
    let mut words = format!(
        "order {} is {}",
        text(order, "number"),
        text(order, "stage")
    );
    let until = moment(order, "recalled_until");
    if !until.is_empty() {
        words.push_str(&format!(" until {until}"));
    }
    let stage = text(order, "stage");
    // What is done is no longer due.
    let before_release = ["completed", "archived", "releasing"].contains(&stage.as_str());
    for (key, what, ahead) in [
        ("release_due_at", "working files are due", before_release),
        ("purge_due_at", "archive is due", stage != "purged"),
    ] {
        let at = moment(order, key);
        if ahead && !at.is_empty() {
            words.push_str(&format!("\n{what} {at}"));
        }
    }
    let destroyed = moment(order, "key_destroyed_at");
    if !destroyed.is_empty() {
        words.push_str(&format!("\nits key was destroyed {destroyed}; "));
        let end = moment(order, "last_key_backup_ends_at");
        words.push_str(&if end.is_empty() {
            "no backup of the key store holds it".to_owned()
        } else {
            format!("the last backup of the key store that may hold it ends {end}")
        });
    }
    if let Some(why) = order["stands_still"].as_str() {
        let what = if stage == "purging" {
            "its purge"
        } else {
            "its release"
        };
        let why = printable(why);
        words.push_str(&format!("\n{what} has stopped half way: {why}"));
    }
    if !order["hold"].is_null() {
        let reason = text(&order["hold"], "reason");
        words.push_str(&format!("\nheld: {}", printable(&reason)));
    }
    words
}

/// Why nothing of it goes for now.
fn kept(order: &Value) -> String {
    let hold = text(&order["hold"], "reason");
    match (hold.is_empty(), order["unproven"].is_null()) {
        (true, true) => String::new(),
        (false, true) => format!("held: {hold}"),
        (true, false) => "NOT PROVEN".to_owned(),
        (false, false) => format!("NOT PROVEN; held: {hold}"),
    }
}

fn orders(answer: &Value) -> String {
    let orders = list(answer, "orders");
    if orders.is_empty() {
        return "no orders yet: `stemvault order create NUMBER --client NAME` makes one".to_owned();
    }
    let row = |order: &Value| {
        vec![
            text(order, "number"),
            text(order, "stage"),
            text(order, "client"),
            text(order, "title"),
            moment(order, "release_due_at"),
            moment(order, "purge_due_at"),
            moment(&order["proof"], "last_proven_at"),
            kept(order),
        ]
    };
    let titles = [
        "NUMBER",
        "STAGE",
        "CLIENT",
        "TITLE",
        "WORKING FILES DUE",
        "ARCHIVE DUE",
        "LAST PROVEN",
        "KEPT",
    ];
    table(&titles, &orders.iter().map(row).collect::<Vec<_>>())
}

fn order(order: &Value) -> String {
    let mut words = state(order);
    for (key, what) in [("client", "client"), ("email", "email"), ("title", "title")] {
        let value = text(order, key);
        if !value.is_empty() {
            words.push_str(&format!("\n{what}: {}", printable(&value)));
        }
    }
    words.push_str(&format!("\ncreated {}", moment(order, "created_at")));
    let proof = &order["proof"];
    if !proof.is_null() {
        words.push_str(&format!(
            "\nproven recallable {}: {} files, {} in {}",
            moment(proof, "proven_at"),
            text(proof, "files"),
            bytes(proof, "bytes"),
            bytes(proof, "stored_bytes")
        ));
        words.push_str(&format!(
            "\nlast read again {}: {} % of it; the whole {}",
            moment(proof, "last_proven_at"),
            text(proof, "last_percent"),
            moment(proof, "last_whole_at"),
        ));
    }
    let unproven = &order["unproven"];
    if !unproven.is_null() {
        words.push_str(&format!(
            "\nNOT PROVEN since {}: {} did not come back; its working files stay. {}",
            moment(unproven, "at"),
            text(unproven, "damaged"),
            printable(&text(unproven, "first"))
        ));
    }
    for kind in list(order, "not_submitted") {
        words.push_str(&format!("\n{}", not_submitted(kind)));
    }
    words.push('\n');
    if !list(order, "sessions").is_empty() {
        words.push_str(&format!("\n{}", sessions(order)));
    }
    let links = list(order, "links").iter().map(|link| {
        let revoked = link["revoked"] == true;
        let ends = if revoked {
            "revoked".to_owned()
        } else {
            moment(link, "expires_at")
        };
        vec![
            text(link, "id"),
            text(link, "scope"),
            moment(link, "created_at"),
            ends,
            takes(link),
        ]
    });
    let links: Vec<_> = links.collect();
    if !links.is_empty() {
        let titles = ["LINK", "SCOPE", "MADE", "ENDS", "TAKES"];
        words.push_str(&format!("\n{}", table(&titles, &links)));
    }
    words
}

/// What is here of one kind, and in no session.
fn not_submitted(kind: &Value) -> String {
    let number = |key: &str| kind[key].as_u64().unwrap_or(0);
    let mut words = format!("not submitted ({}):", text(kind, "kind"));
    if number("files") > 0 {
        let arrived = count(number("files"), "file");
        words.push_str(&format!(" {arrived} arrived, {}", bytes(kind, "bytes")));
    }
    if number("unfinished") > 0 {
        let comma = if number("files") > 0 { ";" } else { "" };
        let unfinished = count(number("unfinished"), "file");
        words.push_str(&format!("{comma} {unfinished} unfinished"));
    }
    words
}

/// What a link was made for, if that is less than any link takes.
fn takes(link: &Value) -> String {
    let size = (!link["max_bytes"].is_null()).then(|| bytes(link, "max_bytes"));
    let files = link["max_files"].as_u64();
    let files = files.map(|files| format!("{files} files"));
    let parts: Vec<_> = size.into_iter().chain(files).collect();
    parts.join(", ")
}

/// The sessions of an order.
pub(super) fn sessions(order: &Value) -> String {
    let sessions = list(order, "sessions");
    if sessions.is_empty() {
        return format!("order {} has no sessions yet", text(order, "number"));
    }
    let row = |session: &Value| {
        vec![
            text(session, "session").chars().take(16).collect(),
            text(session, "kind"),
            text(&session["review"], "state"),
            text(session, "files"),
            bytes(session, "bytes"),
            moment(session, "sealed_at"),
            text(session, "tier"),
        ]
    };
    let titles = [
        "SESSION", "KIND", "REVIEW", "FILES", "SIZE", "SEALED", "TIER",
    ];
    table(&titles, &sessions.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_in_words() {
        let told = order(&json!({
            "number": "2026-0117", "stage": "recalled", "client": "Band", "title": null,
            "recalled_until": "2027-01-01T00:00:00Z", "purge_due_at": "2028-01-01T00:00:00Z",
            "hold": {"reason": "credits"}, "proof": {"files": 3, "bytes": "3000000", "stored_bytes": "1500000"},
            "sessions": [{"session": "ab".repeat(32), "kind": "material", "review": {"state": "accepted"}, "files": 3, "bytes": "3000000"}],
            "links": [{"id": "cd", "scope": "upload", "revoked": true}],
            "not_submitted": [
                {"kind": "material", "files": 12, "bytes": "3000000", "unfinished": 1},
                {"kind": "stems", "files": 0, "bytes": "0", "unfinished": 2},
            ],
        }));
        for words in [
            "recalled until 2027-01-01",
            "archive is due 2028-01-01",
            "held: credits",
            "client: Band",
            "3 files, 3.00 MB in 1.50 MB",
            "abababababababab",
            "not submitted (material): 12 files arrived, 3.00 MB; 1 file unfinished",
            "not submitted (stems): 2 files unfinished",
            "accepted",
            "revoked",
        ] {
            assert!(told.contains(words), "{words} is missing in {told}");
        }
        assert!(!told.contains("title"), "{told}");
    }
}
