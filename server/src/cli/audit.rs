//! `stemvault order audit`: what was decided on an order, when and by whom, and whether the chain of
//! these entries holds.

use anyhow::bail;
use serde_json::Value;

use super::ask::AskArgs;
use super::table::{list, moment, table, text};
use stemvault_client::answer::printable;

/// Show every decision on an order, and whether their chain holds
///
/// Each entry bears the hash of the one before it, so an entry that was changed, removed or swapped
/// is named; the command then fails. Who decided is a token or link by its id, or a job: `token
/// list` and `order show` say which that is, as long as it is there. A download is in it once a day for
/// every token or link and session. What somebody said of a decision can be read until the order is
/// purged. What was lost with a catalog is
/// named as well, and is no failure.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArgs {
    /// The order's number
    pub number: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs the command.
///
/// # Errors
/// The server's refusal; and what is wrong with the log, once it is shown.
pub(super) async fn run(args: AuditArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let log = ask.get(&["orders", &args.number, "audit"]).await?;
    ask.show(&log, told)?;
    if log["holds"] == true {
        return Ok(());
    }
    let problems = sentences(&log, "problems");
    let problems = problems.map(|problem| format!("\n  - {problem}"));
    bail!(
        "the audit log of order {} does not hold:{}",
        text(&log, "order"),
        problems.collect::<String>()
    )
}

fn sentences(log: &Value, key: &str) -> impl Iterator<Item = String> {
    let all = list(log, key).iter().filter_map(Value::as_str);
    all.map(printable).collect::<Vec<_>>().into_iter()
}

fn told(log: &Value) -> String {
    let row = |entry: &Value| {
        vec![
            text(entry, "sequence"),
            moment(entry, "at"),
            text(entry, "what").replace('_', " "),
            text(entry, "about"),
            text(entry, "who"),
            text(entry, "why").replace('\n', "; "),
        ]
    };
    let rows: Vec<_> = list(log, "entries").iter().map(row).collect();
    let mut words = String::new();
    if !rows.is_empty() {
        words = table(&["ENTRY", "WHEN", "WHAT", "ABOUT", "WHO", "WHY"], &rows);
    }
    for remark in sentences(log, "remarks") {
        words.push_str(&format!("{remark}\n"));
    }
    let (head, order) = (&log["head"], text(log, "order"));
    if log["holds"] == true && head["sequence"] != "0" {
        words.push_str(&format!(
            "the audit log of order {order} holds: it ends with entry {}, whose hash is {}\n",
            text(head, "sequence"),
            text(head, "hash")
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_is_told_in_words() {
        let mut log = json!({
            "order": "2026-0117", "holds": true, "problems": [],
            "remarks": ["entries 1 to 6 are lost with the catalog; the chain goes on from their hash"],
            "head": {"sequence": "7", "hash": "ab"},
            "entries": [{
                "sequence": "7", "at": "2027-01-01T00:00:00Z", "what": "hold_lifted", "about": null,
                "who": "token:cd", "hash": "ab", "why": "credits\nmissing",
            }],
        });
        let words = told(&log);
        for word in [
            "hold lifted",
            "token:cd",
            "credits; missing",
            "2027-01-01",
            "entries 1 to 6 are lost",
            "holds: it ends with entry 7, whose hash is ab",
        ] {
            assert!(words.contains(word), "{word} is missing in {words}");
        }
        log["holds"] = false.into();
        assert!(!told(&log).contains("holds:"), "it does not say both");
    }
}
