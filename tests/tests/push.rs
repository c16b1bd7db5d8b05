//! `stemvault push` while the studio's store is slow, so that there is a middle in which things happen
//! to the files that are being sent.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::order::{Job, text};
use stemvault_tests::studio::{PATIENCE, Setup, Stores, Studio};

const NUMBER: &str = "2026-0117";

/// The open uploads of which so many bytes are durable.
async fn under_way(job: &Job<'_>, least: u64) -> Result<Vec<String>> {
    let list = job.door.get(&format!("orders/{NUMBER}/uploads")).await?;
    let uploads = list["uploads"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for open in uploads.filter(|it| it["state"] == "open") {
        if text(open, "offset")?.parse::<u64>()? >= least {
            found.push(text(open, "id")?.to_owned());
        }
    }
    Ok(found)
}

/// Waits until so many bytes of the only open upload are durable.
async fn stands_at(job: &Job<'_>, least: u64) -> Result<()> {
    let wait = async {
        while under_way(job, least).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, wait).await?
}

fn push(studio: &Studio, file: &str, link: &str) -> Result<Child> {
    let mut push = studio.command(&["push", file, "--to", link, "--submit"]);
    let push = push.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(push.spawn()?)
}

/// What a program does to a file in the middle of its sending.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Other bytes, as many, later: a bounce.
    Rewritten,
    /// Other bytes, as many, and the same time of change: a sync.
    Silent,
    /// More of them.
    Grown,
    /// Fewer.
    Cut,
}

impl Change {
    fn make(self, file: &Path, length: usize) -> Result<()> {
        let before = std::fs::metadata(file)?.modified()?;
        let (length, later) = match self {
            Self::Rewritten => (length, 1),
            Self::Silent => (length, 0),
            Self::Grown => (length + 1, 1),
            Self::Cut => (length - 1_000_000, 1),
        };
        std::fs::write(file, vec![8; length])?;
        let file = std::fs::File::options().write(true).open(file)?;
        Ok(file.set_modified(before + Duration::from_secs(later))?)
    }
}

/// A program goes on writing into a file that is being sent, or a sync does. What arrived is a
/// mixture, also where neither length nor time of change shows it: it is not kept, and the file is
/// sent again as it is now. What is submitted is what is on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_sent_is_sent_again_as_it_is_now() -> Result<()> {
    const LENGTH: usize = 30_000_000;
    let studio = Studio::on(Stores::Faulty(22)).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let link = studio.door().url(&link)?.to_string();
    let slow = Rule::some(Fault::Slow(4_000_000), Method::PUT, 100);
    for change in [
        Change::Rewritten,
        Change::Silent,
        Change::Grown,
        Change::Cut,
    ] {
        let file = studio.scratch().join(format!("{change:?}.bin"));
        let name = file.to_str().context("a path in UTF-8")?;
        studio.faulty()?.set(Some(slow.clone()));
        std::fs::write(&file, vec![7; LENGTH])?;
        let pushing = push(&studio, name, &link)?;
        stands_at(&job, 4 << 20).await?;
        change.make(&file, LENGTH)?;
        studio.faulty()?.set(None);
        let pushed = tokio::task::block_in_place(|| pushing.wait_with_output())?;
        let said = String::from_utf8_lossy(&pushed.stderr).into_owned()
            + &String::from_utf8_lossy(&pushed.stdout);
        ensure!(pushed.status.success(), "{change:?}: {said}");
        for word in ["changed while it was sent", "checked"] {
            ensure!(said.contains(word), "{change:?}: no {word:?} in {said}");
        }
        let now = blake3::hash(&std::fs::read(&file)?).to_string();
        let order = job.order().await?;
        let sessions = order["sessions"].as_array().context("sessions")?;
        let last = text(sessions.last().context("a session")?, "session")?;
        let path = format!("orders/{NUMBER}/sessions/{last}");
        let receipt = studio.door().get(&path).await?;
        let sealed = receipt["files"].as_array().context("files")?;
        let sealed = sealed
            .iter()
            .find(|it| it["path"] == format!("{change:?}.bin"));
        let sealed = sealed.context("the file")?;
        ensure!(
            text(sealed, "hash")? == now && sealed["checked"] == true,
            "{change:?}: a mixture was sealed, or the receipt does not say that it was compared: {receipt}"
        );
    }
    studio.done().await
}

/// A program that writes into a file each time it is sent: after some tries push names it and submits
/// nothing; no mixture stays. Once the program is done, the same command goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_comes_to_rest_is_named_and_nothing_is_submitted() -> Result<()> {
    const LENGTH: usize = 30_000_000;
    let studio = Studio::on(Stores::Faulty(23)).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let link = studio.door().url(&link)?.to_string();
    let slow = Rule::some(Fault::Slow(4_000_000), Method::PUT, 100);
    studio.faulty()?.set(Some(slow));
    let file = studio.scratch().join("Bounce.wav.bin");
    let name = file.to_str().context("a path in UTF-8")?;
    std::fs::write(&file, vec![0; LENGTH])?;
    let mut pushing = push(&studio, name, &link)?;
    let mut sendings = BTreeSet::new();
    let wait = async {
        while pushing.try_wait()?.is_none() {
            for upload in under_way(&job, 0).await? {
                if sendings.insert(upload) {
                    std::fs::write(&file, vec![sendings.len() as u8; LENGTH])?;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, wait).await??;
    let pushed = tokio::task::block_in_place(|| pushing.wait_with_output())?;
    let said = String::from_utf8_lossy(&pushed.stderr).into_owned()
        + &String::from_utf8_lossy(&pushed.stdout);
    ensure!(!pushed.status.success() && sendings.len() == 3, "{said}");
    for word in [
        "Bounce.wav.bin",
        "changed while it was sent",
        "nothing was submitted",
        "run the same command again",
    ] {
        ensure!(said.contains(word), "no {word:?} in {said}");
    }
    ensure!(job.order().await?["sessions"] == json!([]), "{said}");
    let list = job.door.get(&format!("orders/{NUMBER}/uploads")).await?;
    let uploads = list["uploads"].as_array().context("uploads")?;
    ensure!(
        uploads.iter().all(|it| it["state"] == "open"),
        "a mixture stayed: {list}"
    );
    studio.faulty()?.set(None);
    let words = ["push", name, "--to", &link, "--submit"];
    studio.cli(&words)?.ok()?;
    let order = job.order().await?;
    let session = text(&order["sessions"][0], "session")?;
    let path = format!("orders/{NUMBER}/sessions/{session}");
    let receipt = studio.door().get(&path).await?;
    let now = blake3::hash(&std::fs::read(&file)?).to_string();
    ensure!(receipt["files"][0]["hash"] == now, "{receipt}");
    studio.done().await
}

/// Whoever reads what is said goes away, or its disk is full: the work is done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_to_listen() -> Result<()> {
    let studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let folder = studio.scratch().join("Session");
    std::fs::create_dir(&folder)?;
    for number in 0..30 {
        std::fs::write(folder.join(format!("{number}.bin")), vec![number; 3000])?;
    }
    let then = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(1_551_438_000_500);
    let old = std::fs::File::options()
        .write(true)
        .open(folder.join("0.bin"))?;
    old.set_modified(then)?;
    let folder = folder.to_str().context("a path in UTF-8")?;
    let full = || std::fs::File::options().write(true).open("/dev/full");
    let deaf = || {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        anyhow::Ok(writer)
    };
    let words = [
        "push", folder, "--order", NUMBER, "--kind", "material", "--submit",
    ];
    let mut push = studio.command(&words);
    push.stdout(deaf()?).stderr(deaf()?);
    let pushed = tokio::task::block_in_place(|| push.status())?;
    ensure!(pushed.success(), "push into a closed pipe: {pushed}");
    let order = job.order().await?;
    ensure!(
        order["sessions"][0]["files"] == 30,
        "not all of it: {order}"
    );
    let session = text(&order["sessions"][0], "session")?;
    let path = format!("orders/{NUMBER}/sessions/{session}");
    let receipt = studio.door().get(&path).await?;
    let sealed = receipt["files"].as_array().context("files")?;
    ensure!(
        sealed.iter().all(|file| file["checked"] == true),
        "compared by push, and not on the receipt: {receipt}"
    );
    for (at, command) in [
        vec!["pull", NUMBER, "--into", "pulled"],
        vec!["export", NUMBER, "--into", "bag"],
        vec!["export", NUMBER, "--zip", "bag.zip"],
    ]
    .iter()
    .enumerate()
    {
        let mut into_full = studio.command(command);
        into_full.current_dir(studio.scratch());
        into_full.stdout(full()?).stderr(full()?);
        let ended = tokio::task::block_in_place(|| into_full.status())?;
        ensure!(
            ended.success(),
            "{at}: {command:?} with a full disk for its words: {ended}"
        );
    }
    let pulled = std::fs::read_dir(studio.scratch().join("pulled/Session"))?.count();
    ensure!(pulled == 30 && studio.scratch().join("bag/bagit.txt").exists());
    for place in ["pulled/Session/0.bin", "bag/data/Session/0.bin"] {
        let here = std::fs::metadata(studio.scratch().join(place))?.modified()?;
        ensure!(here == then, "{place}: its time of change is {here:?}");
    }
    // Only who was asked for an output says that it did not arrive.
    let mut list = studio.command(&["order", "list"]);
    let listed = tokio::task::block_in_place(|| list.stdout(full()?).output())?;
    ensure!(!listed.status.success(), "a list that nobody got");
    let mut list = studio.command(&["order", "list", "--json"]);
    list.stdout(deaf()?);
    let listed = tokio::task::block_in_place(|| list.output())?;
    ensure!(
        listed.status.success() && listed.stderr.is_empty(),
        "{listed:?}"
    );
    studio.done().await
}

/// Files that come whole in the request that creates them are not unfinished: however few may be, each byte
/// travels once, and nobody is told of places.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_whole_is_sent_once_however_few_may_be_unfinished() -> Result<()> {
    let settings = "max_open = 1\n".to_owned();
    let studio = Studio::open(Setup {
        settings,
        ..Setup::default()
    })
    .await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let link = studio.door().url(&link)?.to_string();
    let folder = studio.scratch().join("Takes");
    std::fs::create_dir(&folder)?;
    let mut total = 0;
    let lengths = (0..200)
        .map(|nth| 60_000 + nth)
        .chain([2_000_000; 6])
        .chain([17_000_000; 3]);
    for (nth, length) in lengths.enumerate() {
        std::fs::write(
            folder.join(format!("{nth:03}.bin")),
            vec![nth as u8; length],
        )?;
        total += length;
    }
    let folder = folder.to_str().context("a path in UTF-8")?;
    let words = ["push", folder, "--to", &link, "--json", "--submit"];
    let pushed = studio.cli(&words)?;
    ensure!(!pushed.err.contains("trying again"), "{}", pushed.err);
    let said: serde_json::Value = serde_json::from_str(&pushed.ok()?)?;
    ensure!(
        text(&said, "moved_bytes")? == total.to_string(),
        "{}",
        said["moved_bytes"]
    );
    let sent = said["files"].as_array().context("a list of files")?;
    ensure!(
        sent.iter().all(|file| file["outcome"] == "sent"),
        "{sent:?}"
    );
    studio.done().await
}
