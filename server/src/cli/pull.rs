//! `stemvault pull`: a session, or one file, down into a folder, resumable and checked.
//!
//! The receipt says which files there are and which hashes they have. A file gets its name only
//! when all its bytes are on the disk and have that hash.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail};
use indicatif::DecimalBytes;
use reqwest::Method;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH};
use serde::Serialize;
use stemvault_storage::clock::SharedClock;
use url::Url;

use super::connect::ConnectArgs;
use super::outcome::{Outcome, failed, files, in_parallel, moved, print_json, print_problems};
use stemvault_client::answer::{Failure, accept, printable};
use stemvault_client::connection::{Connection, below, link, parse};
use stemvault_client::disk::make_folder;
use stemvault_client::names::{from_disposition, part_name};
use stemvault_client::part::moment;
use stemvault_client::progress::Progress;
use stemvault_client::ranges::{Fetcher, Wanted, etag, last_modified};
use stemvault_client::records::{OrderSessions, Receipt, SessionLine};
use stemvault_client::terminal::{say, tell};

/// Fetch a session, or the file of a link, and go on where an earlier pull stopped
///
/// Every file is checked against the hash in the receipt before it gets its name; until then it
/// is called NAME.part (of a long name only the start). Files that are here already with the right hash are not fetched again,
/// and a file with other content is never overwritten. A file that is damaged at the studio is named,
/// and the others are fetched all the same. To go on after an interruption, run the
/// same command again.
#[derive(Debug, Clone, clap::Args)]
pub struct PullArgs {
    /// A download link, or the number of an order (needs a token)
    #[arg(value_name = "LINK|NUMBER")]
    pub source: String,
    /// Which session of the order, by the start of its id; not needed if only one is meant: what was
    /// returned is left out, and so is other material once some was accepted
    pub session: Option<String>,
    /// The folder to write into; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Files in flight at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub parallel: u8,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// What there is to fetch.
pub(super) struct Listing {
    order: Option<String>,
    session: Option<String>,
    pub(super) files: Vec<Wanted>,
}

/// How a file came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    Fetched,
    AlreadyHere,
}

pub(super) type Line = Outcome<How>;

/// Runs the command: progress to standard error, the summary to standard output.
///
/// # Errors
/// If a file is not in the folder with the hash that it should have. The message says what to do.
pub async fn run(args: PullArgs, clock: SharedClock) -> anyhow::Result<()> {
    let connection = args.connect.connection()?;
    let listing = listing(&args, &connection).await?;
    make_folder(&args.into)?;
    let progress = Progress::new(listing.files.iter().map(|file| file.length).sum());
    let fetcher = Fetcher {
        connection,
        folder: args.into.clone(),
        order: listing.order.clone(),
        clock,
    };
    let lines = fetch_all(&fetcher, &listing.files, args.parallel, &progress).await;
    progress.end();
    let failed = failed(&lines);
    let printed = if args.json {
        print_json(&serde_json::json!({
            "order": listing.order,
            "session": listing.session,
            "files": lines,
            "moved_bytes": moved(&lines).to_string(),
        }))
    } else {
        summarise(&args, &listing, &lines);
        Ok(())
    };
    if failed > 0 {
        bail!(
            "{failed} of {} not in {} (see above); run the same command again to go on",
            files(lines.len()),
            args.into.display()
        );
    }
    printed
}

async fn listing(args: &PullArgs, connection: &Connection) -> anyhow::Result<Listing> {
    if !args.source.contains("://") {
        let session = match &args.session {
            Some(session) => session.clone(),
            None => meant_session(&args.source, connection).await?,
        };
        let at = |session: &str| {
            connection.api(&["api", "v1", "orders", &args.source, "sessions", session])
        };
        let receipt: Receipt = connection
            .get(&at(&session)?)
            .await
            .with_context(|| format!("order {}, session {session}", args.source))?;
        let files = below(&at(&receipt.session)?, &["files"]);
        return of_session(&receipt, &files);
    }
    if args.session.is_some() {
        bail!("a link leads to one session; leave {:?} out", args.session);
    }
    of_link(&link(&args.source)?, connection).await
}

/// The session that is meant where nobody named one: what was returned is out, and material that
/// was accepted stands for all other material. What that leaves out is said.
pub(super) async fn meant_session(number: &str, connection: &Connection) -> anyhow::Result<String> {
    let url = connection.api(&["api", "v1", "orders", number])?;
    let order: OrderSessions = connection
        .get(&url)
        .await
        .with_context(|| format!("order {number}"))?;
    let all = &order.sessions;
    match meant(all).as_slice() {
        [] => bail!("order {number} has no session yet; submit first"),
        [one] => {
            if all.len() > 1 || one.is("returned") {
                say(&printable(&format!(
                    "taking session {} of order {number}; others are not taken: `stemvault session list {number}` shows all",
                    shown(one)
                )));
            }
            Ok(one.session.clone())
        }
        several => {
            let mut said = format!("order {number} has several sessions; name one of them:");
            for one in several {
                said.push_str(&format!("\n  {}", printable(&shown(one))));
            }
            bail!(said)
        }
    }
}

fn meant(all: &[SessionLine]) -> Vec<&SessionLine> {
    let mut left: Vec<_> = all.iter().filter(|it| !it.is("returned")).collect();
    if left.is_empty() {
        left = all.iter().collect();
    }
    let is_taken = |it: &&SessionLine| it.kind == "material" && it.is("accepted");
    if left.iter().any(is_taken) {
        left.retain(|it| it.kind != "material" || it.is("accepted"));
    }
    left
}

fn shown(one: &SessionLine) -> String {
    let id: String = one.session.chars().take(16).collect();
    let sealed = one.sealed_at.map_or_else(String::new, |at| {
        format!(", sealed {}", at.format("%Y-%m-%d %H:%M UTC"))
    });
    let review = one.review.as_ref();
    let review = review.map_or_else(String::new, |it| format!(", {}", it.state));
    format!("{id} ({}{review}{sealed})", one.kind)
}

/// A link leads to a session or to a file; the answer to the first question says which.
async fn of_link(link: &Url, connection: &Connection) -> anyhow::Result<Listing> {
    let failed = |failure: Failure| anyhow::anyhow!("cannot open the link: {failure}");
    let response = connection
        .request(Method::GET, link)
        .header("accept", "application/json")
        .send()
        .await
        .map_err(|problem| failed(problem.into()))?;
    let response = accept(response).await.map_err(failed)?;
    let headers = response.headers();
    let Some(disposition) = headers.get(CONTENT_DISPOSITION) else {
        let body = response
            .bytes()
            .await
            .map_err(|problem| failed(problem.into()))?;
        return of_session(&parse(&body).map_err(failed)?, link);
    };
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .context("the server does not say how long the file is")?;
    let path = from_disposition(disposition.as_bytes()).unwrap_or_else(|| "download".to_owned());
    Ok(Listing {
        order: None,
        session: None,
        files: vec![Wanted {
            url: link.clone(),
            part: part_name(&path),
            path,
            length,
            hash: etag(headers),
            modified: last_modified(headers),
        }],
    })
}

pub(super) fn of_session(receipt: &Receipt, files: &Url) -> anyhow::Result<Listing> {
    let mut taken: BTreeSet<_> = receipt.files.iter().map(|file| file.path.clone()).collect();
    let mut wanted = Vec::new();
    for file in &receipt.files {
        let hash = file
            .hash
            .parse()
            .with_context(|| format!("the receipt's hash of {:?}", file.path))?;
        wanted.push(Wanted {
            url: below(files, &file.path.split('/').collect::<Vec<_>>()),
            path: file.path.clone(),
            part: part_of(&file.path, &mut taken),
            length: file.length,
            hash: Some(hash),
            modified: file.modified.as_deref().and_then(moment),
        });
    }
    Ok(Listing {
        order: Some(receipt.order.clone()),
        session: Some(receipt.session.clone()),
        files: wanted,
    })
}

/// The name of a part, which is not the name of another file or part of the session.
fn part_of(path: &str, taken: &mut BTreeSet<String>) -> String {
    let mut part = match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/{}", part_name(name)),
        None => part_name(path),
    };
    while !taken.insert(part.clone()) {
        part.push_str(".part");
    }
    part
}

pub(super) async fn fetch_all(
    fetcher: &Fetcher,
    files: &[Wanted],
    parallel: u8,
    progress: &Progress,
) -> Vec<Line> {
    let fetches = files.iter().map(|wanted| async move {
        let bar = progress.file(&wanted.path, wanted.length);
        let mut line = Outcome::new(&wanted.path, wanted.length);
        match Box::pin(fetcher.fetch(wanted, &bar)).await {
            Ok(fetched) => {
                let (how, said) = if fetched.already_here {
                    (How::AlreadyHere, "already here")
                } else {
                    (How::Fetched, "fetched")
                };
                bar.done(said);
                line.outcome = Some(how);
                line.hash = Some(fetched.hash.to_string());
                line.checked = wanted.hash.is_some();
                line.moved = fetched.moved;
            }
            Err(problem) => {
                let problem = problem.to_string();
                bar.failed(&problem);
                line.problem = Some(problem);
            }
        }
        line
    });
    in_parallel(parallel.into(), fetches).await
}

fn summarise(args: &PullArgs, listing: &Listing, lines: &[Line]) {
    let here: Vec<_> = lines.iter().filter(|line| line.hash.is_some()).collect();
    let before = here
        .iter()
        .filter(|line| line.outcome == Some(How::AlreadyHere))
        .count();
    if let (Some(order), Some(session)) = (&listing.order, &listing.session) {
        tell(&format!(
            "order {}, session {}",
            printable(order),
            printable(session)
        ));
    }
    let checked = if listing.files.iter().any(|file| file.hash.is_none()) {
        "; the server named no hash to check against"
    } else if here.is_empty() {
        ""
    } else {
        ", every hash checked"
    };
    tell(&format!(
        "{} of {} in {} ({}{checked})",
        here.len(),
        files(lines.len()),
        args.into.display(),
        DecimalBytes(here.iter().map(|line| line.bytes).sum()),
    ));
    tell(&format!(
        "  {} fetched, {before} already here; {} moved",
        here.len() - before,
        DecimalBytes(moved(lines))
    ));
    print_problems("not fetched", lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_returned_is_not_meant_and_accepted_material_is() {
        let line = |(id, kind, state): (&str, &str, &str)| {
            serde_json::from_value::<SessionLine>(serde_json::json!({
                "session": id, "kind": kind, "review": {"state": state},
            }))
            .unwrap()
        };
        let meant = |all: &[(&str, &str, &str)]| {
            let all: Vec<_> = all.iter().copied().map(line).collect();
            meant(&all)
                .iter()
                .map(|it| it.session.clone())
                .collect::<Vec<_>>()
        };
        let returned = ("a", "material", "returned");
        assert_eq!(meant(&[returned]), ["a"]);
        assert_eq!(meant(&[returned, ("b", "material", "accepted")]), ["b"]);
        assert_eq!(meant(&[returned, ("b", "material", "submitted")]), ["b"]);
        let both = [
            ("b", "material", "submitted"),
            ("c", "material", "accepted"),
        ];
        assert_eq!(meant(&both), ["c"]);
        let mix = ("d", "delivery", "submitted");
        assert_eq!(meant(&[returned, both[1], mix]), ["c", "d"]);
        assert_eq!(meant(&[]), [""; 0]);
    }

    #[test]
    fn a_session_becomes_addresses_paths_and_parts() {
        let hash = "ab".repeat(32);
        let receipt = serde_json::json!({
            "order": "2026-0117", "session": "cd",
            "files": [
                {"path": "S/K #1.wav", "length": "7", "hash": hash},
                {"path": "S/K #1.wav.part", "length": "8", "hash": hash},
            ],
        });
        let receipt = serde_json::from_value(receipt).unwrap();
        let link = Url::parse("https://a.example/d/link").unwrap();
        let files = of_session(&receipt, &link).unwrap().files;
        assert_eq!(
            files[0].url.as_str(),
            "https://a.example/d/link/S/K%20%231.wav"
        );
        assert_eq!(files[0].part, "S/K #1.wav.part.part");
        assert_eq!(files[1].part, "S/K #1.wav.part.part.part");
    }
}
