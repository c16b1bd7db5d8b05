//! Wrapped keys that go bad, through the door: a scrub and the mirror's job bring them back from the
//! mirror, never copy a bad one there, and name what opens in neither place. And how old their backup is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::care::{mirror_in, restore, run, scrub, spoil, status};
use stemvault_tests::order::{Job, advance, small_files};
use stemvault_tests::studio::{Setup, Studio};

const NUMBER: &str = "2026-0117";

async fn with_mirror(home: &Path) -> Result<Studio> {
    Studio::open(Setup {
        settings: mirror_in(home),
        ..Setup::default()
    })
    .await
}

/// The only order's key in a key store.
fn key(folder: &Path) -> Result<PathBuf> {
    let keys = bucket::objects(&folder.join("orders"))?;
    ensure!(keys.len() == 1, "{keys:?}");
    keys.into_iter().next().context("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_or_missing_key_comes_back_from_the_mirror() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut studio = with_mirror(home.path()).await?;
    let files = small_files()?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let session = job.complete_with(&files).await?;
    run(studio.door(), "mirror").await?;
    let first = key(&studio.keys())?;
    let copy = key(&home.path().join("mirror-keys"))?;
    let good = std::fs::read(&copy)?;

    // Read from the disk after a restart: nothing remembers the key.
    spoil(std::slice::from_ref(&first))?;
    studio.stop()?;
    studio.restart().await?;
    let told = studio.cli(&["scrub", "--tier", "working"])?.ok()?;
    ensure!(told.contains("1 flaw mended, 0 left"), "{told}");
    ensure!(
        told.contains("the key was mended from the mirror"),
        "{told}"
    );
    // Missing, and the mirror's job comes first: it copies nothing bad, and mends as well.
    for spoilt in [true, false] {
        if spoilt {
            spoil(std::slice::from_ref(&first))?;
        } else {
            std::fs::remove_file(&first)?;
        }
        let told = run(studio.door(), "mirror").await?;
        ensure!(told["outcome"] == "done", "{told}");
        ensure!(
            told.to_string().contains("mended from the mirror"),
            "{told}"
        );
        ensure!(key(&studio.keys())? == first);
    }
    // And the copy from the key store, where it is the one that is bad.
    for job in ["scrub", "mirror"] {
        spoil(std::slice::from_ref(&copy))?;
        if job == "scrub" {
            let told = scrub(studio.door()).await?;
            ensure!(told["healed"] == 1 && told["left"] == 0, "{told}");
        } else {
            run(studio.door(), job).await?;
        }
        ensure!(std::fs::read(&copy)? == std::fs::read(&first)?);
    }
    ensure!(std::fs::read(&copy)?.len() == good.len());
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    job.compare(&session, &files).await?;

    // The key of all records: without it there is no start.
    for spoilt in [true, false] {
        studio.stop()?;
        let records = studio.keys().join("records");
        if spoilt {
            spoil(std::slice::from_ref(&records))?;
        } else {
            std::fs::remove_file(&records)?;
        }
        studio.restart().await?;
    }
    let (colour, says) = status(studio.door(), "keys").await?;
    ensure!(colour != "red", "{says}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_opens_nowhere_is_named_and_one_that_was_purged_stays_away() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut studio = with_mirror(home.path()).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.complete_with(&small_files()?).await?;
    job.until("archived").await?;
    run(studio.door(), "mirror").await?;
    let (first, copy) = (key(&studio.keys())?, key(&home.path().join("mirror-keys"))?);
    let good = spoil(&[first.clone(), copy.clone()])?;
    for round in ["scrub", "mirror"] {
        let told = studio.cli(&[round])?;
        ensure!(told.code == Some(1), "{told:?}");
        for words in [
            NUMBER,
            "its copy in the mirror does not open",
            "keys restore",
        ] {
            ensure!(told.out.contains(words), "no {words} in {}", told.out);
        }
        let (colour, says) = status(studio.door(), "keys").await?;
        ensure!(colour == "red" && says.contains(NUMBER), "{says}");
        let bad = studio.door().metric("stemvault_keys_bad").await?;
        ensure!(bad == 1.0, "{bad}");
    }
    restore(&good[..1].to_vec())?;
    run(studio.door(), "mirror").await?;
    let (colour, says) = status(studio.door(), "keys").await?;
    ensure!(colour != "red", "{says}");
    ensure!(studio.door().metric("stemvault_keys_bad").await? == 0.0);
    ensure!(std::fs::read(&copy)? == std::fs::read(&first)?, "mended");

    // Somebody kept the key of what is purged, and puts it back into the mirror.
    let kept = std::fs::read(&copy)?;
    for (days, stage) in [("100d", "released"), ("800d", "purged")] {
        advance(studio.door(), days).await?;
        Job {
            door: studio.door(),
            number: NUMBER,
        }
        .until(stage)
        .await?;
    }
    for round in ["scrub", "mirror"] {
        std::fs::write(&copy, &kept)?;
        if round == "scrub" {
            scrub(studio.door()).await?;
        } else {
            run(studio.door(), round).await?;
            ensure!(!copy.exists(), "left in the mirror");
        }
        ensure!(!first.exists(), "a purged key came back");
    }
    studio.stop()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_the_keys_that_is_missing_or_old_is_asked_for() -> Result<()> {
    let studio = Studio::start().await?;
    let door = studio.door();
    let gauge = "stemvault_key_backup_timestamp_seconds";
    let snapshot = || door.post("retention/run", json!({"job": "snapshot"}));
    snapshot().await?;
    ensure!(status(door, "keys").await?.0 == "green", "no order yet");
    let metrics = door.ask(Method::GET, "metrics", &[], None).await?.text();
    ensure!(!metrics.contains(gauge), "no order yet");

    Job::create(door, NUMBER).await?;
    snapshot().await?;
    let (colour, says) = status(door, "keys").await?;
    ensure!(colour == "yellow" && says.contains("keys backup"), "{says}");
    let metrics = door.ask(Method::GET, "metrics", &[], None).await?.text();
    ensure!(metrics.contains(&format!("{gauge} 0\n")), "never");

    let file = studio.scratch().join("keys.jsonl");
    studio
        .cli(&["keys", "backup", file.to_str().context("UTF-8")?])?
        .ok()?;
    let (colour, says) = status(door, "keys").await?;
    ensure!(
        colour == "green" && says.contains("last backed up"),
        "{says}"
    );
    ensure!(door.metric(gauge).await? > 1e9, "not measured at once");
    advance(door, "8d").await?;
    let (colour, says) = status(door, "keys").await?;
    ensure!(colour == "yellow" && says.contains("a week ago"), "{says}");
    studio.done().await
}
