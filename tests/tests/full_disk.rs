//! The disk of whoever fetches is full, or read-only: what is said names the file, the cause and what to
//! do, nothing half is left, and the same command succeeds once there is room.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use stemvault_tests::disk::Disk;
use stemvault_tests::fixtures;
use stemvault_tests::mount::Mount;
use stemvault_tests::order::{Files, Job, small_files, text};
use stemvault_tests::studio::Studio;

const NUMBER: &str = "2026-0117";
/// Longer than what is left on a disk that is nearly full.
const LONG: &str = "Stems/Long.bin";
const NEARLY: u64 = 1 << 20;

/// A studio with one session: recordings, a long file, and so many short ones that no list of them
/// fits in one block of a small disk.
async fn stocked() -> Result<(Studio, Files)> {
    let studio = Studio::start().await?;
    let mut files: Files = small_files()?.into_iter().take(3).collect();
    let mut noise = vec![0; 3 * usize::try_from(NEARLY)?];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    files.insert(LONG.to_owned(), noise.into());
    for n in 0..14 {
        let words = format!("take {n}").into();
        files.insert(format!("Notes/{n}.txt"), words);
    }
    let job = Job::create(studio.door(), NUMBER).await?;
    job.upload(&files).await?;
    job.submit().await?;
    Ok((studio, files))
}

fn small_disk() -> Result<Option<Disk>> {
    Disk::new(env!("CARGO_TARGET_TMPDIR").as_ref(), 64 << 20)
}

fn path(of: &Path) -> Result<&str> {
    of.to_str().context("a path in UTF-8")
}

/// Every one of these words is said.
fn says(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "no {word:?} in {said}");
    }
    Ok(())
}

/// A refusal of a full disk that names `file`.
fn says_full(said: &str, file: &str) -> Result<()> {
    says(said, &[file, "the disk is full", "make room", "again"])
}

/// The files below a folder, but for what fills the disk.
fn left(folder: &Path) -> Result<Vec<String>> {
    let files = fixtures::files(folder)?.into_iter();
    let names = files.map(|(name, _)| name);
    Ok(names.filter(|it| !it.starts_with("lost+found")).collect())
}

/// What has the name of a file of the session is that file; how many are.
fn whole(folder: &Path, files: &Files) -> Result<usize> {
    let mut here = 0;
    for (name, sent) in files {
        match fs::read(folder.join(name)) {
            Ok(got) => ensure!(got == *sent, "half of {name}"),
            Err(_) => continue,
        }
        here += 1;
    }
    Ok(here)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_that_finds_no_room_says_so_and_leaves_nothing() -> Result<()> {
    let (studio, _) = stocked().await?;
    let Some(disk) = small_disk()? else {
        return studio.done().await;
    };
    let zip = disk.mount().join("bag.zip");
    let export = ["export", NUMBER, "--zip", path(&zip)?];
    for room in [NEARLY, 0] {
        disk.fill(room)?;
        let said = studio.cli(&export)?.refused()?;
        says_full(&said, path(&zip)?)?;
        ensure!(left(&disk.mount())?.is_empty(), "{room}: {said}");
    }
    disk.make_room()?;
    studio.cli(&export)?.ok()?;
    ensure!(left(&disk.mount())? == ["bag.zip"]);
    let mut unzip = Command::new("unzip");
    let tested = tokio::task::block_in_place(|| unzip.arg("-tqq").arg(&zip).output())?;
    ensure!(tested.status.success(), "{tested:?}");
    studio.done().await
}

/// Two exports into one zip: the second says what is in its way, and does not take it away.
#[tokio::test(flavor = "multi_thread")]
async fn a_zip_that_another_export_writes_is_left_alone() -> Result<()> {
    let (studio, _) = stocked().await?;
    let zip = studio.scratch().join("bag.zip");
    let part = studio.scratch().join("bag.zip.part");
    fs::write(&part, "what came so far")?;
    let writing = File::options().write(true).open(&part)?;
    writing.lock()?;
    let export = ["export", NUMBER, "--zip", path(&zip)?];
    let said = studio.cli(&export)?.refused()?;
    says(&said, &[path(&zip)?, "another pull is writing"])?;
    ensure!(fs::read(&part)? == b"what came so far", "{said}");
    drop(writing);
    studio.cli(&export)?.ok()?;
    ensure!(zip.exists() && !part.exists());
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_finds_no_room_is_no_bag_and_becomes_one() -> Result<()> {
    let (studio, files) = stocked().await?;
    let Some(disk) = small_disk()? else {
        return studio.done().await;
    };
    let bag = disk.mount().join("bag");
    let export = ["export", NUMBER, "--into", path(&bag)?];
    let is_bag = || bag.join("bagit.txt").exists();
    let unfinished = || -> Result<bool> {
        let left = left(&disk.mount())?;
        Ok(left.iter().any(|name| name.ends_with(".unfinished")))
    };

    disk.fill(0)?;
    says_full(&studio.cli(&export)?.refused()?, path(&bag)?)?;
    ensure!(left(&disk.mount())?.is_empty());

    disk.fill(NEARLY)?;
    let said = studio.cli(&export)?.refused()?;
    says_full(&said, &format!("{LONG}: the disk is full"))?;
    says(&said, &[path(&bag)?, "no bag yet"])?;
    ensure!(!is_bag() && !bag.join("manifest-sha256.txt").exists());
    ensure!(!bag.join("data").join(LONG).exists() && !unfinished()?);
    whole(&bag.join("data"), &files)?;

    disk.make_room()?;
    studio.cli(&export)?.ok()?;
    ensure!(is_bag() && whole(&bag.join("data"), &files)? == files.len());

    // All files are there, and no room for what says so.
    disk.fill(0)?;
    let said = studio.cli(&export)?.refused()?;
    says_full(&said, &format!("cannot write {}/", path(&bag)?))?;
    ensure!(!is_bag() && !unfinished()?, "{said}");
    disk.make_room()?;
    studio.cli(&export)?.ok()?;
    ensure!(is_bag() && !unfinished()?);
    ensure!(left(&bag.join("data"))?.len() == files.len());
    ensure!(whole(&bag.join("data"), &files)? == files.len());
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_finds_no_room_keeps_what_came_and_goes_on() -> Result<()> {
    let (studio, files) = stocked().await?;
    let Some(disk) = small_disk()? else {
        return studio.done().await;
    };
    let into = disk.mount().join("pulled");
    let pull = ["pull", NUMBER, "--into", path(&into)?];
    disk.fill(0)?;
    says_full(&studio.cli(&pull)?.refused()?, path(&into)?)?;
    ensure!(left(&disk.mount())?.is_empty());

    disk.fill(NEARLY)?;
    let told = studio.cli(&pull)?.refused()?;
    says_full(&told, &format!("{LONG}: the disk is full"))?;
    says(&told, &[path(&into)?, "what has arrived is kept"])?;
    ensure!(!into.join(LONG).exists(), "half a file has its name");
    let here = whole(&into, &files)?;
    let parts = left(&into)?.len() - here;
    ensure!((1..=files.len() - here).contains(&parts), "{parts} parts");

    disk.make_room()?;
    let again = studio.cli(&[&pull[..], &["--json"]].concat())?.ok()?;
    let again: Value = serde_json::from_str(&again)?;
    let moved: usize = text(&again, "moved_bytes")?.parse()?;
    let all: usize = files.values().map(Bytes::len).sum();
    ensure!(moved < all, "it fetched all {all} bytes anew");
    ensure!(whole(&into, &files)? == files.len());
    ensure!(left(&into)?.len() == files.len(), "a part is left");
    studio.done().await
}

/// A backup that is nowhere does not count: `stemvault status` would ask for none for a week.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_the_keys_that_finds_no_room_is_none() -> Result<()> {
    let (studio, _) = stocked().await?;
    let Some(disk) = small_disk()? else {
        return studio.done().await;
    };
    let file = disk.mount().join("keys.jsonl");
    let backup = ["keys", "backup", path(&file)?];
    disk.fill(0)?;
    says_full(&studio.cli(&backup)?.refused()?, path(&file)?)?;
    ensure!(left(&disk.mount())?.is_empty());
    let known = studio.door().get("keys").await?;
    ensure!(known["backups"] == json!([]), "{known}");

    disk.make_room()?;
    says(&studio.cli(&backup)?.ok()?, &["DESTROY IT ON"])?;
    ensure!(left(&disk.mount())? == ["keys.jsonl"]);
    let known = studio.door().get("keys").await?;
    let made = known["backups"].as_array().context("backups")?;
    ensure!(made.len() == 1, "{known}");
    // Nothing stands behind its last line, whose hash is the one that the server knows.
    let lines = fs::read_to_string(&file)?;
    ensure!(lines.ends_with("}\n") && lines.contains(text(&made[0], "hash")?));
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_target_is_named_and_nothing_is_counted() -> Result<()> {
    let (studio, files) = stocked().await?;
    let home = tempfile::tempdir()?;
    let Some(mount) = Mount::tmpfs(home.path(), "64m")? else {
        return studio.done().await;
    };
    let there = home.path().join("there already");
    fs::create_dir(&there)?;
    let at = |name: &str| home.path().join(name).display().to_string();
    let there = path(&there)?;
    let (bag, pulled) = (at("bag"), at("pulled"));
    let (zip, keys) = (at("bag.zip"), at("keys.jsonl"));
    let commands = [
        vec!["export", NUMBER, "--zip", &zip],
        vec!["export", NUMBER, "--into", &bag],
        vec!["pull", NUMBER, "--into", &pulled],
        vec!["pull", NUMBER, "--into", there],
        vec!["keys", "backup", &keys],
    ];
    mount.read_only(true)?;
    for command in &commands {
        let target = command.last().context("a target")?;
        let said = studio.cli(command)?.refused()?;
        says(&said, &[target, "read-only", "make it writable", "again"])?;
    }
    ensure!(left(home.path())?.is_empty());
    let known = studio.door().get("keys").await?;
    ensure!(known["backups"] == json!([]), "{known}");
    mount.read_only(false)?;
    for command in &commands {
        studio.cli(command)?.ok()?;
    }
    ensure!(whole(there.as_ref(), &files)? == files.len());
    // A whole bag on a disk that nobody can write to stays one.
    mount.read_only(true)?;
    let said = studio.cli(&commands[1])?.refused()?;
    says(&said, &[&bag, "read-only"])?;
    ensure!(home.path().join("bag/bagit.txt").exists(), "{said}");
    mount.read_only(false)?;
    studio.done().await
}
