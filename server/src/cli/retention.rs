//! `stemvault retention`: what is due, doing it, what was done.

use anyhow::bail;
use serde_json::{Value, json};
use stemvault_scheduler::Job;

use super::ask::{Ask, AskArgs};
use super::table::{bytes, list, moment, table, text};
use stemvault_client::answer::printable;

/// How far the plan looks ahead unless it is asked otherwise.
const AHEAD: &str = "31 days";

/// What to do about retention.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum RetentionCommand {
    Plan(PlanArgs),
    Run(RunArgs),
    Runs(RunsArgs),
}

/// Show what will happen to which order, and why
#[derive(Debug, Clone, clap::Args)]
pub struct PlanArgs {
    /// Up to when: a day (2027-01-01), a moment, or a span from now (1 y is 365d); 31 days if absent
    #[arg(long, value_name = "WHEN", default_value = AHEAD)]
    pub at: String,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Run every job now, whatever the cron says, but those that take long
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Delete more at once than the brake allows
    #[arg(long)]
    pub allow_many: bool,
    /// Take the clock as it is now, although it jumped
    #[arg(long)]
    pub accept_clock: bool,
    #[arg(long, value_name = "JOB", help = format!("Only this one: {}", Job::names()))]
    pub job: Option<String>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// List the last runs of the jobs, or all that one of them did
#[derive(Debug, Clone, clap::Args)]
pub struct RunsArgs {
    /// All that this run did, step by step; its id stands in the list
    pub run: Option<String>,
    /// Those that came before this run
    #[arg(long, value_name = "RUN", conflicts_with = "run")]
    pub before: Option<String>,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Read archives again and compare: a sample of each, and the whole where that is due or in doubt
#[derive(Debug, Clone, clap::Args)]
pub struct ProveArgs {
    /// Only the order of this number
    pub number: Option<String>,
    /// The whole, and no sample
    #[arg(long)]
    pub whole: bool,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Copy what is new to the mirror now
#[derive(Debug, Clone, clap::Args)]
pub struct MirrorArgs {
    /// Begin a new mirror in a place that is empty: everything is copied. Look first that its disk is mounted
    #[arg(long)]
    pub new: bool,
    /// How to ask
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Runs `mirror`.
///
/// # Errors
/// The server's refusal; a copy that could not be made.
pub async fn mirror(args: MirrorArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let answer = ask
        .post(
            &["retention", "run"],
            json!({"job": "mirror", "new_mirror": args.new}),
        )
        .await?;
    ask.show(&answer, runs)?;
    refuse_if_any(&answer)
}

/// Runs `prove`.
///
/// # Errors
/// The server's refusal; an archive that did not come back.
pub async fn prove(args: ProveArgs) -> anyhow::Result<()> {
    let ask = args.ask.ask()?;
    let body = json!({"job": "prove", "order": args.number, "whole": args.whole});
    let answer = ask.post(&["retention", "run"], body).await?;
    ask.show(&answer, runs)?;
    refuse_if_any(&answer)
}

/// Runs the command.
///
/// # Errors
/// The server's refusal; a run that failed or was stopped.
pub async fn run(command: RetentionCommand) -> anyhow::Result<()> {
    match command {
        RetentionCommand::Plan(args) => {
            let ask = args.ask.ask()?;
            let answer = ask.query(&["retention", "plan"], "at", &args.at).await?;
            ask.show(&answer, plan)
        }
        RetentionCommand::Run(args) => {
            let ask = args.ask.ask()?;
            let body = json!({
                "dry_run": args.dry_run,
                "allow_many": args.allow_many,
                "accept_clock": args.accept_clock,
                "job": args.job,
            });
            let answer = ask.post(&["retention", "run"], body).await?;
            ask.show(&answer, runs)?;
            refuse_if_any(&answer)
        }
        RetentionCommand::Runs(args) => {
            let ask = args.ask.ask()?;
            match (args.run, args.before) {
                (Some(run), _) => one_run(&ask, &run).await,
                (None, Some(before)) => {
                    ask.show(&ask.query(&["runs"], "before", &before).await?, runs)
                }
                (None, None) => ask.show(&ask.get(&["runs"]).await?, runs),
            }
        }
    }
}

/// Shows every note of a run, page by page.
async fn one_run(ask: &Ask, run: &str) -> anyhow::Result<()> {
    let mut answer = ask.get(&["runs", run]).await?;
    loop {
        ask.show(&answer, |answer| {
            let notes = list(answer, "notes").iter().map(note).collect::<String>();
            notes.trim_end().to_owned()
        })?;
        let Some(next) = answer["next"].as_u64() else {
            return Ok(());
        };
        answer = ask.query(&["runs", run], "from", &next.to_string()).await?;
    }
}

fn note(note: &Value) -> String {
    format!(
        "    {}  {}  {}\n",
        printable(&text(note, "order")),
        text(note, "action"),
        printable(&text(note, "detail"))
    )
}

fn refuse_if_any(answer: &Value) -> anyhow::Result<()> {
    let bad = |run: &&Value| matches!(run["outcome"].as_str(), Some("failed" | "stopped"));
    let bad = list(answer, "runs").iter().filter(bad);
    let names: Vec<_> = bad
        .map(|run| format!("{} {}", text(run, "job"), text(run, "outcome")))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    bail!("{}: see above", names.join(", "))
}

fn plan(plan: &Value) -> String {
    let actions = list(plan, "actions");
    if actions.is_empty() {
        return format!("nothing is due until {}", moment(plan, "at"));
    }
    let row = |action: &Value| {
        vec![
            moment(action, "due_at"),
            text(action, "order"),
            text(action, "action"),
            bytes(action, "bytes"),
            text(action, "reason"),
        ]
    };
    let titles = ["DUE", "ORDER", "ACTION", "SIZE", "WHY"];
    let rows = table(&titles, &actions.iter().map(row).collect::<Vec<_>>());
    format!("due until {}\n\n{rows}", moment(plan, "at"))
}

fn runs(answer: &Value) -> String {
    let mut words = String::new();
    for run in list(answer, "runs") {
        let id = match run["dry_run"].as_bool() {
            Some(false) => format!(" ({})", text(run, "id")),
            _ => String::new(),
        };
        let dry = if run["dry_run"] == true {
            " (dry run)"
        } else {
            ""
        };
        words.push_str(&format!(
            "{}  {} {}{dry}{id}: {}\n",
            moment(run, "started_at"),
            text(run, "job"),
            text(run, "outcome"),
            printable(&text(run, "message"))
        ));
        let shown = list(run, "orders");
        words.extend(shown.iter().map(note));
        let noted: usize = text(run, "noted").parse().unwrap_or(0);
        if noted > shown.len() {
            words.push_str(&format!(
                "    ... and {} more: `stemvault retention runs {}`\n",
                noted - shown.len(),
                text(run, "id")
            ));
        }
    }
    if words.is_empty() {
        return "no job has run yet".to_owned();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_did_not_do_its_work_is_a_failure_of_the_command() {
        let answer = |outcome: &str| json!({"runs": [{"job": "purge", "outcome": outcome, "message": "m", "orders": [{"order": "2026-0117", "action": "a", "detail": "d"}]}]});
        assert!(refuse_if_any(&answer("done")).is_ok());
        assert!(refuse_if_any(&answer("waiting")).is_ok());
        let said = refuse_if_any(&answer("stopped")).unwrap_err().to_string();
        assert!(said.contains("purge stopped"), "{said}");
        assert!(runs(&answer("done")).contains("2026-0117  a  d"));
    }
}
