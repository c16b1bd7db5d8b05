//! The stores alone are enough: a catalog from bucket, key store and master key. And they are not
//! enough to bring back what was purged.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::care::run;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read};
use stemvault_tests::studio::{Stores, Studio};
use stemvault_tests::tus::Place;

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_comes_back() -> Result<()> {
    comes_back(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_comes_back_from_s3() -> Result<()> {
    comes_back(Stores::S3).await
}

async fn comes_back(stores: Stores) -> Result<()> {
    let mut studio = Studio::on(stores).await?;
    let files = files()?;
    let door = studio.door();
    let archived = Job::create(door, "2026-0001").await?;
    let first = archived.complete_with(&files).await?;
    archived.until("archived").await?;
    advance(door, "91d").await?;
    archived.until("released").await?;
    let open = Job::create(door, "2026-0002").await?;
    open.upload(&files).await?;
    let receipt = open.submit().await?;
    let second = receipt["session"].as_str().context("a session")?.to_owned();
    Job::create(door, "2026-0003").await?;
    let place = Place::files(door, "2026-0003")?;
    let (path, bytes) = files.first_key_value().context("files")?;
    place.upload(path, bytes, 100_000).await?;
    let runs = door.post("retention/run", json!({})).await?;
    let mut runs = runs["runs"].as_array().context("runs")?.iter();
    let snapshot = runs.find(|run| run["job"] == "snapshot");
    let told = snapshot.context("a snapshot")?["message"].to_string();
    ensure!(told.contains("3 orders"), "{told}");
    let before = archived.order().await?;
    let metric = door.metric("stemvault_snapshot_timestamp_seconds").await?;
    ensure!(metric > 0.0, "when the newest snapshot was taken: {metric}");
    studio.kill9()?;

    std::fs::remove_dir_all(studio.data_dir().join("catalog"))?;
    let config = studio.config();
    let config = config.to_str().context("a path in UTF-8")?;
    let told = studio.cli(&["rebuild", "--config", config])?.ok()?;
    for word in [
        "came back: 3 orders, 2 sessions",
        "catalog snapshot of",
        "lost: 1 upload",
        path,
    ] {
        ensure!(told.contains(word), "{word} is missing in {told}");
    }
    studio.restart().await?;
    let door = studio.door();
    let history = door.get("runs").await?;
    let history = history["runs"].as_array().context("runs")?;
    ensure!(
        history.iter().any(|run| run["job"] == "release"),
        "{history:?}"
    );
    let archived = Job {
        door,
        number: "2026-0001",
    };
    let after = archived.order().await?;
    for key in [
        "stage",
        "id",
        "client",
        "completed_at",
        "release_due_at",
        "purge_due_at",
        "proof",
    ] {
        ensure!(
            before[key] == after[key],
            "{key}: {} became {}",
            before[key],
            after[key]
        );
    }
    archived.verb("recall", json!({})).await?;
    archived.compare(&first, &files).await?;
    Job {
        door,
        number: "2026-0002",
    }
    .compare(&second, &files)
    .await?;
    // An upload not yet submitted starts again, and can.
    let job = Job {
        door,
        number: "2026-0003",
    };
    let left = door.get("orders/2026-0003/uploads").await?;
    ensure!(
        left["uploads"].as_array().is_some_and(Vec::is_empty),
        "{left}"
    );
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;
    job.compare(&session, &files).await?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_does_not_run_beside_a_server() -> Result<()> {
    let studio = Studio::start().await?;
    Job::create(studio.door(), "2026-0001").await?;
    let told = studio.cli(&["rebuild"])?.refused()?;
    ensure!(told.contains("stop"), "it says what to do: {told}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_order_stays_purged() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = files()?;
    let door = studio.door();
    let job = Job::create(door, "2026-0001").await?;
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;
    advance(door, "91d").await?;
    job.until("released").await?;
    let bucket = studio.bucket();
    let copy = studio.scratch().join("bucket of last month");
    bucket::copy(&bucket, &copy)?;
    advance(door, "650d").await?;
    job.until("purged").await?;
    let name = bucket::order_folder(&copy)?;
    let name = name.file_name().context("a name")?;
    studio.stop()?;

    // Somebody puts the old bucket back, over what is there and then alone; master key and key
    // store are those of today.
    for alone in [false, true] {
        if alone {
            std::fs::remove_dir_all(&bucket)?;
        }
        bucket::copy(&copy, &bucket)?;
        std::fs::remove_dir_all(studio.data_dir().join("catalog"))?;
        let ran = studio.cli(&["rebuild"])?;
        let told = format!("{}{}", ran.out, ran.err);
        // Where today's bucket is still there, its tombstone says what became of the order.
        ensure!(
            !alone || told.contains("key") && told.contains(&*name.to_string_lossy()),
            "it does not say which order's key is gone: {told}"
        );
        studio.restart().await?;
        let door = studio.door();
        let order = door.api(Method::GET, "orders/2026-0001", None).await?;
        // Today's tombstone makes the new catalog finish the purge; the old bucket alone cannot
        // even say that there was an order.
        ensure!(
            (order.status == 404) == alone,
            "alone {alone}: {}",
            order.text()
        );
        if !alone {
            let job = Job {
                door,
                number: "2026-0001",
            };
            job.until("purged").await?;
        }
        let path = format!("orders/2026-0001/sessions/{session}");
        let sheet = door.api(Method::GET, &path, None).await?;
        ensure!(
            matches!(sheet.status, 404 | 410),
            "alone {alone}: {}",
            sheet.text()
        );
        studio.stop()?;
    }
    studio.done().await
}

fn again(studio: &Studio) -> Job<'_> {
    Job {
        door: studio.door(),
        number: "2026-0001",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_manifest_or_record_is_named() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = files()?;
    let job = Job::create(studio.door(), "2026-0001").await?;
    let session = job.complete_with(&files).await?;
    studio.stop()?;
    let folder = bucket::order_folder(&studio.bucket())?;
    let catalog = studio.data_dir().join("catalog");
    let newest = bucket::objects(&folder.join("record"))?
        .pop()
        .context("a record")?;
    for object in [
        bucket::objects(&folder.join("sessions"))?
            .pop()
            .context("a manifest")?,
        newest,
    ] {
        let middle = usize::try_from(object.metadata()?.len())? / 2;
        bucket::flip(&object, middle, 3)?;
        if catalog.exists() {
            std::fs::remove_dir_all(&catalog)?;
        }
        let ran = studio.cli(&["rebuild"])?;
        let told = ran.out + &ran.err;
        let name = object
            .file_name()
            .context("a name")?
            .to_string_lossy()
            .into_owned();
        ensure!(told.contains(&name), "{name} is damaged, it says: {told}");
        bucket::flip(&object, middle, 3)?;
    }
    if catalog.exists() {
        std::fs::remove_dir_all(&catalog)?;
    }
    studio.cli(&["rebuild"])?.ok()?;
    studio.restart().await?;
    again(&studio).compare(&session, &files).await?;

    // The record that names the archive is damaged: nothing sweeps what it named.
    again(&studio).until("archived").await?;
    studio.stop()?;
    let archived = bucket::objects(&folder.join("archive"))?;
    let newest = bucket::objects(&folder.join("record"))?.pop();
    let newest = newest.context("a record")?;
    let middle = usize::try_from(newest.metadata()?.len())? / 2;
    bucket::flip(&newest, middle, 3)?;
    std::fs::remove_dir_all(&catalog)?;
    // A snapshot would know what the record said.
    std::fs::remove_dir_all(studio.bucket().join("snapshots"))?;
    studio.cli(&["rebuild"])?.refused()?;
    studio.restart().await?;
    ensure!(!again(&studio).order().await?["hold"].is_null(), "not held");
    run(studio.door(), "sweep").await?;
    ensure!(bucket::objects(&folder.join("archive"))? == archived);
    studio.done().await
}
