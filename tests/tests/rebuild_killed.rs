//! kill -9 in the middle of a rebuild, an import and a snapshot: nothing has changed, and the next
//! one finishes.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::order::{Job, small_files};
use stemvault_tests::studio::{Setup, Studio};
use stemvault_tests::tus::Place;

const SEED: u64 = 300;

/// Orders in different stages, one with an upload that was not submitted; a snapshot of them.
async fn some_orders(studio: &Studio) -> Result<()> {
    let files = small_files()?;
    let door = studio.door();
    Job::create(door, "2026-0001")
        .await?
        .complete_with(&files)
        .await?;
    let open = Job::create(door, "2026-0002").await?;
    open.upload(&files).await?;
    open.submit().await?;
    Job::create(door, "2026-0003").await?;
    let (path, bytes) = files.first_key_value().context("files")?;
    let place = Place::files(door, "2026-0003")?;
    place.upload(path, bytes, 100_000).await?;
    door.post("retention/run", json!({})).await?;
    Ok(())
}

/// Runs a command that dies before its write number `point`; whether it did.
fn dies(studio: &Studio, words: &[&str], point: usize) -> Result<bool> {
    let mut command = studio.command(words);
    command.env("STEMVAULT_CRASH_AT", point.to_string());
    let output = tokio::task::block_in_place(|| command.output())?;
    let died = output.status.code().is_none();
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(died || output.status.success(), "write {point}: {told}");
    Ok(died)
}

/// Kills the command before each of its writes, and lets it finish afterwards; how many there are.
fn at_every_write(studio: &Studio, words: &[&str]) -> Result<usize> {
    let catalog = studio.data_dir().join("catalog");
    remove(&catalog)?;
    let undisturbed = studio.cli(words)?.ok()?;
    for point in 1.. {
        remove(&catalog)?;
        if !dies(studio, words, point)? {
            return Ok(point - 1);
        }
        ensure!(
            !catalog.exists(),
            "write {point}: half a catalog is in its place"
        );
        let told = studio.cli(words)?.ok()?;
        ensure!(
            told == undisturbed,
            "write {point}: {told}\nundisturbed: {undisturbed}"
        );
    }
    unreachable!("it does not write for ever")
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_and_an_import_that_are_killed_have_changed_nothing() -> Result<()> {
    let mut studio = Studio::start().await?;
    some_orders(&studio).await?;
    let before = studio.door().get("orders").await?;
    studio.stop()?;
    let file = studio.scratch().join("catalog.jsonl");
    let file = file.to_str().context("a path in UTF-8")?.to_owned();
    studio.cli(&["catalog", "export", &file])?.ok()?;
    let writes = at_every_write(&studio, &["rebuild"])?;
    ensure!(
        writes > 3,
        "{writes} writes: has the binary the feature torture?"
    );
    let writes = at_every_write(&studio, &["catalog", "import", &file])?;
    ensure!(writes > 0, "an import writes");
    studio.restart().await?;
    let after = studio.door().get("orders").await?;
    ensure!(before == after, "{before}\nbecame {after}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_killed_does_no_harm() -> Result<()> {
    let mut studio = Studio::open(Setup::default()).await?;
    some_orders(&studio).await?;
    let writes = studio
        .door()
        .metric("stemvault_torture_writes_total")
        .await?;
    studio.door().post("retention/run", json!({})).await?;
    let after = studio
        .door()
        .metric("stemvault_torture_writes_total")
        .await?;
    let in_a_run = (after - writes) as usize;
    studio.stop()?;
    let undisturbed = came_back(&studio)?;
    let mut seeded = StdRng::seed_from_u64(SEED);
    for turn in 0..6 {
        // The snapshot is the last job of a run: one death is before its very last writes.
        let back = if turn == 0 {
            1
        } else {
            seeded.random_range(0..in_a_run)
        };
        let point = in_a_run - back.min(in_a_run - 1);
        studio.set_env("STEMVAULT_CRASH_AT", Some(&point.to_string()));
        // It may die of its own first writes, before anybody asks for something.
        if studio.restart().await.is_ok() {
            let run = studio
                .door()
                .api(Method::POST, "retention/run", Some(json!({})))
                .await;
            ensure!(run.is_err(), "write {point} of {in_a_run}: it lives");
        }
        if studio.server().is_ok() {
            studio.wait_for_end()?;
        }
        studio.set_env("STEMVAULT_CRASH_AT", None);
        let told = came_back(&studio)?;
        ensure!(
            told == undisturbed,
            "write {point}: {told:?}, undisturbed {undisturbed:?}"
        );
    }
    studio.restart().await?;
    studio.door().post("retention/run", json!({})).await?;
    studio.done().await
}

/// What a rebuild says of orders. What was uploaded and not submitted is lost with the first one.
fn came_back(studio: &Studio) -> Result<Vec<String>> {
    let told = studio.cli(&["rebuild", "--replace"])?.ok()?;
    let stages = ["came back", " open ", " archived "];
    let lines = told.lines();
    let lines = lines.filter(|line| stages.iter().any(|stage| line.contains(stage)));
    Ok(lines.map(str::to_owned).collect())
}
