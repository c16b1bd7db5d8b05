//! Memory is bounded: under 40 MiB when nothing happens, under 256 MiB while 16 clients upload.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Job, b3};
use stemvault_tests::studio::Studio;
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";
const CLIENTS: usize = 16;

/// A line of /proc/PID/status, in KiB.
fn status(studio: &Studio, line: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", studio.pid()?))?;
    let found = status.lines().find_map(|told| told.strip_prefix(line));
    let kib = found
        .context("a line of /proc/PID/status")?
        .trim_start_matches(':')
        .trim();
    Ok(kib.trim_end_matches("kB").trim().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_clients_at_once() -> Result<()> {
    let studio = Studio::start().await?;
    // The pages of the program's file are no memory that it holds, and a program with debug
    // information has twice as many as the one that is shipped (16 MiB).
    let idle = status(&studio, "RssAnon")? + (16 << 10);
    Job::create(studio.door(), NUMBER).await?;
    let mut bytes = Vec::new();
    for (_, path) in fixtures::files(&fixtures::cached(Scale::Small)?)? {
        bytes.extend(std::fs::read(path)?);
    }
    let bytes = Bytes::from(bytes.repeat(2));
    let expected = b3(&bytes);
    let place = Place::files(studio.door(), NUMBER)?;
    // Each on a connection of its own, whole file in one request.
    let uploads = (0..CLIENTS).map(|nth| {
        let (place, bytes) = (place.clone(), bytes.clone());
        async move {
            let total = bytes.len() as u64;
            let upload = place.create(&format!("{nth}.wav"), total).await?;
            let hanging = place.begin_patch(&upload, 0, total, &bytes).await?;
            let answer = hanging.answer().await?;
            ensure!(answer.starts_with("HTTP/1.1 204"), "client {nth}: {answer}");
            place
                .head(&upload)
                .await?
                .hash
                .context("a complete upload has a hash")
        }
    });
    for hash in try_join_all(uploads).await? {
        ensure!(hash == expected, "{hash}");
    }
    let peak = status(&studio, "VmHWM")?;
    println!(
        "idle {} MiB, peak {} MiB with {CLIENTS} clients",
        idle >> 10,
        peak >> 10
    );
    ensure!(idle < 40 << 10, "idle: {idle} KiB");
    ensure!(
        peak < 256 << 10,
        "{CLIENTS} clients: {peak} KiB at the peak"
    );
    studio.done().await
}
