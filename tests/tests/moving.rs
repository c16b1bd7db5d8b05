//! A catalog that moves to another machine as a file; and the drill, which asks whether the stores
//! alone are enough without touching them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stemvault_tests::bucket;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read, small_files};
use stemvault_tests::studio::{Setup, Stores, Studio};
use stemvault_tests::tus::Place;

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_moves_to_another_machine_in_the_middle_of_an_upload() -> Result<()> {
    let mut old = Studio::start().await?;
    let files = files()?;
    let job = Job::create(old.door(), "2026-0001").await?;
    let session = job.complete_with(&files).await?;
    Job::create(old.door(), "2026-0002").await?;
    let place = Place::files(old.door(), "2026-0002")?;
    let (path, bytes) = files
        .iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .context("files")?;
    let url = place.create(path, bytes.len() as u64).await?;
    let half = bytes.len() / 2;
    let there = place.patch(&url, 0, bytes.slice(..half)).await?.offset;
    let before = old.door().get("orders").await?;
    let file = old.scratch().join("catalog.jsonl");
    let file = file.to_str().context("a path in UTF-8")?;
    let told = old.cli(&["catalog", "export", file])?.refused()?;
    ensure!(told.contains("no server runs"), "{told}");
    old.stop()?;
    old.cli(&["catalog", "export", file])?.ok()?;
    let told = old.cli(&["catalog", "export", file])?.refused()?;
    ensure!(told.contains("already"), "{told}");

    let home = tempfile::tempdir()?;
    let data_dir = home.path().join("data");
    let mut new = Studio::closed(Setup {
        data_dir: Some(data_dir.clone()),
        ..Setup::default()
    })?;
    std::fs::create_dir(&data_dir)?;
    let told = new.cli(&["catalog", "import", file])?.refused()?;
    ensure!(told.contains("no master key"), "{told}");
    for folder in ["bucket", "keys"] {
        bucket::copy(&old.data_dir().join(folder), &data_dir.join(folder))?;
    }
    for name in ["master.key", "demo"] {
        std::fs::copy(old.data_dir().join(name), data_dir.join(name))?;
    }
    // A file that was cut changes nothing.
    let text = std::fs::read_to_string(file)?;
    let cut = old.scratch().join("cut.jsonl");
    std::fs::write(&cut, &text[..text.len() * 2 / 3])?;
    let cut = cut.to_str().context("a path in UTF-8")?;
    let told = new.cli(&["catalog", "import", cut])?.refused()?;
    ensure!(
        told.contains("line ") && !data_dir.join("catalog").exists(),
        "{told}"
    );
    let told = new.cli(&["catalog", "import", file])?.ok()?;
    ensure!(told.contains("2 orders as the file says"), "{told}");
    let told = new.cli(&["catalog", "import", file])?.refused()?;
    ensure!(told.contains("holds 2 orders"), "{told}");

    new.restart().await?;
    let after = new.door().get("orders").await?;
    ensure!(before == after, "{before} became {after}");
    let door = new.door();
    let moved = Job {
        door,
        number: "2026-0001",
    };
    moved.compare(&session, &files).await?;
    let url = door.url(url.path())?;
    let place = Place::files(door, "2026-0002")?;
    ensure!(
        place.head(&url).await?.offset == there,
        "it goes on where it stood"
    );
    let at = usize::try_from(there)?;
    place.patch(&url, there, bytes.slice(at..)).await?;
    let job = Job {
        door,
        number: "2026-0002",
    };
    let receipt = job.submit().await?;
    let session = receipt["session"].as_str().context("a session")?;
    job.compare(session, &[(path.clone(), bytes.clone())].into())
        .await?;
    old.done().await?;
    new.done().await
}

/// Everything that lies in a studio's stores, and since when.
fn stores(studio: &Studio) -> Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut all = bucket::objects(&studio.bucket())?;
    all.extend(bucket::objects(&studio.keys())?);
    all.into_iter()
        .map(|path| {
            let meta = path.metadata()?;
            Ok((path, (meta.len(), meta.modified()?)))
        })
        .collect()
}

fn drill(studio: &Studio, blocks: &str) -> Result<(bool, Value)> {
    let config = studio.config();
    let config = config.to_str().context("a path in UTF-8")?;
    let ran = studio.cli(&["drill", "--json", "--blocks", blocks, "--config", config])?;
    let told = serde_json::from_str(&ran.out).with_context(|| ran.err.clone())?;
    ensure!(
        !studio.data_dir().join("catalog.drill").exists(),
        "scratch is left"
    );
    Ok((ran.code == Some(0), told))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_beside_a_server_finds_nothing_and_touches_nothing() -> Result<()> {
    drilled(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_beside_a_server_on_s3() -> Result<()> {
    drilled(Stores::S3).await
}

async fn drilled(stores_of: Stores) -> Result<()> {
    let mut studio = Studio::on(stores_of).await?;
    let files = files()?;
    let door = studio.door();
    let nothing = Job::create(door, "2026-0000").await?;
    nothing.verb("complete", json!({"empty": true})).await?;
    let job = Job::create(door, "2026-0001").await?;
    job.complete_with(&files).await?;
    job.until("archived").await?;
    job.verb("hold", json!({"reason": "a lawyer asked"}))
        .await?;
    advance(door, "800d").await?;
    nothing.until("purged").await?;
    let open = Job::create(door, "2026-0002").await?;
    open.upload(&files).await?;
    open.submit().await?;
    let place = Place::files(door, "2026-0002")?;
    place
        .upload("late.txt", &b"not submitted"[..].into(), 100)
        .await?;

    let before = stores(&studio)?;
    let (well, told) = drill(&studio, "40")?;
    ensure!(well, "{told}");
    ensure!(told["orders"] == 2 && told["purged"] == 1, "{told}");
    ensure!(
        told["compared"] == 3 && told["compared_with"] == "the server's answers",
        "{told}"
    );
    ensure!(
        told["blocks_opened"] == 40 && told["unsubmitted"] == 1,
        "{told}"
    );
    ensure!(stores(&studio)? == before, "a drill only reads");
    studio.stop()?;
    let (well, told) = drill(&studio, "5")?;
    ensure!(
        well && told["compared_with"]
            .as_str()
            .is_some_and(|it| it.contains("itself") || it.contains("no server")),
        "{told}"
    );
    ensure!(stores(&studio)? == before, "a drill only reads");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_finds_what_is_damaged_and_what_is_gone() -> Result<()> {
    let studio = Studio::start().await?;
    let files = small_files()?;
    let job = Job::create(studio.door(), "2026-0001").await?;
    job.upload(&files).await?;
    job.submit().await?;
    let folder = bucket::order_folder(&studio.bucket())?;
    for block in bucket::objects(&folder.join("working"))? {
        bucket::flip(&block, 50, 3)?;
    }
    let record = bucket::objects(&folder.join("record"))?;
    let record = record.last().context("a record")?;
    let kept = std::fs::read(record)?;
    std::fs::remove_file(record)?;
    let (well, told) = drill(&studio, "200")?;
    ensure!(!well, "{told}");
    let told = told["faults"].to_string();
    for word in ["2026-0001: version is", "came back as", "damaged: block 0"] {
        ensure!(told.contains(word), "{word} is missing in {told}");
    }
    for path in files.keys() {
        ensure!(told.contains(path.as_str()), "{path} is missing in {told}");
    }
    std::fs::write(record, kept)?;
    studio.done().await
}

/// A store that is not the one it should be stops every deletion and every write; a drill says so too.
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_names_a_mark_that_is_missing_or_anothers() -> Result<()> {
    let mut studio = Studio::start().await?;
    studio.stop()?;
    let mark = studio.bucket().join("marks/archive");
    let ours = std::fs::read_to_string(&mark)?;
    let anothers = json!({"v": 1, "installation": "0123", "begun_at": "2026-01-05T09:00:00Z"});
    for (mark_of, words) in [
        (None, "its mark is missing"),
        (
            Some(anothers.to_string()),
            "belongs to another installation",
        ),
        (Some("{".to_owned()), "a mark that cannot be read"),
    ] {
        match mark_of {
            None => std::fs::remove_file(&mark)?,
            Some(text) => std::fs::write(&mark, text)?,
        }
        let before = stores(&studio)?;
        let (well, told) = drill(&studio, "5")?;
        let faults = told["faults"].to_string();
        ensure!(!well && faults.contains("the archive store at"), "{told}");
        ensure!(faults.contains(words), "no {words} in {told}");
        ensure!(stores(&studio)? == before, "a drill only reads");
    }
    std::fs::write(&mark, ours)?;
    let (well, told) = drill(&studio, "5")?;
    ensure!(well, "{told}");
    studio.done().await
}
