//! Limits through the door: space is promised once, links have their own measure, and whoever is
//! refused reads why.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use stemvault_tests::mount::Mount;
use stemvault_tests::order::Job;
use stemvault_tests::studio::{PATIENCE, Setup, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_promised_once() -> Result<()> {
    let home = tempfile::tempdir()?;
    let Some(_mount) = Mount::tmpfs(home.path(), "96m")? else {
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
    let length = 50_000_000;
    let first = place.create("first.bin", length).await?;
    place.patch(&first, 0, vec![7; 1_000_000].into()).await?;
    let refused = async |place: &Place| -> Result<()> {
        let no = place.try_create("second.bin", length, Bytes::new()).await?;
        ensure!(no.status == 507, "{no:?}");
        for part in ["second.bin", "50 MB", NUMBER, "tell the studio"] {
            ensure!(no.text().contains(part), "{part}: {}", no.text());
        }
        Ok(())
    };
    refused(&place).await?;
    // What was promised is still promised after a crash.
    studio.kill9()?;
    studio.restart().await?;
    let place = place.through(studio.door())?;
    refused(&place).await?;
    let first = studio.door().url(first.path())?;
    place.terminate(&first).await?;
    place.create("second.bin", length).await?;
    studio.stop()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_takes_what_it_was_made_for_and_refusals_are_counted() -> Result<()> {
    let studio = Studio::open(Setup {
        settings: "max_open = 2\n[server]\nwrong_tries = 3\n".to_owned(),
        ..Setup::default()
    })
    .await?;
    let door = studio.door();
    Job::create(door, NUMBER).await?;
    let words = ["link", "create", NUMBER, "--upload", "--max-bytes", "1 MB"];
    let told = studio
        .cli(&[&words[..], &["--max-files", "3"]].concat())?
        .ok()?;
    let url = told.split_whitespace().find(|word| word.contains("/u/"));
    let place = Place::link(door, url.context("no link")?)?;
    let no = place
        .try_create("long.bin", 1_000_001, Bytes::new())
        .await?;
    ensure!(no.status == 413 && no.text().contains("1 MB"), "{no:?}");
    let first = place.create("a.bin", 5).await?;
    place.create("b.bin", 5).await?;
    let no = place.try_create("c.bin", 5, Bytes::new()).await?;
    ensure!(
        no.status == 429 && !no.header("retry-after").is_empty(),
        "{no:?}"
    );
    place.patch(&first, 0, Bytes::from_static(b"12345")).await?;
    place.create("c.bin", 5).await?;
    let no = place.try_create("d.bin", 0, Bytes::new()).await?;
    ensure!(no.status == 413 && no.text().contains("takes 3"), "{no:?}");
    let shown = studio.cli(&["order", "show", NUMBER])?.ok()?;
    ensure!(shown.contains("1.00 MB, 3 files"), "{shown}");

    for expected in [404, 404, 404, 429] {
        let answer = door.ask(Method::GET, "u/nothing", &[], None).await?;
        ensure!(answer.status == expected, "{answer:?}");
    }
    door.get("orders").await?;
    let metrics = door.ask(Method::GET, "metrics", &[], None).await?.text();
    for limit in ["max_link", "max_open", "max_link_files", "wrong_tries"] {
        let line = format!("stemvault_refused_total{{limit=\"{limit}\"}} 1");
        ensure!(metrics.contains(&line), "{line}: {metrics}");
    }
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_whose_disk_was_full_goes_on_when_there_is_room() -> Result<()> {
    let home = tempfile::tempdir()?;
    let Some(_mount) = Mount::tmpfs(home.path(), "128m")? else {
        return Ok(());
    };
    let studio = Studio::open(Setup {
        data_dir: Some(home.path().join("data")),
        ..Setup::default()
    })
    .await?;
    let door = studio.door();
    Job::create(door, NUMBER).await?;
    let ballast = home.path().join("ballast");
    fill(&ballast)?;
    // A token is a row of the catalog and nothing else.
    let token = json!({"name": "x".repeat(60)});
    let mut made = 0;
    while door.post("tokens", token.clone()).await.is_ok() {
        made += 1;
        ensure!(made < 20_000, "the catalog never meets the end of its disk");
    }
    std::fs::remove_file(&ballast)?;
    let back = async {
        while door.post("tokens", token.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await?;
    let there = door.get("tokens").await?;
    let there = there["tokens"].as_array().context("a list")?.len();
    ensure!(there > made, "{made} tokens were made, {there} are there");
    Job::create(door, "2028-0001").await?;
    studio.done().await
}

/// Takes all room that there is.
fn fill(path: &std::path::Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    let mut piece = vec![0; 1 << 20];
    while !piece.is_empty() {
        if file.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
    Ok(())
}
