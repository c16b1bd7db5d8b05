//! The mirror through the door: copied and compared, it mends what both tiers have lost, brings
//! everything back where the first copy is gone, and keeps nothing of what is purged.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::care::{blocks, mirror_in, mirror_settings, run, scrub, spoil, status};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read};
use stemvault_tests::s3::S3;
use stemvault_tests::studio::{Setup, Studio};

const NUMBER: &str = "2026-0117";

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

/// Where the mirror's objects lie, and the settings that name it.
struct Second {
    bucket: PathBuf,
    keys: PathBuf,
    settings: String,
}

fn folders(home: &Path) -> Second {
    Second {
        bucket: home.join("mirror"),
        keys: home.join("mirror-keys"),
        settings: mirror_in(home),
    }
}

/// The same on an S3 server, whose secret goes into a file beside it.
fn buckets(s3: &S3, keys: &S3, home: &Path) -> Result<Second> {
    let settings = mirror_settings((s3, "second"), (keys, "second-keys"), home)?;
    Ok(Second {
        bucket: s3.folder("second"),
        keys: keys.folder("second-keys"),
        settings,
    })
}

async fn studio_with(second: &Second) -> Result<Studio> {
    Studio::open(Setup {
        settings: second.settings.clone(),
        ..Setup::default()
    })
    .await
}

/// Objects of orders, however they are named.
fn of_orders(folder: &Path) -> Result<Vec<PathBuf>> {
    bucket::objects(&folder.join("orders"))
}

async fn life(second: &Second) -> Result<()> {
    let studio = studio_with(second).await?;
    let door = studio.door();
    let files = files()?;
    let job = Job::create(door, NUMBER).await?;
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;
    let (colour, says) = status(door, "mirror").await?;
    ensure!(colour == "yellow" && says.contains("never"), "{says}");

    studio.cli(&["mirror"])?.ok()?;
    let (colour, says) = status(door, "mirror").await?;
    ensure!(
        colour == "green" && says.contains("last complete"),
        "{says}"
    );
    ensure!(door.metric("stemvault_mirror_orders_behind").await? == 0.0);
    ensure!(
        bucket::shapes(&second.bucket.join("orders"))?
            == bucket::shapes(&studio.bucket().join("orders"))?
    );
    ensure!(of_orders(&second.keys)?.len() == 1, "the key's copy");

    // Bad in both tiers: only the mirror has it.
    spoil(&blocks(&studio, "working")?)?;
    spoil(&blocks(&studio, "archive")?)?;
    let told = scrub(door).await?;
    ensure!(told["outcome"] == "done" && told["left"] == 0, "{told}");
    ensure!(told.to_string().contains("from the mirror"), "{told}");
    job.compare(&session, &files).await?;
    // And bad in the mirror, which knows of the download too by then: the first copy has it.
    studio.cli(&["mirror"])?.ok()?;
    let folder = bucket::order_folder(&second.bucket)?;
    spoil(&bucket::objects(&folder.join("working"))?)?;
    spoil(&bucket::objects(&folder.join("sessions"))?)?;
    let told = scrub(door).await?;
    ensure!(told["outcome"] == "done" && told["left"] == 0, "{told}");
    ensure!(told["healed"].as_u64() > Some(1), "{told}");

    advance(door, "100d").await?;
    job.until("released").await?;
    let told = run(door, "mirror").await?;
    ensure!(told["outcome"] == "done", "{told}");
    ensure!(bucket::objects(&folder.join("working"))?.is_empty());
    ensure!(!bucket::objects(&folder.join("archive"))?.is_empty());
    advance(door, "800d").await?;
    job.until("purged").await?;
    ensure!(of_orders(&second.bucket)?.is_empty(), "left in the mirror");
    ensure!(of_orders(&second.keys)?.is_empty(), "a key in the mirror");
    let tombstones = bucket::objects(&second.bucket.join("tombstones"))?;
    ensure!(tombstones.len() == 1, "{tombstones:?}");
    let told = run(door, "mirror").await?;
    ensure!(told["outcome"] == "done", "{told}");
    ensure!(of_orders(&second.bucket)?.is_empty(), "copied again");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_in_folders_mends_and_is_purged() -> Result<()> {
    let home = tempfile::tempdir()?;
    life(&folders(home.path())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_on_s3_mends_and_is_purged() -> Result<()> {
    let home = tempfile::tempdir()?;
    let (s3, keys) = (S3::start(&["second"])?, S3::start(&["second-keys"])?);
    life(&buckets(&s3, &keys, home.path())?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_waits_for_a_mirror_that_is_away() -> Result<()> {
    let home = tempfile::tempdir()?;
    let (mut s3, keys) = (S3::start(&["second"])?, S3::start(&["second-keys"])?);
    let second = buckets(&s3, &keys, home.path())?;
    let mut studio = Studio::open(Setup {
        settings: second.settings.clone(),
        // Waits for a store that is away are shortened.
        env: vec![("STEMVAULT_HURRY".to_owned(), "30".to_owned())],
        ..Setup::default()
    })
    .await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.complete_with(&files()?).await?;
    job.until("archived").await?;
    run(studio.door(), "mirror").await?;
    advance(studio.door(), "100d").await?;
    job.until("released").await?;
    s3.stop()?;
    advance(studio.door(), "800d").await?;
    for _ in 0..2 {
        studio.door().post("retention/run", json!({})).await?;
        advance(studio.door(), "10m").await?;
        ensure!(job.stage().await? == "purging", "done without the mirror");
    }
    s3.go_on()?;
    job.until("purged").await?;
    ensure!(of_orders(&second.bucket)?.is_empty() && of_orders(&second.keys)?.is_empty());
    studio.stop()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_alone_brings_everything_back() -> Result<()> {
    let home = tempfile::tempdir()?;
    let second = folders(home.path());
    let mut studio = studio_with(&second).await?;
    let files = files()?;
    let session = Job::create(studio.door(), NUMBER)
        .await?
        .complete_with(&files)
        .await?;
    run(studio.door(), "mirror").await?;
    studio.stop()?;
    let mut other = Studio::closed(Setup::default())?;
    bucket::copy(&second.bucket, &other.data_dir().join("bucket"))?;
    bucket::copy(&second.keys, &other.data_dir().join("keys"))?;
    for file in ["master.key", "demo"] {
        std::fs::copy(studio.data_dir().join(file), other.data_dir().join(file))?;
    }
    other.cli(&["rebuild"])?.ok()?;
    other.restart().await?;
    let job = Job {
        door: other.door(),
        number: NUMBER,
    };
    job.compare(&session, &files).await?;
    other.done().await?;
    studio.done().await
}
