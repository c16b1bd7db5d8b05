//! `stemvault scrub`: read everything, mend what is bad; and watch it.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::ask::{Ask, AskArgs};
use super::table::{bytes, count, list, moment, text};
use stemvault_client::answer::printable;
use stemvault_client::terminal::say;

/// How often a scrub is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// After how many looks it is said how far it is.
const SAID: u64 = 10;

/// Read sessions in any tier and mend what is bad from another copy
///
/// It says beforehand what it reads, every ten seconds how far it is, and at the end what it found.
/// The keys of the orders are looked at as well, whatever is read. Runs in the server, which goes on
/// with it also after a restart; this command watches it to its end, and whoever ends the command
/// ends only the watching.
#[derive(Debug, Clone, clap::Args)]
pub struct ScrubArgs {
    /// Only the order of this number
    pub number: Option<String>,
    /// Where to read: working, archive, mirror; once for each; every one if absent
    #[arg(long = "tier", value_name = "TIER")]
    pub tiers: Vec<String>,
    /// Bytes a second, at most, as in 50MB; as fast as it goes if absent
    #[arg(long, value_name = "SIZE")]
    pub rate: Option<String>,
    /// Only watch the one that is under way
    #[arg(long, conflicts_with_all = ["number", "tiers", "rate"])]
    pub watch: bool,
    /// End the one that is under way
    #[arg(long, conflicts_with_all = ["number", "tiers", "rate", "watch"])]
    pub stop: bool,
    /// Begin, and do not watch
    #[arg(long, conflicts_with_all = ["watch", "stop"])]
    pub background: bool,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs `scrub`.
///
/// # Errors
/// The server's refusal; a flaw that no copy could mend.
pub async fn run(args: ScrubArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    if args.stop {
        ask.delete(&["scrub"]).await?;
        return ask.done("the scrub ends before its next block");
    }
    if !args.watch {
        let rate = args.rate.as_deref().map(stemvault_config::parse_size);
        let rate = rate.transpose().map_err(anyhow::Error::msg)?;
        let body = json!({
            "tiers": args.tiers,
            "order": args.number,
            "rate": rate.map(|rate| rate.to_string()),
        });
        let begun = ask.post(&["scrub"], body).await?;
        say(&plan(&begun, args.number.as_deref()));
        if args.background {
            return ask.show(&begun, |_| {
                "the scrub is under way: `stemvault scrub --watch` shows it".to_owned()
            });
        }
    }
    let ended = watch(&ask).await?;
    ask.show(&ended, words)?;
    match ended["outcome"].as_str() {
        Some("done" | "stopped") => Ok(()),
        _ => bail!("the scrub found what no copy could mend: see above"),
    }
}

async fn watch(ask: &Ask) -> anyhow::Result<Value> {
    for look in 1_u64.. {
        let scrub = ask.get(&["scrub"]).await?;
        if !scrub["ended_at"].is_null() {
            return Ok(scrub);
        }
        if look.is_multiple_of(SAID) {
            say(&format!("so far: {}", counts(&scrub)));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            ended = tokio::signal::ctrl_c() => {
                ended.context("listening for Ctrl-C")?;
                say("it goes on in the server: `stemvault scrub --watch` shows it, `stemvault scrub --stop` ends it");
                return Ok(scrub);
            }
        }
    }
    bail!("the scrub has no end")
}

/// What is going to be done.
fn plan(begun: &Value, number: Option<&str>) -> String {
    let tiers = list(begun, "tiers").iter().filter_map(Value::as_str);
    let tiers = tiers.collect::<Vec<_>>().join(", ");
    let what = number.map_or("every order".to_owned(), |number| {
        format!("order {}", printable(number))
    });
    format!(
        "reading every block of {what} (tiers: {tiers}), opening it and comparing it with its BLAKE3; looking at the keys as well. What is bad is mended from another copy. Uploads and downloads go on"
    )
}

/// How far it came.
fn counts(scrub: &Value) -> String {
    format!(
        "{}, {}, {} read; {} mended, {} left",
        count(scrub["orders"].as_u64().unwrap_or(0), "order"),
        count(scrub["blocks"].as_u64().unwrap_or(0), "block"),
        bytes(scrub, "bytes"),
        count(scrub["healed"].as_u64().unwrap_or(0), "flaw"),
        text(scrub, "left"),
    )
}

fn words(scrub: &Value) -> String {
    let outcome = text(scrub, "outcome");
    let state = if outcome.is_empty() {
        "under way".to_owned()
    } else {
        outcome
    };
    let mut words = format!(
        "scrub {state}, begun {}: {}\n",
        moment(scrub, "started_at"),
        counts(scrub)
    );
    let found = ["healed", "left"].map(|key| scrub[key].as_u64().unwrap_or(0));
    if scrub["outcome"] == "done" && found == [0, 0] {
        words.push_str("everything that was read is as it was stored\n");
    }
    for note in list(scrub, "notes") {
        words.push_str(&format!(
            "    {}  {}  {}\n",
            printable(&text(note, "order")),
            text(note, "action"),
            printable(&text(note, "detail"))
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrub_is_told_with_what_it_found() {
        let told = words(&json!({
            "started_at": "2026-11-23T17:00:01Z", "outcome": "failed", "orders": 3, "blocks": 17,
            "bytes": "1500000", "healed": 1, "left": 1,
            "notes": [{"order": "2026-0117", "action": "heal", "detail": "failed: block 3"}],
        }));
        for part in [
            "scrub failed",
            "1.50 MB",
            "3 orders, 17 blocks",
            "1 flaw mended, 1 left",
            "2026-0117  heal  failed: block 3",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
    }
}
