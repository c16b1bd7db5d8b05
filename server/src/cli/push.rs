//! `stemvault push`: files and folders up to an order, resumable from any process.
//!
//! The server's list of uploads says what is there; nothing is remembered on this machine. The
//! command succeeds only when every file is on the server as it is here at the end, and, with
//! `--submit`, when the receipt says the same.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, bail};
use indicatif::DecimalBytes;
use stemvault_storage::clock::SharedClock;
use url::Url;

use super::before::{lines as said_before, look, refusal, strangers};
use super::connect::ConnectArgs;
use super::outcome::{failed, files, moved, print_json, print_problems};
use super::receipt::{check_receipt, print_receipt};
use super::sending::{Line, Sending};
use super::session::said_kind;
use super::told::tell_checked;
use crate::preflight::Preflight;
use stemvault_client::answer::{Failure, printable};
use stemvault_client::collect::{Collected, LocalFile, collect};
use stemvault_client::connection::{Connection, below, link};
use stemvault_client::flow::Flow;
use stemvault_client::matching::sealed_hashes;
use stemvault_client::progress::Progress;
use stemvault_client::records::{Receipt, Upload, UploadState, Uploads};
use stemvault_client::rows::Rows;
use stemvault_client::send::SMALL;
use stemvault_client::source::Source;
use stemvault_client::target::{How, Listing, Target};
use stemvault_client::terminal::tell;
use stemvault_client::tus::Endpoint;

/// Send files and folders to an order, and go on where an earlier push stopped
///
/// The files of a folder are sent with paths that begin with the folder's own name: `push
/// "/music/My Session/"` sends `My Session/Drums/Kick.wav`. Files that systems leave behind
/// (.DS_Store, Thumbs.db, ._*) and links that lead out of the folder stay here, and are named.
/// Before the first byte is sent, the start of every file is checked as the studio will check it
/// when everything is submitted; what it would return is named, and nothing is sent.
/// To go on after an interruption, run the same command again, from any machine that has the
/// same files with the same dates.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["to", "order"])))]
pub struct PushArgs {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The upload link of an order
    #[arg(long, value_name = "LINK")]
    pub to: Option<String>,
    /// The number of an order (needs a token)
    #[arg(long, value_name = "NUMBER")]
    pub order: Option<String>,
    /// What it is that is sent: has to be said with --order; by a link it is material
    #[arg(long, conflicts_with = "to", value_parser = ["material", "delivery", "stems"])]
    pub kind: Option<String>,
    /// Submit when everything has arrived, and check the receipt
    #[arg(long)]
    pub submit: bool,
    /// Send again what an earlier session already holds
    #[arg(long)]
    pub again: bool,
    /// Send also what the studio would return
    #[arg(long)]
    pub anyway: bool,
    /// Large files in flight at once; of small ones as many are as the line holds
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub parallel: u8,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Runs the command: progress to standard error, the summary to standard output.
///
/// # Errors
/// If anything that was named is not on the server as it is here, or was not submitted although
/// it should have been. The message says what to do next.
pub async fn run(args: PushArgs, clock: SharedClock) -> anyhow::Result<()> {
    let target = target(&args, args.connect.connection()?, clock)?;
    let collected = collect(&args.paths)?;
    let listed = target.connection.get(&target.list);
    let uploads: Uploads = if collected.files.iter().any(|file| file.length <= SMALL) {
        let (listed, ()) = futures::join!(listed, target.endpoint.open());
        listed
    } else {
        listed.await
    }
    .map_err(|failure| unlisted(&failure))?;
    let bytes = collected.files.iter().map(|file| file.length).sum();
    let progress = Progress::new(bytes);
    for skipped in &collected.skipped {
        progress.say(&format!("not sent: {} ({})", skipped.path, skipped.reason));
    }
    if !args.again && is_submitted(&target, &collected.files, &uploads.uploads).await? {
        progress.end();
        return already_submitted(&args, &uploads.order, &collected);
    }
    for upload in strangers(&collected.files, target.kind.as_deref(), &uploads.uploads) {
        progress.say(&format!(
            "also on the server, but not among what was named: {}{}",
            upload.path,
            match upload.state {
                UploadState::Open => " (unfinished)",
                _ => "",
            }
        ));
    }

    let said = look(&collected.files, target.kind.as_deref(), &uploads).await?;
    for line in said_before(&said) {
        progress.say(&line);
    }
    if said.refuses() && !args.anyway {
        progress.end();
        let why = refusal(&said);
        if args.json {
            // That nothing was sent is what counts.
            drop(print_json(&serde_json::json!({
                "order": uploads.order, "files": [], "skipped": collected.skipped,
                "preflight": Preflight::from(said), "moved_bytes": "0", "receipt": null,
            })));
        }
        bail!(why);
    }

    let sending = Sending::new(&target, &progress, args.parallel);
    let lines = sending.all(&collected.files, &uploads).await;
    progress.end();
    let failed = failed(&lines);
    if !args.json {
        summarise(&uploads.order, &lines);
    }
    let to = checked(&args, &target.connection)?;
    if let Err(failure) = tell_checked(&target.connection, &to, &lines).await
        && !args.json
    {
        tell(&format!(
            "the receipt will not say that the files were compared: {failure}"
        ));
    }
    let receipt = if args.submit && failed == 0 {
        Some(submit(&args, &target).await?)
    } else {
        None
    };
    let printed = if args.json {
        print_json(&serde_json::json!({
            "order": uploads.order,
            "files": lines,
            "skipped": collected.skipped,
            "preflight": Preflight::from(said),
            "moved_bytes": moved(&lines).to_string(),
            "receipt": receipt,
        }))
    } else {
        Ok(())
    };
    if failed > 0 {
        let then = if args.submit {
            "; nothing was submitted"
        } else {
            ""
        };
        bail!(
            "{failed} of {} not on the server (see above){then}; mend what is said \
             there and run the same command again: only what is missing is sent",
            files(lines.len())
        );
    }
    if let Some(receipt) = receipt {
        let receipt: Receipt = serde_json::from_value(receipt).context("the server's receipt")?;
        if !args.json {
            print_receipt(&receipt);
        }
        let ours = lines
            .iter()
            .filter_map(|line| Some((line.path.as_str(), line.hash.as_deref()?)));
        check_receipt(&receipt, ours)?;
    }
    // Last: what was asked for is done by now.
    printed
}

fn target(args: &PushArgs, connection: Connection, clock: SharedClock) -> anyhow::Result<Target> {
    let (creation, list, order, kind) = match (&args.to, &args.order) {
        (Some(to), _) => {
            let link = link(to)?;
            let list = below(&link, &["uploads"]);
            (link, list, None, None)
        }
        (None, Some(number)) => (
            connection.api(&["files", ""])?,
            connection.api(&["api", "v1", "orders", number, "uploads"])?,
            Some(number.clone()),
            Some(kind(args, number)?.to_owned()),
        ),
        (None, None) => bail!("where to? name a link with --to or an order with --order"),
    };
    let endpoint = Endpoint::new(connection.clone(), creation);
    let rows = Rows::new(endpoint.clone(), SharedClock::clone(&clock));
    Ok(Target {
        rows: args.to.as_ref().map(|_| Arc::new(rows)),
        endpoint,
        connection,
        list,
        order,
        kind,
        listing: Listing::default(),
        flow: Flow::new(SharedClock::clone(&clock)),
        clock,
        closed: OnceLock::new(),
    })
}

fn kind<'a>(args: &'a PushArgs, number: &str) -> anyhow::Result<&'a str> {
    said_kind(args.kind.as_deref(), "send to", number)
}

fn unlisted(failure: &Failure) -> anyhow::Error {
    let hint = match failure.status() {
        Some(404 | 410) => "; ask the studio for a new link, or check the order's number",
        Some(401 | 403) => "; check the token",
        _ => "",
    };
    anyhow::anyhow!("cannot ask the server what is there: {failure}{hint}")
}

/// Whether a sealed session holds exactly these files, so that sending them would double them.
async fn is_submitted(
    target: &Target,
    files: &[LocalFile],
    uploads: &[Upload],
) -> anyhow::Result<bool> {
    let Some(sealed) = sealed_hashes(files, target.kind.as_deref(), uploads) else {
        return Ok(false);
    };
    for (file, hashes) in files.iter().zip(sealed) {
        let ours = Source::new(file.clone())
            .hash()
            .await
            .with_context(|| format!("cannot read {}", file.disk.display()))?
            .to_string();
        if !hashes.contains(&ours.as_str()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn already_submitted(args: &PushArgs, order: &str, collected: &Collected) -> anyhow::Result<()> {
    if args.json {
        return print_json(&serde_json::json!({
            "order": order, "files": [], "skipped": collected.skipped,
            "moved_bytes": "0", "receipt": null, "already_submitted": true,
        }));
    }
    tell(&format!(
        "nothing to send: {} submitted before, with the same bytes (--again sends them once more)",
        files(collected.files.len())
    ));
    Ok(())
}

fn summarise(order: &str, lines: &[Line]) {
    let order = match order {
        "" => "on the server".to_owned(),
        order => format!("order {}", printable(order)),
    };
    let of = |how| {
        lines
            .iter()
            .filter(|line| line.outcome == Some(how))
            .count()
    };
    let there: Vec<_> = lines.iter().filter(|line| line.problem.is_none()).collect();
    let bytes = DecimalBytes(there.iter().map(|line| line.bytes).sum());
    let moved = DecimalBytes(moved(lines));
    tell(&format!(
        "{order}: {} of {} there and checked: the same bytes as here now ({bytes})",
        there.len(),
        files(lines.len())
    ));
    tell(&format!(
        "  {} sent, {} resumed, {} already there; {moved} moved",
        of(How::Sent),
        of(How::Resumed),
        of(How::AlreadyThere)
    ));
    print_problems("not sent", lines);
}

async fn submit(args: &PushArgs, target: &Target) -> anyhow::Result<serde_json::Value> {
    let (url, body) = submission(args, &target.connection)?;
    match target.connection.post(&url, &body).await {
        Ok(receipt) => Ok(receipt),
        Err(failure @ Failure::Unreachable(_)) => bail!(
            "everything is on the server, but the answer to the submit was lost ({failure}); run \
             the same command again, it finds out whether it was submitted"
        ),
        Err(failure) => bail!("everything is on the server, but it was not submitted: {failure}"),
    }
}

/// Where the server is told what was compared.
fn checked(args: &PushArgs, connection: &Connection) -> anyhow::Result<Url> {
    match (&args.to, &args.order) {
        (None, Some(number)) => {
            connection.api(&["api", "v1", "orders", number, "uploads", "checked"])
        }
        (to, _) => Ok(below(
            &link(to.as_deref().unwrap_or_default())?,
            &["checked"],
        )),
    }
}

fn submission(
    args: &PushArgs,
    connection: &Connection,
) -> anyhow::Result<(Url, serde_json::Value)> {
    match (&args.to, &args.order) {
        (None, Some(number)) => Ok((
            connection.api(&["api", "v1", "orders", number, "submit"])?,
            serde_json::json!({ "kind": kind(args, number)? }),
        )),
        (to, _) => Ok((
            below(&link(to.as_deref().unwrap_or_default())?, &["submit"]),
            serde_json::json!({}),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_what_the_help_says() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            push: PushArgs,
        }
        let parse = |words: &str| {
            <Cli as clap::Parser>::try_parse_from(words.split(' ')).map(|cli| cli.push)
        };
        assert!(parse("push a").is_err(), "a target is needed");
        assert!(parse("push a --to l --order n").is_err(), "one target only");
        assert!(parse("push a --to l --kind stems").is_err());
        assert!(parse("push a --to l --parallel 0").is_err());
        assert!(parse("push --to l").is_err(), "a path is needed");
        let args = parse("push a b --order n --kind stems --submit").unwrap();
        assert_eq!((args.paths.len(), kind(&args, "n").unwrap()), (2, "stems"));
        let unsaid = parse("push a --order n").unwrap();
        let said = kind(&unsaid, "n").unwrap_err().to_string();
        assert!(said.contains("--kind delivery"), "{said}");
    }
}
