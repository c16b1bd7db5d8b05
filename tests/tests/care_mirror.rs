//! A mirror whose disk is not mounted, through the door: its empty place is not filled, nothing there
//! counts as gone, and a new mirror begins only when somebody says so.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::care::{mount, run, scrub, status, unmount};
use stemvault_tests::order::{Job, advance, small_files};
use stemvault_tests::studio::{Setup, Studio};

const NUMBER: &str = "2026-0117";
const QUESTION: &str = "is empty or another one: is its disk mounted?";

/// A studio whose mirror lies on disks that are mounted at these two folders.
async fn with_disks(home: &Path) -> Result<Studio> {
    let settings = format!(
        "[stores]\nmirror = \"file:{0}/disk\"\nmirror_keys = \"file:{0}/stick\"\n",
        home.display()
    );
    Studio::open(Setup {
        settings,
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mount_point_is_not_filled_and_nothing_there_counts_as_gone() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut studio = with_disks(home.path()).await?;
    let door = studio.door().clone();
    let job = Job::create(&door, NUMBER).await?;
    job.complete_with(&small_files()?).await?;
    job.until("archived").await?;
    run(&door, "mirror").await?;

    for (place, number) in [("disk", "2026-0118"), ("stick", "2026-0119")] {
        let place = home.path().join(place);
        unmount(&place)?;
        Job::create(&door, number).await?;
        let told = studio.cli(&["mirror"])?;
        ensure!(told.code == Some(1), "{told:?}");
        for words in [QUESTION, &place.display().to_string(), "--new"] {
            ensure!(told.out.contains(words), "no {words} in {}", told.out);
        }
        let (colour, says) = status(&door, "mirror").await?;
        ensure!(colour == "red" && says.contains(QUESTION), "{says}");
        let told = scrub(&door).await?;
        ensure!(
            told["left"] == 1 && told.to_string().contains(QUESTION),
            "{told}"
        );
        let there = bucket::objects(&place)?;
        ensure!(there.is_empty(), "filled: {there:?}");
        mount(&place)?;
        let told = run(&door, "mirror").await?;
        ensure!(told["outcome"] == "done", "{told}");
        let (colour, says) = status(&door, "mirror").await?;
        ensure!(colour == "green", "{says}");
    }

    // A purge is not over while its mirror is somewhere else.
    advance(&door, "100d").await?;
    job.until("released").await?;
    let disk = home.path().join("disk");
    unmount(&disk)?;
    advance(&door, "800d").await?;
    for _ in 0..3 {
        door.post("retention/run", json!({})).await?;
        advance(&door, "10m").await?;
        ensure!(job.stage().await? == "purging", "done without the mirror");
    }
    mount(&disk)?;
    job.until("purged").await?;
    let keys = bucket::objects(&home.path().join("stick/orders"))?;
    ensure!(keys.len() == 2, "the two other orders': {keys:?}");
    studio.stop()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_mirror_is_set_none_is_said_to_be_done() -> Result<()> {
    let studio = Studio::start().await?;
    for words in [&["mirror"][..], &["mirror", "--new"]] {
        let said = studio.cli(words)?.refused()?;
        ensure!(said.contains("stores.mirror_keys"), "{said}");
    }
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mirror_begins_when_somebody_says_so() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut studio = with_disks(home.path()).await?;
    let door = studio.door().clone();
    Job::create(&door, NUMBER)
        .await?
        .complete_with(&small_files()?)
        .await?;
    run(&door, "mirror").await?;
    let whole = bucket::shapes(&home.path().join("disk"))?;
    let (disk, stick) = (home.path().join("disk"), home.path().join("stick"));
    for place in [&disk, &stick] {
        unmount(place)?;
    }
    let told = run(&door, "mirror").await?;
    ensure!(told["outcome"] == "stopped", "{told}");
    studio.cli(&["mirror", "--new"])?.ok()?;
    ensure!(bucket::shapes(&disk)? == whole, "not all of it");
    ensure!(bucket::objects(&stick.join("orders"))?.len() == 1);
    let (colour, says) = status(&door, "mirror").await?;
    ensure!(colour == "green", "{says}");

    // The disk of another installation is never taken for a place to begin at.
    fs::remove_dir_all(&disk)?;
    fs::create_dir(&disk)?;
    let mark =
        json!({"v": 1, "installation": "0123456789abcdef", "begun_at": "2026-01-05T09:00:00Z"});
    fs::write(disk.join("mirror"), mark.to_string())?;
    let told = run(&door, "mirror").await?;
    ensure!(told.to_string().contains(QUESTION), "{told}");
    let refused = studio.cli(&["mirror", "--new"])?;
    ensure!(refused.code == Some(1), "{refused:?}");
    ensure!(
        refused.out.contains("another installation"),
        "{}",
        refused.out
    );
    ensure!(bucket::objects(&disk)?.len() == 1, "filled");
    studio.stop()?;
    studio.done().await
}
