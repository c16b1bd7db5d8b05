//! Scrub and repair through the door: bits flipped in one tier are mended from the other, and what no
//! copy can mend is named.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stemvault_tests::care::{blocks, restore, run, spoil};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read};
use stemvault_tests::studio::Studio;

const NUMBER: &str = "2026-0117";

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

async fn archived(studio: &Studio, files: &Files) -> Result<String> {
    let job = Job::create(studio.door(), NUMBER).await?;
    let session = job.complete_with(files).await?;
    job.until("archived").await?;
    Ok(session)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_block_is_mended_from_the_other_tier() -> Result<()> {
    let studio = Studio::start().await?;
    let files = files()?;
    let session = archived(&studio, &files).await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    let told = studio.cli(&["scrub"])?.ok()?;
    ensure!(told.contains("0 flaws mended, 0 left"), "{told}");
    for (tier, from) in [("working", "the archive"), ("archive", "the working files")] {
        let all = blocks(&studio, tier)?;
        // One is another, one is gone.
        spoil(&all[..1])?;
        std::fs::remove_file(&all[1])?;
        let told = studio.cli(&["scrub", NUMBER, "--tier", tier])?.ok()?;
        ensure!(told.contains("2 flaws mended, 0 left"), "{told}");
        ensure!(told.contains(&format!("mended from {from}")), "{told}");
        let told = studio.cli(&["scrub"])?.ok()?;
        ensure!(told.contains("0 flaws mended, 0 left"), "{told}");
    }
    job.compare(&session, &files).await?;
    studio.cli(&["prove", "--whole"])?.ok()?;
    let mended = studio.door().metric("stemvault_mended_total").await?;
    ensure!(mended == 4.0, "{mended}");
    // A proof mends by itself as well.
    spoil(&blocks(&studio, "archive")?[..1])?;
    let told = studio.cli(&["prove", NUMBER])?.ok()?;
    ensure!(told.contains("mended from the working files"), "{told}");
    advance(studio.door(), "100d").await?;
    job.until("released").await?;
    ensure!(job.order().await?["unproven"].is_null(), "in doubt");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_copy_can_mend_is_named_and_kept() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = files()?;
    archived(&studio, &files).await?;
    let good = spoil(&blocks(&studio, "working")?)?;
    spoil(&blocks(&studio, "archive")?[..1])?;
    let told = studio.cli(&["scrub"])?;
    ensure!(told.code == Some(1), "{told:?}");
    ensure!(told.out.contains("failed: block"), "{}", told.out);
    ensure!(
        told.out.contains(NUMBER) && told.out.contains("Nachtzug"),
        "{}",
        told.out
    );
    let order = studio.door().get(&format!("orders/{NUMBER}")).await?;
    ensure!(
        !order["unproven"].is_null(),
        "the archive is not in doubt: {order}"
    );
    // The working files come back from somewhere: then the archive is mended, and proven again.
    restore(&good)?;
    studio.cli(&["scrub"])?.ok()?;
    studio.cli(&["prove"])?.ok()?;
    let order = studio.door().get(&format!("orders/{NUMBER}")).await?;
    ensure!(order["unproven"].is_null(), "{order}");
    studio.stop()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_met_is_mended_without_a_word() -> Result<()> {
    let studio = Studio::start().await?;
    let files = files()?;
    let session = archived(&studio, &files).await?;
    let all: Vec<PathBuf> = blocks(&studio, "working")?;
    spoil(&all)?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    for path in files.keys() {
        let path = format!("api/v1/orders/{NUMBER}/sessions/{session}/files/{path}");
        let bearer = studio.door().bearer();
        let headers = [("authorization", bearer.as_str())];
        // Nothing of a bad block is sent, and it is noticed.
        studio.door().ask_partial(&path, &headers).await.ok();
    }
    let told = run(studio.door(), "repair").await?;
    ensure!(told["outcome"] == "done", "{told}");
    let mended = studio.door().metric("stemvault_mended_total").await?;
    ensure!(mended > 0.0, "{told}");
    // Each reading met the first bad block of its file at least: several files have but one.
    studio.cli(&["scrub"])?.ok()?;
    job.compare(&session, &files).await?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_goes_on_after_a_crash_and_can_be_stopped() -> Result<()> {
    let mut studio = Studio::start().await?;
    archived(&studio, &files()?).await?;
    let begun = ["scrub", "--rate", "1KB", "--background"];
    studio.cli(&begun)?.ok()?;
    let under_way = studio.door().get("scrub").await?;
    ensure!(under_way["ended_at"].is_null(), "{under_way}");
    let refused = studio.cli(&["scrub"])?.refused()?;
    ensure!(refused.contains("under way"), "{refused}");
    studio.kill9()?;
    studio.restart().await?;
    let door = studio.door();
    let again = door.get("scrub").await?;
    ensure!(again["id"] == under_way["id"], "{again}");
    ensure!(again["ended_at"].is_null(), "{again}");
    studio.cli(&["scrub", "--stop"])?.ok()?;
    let told = studio.cli(&["scrub", "--watch"])?.ok()?;
    ensure!(told.contains("scrub stopped"), "{told}");
    let runs = door.get("runs").await?;
    let runs = runs["runs"].as_array().context("runs")?;
    let stopped = |run: &&serde_json::Value| run["job"] == "scrub" && run["outcome"] == "stopped";
    ensure!(runs.iter().any(|run| stopped(&run)), "{runs:?}");
    let body = Some(json!({"tiers": ["tape"]}));
    let bad = door.api(reqwest::Method::POST, "scrub", body).await?;
    ensure!(bad.status == 400, "{bad:?}");
    studio.done().await
}
