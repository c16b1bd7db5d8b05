//! kill -9 at 200 seeded points of an order's whole life, each right before a write to a store or
//! to the catalog. After a restart nothing acknowledged is missing, the life goes on to its end,
//! and what is left over is what an undisturbed life leaves.
//!
//! The server's feature `torture` counts its writes and, told so, dies before one of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use stemvault_tests::bucket;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, check_receipt, read, text};
use stemvault_tests::studio::{Setup, Stores, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";
const POINTS: usize = 200;
const SEED: u64 = 200;

/// What the outside world was told, and so may rely on.
#[derive(Debug, Default)]
struct Told {
    created: bool,
    /// Path to its upload and the offset that was acknowledged last.
    uploads: BTreeMap<String, (Url, u64)>,
    session: Option<String>,
    accepted: bool,
    completed: bool,
    /// The furthest stage that was seen.
    stages: Vec<String>,
}

type Shapes = BTreeMap<String, usize>;

/// Objects left in the bucket: after the archive's proof, and at the end.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    archived: Shapes,
    purged: Shapes,
}

fn session() -> Result<Files> {
    let mut files = read(&fixtures::cached(Scale::Tiny)?)?;
    // Small files are enough to have every kind of write; one stem has several blocks.
    files.retain(|path, bytes| bytes.len() < 400_000 || path.contains("Loop"));
    ensure!(files.len() >= 4, "{:?}", files.keys());
    Ok(files)
}

/// One life from wherever it stands; can be called again after the server has died in it.
async fn live(studio: &Studio, told: &mut Told, files: &Files) -> Result<Left> {
    let door = studio.door();
    let job = Job {
        door,
        number: NUMBER,
    };
    let known = door
        .api(Method::GET, &format!("orders/{NUMBER}"), None)
        .await?;
    if known.status == 404 {
        ensure!(!told.created, "an acknowledged order is gone");
        Job::create(door, NUMBER).await?;
    }
    told.created = true;
    let order = job.order().await?;
    let stage = text(&order, "stage")?.to_owned();
    if let Some(seen) = told.stages.last() {
        let back = told.stages.contains(&stage) && stage != *seen;
        ensure!(!back || seen == "recalled", "{seen} went back to {stage}");
    }
    if told.session.is_none() {
        told.session = Some(submit(&job, &order, told, files).await?);
    }
    let session = told.session.clone().context("a session")?;
    let gone = matches!(stage.as_str(), "purging" | "purged");
    if !gone {
        review(&job, &session, told, files).await?;
    }

    if matches!(stage.as_str(), "open" | "sealing" | "completed") {
        pass(studio, told, "archived").await?;
    }
    let order = job.order().await?;
    let mut archived = Shapes::new();
    if order["stage"] == "archived" {
        job.compare(&session, files).await?;
        // A day later every job has had its turn, the sweep included; unless that day, and more,
        // had passed before the server died.
        let later = date(&order, "completed_at")? + TimeDelta::days(2);
        if now(&job).await? <= later {
            advance_to(&job, later).await?;
            door.post("retention/run", json!({})).await?;
            archived = shapes(studio)?;
        }
    }
    if order["stage"] == "archived" || order["stage"] == "releasing" {
        advance_to(&job, date(&order, "release_due_at")? + TimeDelta::hours(1)).await?;
        pass(studio, told, "released").await?;
    }
    if job.stage().await? == "released" && !told.stages.iter().any(|stage| stage == "recalled") {
        job.verb("recall", json!({})).await?;
        told.stages.push("recalled".to_owned());
    }
    if job.stage().await? == "recalled" {
        job.compare(&session, files).await?;
        job.verb("end-recall", json!({})).await?;
    }
    if !gone {
        let due = date(&job.order().await?, "purge_due_at")?;
        advance_to(&job, due + TimeDelta::hours(1)).await?;
    }
    pass(studio, told, "purged").await?;
    Ok(Left {
        archived,
        purged: shapes(studio)?,
    })
}

/// Uploads what is not there yet, and seals it.
async fn submit(job: &Job<'_>, order: &Value, told: &mut Told, files: &Files) -> Result<String> {
    // The answer to a submit may have been lost after it was carried out.
    if let Some(sealed) = order["sessions"].as_array().and_then(|all| all.first()) {
        return Ok(text(sealed, "session")?.to_owned());
    }
    let place = Place::files(job.door, NUMBER)?;
    let list = job.door.get(&format!("orders/{NUMBER}/uploads")).await?;
    let list = list["uploads"].as_array().context("uploads")?;
    if order["stage"] == "open" {
        for (path, bytes) in files {
            let listed = list.iter().find(|upload| upload["path"] == path.as_str());
            let url = match (listed, told.uploads.get(path)) {
                (Some(upload), _) => job.door.url(&format!("files/{}", text(upload, "id")?))?,
                (None, Some(_)) => bail!("the acknowledged upload of {path} is gone"),
                (None, None) => place.create(path, bytes.len() as u64).await?,
            };
            let acknowledged = told.uploads.entry(path.clone()).or_insert((url.clone(), 0));
            let mut head = place.head(&url).await?;
            ensure!(
                head.offset >= acknowledged.1,
                "{path}: {} bytes were acknowledged, {} are there",
                acknowledged.1,
                head.offset
            );
            while head.offset < bytes.len() as u64 {
                let at = usize::try_from(head.offset)?;
                let end = bytes.len().min(at + 1_500_000);
                head = place.patch(&url, head.offset, bytes.slice(at..end)).await?;
                acknowledged.1 = head.offset;
            }
        }
    }
    let receipt = job.submit().await?;
    check_receipt(&receipt, files)?;
    Ok(text(&receipt, "session")?.to_owned())
}

/// Checks the session against what was sent, accepts it, completes the order.
async fn review(job: &Job<'_>, session: &str, told: &mut Told, files: &Files) -> Result<()> {
    let receipt = job
        .door
        .get(&format!("orders/{NUMBER}/sessions/{session}"))
        .await?;
    check_receipt(&receipt, files)?;
    let accepted = receipt["review"]["state"] == "accepted";
    ensure!(accepted || !told.accepted, "an acknowledged review is gone");
    if !accepted {
        job.accept(session).await?;
    }
    told.accepted = true;
    let open = job.stage().await? == "open";
    ensure!(!open || !told.completed, "a completed order is open again");
    if open {
        job.verb("complete", json!({})).await?;
    }
    told.completed = true;
    Ok(())
}

/// Waits for the jobs to bring the order to `stage`.
async fn pass(studio: &Studio, told: &mut Told, stage: &str) -> Result<()> {
    Job {
        door: studio.door(),
        number: NUMBER,
    }
    .until(stage)
    .await?;
    told.stages.push(stage.to_owned());
    Ok(())
}

fn date(order: &Value, key: &str) -> Result<DateTime<Utc>> {
    Ok(text(order, key)?.parse()?)
}

/// What the server's clock says.
async fn now(job: &Job<'_>) -> Result<DateTime<Utc>> {
    Ok(text(&job.door.get("retention/plan").await?, "at")?.parse()?)
}

/// Lets time pass until `to`; nothing if that is behind.
async fn advance_to(job: &Job<'_>, to: DateTime<Utc>) -> Result<()> {
    let now = now(job).await?;
    if now < to {
        let span = format!("{}s", (to - now).num_seconds() + 1);
        job.door.post("clock", json!({"advance": span})).await?;
    }
    Ok(())
}

/// Shapes of the bucket; records and snapshots are left out: what was tried twice has one more.
fn shapes(studio: &Studio) -> Result<Shapes> {
    let mut shapes = bucket::shapes(&studio.bucket())?;
    shapes.retain(|shape, _| !shape.contains("/record/") && !shape.starts_with("snapshots/"));
    Ok(shapes)
}

/// A life in which the server dies before its write number `point`; whether it did.
async fn crash(stores: Stores, point: usize, files: &Files, undisturbed: &Left) -> Result<bool> {
    let mut studio = Studio::closed(Setup {
        stores,
        ..Setup::default()
    })?;
    studio.set_env("STEMVAULT_CRASH_AT", Some(&point.to_string()));
    // Its first writes are its own, before anybody asks for something.
    let mut died = studio.restart().await.is_err();
    if died {
        if studio.server().is_ok() {
            studio.wait_for_end()?;
        }
        studio.set_env("STEMVAULT_CRASH_AT", None);
        studio.restart().await?;
    }
    let mut told = Told::default();
    let left = loop {
        match live(&studio, &mut told, files).await {
            Ok(left) => break left,
            Err(error) => {
                // The connection goes a moment before the process.
                let gone = !died && studio.door().is_gone().await;
                ensure!(
                    gone,
                    "write {point}, died before: {died}: {error:?}\n{}",
                    studio.log()
                );
                died = true;
                studio.wait_for_end()?;
                studio.set_env("STEMVAULT_CRASH_AT", None);
                studio.restart().await?;
            }
        }
    };
    ensure!(
        left.archived.is_empty() || left.archived == undisturbed.archived,
        "write {point}: left over while archived: {:?}, undisturbed: {:?}",
        left.archived,
        undisturbed.archived
    );
    ensure!(
        left.purged == undisturbed.purged,
        "write {point}: left over at the end: {:?}, undisturbed: {:?}",
        left.purged,
        undisturbed.purged
    );
    studio.done().await?;
    Ok(died)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_deaths() -> Result<()> {
    let points = match std::env::var("STEMVAULT_TEST_DEATHS") {
        Ok(points) => points.parse()?,
        Err(_) => POINTS,
    };
    deaths(Stores::Files, points).await
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_deaths_on_s3() -> Result<()> {
    deaths(Stores::S3, POINTS / 10).await
}

async fn deaths(stores: Stores, points: usize) -> Result<()> {
    let files = session()?;
    let studio = Studio::on(stores).await?;
    let undisturbed = live(&studio, &mut Told::default(), &files).await?;
    let writes = studio
        .door()
        .metric("stemvault_torture_writes_total")
        .await? as usize;
    ensure!(
        writes > 20,
        "{writes} writes: is the binary built with the feature torture?"
    );
    studio.done().await?;

    // Spread over the whole life, one in each stretch of it.
    let mut seeded = StdRng::seed_from_u64(SEED);
    let chosen: Vec<_> = (0..points)
        .map(|nth| {
            let (from, to) = (nth * writes / points, (nth + 1) * writes / points);
            1 + seeded.random_range(from..to.max(from + 1))
        })
        .collect();
    let died: Vec<bool> = stream::iter(chosen)
        .map(|point| crash(stores, point, &files, &undisturbed))
        .buffer_unordered(2)
        .try_collect()
        .await?;
    let died = died.into_iter().filter(|died| *died).count();
    println!("{died} deaths in {points} lives of some {writes} writes each");
    ensure!(
        died * 10 >= points * 9,
        "only {died} of {points} lives were interrupted"
    );
    Ok(())
}
