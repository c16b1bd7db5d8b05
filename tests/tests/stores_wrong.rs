//! Stores that are named wrongly, have no room, or whose disk is away: it is said which store, and what
//! to check, before anybody uploads, or without anything being lost or deleted.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use stemvault_tests::care::{archive_in, blocks, mount, run, status, unmount};
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::order::{Job, advance, b3, small_files};
use stemvault_tests::patience::persist;
use stemvault_tests::process::Process;
use stemvault_tests::studio::{Setup, Stores, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";

/// Starts a studio for the first time with something else in the settings of one of its stores; what
/// it says instead of starting.
fn first_start(store: &str, from: &str, to: &str) -> Result<String> {
    let mut studio = Studio::closed(Setup {
        stores: Stores::S3,
        ..Setup::default()
    })?;
    let settings = fs::read_to_string(studio.config())?;
    let table = format!("[stores.{store}_options]\n");
    let (before, table_on) = settings.split_once(&table).context("no such table")?;
    let (before, after) = match from.starts_with("s3:") {
        true => (before.replacen(from, to, 1), table_on.to_owned()),
        false => (before.to_owned(), table_on.replacen(from, to, 1)),
    };
    let changed = format!("{before}{table}{after}");
    ensure!(changed != settings, "{from} is not in {settings}");
    fs::write(studio.config(), changed)?;
    studio.start_refused()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_region_key_or_bucket_is_named_with_its_store() -> Result<()> {
    let home = tempfile::tempdir()?;
    let other = home.path().join("secret");
    fs::write(&other, "another secret altogether")?;
    let secret = format!("secret_access_key_file = \"{}\"\n#", other.display());
    let region = ("region = \"us-east-1\"", "region = \"eu-north-7\"");
    let key = ("access_key_id = \"", "access_key_id = \"nobody-");
    let what = "access_key_id and secret";
    for (store, (from, to), expected) in [
        ("working", region, "region and endpoint"),
        ("keys", region, "region and endpoint"),
        ("working", key, what),
        ("keys", ("secret_access_key_file", secret.as_str()), what),
        (
            "working",
            ("s3://studio", "s3://elsewhere"),
            "bucket's name",
        ),
        ("keys", ("s3://keys", "s3://elsewhere"), "bucket's name"),
    ] {
        let said = first_start(store, from, to)?;
        for word in [&format!("the {store} store could not"), expected] {
            ensure!(said.contains(word), "{store}, {to}: no {word:?} in {said}");
        }
        // One sentence, not everything that any layer has to say, again and again.
        let sentences = said.matches("Error performing").count();
        ensure!(sentences <= 2 && !said.contains("<Error>"), "{said}");
    }
    Ok(())
}

/// The settings were in order once: the server starts, and says at once what is wrong with them now.
#[tokio::test(flavor = "multi_thread")]
async fn what_became_wrong_is_in_the_log_of_the_next_start() -> Result<()> {
    let mut studio = Studio::on(Stores::S3).await?;
    studio.stop()?;
    let settings = fs::read_to_string(studio.config())?;
    let changed = settings.replacen("s3://studio", "s3://elsewhere", 1);
    ensure!(changed != settings, "{settings}");
    fs::write(studio.config(), changed)?;
    let mut serve = studio.command(&[
        "serve",
        "--demo-clock",
        "--listen",
        "127.0.0.1:0",
        "--config",
    ]);
    serve.arg(studio.config());
    let mut server = Process::start(serve)?;
    let said = tokio::task::block_in_place(|| {
        let line = |line: &str| {
            line.contains("the working store could not")
                .then(|| line.to_owned())
        };
        server.wait_for(line)
    })?;
    ensure!(said.contains("bucket's name"), "{said}");
    server.kill()?;
    server.wait_for_end()?;
    studio.done().await
}

/// The bucket takes nothing more, in each of the ways in which stores say so; then there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_bucket_loses_nothing_and_is_named() -> Result<()> {
    let studio = Studio::on(Stores::Faulty(21)).await?;
    Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let bytes: Vec<u8> = (0..9_000_000_u32).map(|at| (at / 7 % 251) as u8).collect();
    let bytes = Bytes::from(bytes);
    for (status, code) in [
        (403, "QuotaExceeded"),
        (507, "InsufficientStorage"),
        (400, "TotalStorageExceeded"),
    ] {
        let upload = place.create(code, bytes.len() as u64).await?;
        place.patch(&upload, 0, bytes.slice(..1_000_000)).await?;
        let full = Rule::some(Fault::Status(status, code), Method::PUT, 100);
        studio.faulty()?.set(Some(full));
        let refused = place.try_patch(&upload, 1_000_000, bytes.slice(1_000_000..));
        let refused = refused.await?;
        ensure!(refused.status == 507, "{code}: {refused:?}");
        let said = refused.text();
        for word in [
            "is full",
            "nothing that was received is lost",
            "tell the studio",
        ] {
            ensure!(said.contains(word), "{code}: no {word:?} in {said}");
        }
        let kept = place.head(&upload).await?.offset;
        ensure!(kept == 1_000_000, "{code}: {kept} bytes are there");
        studio.faulty()?.set(None);
        let hash = persist(&place, &upload, &bytes, usize::MAX / 2).await?;
        ensure!(hash == b3(&bytes), "{code}: {hash}");
    }
    let log = studio.log();
    for word in ["the working store could not put", "raise its quota"] {
        ensure!(log.contains(word), "no {word:?} for ops in {log}");
    }
    studio.done().await
}

/// A studio whose archive lies on a disk of its own.
async fn with_archive_disk(home: &Path) -> Result<Studio> {
    Studio::open(Setup {
        settings: archive_in(home),
        ..Setup::default()
    })
    .await
}

/// The disk of the archive is empty after a restart, and the day of the release comes.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_disk_that_is_away_deletes_nothing_and_is_named() -> Result<()> {
    let home = tempfile::tempdir()?;
    let disk = home.path().join("disk");
    let mut studio = with_archive_disk(home.path()).await?;
    let files = small_files()?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;
    let working = blocks(&studio, "working")?;
    studio.stop()?;
    unmount(&disk)?;
    studio.begin().await?;
    let door = studio.door().clone();
    let job = Job {
        door: &door,
        number: NUMBER,
    };
    let question = "the archive store at";
    ensure!(studio.log().contains(question), "{}", studio.log());
    let ready = door.ask(Method::GET, "readyz", &[], None).await?;
    ensure!(ready.status == 503, "{ready:?}");
    ensure!(ready.text().contains("the archive store"), "{ready:?}");
    // Strangers read it.
    ensure!(!ready.text().contains("disk"), "{ready:?}");
    let (colour, says) = status(&door, "stores").await?;
    ensure!(colour == "red" && says.contains("mounted"), "{says}");

    advance(&door, "91d").await?;
    for name in ["release", "purge", "expire", "sweep", "archive"] {
        let run = run(&door, name).await?;
        ensure!(run["outcome"] == "stopped", "{run}");
        let said = run["message"].as_str().unwrap_or_default();
        ensure!(said.contains(question), "{run}");
    }
    ensure!(job.stage().await? == "archived", "a stage was decided");
    ensure!(blocks(&studio, "working")? == working, "working files went");
    job.compare(&session, &files).await?;
    let recall = studio.cli(&["recall", NUMBER])?;
    ensure!(recall.err.contains("still here"), "{recall:?}");
    ensure!(fs::read_dir(&disk)?.count() == 0, "written below the mount");

    mount(&disk)?;
    door.wait_until_ready().await;
    let (colour, says) = status(&door, "stores").await?;
    ensure!(colour == "green", "{says}");
    job.until("released").await?;
    job.verb("recall", json!({})).await?;
    job.compare(&session, &files).await?;
    studio.done().await
}

/// The disk of the archive is lost while the server runs, and another one takes its place on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_archive_disk_is_taken_on_purpose_and_no_clock_starts_anew() -> Result<()> {
    let home = tempfile::tempdir()?;
    let disk = home.path().join("disk");
    let studio = with_archive_disk(home.path()).await?;
    let door = studio.door();
    let files = small_files()?;
    let job = Job::create(door, NUMBER).await?;
    let session = job.complete_with(&files).await?;
    let archived = job.until("archived").await?;
    unmount(&disk)?;
    advance(door, "91d").await?;
    ensure!(run(door, "release").await?["outcome"] == "stopped");
    studio.cli(&["store", "mark", "mirror"])?.refused()?;
    let told = studio.cli(&["store", "mark", "archive"])?.ok()?;
    ensure!(told.contains("stemvault scrub"), "{told}");
    // It is theirs now, and there is nothing in it: so nothing is released either.
    let release = run(door, "release").await?;
    ensure!(release["outcome"] == "failed", "{release}");
    ensure!(job.stage().await? == "archived", "{release}");
    let (colour, says) = status(door, "archive").await?;
    ensure!(colour == "red" && says.contains(NUMBER), "{says}");
    job.compare(&session, &files).await?;
    studio.cli(&["order", "archive-again", NUMBER])?.ok()?;
    let released = job.until("released").await?;
    for date in ["completed_at", "release_due_at", "purge_due_at"] {
        ensure!(released[date] == archived[date], "{date}: {released}");
    }
    job.verb("recall", json!({})).await?;
    job.compare(&session, &files).await?;
    studio.done_but("release").await
}
