//! `stemvault export`: a session as a bag (BagIt 1.0), into a folder or a zip.
//!
//! Into a folder the files come as with `pull`, and what makes the folder a bag is written last:
//! an export that was interrupted never looks whole, and goes on when it is run again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use indicatif::DecimalBytes;
use reqwest::{Method, Response};
use serde::Deserialize;
use stemvault_storage::clock::SharedClock;
use url::Url;

use super::connect::ConnectArgs;
use super::outcome::{failed, files, in_parallel, print_problems};
use super::pull::{fetch_all, meant_session, of_session};
use crate::bag::tags::{DECLARATION, INFO, Summing, Sums, Tag, complete};
use crate::first_start::write_durably;
use stemvault_client::answer::{Failure, accept, printable};
use stemvault_client::connection::{Connection, below, link};
use stemvault_client::disk::{in_words, make_folder};
use stemvault_client::names::{part_name, place};
use stemvault_client::part::{Part, settle};
use stemvault_client::progress::{FileProgress, Progress};
use stemvault_client::ranges::{Fetcher, Wanted};
use stemvault_client::records::Receipt;
use stemvault_client::terminal::tell;

/// Bytes of a file that are read at a time.
const BUFFER: usize = 1 << 20;

/// Hand a session over as a bag (BagIt 1.0, RFC 8493)
///
/// A bag holds the files, their SHA-256 and SHA-512, the session manifest, and what happened to
/// them. Every block is verified before it leaves. A folder goes on where it stopped when the same
/// command is run again; bagit.txt, without which it is no bag, comes last.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// A link to a session, or the number of an order (needs a token)
    #[arg(value_name = "LINK|NUMBER")]
    pub source: String,
    /// Which session of the order, by the start of its id; not needed if only one is meant: what was
    /// returned is left out, and so is other material once some was accepted
    pub session: Option<String>,
    /// The folder to make the bag in; it is made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "zip")]
    pub into: Option<PathBuf>,
    /// The zip to write; it must not be there yet
    #[arg(long, value_name = "FILE", conflicts_with = "into")]
    pub zip: Option<PathBuf>,
    /// Files in flight at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub parallel: u8,
    /// Where the server is
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// What the server says of a bag.
#[derive(Debug, Deserialize)]
struct Parts {
    receipt: Receipt,
    tags: Vec<PartsTag>,
}

#[derive(Debug, Deserialize)]
struct PartsTag {
    name: String,
    text: String,
}

/// Where a bag is asked for.
struct Places {
    parts: Url,
    zip: Url,
    /// A link leads to the files itself.
    link: Option<Url>,
}

/// Runs the command: progress to standard error, the summary to standard output.
///
/// # Errors
/// If the bag is not whole; the message says what to do.
pub async fn run(args: ExportArgs, clock: SharedClock) -> anyhow::Result<()> {
    let connection = args.connect.connection()?;
    let places = places(&args, &connection).await?;
    match (&args.into, &args.zip) {
        (Some(folder), _) => into(&args, &connection, &places, folder, clock).await,
        (None, Some(file)) => zip(&connection, &places.zip, file).await,
        (None, None) => bail!("name a folder (--into) or a zip (--zip)"),
    }
}

async fn places(args: &ExportArgs, connection: &Connection) -> anyhow::Result<Places> {
    if args.source.contains("://") {
        if args.session.is_some() {
            bail!("a link leads to one session; leave {:?} out", args.session);
        }
        let link = link(&args.source)?;
        let asking = |form: &str| {
            let mut url = link.clone();
            url.set_query(Some(&format!("bag={form}")));
            url
        };
        return Ok(Places {
            parts: asking("parts"),
            zip: asking("zip"),
            link: Some(link),
        });
    }
    let session = match &args.session {
        Some(session) => session.clone(),
        None => meant_session(&args.source, connection).await?,
    };
    let at = |last: &str| {
        let order = ["api", "v1", "orders", &args.source];
        connection.api(&[&order[..], &["sessions", &session, last]].concat())
    };
    Ok(Places {
        parts: at("bag")?,
        zip: at("bag.zip")?,
        link: None,
    })
}

async fn zip(connection: &Connection, url: &Url, file: &Path) -> anyhow::Result<()> {
    ensure!(
        !file.exists(),
        "{} is there already: choose another name",
        file.display()
    );
    let answer = connection.request(Method::GET, url).send().await;
    let answer = accept(answer.map_err(Failure::from)?).await?;
    let length = answer
        .content_length()
        .context("the server does not say how long the zip is")?;
    let name = file.file_name().context("name the zip")?;
    let unfinished = file.with_file_name(part_name(&name.to_string_lossy()));
    // One that cannot be opened is left alone: another export may be writing it.
    let opened = Part::open(unfinished.clone(), Some(0)).await;
    let (part, _) = opened.map_err(|problem| unwritten(file, length, &problem))?;
    let progress = Progress::new(length);
    let bar = progress.file(&file.display().to_string(), length);
    let received = receive(answer, part, file, length, &bar).await;
    let named = received.and_then(|()| {
        settle(&unfinished, file, None).map_err(|problem| unwritten(file, length, &problem))
    });
    if let Err(error) = named {
        progress.end();
        // A zip cannot be gone on with, and a full disk is emptied again.
        drop(fs::remove_file(&unfinished));
        return Err(error);
    }
    bar.done("exported");
    progress.end();
    tell(&format!("{} ({})", file.display(), DecimalBytes(length)));
    Ok(())
}

/// Why a zip of `length` bytes could not be written.
fn unwritten(zip: &Path, length: u64, problem: &io::Error) -> anyhow::Error {
    let why = in_words(problem);
    anyhow!("cannot write {} ({length} bytes): {why}", zip.display())
}

/// Writes the body of an answer into a part, whole.
async fn receive(
    mut answer: Response,
    mut part: Part,
    zip: &Path,
    length: u64,
    bar: &FileProgress,
) -> anyhow::Result<()> {
    let writing = |problem| unwritten(zip, length, &problem);
    let mut received = 0;
    let ended = loop {
        match answer.chunk().await {
            Ok(Some(bytes)) => {
                received += bytes.len() as u64;
                bar.set(received);
                part.append(bytes).await.map_err(writing)?;
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    part.finish().await.map_err(writing)?;
    if received == length {
        return Ok(());
    }
    let why = ended.map_or_else(String::new, |error| format!(" ({})", Failure::from(error)));
    bail!(
        "the zip ended after {received} of {length} bytes{why}, as it does when what is stored is damaged: nothing was kept. Run it again; if it ends again, look at the server's log"
    )
}

async fn into(
    args: &ExportArgs,
    connection: &Connection,
    places: &Places,
    folder: &Path,
    clock: SharedClock,
) -> anyhow::Result<()> {
    let parts: Parts = connection.get(&places.parts).await?;
    let session = &parts.receipt.session;
    let mut tags = Vec::new();
    for tag in &parts.tags {
        let known = [INFO, "session-manifest.json", "events.json"];
        let name = known.into_iter().find(|name| *name == tag.name);
        let name = name.with_context(|| {
            format!(
                "the server sends {:?}, which this version does not know",
                tag.name
            )
        })?;
        let bytes = tag.text.clone().into();
        tags.push(Tag { name, bytes });
    }
    let data = folder.join("data");
    make_folder(&data)?;
    begin(folder, session, &tags)?;
    let at = match &places.link {
        Some(link) => link.clone(),
        None => below(
            &connection.api(&["api", "v1", "orders", &args.source, "sessions", session])?,
            &["files"],
        ),
    };
    let wanted = of_session(&parts.receipt, &at)?.files;
    let progress = Progress::new(wanted.iter().map(|file| file.length).sum());
    let fetcher = Fetcher {
        connection: connection.clone(),
        folder: data.clone(),
        order: Some(parts.receipt.order.clone()),
        clock,
    };
    let lines = fetch_all(&fetcher, &wanted, args.parallel, &progress).await;
    progress.end();
    if failed(&lines) > 0 {
        print_problems("not fetched", &lines);
        bail!(
            "{} of {} are not in {}, so it is no bag yet; run the same command again to go on",
            failed(&lines),
            files(lines.len()),
            folder.display()
        );
    }
    refuse_strangers(&data, &wanted)?;
    let payload = sums(&data, &wanted, args.parallel).await?;
    for tag in complete(&payload, &tags) {
        write_durably(&folder.join(tag.name), &tag.bytes, 0o644)?;
    }
    tell(&format!(
        "{}: a bag of {} ({}), order {}, session {}",
        folder.display(),
        files(wanted.len()),
        DecimalBytes(parts.receipt.total_bytes()),
        printable(&parts.receipt.order),
        printable(session)
    ));
    Ok(())
}

/// From here on the folder is no bag, until everything in it was looked at. A bag of something else
/// is left alone.
fn begin(folder: &Path, session: &str, tags: &[Tag]) -> anyhow::Result<()> {
    let (declaration, info) = (folder.join(DECLARATION), folder.join(INFO));
    let ours = match fs::read_to_string(&info) {
        Ok(text) => text
            .lines()
            .any(|line| line == format!("Internal-Sender-Identifier: {session}")),
        Err(_) => !declaration.exists(),
    };
    ensure!(
        ours,
        "{} holds a bag of something else: choose another folder",
        folder.display()
    );
    match fs::remove_file(&declaration) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            bail!(
                "cannot remove {}: {}",
                declaration.display(),
                in_words(&error)
            );
        }
        _ => File::open(folder)?.sync_all()?,
    }
    let known = tags.iter().find(|tag| tag.name == INFO);
    let known = known.context("the server says nothing of the bag")?;
    write_durably(&info, &known.bytes, 0o644)
}

/// A bag with a file that no manifest lists is not valid.
fn refuse_strangers(data: &Path, wanted: &[Wanted]) -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    for file in wanted {
        known.insert(data.join(place(&file.path).map_err(anyhow::Error::msg)?));
    }
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if !known.contains(&entry.path()) {
                bail!(
                    "{} is no file of this session: move it away, then run the same command again",
                    entry.path().display()
                );
            }
        }
    }
    Ok(())
}

/// The sums of every file as it lies on the disk, of the bytes whose BLAKE3 the server named.
async fn sums<'w>(
    data: &Path,
    wanted: &'w [Wanted],
    parallel: u8,
) -> anyhow::Result<Vec<(&'w str, Sums)>> {
    let all = wanted.iter().map(|file| async {
        let path = data.join(place(&file.path).map_err(anyhow::Error::msg)?);
        let hash = file.hash;
        let summed = tokio::task::spawn_blocking(move || {
            let (sums, found) =
                read(&path).with_context(|| format!("reading {}", path.display()))?;
            let same = hash.is_none_or(|hash| *hash.as_bytes() == found);
            ensure!(same, "{} changed while it was exported", path.display());
            anyhow::Ok(sums)
        });
        anyhow::Ok((file.path.as_str(), summed.await??))
    });
    in_parallel(parallel.into(), all)
        .await
        .into_iter()
        .collect()
}

fn read(path: &Path) -> io::Result<(Sums, [u8; 32])> {
    let (mut summing, mut hash) = (Summing::default(), blake3::Hasher::new());
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((summing.end(), *hash.finalize().as_bytes()));
        }
        summing.update(&buffer[..length]);
        hash.update(&buffer[..length]);
    }
}
