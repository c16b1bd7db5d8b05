//! One order, end to end, on real audio, through two years: received, reviewed, downloaded,
//! completed, archived and proven, released, recalled, purged.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use stemvault_tests::bucket;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, b3, check_receipt, escape, read, text};
use stemvault_tests::studio::{Stores, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";

#[tokio::test(flavor = "multi_thread")]
async fn two_years() -> Result<()> {
    live(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_years_on_s3() -> Result<()> {
    live(Stores::S3).await
}

async fn live(stores: Stores) -> Result<()> {
    let studio = Studio::on(stores).await?;
    let door = studio.door();
    let originals = fixtures::cached(Scale::Small)?;
    let files = read(&originals)?;
    let job = Job {
        door,
        number: NUMBER,
    };

    receive(&studio, &job, &files).await?;
    let receipt = door
        .post(
            &format!("orders/{NUMBER}/submit"),
            json!({"kind": "material"}),
        )
        .await?;
    check_receipt(&receipt, &files)?;
    let session = text(&receipt, "session")?.to_owned();
    ensure!(
        session.len() == 64,
        "a session is named by a hash: {session}"
    );
    let rules: Vec<_> = receipt["findings"]
        .as_array()
        .context("findings")?
        .iter()
        .collect();
    ensure!(
        rules
            .iter()
            .any(|finding| finding["rule"] == "mixed_sample_rates"),
        "three sample rates were sent: {rules:?}"
    );
    studio.cli(&["session", "accept", NUMBER])?.ok()?;

    deliver(&studio, &job, &session, &files).await?;

    studio.cli(&["order", "complete", NUMBER])?.ok()?;
    let order = job.until("archived").await?;
    let bytes: usize = files.values().map(bytes::Bytes::len).sum();
    let proof = &order["proof"];
    ensure!(
        text(proof, "bytes")? == bytes.to_string(),
        "the proof names every byte: {proof}"
    );
    let stored: u64 = text(proof, "stored_bytes")?.parse()?;
    ensure!(
        stored < bytes as u64,
        "the archive is smaller than what it keeps: {proof}"
    );
    job.compare(&session, &files).await?;

    let folder = bucket::order_folder(&studio.bucket())?;
    ensure!(
        bucket::size(&folder.join("working"))? > bytes as u64 / 10 * 9,
        "kept until the release"
    );
    advance(door, "89d").await?;
    door.post("retention/run", json!({})).await?;
    ensure!(job.stage().await? == "archived", "released a day early");
    let plan = studio.cli(&["retention", "plan"])?.ok()?;
    ensure!(
        plan.contains(NUMBER),
        "the plan shows what comes next: {plan}"
    );
    advance(door, "36h").await?;
    job.until("released").await?;
    ensure!(
        bucket::objects(&folder.join("working"))?.is_empty(),
        "working files are left"
    );
    recall(&studio, &job, &session, &files).await?;

    advance(door, "600d").await?;
    door.post("retention/run", json!({})).await?;
    ensure!(
        job.stage().await? == "released",
        "purged before its 24 months were over"
    );
    let keys = bucket::objects(&studio.keys())?.len();
    advance(door, "60d").await?;
    let order = job.until("purged").await?;
    ensure!(
        !order.to_string().contains("Demo-Band"),
        "a tombstone names nobody: {order}"
    );
    let left = bucket::shapes(&folder)?;
    ensure!(
        !left
            .keys()
            .any(|path| path.starts_with("archive") || path.starts_with("sessions")),
        "the prefix is not empty: {left:?}"
    );
    ensure!(
        bucket::objects(&studio.keys())?.len() == keys - 1,
        "the order's key is the one that went"
    );
    let path = format!("orders/{NUMBER}/sessions/{session}");
    let gone = door.api(Method::GET, &path, None).await?;
    ensure!(
        matches!(gone.status, 404 | 410),
        "still there: {}",
        gone.text()
    );
    studio.done().await
}

/// Creates the order and uploads the session three ways: link, token, and our own client.
async fn receive(studio: &Studio, job: &Job<'_>, files: &Files) -> Result<()> {
    let create = [
        "order",
        "create",
        NUMBER,
        "--client",
        "Demo-Band",
        "--title",
        "Nachtzug",
    ];
    studio
        .cli(&[&create[..], &["--email", "band@example.org"]].concat())?
        .ok()?;
    let link = studio
        .cli(&["link", "create", NUMBER, "--upload", "--json"])?
        .ok()?;
    let link: Value = serde_json::from_str(&link)?;
    let link = Place::link(job.door, text(&link, "url")?)?;
    let token = Place::files(job.door, NUMBER)?;
    for (path, bytes) in files {
        let hash = if path.starts_with(fixtures::TAKE_44) {
            link.upload(path, bytes, 300_000).await?
        } else if path.starts_with(fixtures::TAKE_48) {
            token.upload(path, bytes, usize::MAX / 2).await?
        } else {
            continue;
        };
        ensure!(hash == b3(bytes), "{path}: {hash}");
    }
    let folder = fixtures::cached(Scale::Small)?.join(fixtures::TAKE_96);
    let folder = folder.to_str().context("a path in UTF-8")?;
    let unsaid = studio.cli(&["push", folder, "--order", NUMBER])?;
    ensure!(unsaid.refused()?.contains("--kind delivery"));
    // Nor is what is there sealed by a word that was left out.
    let unsaid = studio.cli(&["submit", NUMBER])?.refused()?;
    ensure!(
        unsaid.contains(NUMBER) && unsaid.contains("--kind delivery"),
        "{unsaid}"
    );
    let push = ["push", folder, "--order", NUMBER, "--kind", "material"];
    studio.cli(&push)?.ok()?;
    Ok(())
}

/// Hands the session out by link, to a browser and to `pull`.
async fn deliver(studio: &Studio, job: &Job<'_>, session: &str, files: &Files) -> Result<()> {
    let door = studio.door();
    let link = job
        .link(json!({"scope": "session", "session": session}))
        .await?;
    let receipt = door
        .ask(Method::GET, &link, &[("accept", "application/json")], None)
        .await?;
    let receipt = receipt.json()?;
    check_receipt(&receipt, files)?;
    for (path, sent) in files {
        let url = format!("{link}/{}", escape(path));
        let got = door.ask(Method::GET, &url, &[], None).await?.expect(200)?;
        ensure!(got.body == *sent, "{path} differs");
    }
    let into = studio.scratch().join("pulled");
    let word = into.to_str().context("a path in UTF-8")?;
    studio.cli(&["pull", &link, "--into", word])?.ok()?;
    ensure!(
        read(&into)? == *files,
        "what pull wrote differs from what was sent"
    );
    // The hash of the receipt is the one that anybody can compute.
    for file in receipt["files"].as_array().context("files")? {
        let path = into.join(text(file, "path")?);
        let told = Command::new("b3sum").arg("--no-names").arg(path).output();
        let told = told
            .context("b3sum is needed: ./tests/run installs it")?
            .stdout;
        ensure!(
            String::from_utf8(told)?.trim() == text(file, "hash")?,
            "{file}"
        );
    }
    Ok(())
}

/// Released material is refused until it is recalled, then comes back bit for bit.
async fn recall(studio: &Studio, job: &Job<'_>, session: &str, files: &Files) -> Result<()> {
    let (first, _) = files.first_key_value().context("files")?;
    let path = format!("orders/{NUMBER}/sessions/{session}/files/{}", escape(first));
    let refused = studio
        .door()
        .api(Method::GET, &path, None)
        .await?
        .expect(410)?;
    ensure!(
        refused.text().contains("recall"),
        "it says how to get it: {}",
        refused.text()
    );
    studio.cli(&["recall", NUMBER])?.ok()?;
    ensure!(job.stage().await? == "recalled");
    job.compare(session, files).await?;
    let into = studio.scratch().join("recalled");
    studio
        .cli(&["pull", NUMBER, "--into", into.to_str().context("UTF-8")?])?
        .ok()?;
    ensure!(
        read(&into)? == *files,
        "what was archived comes back bit for bit"
    );
    advance(studio.door(), "15d").await?;
    job.until("released").await?;
    studio
        .door()
        .api(Method::GET, &path, None)
        .await?
        .expect(410)?;
    Ok(())
}
