//! The archive, through the door: whatever was sent comes back from it, byte for byte, with
//! Stemvault and without it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, b3, read, text};
use stemvault_tests::studio::{Setup, Stores, Studio};
use stemvault_tests::tus::Place;
use stemvault_tests::{bucket, odd};

const NUMBER: &str = "2026-0117";

/// Submits what was uploaded, accepts it whatever the checks say, and completes the order.
async fn complete(job: &Job<'_>) -> Result<String> {
    let receipt = job.submit().await?;
    let session = text(&receipt, "session")?.to_owned();
    job.accept_because(&session, "we want it as it is").await?;
    job.verb("complete", json!({})).await?;
    Ok(session)
}

/// 90 days later, with a recall.
async fn recalled(job: &Job<'_>) -> Result<()> {
    advance(job.door, "91d").await?;
    job.until("released").await?;
    job.verb("recall", json!({})).await?;
    Ok(())
}

/// Every file comes back from the archive, and a piece of it from somewhere inside.
async fn comes_back(job: &Job<'_>, session: &str, files: &Files) -> Result<()> {
    job.compare(session, files).await?;
    for (path, bytes) in files.iter().filter(|(_, bytes)| bytes.len() > 2) {
        let (from, to) = (bytes.len() / 3, bytes.len() * 2 / 3);
        let part = job.range(session, path, from, to).await?;
        ensure!(
            part == bytes.slice(from..=to),
            "{path}, bytes {from} to {to}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_calls_itself_audio_comes_back() -> Result<()> {
    let studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let mut files = odd::hostile_files(20_000);
    files.extend(odd::sound_files(5_000));
    job.upload(&files).await?;
    let session = complete(&job).await?;
    job.until("archived").await?;
    recalled(&job).await?;
    comes_back(&job, &session, &files).await?;
    studio.done().await
}

/// 4.1 GB of silence under an RF64 header, sent as parts.
#[ignore = "./tests/run long"]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_more_than_4_gib_comes_back() -> Result<()> {
    let studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(job.door, NUMBER)?;
    let (head, silence, times, tail) = odd::beyond_4_gib();
    let mut parts = vec![place.part(head.clone()).await?];
    let stretch = place.part(silence.clone()).await?;
    parts.extend(std::iter::repeat_n(stretch, times));
    parts.push(place.part(tail.clone()).await?);
    place.join("vast.wav", &parts).await?;
    let session = complete(&job).await?;
    job.until("archived").await?;
    let archived = bucket::size(&bucket::order_folder(&studio.bucket())?.join("archive"))?;
    ensure!(archived < 100_000, "{archived} bytes for silence");
    recalled(&job).await?;
    let end = head.len() + silence.len() * times;
    let got = job
        .range(&session, "vast.wav", end - 3, end + tail.len() - 1)
        .await?;
    ensure!(got == [&[0; 3], &tail[..]].concat(), "behind 4 GiB");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_came_in_parts_is_cut_as_if_it_had_not() -> Result<()> {
    let studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(job.door, NUMBER)?;
    let whole = odd::sound_files(1_000_000)
        .remove("24.wav")
        .context("a file")?;
    let cuts = [0, 21, 700_001, 4_500_000, whole.len()];
    let mut parts = Vec::new();
    for cut in cuts.windows(2) {
        parts.push(place.part(whole.slice(cut[0]..cut[1])).await?);
    }
    ensure!(place.join("in parts.wav", &parts).await? == b3(&whole));
    place.upload("whole.wav", &whole, usize::MAX / 2).await?;
    let session = complete(&job).await?;
    job.until("archived").await?;
    // A header and two blocks of samples, once for both, and the index.
    let folder = bucket::order_folder(&studio.bucket())?.join("archive");
    let objects = bucket::objects(&folder)?;
    ensure!(objects.len() == 4, "{objects:?}");
    let files = ["in parts.wav", "whole.wav"].map(|path| (path.to_owned(), whole.clone()));
    recalled(&job).await?;
    comes_back(&job, &session, &files.into()).await?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_what_the_archive_takes() -> Result<()> {
    let settings = "[archive]\nthreads = 2\nbandwidth = \"2 GB\"\n".to_owned();
    let studio = Studio::open(Setup {
        settings,
        ..Setup::default()
    });
    let studio = studio.await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let files = odd::sound_files(20_000);
    job.upload(&files).await?;
    complete(&job).await?;
    job.until("archived").await?;
    let folder = bucket::order_folder(&studio.bucket())?.join("archive");
    let (stored, plain) = (bucket::size(&folder)?, total(&files));
    let runs = studio.door().get("runs").await?;
    let runs = runs["runs"].as_array().context("runs")?;
    let notes = runs
        .iter()
        .filter_map(|run| run["orders"].as_array())
        .flatten();
    let said = format!("{} files, {plain} bytes in {stored} bytes (", files.len());
    let found = notes.filter_map(|note| note["detail"].as_str());
    ensure!(
        found.clone().any(|detail| detail.starts_with(&said)),
        "{said}: {runs:?}"
    );
    for (name, value) in [("bytes", plain), ("stored_bytes", stored)] {
        let metric = format!("stemvault_archived_{name}_total");
        let counted = studio.door().metric(&metric).await?;
        ensure!(
            counted as u64 == value,
            "{name}: {counted} instead of {value}"
        );
    }
    studio.done().await
}

fn total(files: &Files) -> u64 {
    files.values().map(|bytes| bytes.len() as u64).sum()
}

/// The decoder that knows storage/FORMATS.md and nothing of us.
fn decoder(script: &str, words: &[&Path]) -> Result<Vec<Value>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../.cache/decoder/bin/python");
    ensure!(
        python.exists(),
        "the decoder is not installed: ./tests/run does it"
    );
    let mut command = Command::new(python);
    command.arg("-B").arg(tests.join("decoder").join(script));
    let output = tokio::task::block_in_place(|| command.args(words).output())?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout)?;
    lines
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// Restores what a studio holds, without it; what was said of each file.
fn restored(studio: &Studio, tier: &str, into: &Path) -> Result<Vec<Value>> {
    let master = studio.data_dir().join("master.key");
    restored_from(&studio.bucket(), &studio.keys(), &master, tier, into)
}

fn restored_from(
    bucket: &Path,
    keys: &Path,
    master: &Path,
    tier: &str,
    into: &Path,
) -> Result<Vec<Value>> {
    let words: [(&str, &Path); 5] = [
        ("--bucket", bucket),
        ("--keys", keys),
        ("--master", master),
        ("--tier", tier.as_ref()),
        ("--into", into),
    ];
    let words: Vec<_> = words
        .iter()
        .flat_map(|(name, value)| [Path::new(name), *value])
        .collect();
    decoder("restore.py", &words)
}

fn same(folder: &Path, session: &str, files: &Files) -> Result<()> {
    let folder = folder.join(NUMBER).join(session);
    let got = read(&folder)?;
    ensure!(got.keys().eq(files.keys()), "{:?}", got.keys());
    for (path, bytes) in files {
        ensure!(got[path] == bytes, "{path} is another");
    }
    Ok(())
}

async fn comes_back_without_us(stores: Stores) -> Result<()> {
    let studio = Studio::on(stores).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let mut files: Files = read(&fixtures::cached(Scale::Tiny)?)?;
    files.retain(|_, bytes| bytes.len() < 900_000);
    files.extend(odd::sound_files(6_000));
    files.extend(odd::hostile_files(3_000));
    job.upload(&files).await?;
    // One that came in parts as well.
    let place = Place::files(job.door, NUMBER)?;
    let whole: Bytes = files["24.wav"].clone();
    let parts = [
        place.part(whole.slice(..10_001)).await?,
        place.part(whole.slice(10_001..)).await?,
    ];
    place.join("parts.wav", &parts).await?;
    files.insert("parts.wav".to_owned(), whole);
    let session = complete(&job).await?;
    job.until("archived").await?;
    let folder = |name: &str| -> PathBuf { studio.scratch().join(name) };
    for tier in ["working", "archive"] {
        restored(&studio, tier, &folder(tier))?;
        same(&folder(tier), &session, &files)?;
    }
    advance(job.door, "91d").await?;
    job.until("released").await?;
    let said = restored(&studio, "archive", &folder("released"))?;
    same(&folder("released"), &session, &files)?;
    let codecs = |codec: &str| {
        said.iter()
            .filter(|file| file["codecs"][codec] != json!(null))
            .count()
    };
    for codec in ["0", "1", "2"] {
        ensure!(codecs(codec) > 0, "no file came by codec {codec}");
    }
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_comes_back_without_us() -> Result<()> {
    comes_back_without_us(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_golden_block_decodes_without_us() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/codec/tests/golden/codec");
    let sums = std::fs::read_to_string(folder.join("sums"))?;
    let said = decoder("golden.py", &[&folder])?;
    ensure!(said.len() == sums.lines().count(), "{said:?}");
    Ok(())
}

/// What an earlier version left in its stores, and what had been sent.
fn golden_house() -> Result<(PathBuf, Files)> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/house");
    let sent = read(&house.join("Nachtzug"))?;
    let sent = sent
        .into_iter()
        .map(|(path, bytes)| (format!("Nachtzug/{path}"), bytes));
    Ok((house, sent.collect()))
}

const GOLDEN_SESSION: &str = "32e8b8c0cf9c35253540a205e8ddddb72f1570fab79aa46b0c9ffc03bbfd2d2c";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_archived_comes_back() -> Result<()> {
    let (house, files) = golden_house()?;
    let home = tempfile::tempdir()?;
    let data = home.path().join("data");
    bucket::copy(&house, &data)?;
    // Its clock can be moved, and stands a day after the house was left: it is not due yet.
    let now: DateTime<Utc> = std::fs::metadata(&data)?.modified()?.into();
    let then: DateTime<Utc> = "2026-11-29T09:00:00Z".parse()?;
    let moved = (then - now).num_milliseconds();
    std::fs::write(data.join("demo"), format!("wall_moved_ms = {moved}\n"))?;
    let mut studio = Studio::closed(Setup {
        data_dir: Some(data),
        ..Setup::default()
    })?;
    let config = studio.config();
    let config = config.to_str().context("a path in UTF-8")?;
    studio.cli(&["rebuild", "--config", config])?.ok()?;
    studio.restart().await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    job.compare(GOLDEN_SESSION, &files).await?;
    recalled(&job).await?;
    comes_back(&job, GOLDEN_SESSION, &files).await?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_archived_comes_back_without_us() -> Result<()> {
    let (house, files) = golden_house()?;
    let home = tempfile::tempdir()?;
    let [bucket, keys, master] = ["bucket", "keys", "master.key"].map(|name| house.join(name));
    for tier in ["working", "archive"] {
        let into = home.path().join(tier);
        restored_from(&bucket, &keys, &master, tier, &into)?;
        same(&into, GOLDEN_SESSION, &files)?;
    }
    Ok(())
}
