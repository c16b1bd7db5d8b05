//! kill -9 at seeded points of the care for an archive: copying to the mirror, proving, mending, and
//! what deletes the mirror's copies. After a restart the same is asked for again and comes to its end;
//! nothing is released that was not proven, and nothing is left of what was purged.

use std::path::Path;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stemvault_tests::bucket;
use stemvault_tests::care::{blocks, mirror_in, run, scrub, spoil};
use stemvault_tests::order::{Files, Job, advance, small_files};
use stemvault_tests::studio::{Setup, Studio};

const NUMBER: &str = "2026-0117";
const POINTS: usize = 24;
const SEED: u64 = 5;
const WRITES: &str = "stemvault_torture_writes_total";

fn setup(home: &Path) -> Setup {
    Setup {
        settings: mirror_in(home),
        ..Setup::default()
    }
}

async fn archive(studio: &Studio, files: &Files) -> Result<()> {
    let job = Job::create(studio.door(), NUMBER).await?;
    job.complete_with(files).await?;
    job.until("archived").await?;
    Ok(())
}

/// One step; each can be taken again after the server has died in it.
async fn step(studio: &Studio, nth: usize) -> Result<()> {
    let door = studio.door();
    let job = Job {
        door,
        number: NUMBER,
    };
    let done = |run: &serde_json::Value| run["outcome"] == "done";
    match nth {
        0 | 3 => {
            let run = run(door, "mirror").await?;
            ensure!(done(&run), "{run}");
        }
        1 => {
            let run = run(door, "prove").await?;
            ensure!(done(&run), "{run}");
            ensure!(job.order().await?["unproven"].is_null(), "in doubt");
        }
        2 => {
            let scrub = scrub(door).await?;
            ensure!(done(&scrub) && scrub["left"] == 0, "{scrub}");
        }
        4 => {
            advance(door, "100d").await?;
            job.until("released").await?;
            let order = job.order().await?;
            ensure!(
                !order["proof"].is_null() && order["unproven"].is_null(),
                "{order}"
            );
        }
        5 => {
            let run = run(door, "mirror").await?;
            ensure!(done(&run), "{run}");
        }
        _ => {
            advance(door, "800d").await?;
            job.until("purged").await?;
        }
    }
    Ok(())
}

const STEPS: usize = 7;

/// The whole of it; whether the server died on the way.
async fn care(studio: &mut Studio, home: &Path) -> Result<bool> {
    let mut died = false;
    for nth in 0..STEPS {
        if nth == 1 {
            // Another block in each tier, so that each can mend the other.
            let working = blocks(studio, "working")?;
            let archive = blocks(studio, "archive")?;
            spoil(&working[..1])?;
            spoil(&archive[archive.len() - 1..])?;
        }
        while let Err(error) = step(studio, nth).await {
            let gone = !died && studio.door().is_gone().await;
            ensure!(
                gone,
                "step {nth}, died before: {died}: {error:?}\n{}",
                studio.log()
            );
            died = true;
            studio.wait_for_end()?;
            studio.set_env("STEMVAULT_CRASH_AT", None);
            studio.restart().await?;
        }
    }
    for folder in [
        studio.bucket(),
        home.join("mirror"),
        studio.keys(),
        home.join("mirror-keys"),
    ] {
        let left = bucket::objects(&folder.join("orders"))?;
        ensure!(left.is_empty(), "left over: {left:?}");
    }
    Ok(died)
}

async fn crash(point: usize, files: &Files) -> Result<bool> {
    let home = tempfile::tempdir()?;
    let mut studio = Studio::closed(setup(home.path()))?;
    studio.set_env("STEMVAULT_CRASH_AT", Some(&point.to_string()));
    studio.restart().await?;
    archive(&studio, files).await?;
    let died = care(&mut studio, home.path()).await?;
    studio.done().await?;
    Ok(died)
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_while_an_archive_is_looked_after() -> Result<()> {
    let files = small_files()?;
    let home = tempfile::tempdir()?;
    let mut studio = Studio::open(setup(home.path())).await?;
    archive(&studio, &files).await?;
    // A few more than were counted: other lives may need some for what the beat does.
    let from = studio.door().metric(WRITES).await? as usize + 8;
    care(&mut studio, home.path()).await?;
    let to = studio.door().metric(WRITES).await? as usize;
    studio.done().await?;
    ensure!(
        to > from + 20,
        "{from} to {to} writes: is the binary built with the feature torture?"
    );
    let mut seeded = StdRng::seed_from_u64(SEED);
    let chosen: Vec<_> = (0..POINTS)
        .map(|nth| {
            let at = |nth: usize| from + nth * (to - from) / POINTS;
            seeded.random_range(at(nth)..at(nth + 1).max(at(nth) + 1))
        })
        .collect();
    let died: Vec<bool> = stream::iter(chosen)
        .map(|point| crash(point, &files))
        .buffer_unordered(2)
        .try_collect()
        .await?;
    let died = died.into_iter().filter(|died| *died).count();
    println!("{died} deaths in {POINTS} lives, between writes {from} and {to}");
    ensure!(
        died * 10 >= POINTS * 8,
        "only {died} of {POINTS} lives were interrupted"
    );
    Ok(())
}
