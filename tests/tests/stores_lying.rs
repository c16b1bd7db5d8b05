//! A store that lies, and stores that fail under the jobs: nothing is deleted on their word, and
//! what was begun ends right.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read, text};
use stemvault_tests::patience::patiently;
use stemvault_tests::studio::{Stores, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";
const SLOW_DOWN: Fault = Fault::Status(503, "SlowDown");

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

/// What an archive that is not there would cost: the working files are kept until it is.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_released_on_a_store_that_lies() -> Result<()> {
    let mut studio = Studio::on(Stores::Faulty(14)).await?;
    let files = files()?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let session = job.complete_with(&files).await?;
    studio.faulty()?.set(Some(
        Rule::some(Fault::Lie, Method::PUT, 50).at("/archive/"),
    ));
    let kept = bucket::objects(&bucket::order_folder(&studio.bucket())?.join("working"))?.len();
    for _ in 0..3 {
        advance(studio.door(), "60d").await?;
        job.door.post("retention/run", json!({})).await?;
        ensure!(
            job.stage().await? == "completed",
            "archived in a store that lies"
        );
    }
    ensure!(studio.faulty()?.faults() > 0, "it told the truth");
    let runs = job.door.get("runs").await?.to_string();
    ensure!(runs.contains("missing"), "nobody is told: {runs}");
    studio.faulty()?.set(None);
    job.compare(&session, &files).await?;
    let still = bucket::objects(&bucket::order_folder(&studio.bucket())?.join("working"))?.len();
    ensure!(still == kept, "{still} of {kept} working objects are left");
    job.until("released").await?;
    job.verb("recall", json!({})).await?;
    job.compare(&session, &files).await?;
    studio.stop()?;
    studio.done().await
}

/// The same for what was acknowledged and never stored: it is found when it is read, and named.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lie_has_lost_is_named() -> Result<()> {
    let mut studio = Studio::on(Stores::Faulty(15)).await?;
    let stem = files()?.into_values().max_by_key(Bytes::len);
    let stem = stem.context("files")?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    studio.faulty()?.set(Some(
        Rule::some(Fault::Lie, Method::PUT, 100).at("/working/"),
    ));
    place.upload("Lost.wav", &stem, usize::MAX / 2).await?;
    ensure!(studio.faulty()?.faults() > 0, "it told the truth");
    studio.faulty()?.set(None);
    place.upload("Kept.wav", &stem, usize::MAX / 2).await?;
    let session = text(&job.submit().await?, "session")?.to_owned();
    job.accept_because(&session, "a test").await?;
    job.verb("complete", json!({})).await?;
    advance(studio.door(), "91d").await?;
    job.door.post("retention/run", json!({})).await?;
    ensure!(
        job.stage().await? == "completed",
        "archived without its bytes"
    );
    let log = studio.log();
    ensure!(
        log.contains("Lost.wav") && log.contains("missing"),
        "nobody is told: {log}"
    );
    ensure!(job.file(&session, "Kept.wav").await? == stem, "other bytes");
    studio.stop()?;
    studio.done().await
}

/// From the archive to the purge while one request in four is cut off: it ends right, later.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_until_they_are_done() -> Result<()> {
    let mut studio = Studio::on(Stores::Faulty(16)).await?;
    let files = files()?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let session = job.complete_with(&files).await?;
    let keys = bucket::objects(&studio.keys())?.len();
    let rule = Rule {
        percent: 25,
        ..Rule::all(Fault::AnswerLost)
    };
    studio.faulty()?.set(Some(rule));
    job.until("archived").await?;
    advance(studio.door(), "91d").await?;
    job.until("released").await?;
    let folder = bucket::order_folder(&studio.bucket())?;
    ensure!(
        bucket::objects(&folder.join("working"))?.is_empty(),
        "working files are left"
    );
    studio.faulty()?.set(Some(Rule {
        percent: 25,
        ..Rule::all(SLOW_DOWN)
    }));
    patiently(|| {
        job.door
            .api(Method::POST, "orders/2026-0117/recall", Some(json!({})))
    })
    .await?;
    job.compare(&session, &files).await?;
    advance(studio.door(), "20d").await?;
    job.until("released").await?;
    advance(studio.door(), "700d").await?;
    job.until("purged").await?;
    studio.faulty()?.set(None);
    let left = bucket::objects(&folder.join("archive"))?;
    ensure!(left.is_empty(), "{left:?}");
    ensure!(
        bucket::objects(&studio.keys())?.len() == keys - 1,
        "its key is left"
    );
    studio.stop()?;
    studio.done().await
}
