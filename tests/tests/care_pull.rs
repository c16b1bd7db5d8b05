//! A file that is damaged at the studio, through the door: whoever pulls it is told at once and for good,
//! and gets all the others.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stemvault_tests::bucket;
use stemvault_tests::care::{restore, spoil};
use stemvault_tests::order::{Job, small_files};
use stemvault_tests::setup::Setup;
use stemvault_tests::studio::{PATIENCE, Studio};

const NUMBER: &str = "2026-0117";

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_names_what_is_damaged_and_brings_the_rest() -> Result<()> {
    let studio = Studio::start().await?;
    let mut files = small_files()?;
    // Three blocks; one is bad far behind the bytes that are looked at before an answer.
    let mut noise = vec![0; 9 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    files.insert("Stems/Long.bin".to_owned(), noise.into());
    let job = Job::create(studio.door(), NUMBER).await?;
    job.upload(&files).await?;
    job.submit().await?;
    let folder = bucket::order_folder(&studio.bucket())?.join("working");
    let mut long = bucket::objects(&folder)?;
    long.sort_by_key(|path| std::fs::metadata(path).map_or(0, |it| it.len()));
    let large: Vec<_> = long.into_iter().rev().take(3).collect();
    // The last block is the shortest of the three.
    let good = spoil(&large[2..])?;

    let into = studio.scratch().join("pulled");
    let pull = ["pull", NUMBER, "--into", into.to_str().context("UTF-8")?];
    let told = studio.cli(&pull)?;
    ensure!(told.code == Some(1), "{told:?}");
    let log = studio.log();
    let asked = log
        .lines()
        .filter(|line| line.contains("/files/Stems/Long.bin"));
    // The first answer breaks off at the bad block; whoever asks for the rest is told why.
    ensure!(asked.count() == 2, "it tried again and again: {log}");
    for words in [
        "Stems/Long.bin",
        &format!("(order {NUMBER})"),
        "stemvault scrub",
    ] {
        ensure!(told.out.contains(words), "no {words} in {}", told.out);
    }
    ensure!(!into.join("Stems/Long.bin").exists(), "half a file");
    for (path, bytes) in files.iter().filter(|(path, _)| *path != "Stems/Long.bin") {
        ensure!(std::fs::read(into.join(path))? == *bytes, "{path}");
    }
    let json = studio.cli(&[&pull[..], &["--json"]].concat())?;
    let json: Value = serde_json::from_str(&json.out)?;
    ensure!(json["order"] == NUMBER, "{json}");

    restore(&good)?;
    studio.cli(&pull)?.ok()?;
    ensure!(std::fs::read(into.join("Stems/Long.bin"))? == files["Stems/Long.bin"]);
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_met_is_looked_after_within_a_minute() -> Result<()> {
    let setup = Setup {
        beats: true,
        ..Setup::default()
    };
    let studio = Studio::open(setup).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.upload(&small_files()?).await?;
    job.submit().await?;
    let folder = bucket::order_folder(&studio.bucket())?.join("working");
    spoil(&bucket::objects(&folder)?)?;
    let into = studio.scratch().join("pulled");
    let pull = ["pull", NUMBER, "--into", into.to_str().context("UTF-8")?];
    ensure!(studio.cli(&pull)?.code == Some(1));
    // Nobody asks for it.
    let repaired = async {
        loop {
            let runs = studio.door().get("runs").await?;
            let runs = runs["runs"].as_array().context("runs")?.clone();
            // There is no second copy here, so it can only say so.
            let said = |run: &Value| run["job"] == "repair" && run["outcome"] == "failed";
            if runs.iter().any(said) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, repaired)
        .await
        .context("nobody looked after it")??;
    studio.done_but("repair").await
}
