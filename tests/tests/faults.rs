//! What can go wrong around the server: a key that is missing, a disk that is full or read-only, a
//! clock that jumps. Each is refused in words, and nothing is lost.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::mount::Mount;
use stemvault_tests::order::{Files, Job, advance, b3, escape, read, text};
use stemvault_tests::studio::{Setup, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_master_key_it_does_not_start() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = files()?;
    let session = Job::create(studio.door(), NUMBER)
        .await?
        .complete_with(&files)
        .await?;
    studio.stop()?;
    let key = studio.data_dir().join("master.key");
    let away = studio.scratch().join("away.key");
    std::fs::rename(&key, &away)?;
    let told = studio.start_refused()?.to_lowercase();
    ensure!(
        told.contains("master") && told.contains("key"),
        "it does not say what is missing: {told}"
    );
    ensure!(
        !key.exists(),
        "a new master key was made beside data that it cannot open"
    );

    // Another studio's key is as bad as none.
    std::fs::write(
        &key,
        std::fs::read_to_string(&away)?
            .chars()
            .rev()
            .collect::<String>(),
    )?;
    studio.start_refused()?;
    std::fs::rename(&away, &key)?;
    studio.restart().await?;
    Job {
        door: studio.door(),
        number: NUMBER,
    }
    .compare(&session, &files)
    .await?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_key_hurts_one_order() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = files()?;
    let keys = studio.data_dir().join("keys");
    let first = Job::create(studio.door(), NUMBER)
        .await?
        .complete_with(&files)
        .await?;
    let before = bucket::objects(&keys)?;
    let other = Job::create(studio.door(), "2026-0118")
        .await?
        .complete_with(&files)
        .await?;
    let key = bucket::objects(&keys)?
        .into_iter()
        .find(|path| !before.contains(path));
    let key = key.context("a new order has a key of its own")?;
    studio.stop()?;
    let away = studio.scratch().join("away.key");
    std::fs::copy(&key, &away)?;
    std::fs::remove_file(&key)?;
    studio.restart().await?;
    Job {
        door: studio.door(),
        number: NUMBER,
    }
    .compare(&first, &files)
    .await?;
    let (path, _) = files.first_key_value().context("files")?;
    let inside = format!("orders/2026-0118/sessions/{other}/files/{}", escape(path));
    let refused = studio.door().api(Method::GET, &inside, None).await?;
    ensure!(refused.status >= 500, "served without its key: {refused:?}");
    ensure!(
        refused.text().contains("key"),
        "it says what is missing: {}",
        refused.text()
    );
    studio.stop()?;
    std::fs::copy(&away, &key)?;
    studio.restart().await?;
    Job {
        door: studio.door(),
        number: "2026-0118",
    }
    .compare(&other, &files)
    .await?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_store_refuses_and_recovers() -> Result<()> {
    let mut studio = Studio::closed(Setup::default())?;
    let Some(mount) = Mount::tmpfs(&studio.data_dir().join("bucket"), "200m")? else {
        return studio.done().await;
    };
    studio.restart().await?;
    let stem = files()?
        .into_values()
        .max_by_key(Bytes::len)
        .context("files")?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let upload = place.create("a.wav", stem.len() as u64).await?;
    let half = stem.len() / 2;
    place.patch(&upload, 0, stem.slice(..half)).await?;
    mount.read_only(true)?;
    let refused = place
        .try_patch(&upload, half as u64, stem.slice(half..))
        .await?;
    ensure!(
        refused.status >= 500,
        "what cannot be stored is not acknowledged: {refused:?}"
    );
    ensure!(!refused.text().is_empty(), "a refusal without a word");
    let kept = place.head(&upload).await?.offset;
    ensure!(
        kept == half as u64,
        "{half} bytes were acknowledged, HEAD says {kept}"
    );
    let submit = job
        .door
        .api(
            Method::POST,
            &format!("orders/{NUMBER}/submit"),
            Some(json!({"kind": "material"})),
        )
        .await?;
    ensure!(submit.status >= 400, "{submit:?}");
    mount.read_only(false)?;
    let hash = place.finish(&upload, &stem, usize::MAX / 2).await?;
    ensure!(hash == b3(&stem), "{hash}");
    let session = text(&job.submit().await?, "session")?.to_owned();
    ensure!(job.file(&session, "a.wav").await? == stem, "other bytes");
    // The server lets go of the mount before the mount goes, and that goes before its folder.
    studio.stop()?;
    drop(mount);
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() -> Result<()> {
    let home = tempfile::tempdir()?;
    let Some(_mount) = Mount::tmpfs(home.path(), "48m")? else {
        return Ok(());
    };
    let data_dir = Some(home.path().join("data"));
    let mut studio = Studio::open(Setup {
        data_dir,
        ..Setup::default()
    })
    .await?;
    Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let stem = files()?
        .into_values()
        .max_by_key(Bytes::len)
        .context("files")?;
    let mut stored = Files::new();
    let mut open = None;
    for nth in 0..20 {
        let path = format!("{nth}.wav");
        let created = place
            .try_create(&path, stem.len() as u64, Bytes::new())
            .await?;
        if created.status != 201 {
            ensure!(matches!(created.status, 413 | 507), "{created:?}");
            ensure!(
                created.text().contains("room"),
                "it says why: {}",
                created.text()
            );
            break;
        }
        let upload = studio.door().url(created.header("location"))?;
        let answer = place.try_patch(&upload, 0, stem.clone()).await?;
        if answer.status != 204 {
            ensure!(answer.status >= 400, "{answer:?}");
            open = Some(upload);
            break;
        }
        stored.insert(path, stem.clone());
    }
    ensure!(
        (2..12).contains(&stored.len()),
        "{} stems on a disk of 48 MB",
        stored.len()
    );
    if let Some(upload) = open {
        // What did not fit can be given up, and then the order can still be submitted.
        place.terminate(&upload).await?;
    }
    studio.kill9()?;
    studio.restart().await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    let session = text(&job.submit().await?, "session")?.to_owned();
    job.compare(&session, &stored).await?;
    studio.stop()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_deletes_nothing() -> Result<()> {
    let studio = Studio::start().await?;
    let door = studio.door();
    let files = files()?;
    let job = Job::create(door, NUMBER).await?;
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;
    door.post("clock", json!({"jump": "731d"})).await?;
    let told = door.post("retention/run", json!({})).await?;
    let stopped = told["runs"].as_array().context("runs")?.iter().any(|run| {
        let message = run["message"].as_str().unwrap_or_default();
        run["outcome"] == "stopped" && message.contains("clock")
    });
    ensure!(stopped, "a clock two years ahead goes unnoticed: {told}");
    ensure!(
        job.stage().await? == "archived",
        "deleted on the word of a wrong clock"
    );
    job.compare(&session, &files).await?;
    // Someone who knows that two years have passed says so.
    door.post("retention/run", json!({"accept_clock": true}))
        .await?;
    advance(door, "10m").await?;
    job.until("released").await.or(job.until("purged").await)?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_every_date() -> Result<()> {
    let studio = Studio::start().await?;
    let door = studio.door();
    let files = files()?;
    let job = Job::create(door, NUMBER).await?;
    let session = job.complete_with(&files).await?;
    job.until("archived").await?;
    studio
        .cli(&[
            "order",
            "hold",
            NUMBER,
            "--reason",
            "a dispute about the credits",
        ])?
        .ok()?;
    for _ in 0..3 {
        advance(door, "365d").await?;
        door.post("retention/run", json!({})).await?;
        ensure!(job.stage().await? == "archived", "a held order moved on");
    }
    job.compare(&session, &files).await?;
    let plan = door.get("retention/plan").await?.to_string();
    ensure!(
        plan.contains("credits"),
        "the plan says what holds it: {plan}"
    );
    studio.cli(&["order", "release-hold", NUMBER])?.ok()?;
    job.until("purged").await?;
    studio.done().await
}
