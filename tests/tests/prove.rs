//! Proof of recall through the door: an archive that is read again and does not come back is named,
//! raises an alert and keeps its working files, until it is mended and read again.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stemvault_tests::care::{blocks, restore, spoil};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read, text};
use stemvault_tests::studio::Studio;

const NUMBER: &str = "2026-0117";

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_back_keeps_its_working_files() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = files()?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.complete_with(&files).await?;
    job.until("archived").await?;
    studio.cli(&["prove"])?.ok()?;
    let order = job.order().await?;
    ensure!(order["unproven"].is_null(), "{order}");
    let proven = text(&order["proof"], "last_proven_at")?;
    ensure!(proven > text(&order["proof"], "proven_at")?, "{order}");

    // Both copies, so that neither can mend the other.
    let archived = spoil(&blocks(&studio, "archive")?[..1])?;
    spoil(&blocks(&studio, "working")?)?;
    let told = studio.cli(&["prove", NUMBER])?;
    ensure!(told.code == Some(1), "{told:?}");
    let object = archived[0].0.file_name().context("a name")?;
    let object = object.to_string_lossy().into_owned();
    for words in [NUMBER, &object, "Nachtzug"] {
        ensure!(told.out.contains(words), "no {words} in {}", told.out);
    }
    let unproven = studio.door().metric("stemvault_archive_unproven_orders");
    ensure!(unproven.await? == 1.0, "no alert");
    let shown = studio.cli(&["order", "show", NUMBER])?.ok()?;
    ensure!(shown.contains("NOT PROVEN since"), "{shown}");
    let listed = studio.cli(&["order", "list"])?.ok()?;
    ensure!(listed.contains("NOT PROVEN"), "{listed}");

    advance(studio.door(), "100d").await?;
    for _ in 0..2 {
        studio.door().post("retention/run", json!({})).await?;
        ensure!(job.stage().await? == "archived", "released in doubt");
    }
    let plan = studio.cli(&["retention", "plan"])?.ok()?;
    ensure!(plan.contains("not proven"), "{plan}");

    // The doubt is on the order's record: it outlives the process, and the catalog.
    studio.stop()?;
    studio.cli(&["rebuild", "--replace"])?.ok()?;
    studio.restart().await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    ensure!(!job.order().await?["unproven"].is_null(), "forgotten");
    studio.cli(&["prove"])?.refused()?;
    restore(&archived)?;
    studio.cli(&["prove"])?.ok()?;
    ensure!(job.order().await?["unproven"].is_null(), "still in doubt");
    let unproven = studio.door().metric("stemvault_archive_unproven_orders");
    ensure!(unproven.await? == 0.0, "the alert does not end");
    job.until("released").await?;
    studio.stop()?;
    studio.done().await
}

#[test]
fn every_metric_of_the_alerts_exists() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let alerts = std::fs::read_to_string(root.join("deploy/prometheus-alerts.yml"))?;
    let mut sources = String::new();
    for folder in ["storage/src", "scheduler/src", "server/src"] {
        for (_, path) in fixtures::files(&root.join(folder))? {
            sources += &std::fs::read_to_string(path)?;
        }
    }
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let metrics = alerts.split(word).filter(|it| it.starts_with("stemvault_"));
    let mut known = 0;
    for metric in metrics {
        ensure!(
            sources.contains(&format!("\"{metric}\"")),
            "nothing sets {metric}"
        );
        known += 1;
    }
    ensure!(known > 5, "{known} metrics in the alerts");
    Ok(())
}
