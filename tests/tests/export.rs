//! A session handed over as a bag, judged by other people's programs: the `bagit` package, unzip,
//! Python's zipfile. Never whole when it is not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use stemvault_tests::bucket;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, advance, read, text};
use stemvault_tests::studio::{PATIENCE, Setup, Studio};

const NUMBER: &str = "2026-0117";

/// Recordings in folders, names in several scripts, a file of nothing.
fn files() -> Result<Files> {
    let mut files = read(&fixtures::cached(Scale::Tiny)?)?;
    files.insert(
        "Süß & Söhne/日本語/🎚 mix.txt".into(),
        Bytes::from_static(b"loud"),
    );
    files.insert("a/b/c/d/nothing.txt".into(), Bytes::new());
    Ok(files)
}

async fn stocked(files: &Files) -> Result<(Studio, String)> {
    let studio = Studio::open(Setup {
        settings: "[intake]\nempty_file = \"warn\"\n".to_owned(),
        ..Setup::default()
    })
    .await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.upload(files).await?;
    let receipt = job.submit().await?;
    let session = text(&receipt, "session")?.to_owned();
    job.accept_because(&session, "as agreed").await?;
    job.verb("complete", json!({})).await?;
    Ok((studio, session))
}

fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let ran = tokio::task::block_in_place(|| command.output()).with_context(|| shown.clone())?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let err = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{shown}: {said}{err}");
    Ok(said)
}

fn python() -> Result<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/tuspy/bin/python");
    ensure!(
        python.exists(),
        "bagit is not installed: ./tests/run does it"
    );
    Ok(python)
}

/// What the `bagit` package says of a folder: its sums, and what stands in `bag-info.txt`.
fn validated(bag: &Path) -> Result<Value> {
    let script = "import bagit, json, sys\nbag = bagit.Bag(sys.argv[1])\nbag.validate(processes=1)\nprint(json.dumps(bag.info))";
    let said = run(Command::new(python()?).args(["-c", script]).arg(bag))?;
    Ok(serde_json::from_str(&said)?)
}

fn compare(bag: &Path, files: &Files) -> Result<()> {
    let data = bag.join("data");
    ensure!(fixtures::files(&data)?.len() == files.len());
    for (path, sent) in files {
        let got = std::fs::read(data.join(path)).with_context(|| path.clone())?;
        ensure!(got == *sent, "{path} is another");
    }
    Ok(())
}

/// Unpacks a zip with two programs; the bag in it.
fn unpacked(zip: &Path, into: &Path) -> Result<PathBuf> {
    run(Command::new("unzip").arg("-tqq").arg(zip))?;
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nz.extractall(sys.argv[2])";
    run(Command::new(python()?)
        .args(["-c", script])
        .args([zip, into]))?;
    let mut folders = std::fs::read_dir(into)?;
    let bag = folders.next().context("a bag")??.path();
    ensure!(folders.next().is_none(), "a zip holds one bag");
    Ok(bag)
}

fn path(of: &Path) -> Result<&str> {
    of.to_str().context("a path in UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_handed_over_before_and_after_its_release() -> Result<()> {
    let files = files()?;
    let (studio, session) = stocked(&files).await?;
    let door = studio.door();
    let job = Job {
        door,
        number: NUMBER,
    };
    let zip = studio.scratch().join("bag.zip");
    studio
        .cli(&["export", NUMBER, "--zip", path(&zip)?])?
        .ok()?;
    let again = studio.cli(&["export", NUMBER, "--zip", path(&zip)?])?;
    ensure!(again.refused()?.contains("there already"));
    let bag = unpacked(&zip, &studio.scratch().join("unpacked"))?;
    compare(&bag, &files)?;
    let info = validated(&bag)?;
    let bytes: usize = files.values().map(Bytes::len).sum();
    for (key, value) in [
        ("External-Identifier", NUMBER.to_owned()),
        ("Internal-Sender-Identifier", session.clone()),
        ("Payload-Oxum", format!("{bytes}.{}", files.len())),
    ] {
        ensure!(info[key] == value.as_str(), "{key}: {info}");
    }
    let manifest = std::fs::read(bag.join("session-manifest.json"))?;
    ensure!(blake3::hash(&manifest).to_hex().as_str() == session);
    let events = std::fs::read_to_string(bag.join("events.json"))?;
    for event in [
        "ingestion",
        "submission",
        "as agreed",
        "completion",
        "dissemination",
    ] {
        ensure!(events.contains(event), "{event}: {events}");
    }

    // A download link to the session opens the same bag, an upload link does not.
    let link = job
        .link(json!({"scope": "session", "session": session}))
        .await?;
    let by_link = studio.scratch().join("by link");
    studio
        .cli(&["export", &link, "--into", path(&by_link)?])?
        .ok()?;
    compare(&by_link, &files)?;
    validated(&by_link)?;
    let head = door
        .ask(Method::HEAD, &format!("{link}?bag=zip"), &[], None)
        .await?;
    ensure!(head.expect(200)?.header("content-length") == zip.metadata()?.len().to_string());

    job.until("archived").await?;
    advance(door, "91d").await?;
    job.until("released").await?;
    let late = studio.scratch().join("late");
    let gone = studio
        .cli(&["export", NUMBER, "--into", path(&late)?])?
        .refused()?;
    ensure!(gone.contains("stemvault recall"), "{gone}");
    let url = format!("orders/{NUMBER}/sessions/{session}/bag.zip");
    door.api(Method::GET, &url, None).await?.expect(410)?;
    job.verb("recall", json!({})).await?;
    studio
        .cli(&["export", NUMBER, "--into", path(&late)?])?
        .ok()?;
    compare(&late, &files)?;
    validated(&late)?;
    let events = std::fs::read_to_string(late.join("events.json"))?;
    ensure!(
        events.contains("replication") && events.contains("recalled until"),
        "{events}"
    );
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_makes_no_bag_and_what_was_interrupted_goes_on() -> Result<()> {
    let files = files()?;
    let (studio, _) = stocked(&files).await?;
    let objects = bucket::objects(&bucket::order_folder(&studio.bucket())?.join("working"))?;
    let longest = objects
        .iter()
        .max_by_key(|it| it.metadata().map_or(0, |it| it.len()));
    let block = longest.context("blocks")?;
    bucket::flip(block, 5000, 1)?;

    let zip = studio.scratch().join("bag.zip");
    let said = studio
        .cli(&["export", NUMBER, "--zip", path(&zip)?])?
        .refused()?;
    ensure!(said.contains("damaged"), "{said}");
    ensure!(!zip.exists() && !zip.with_extension("zip.part").exists());
    ensure!(studio.log().contains("no whole zip"), "{}", studio.log());

    // Into a folder: everything else comes, and then the command is killed where it still hopes.
    let bag = studio.scratch().join("bag");
    let into = ["export", NUMBER, "--into", path(&bag)?];
    let mut command = studio.command(&into);
    let mut killed = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let arrived = || -> Result<usize> {
        let here = fixtures::files(&bag.join("data")).unwrap_or_default();
        Ok(here
            .iter()
            .filter(|(name, _)| !name.ends_with(".part"))
            .count())
    };
    let came = tokio::time::timeout(PATIENCE, async {
        while arrived()? + 1 < files.len() {
            ensure!(killed.try_wait()?.is_none(), "it ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    });
    came.await.context("the other files came")??;
    killed.kill()?;
    killed.wait()?;
    ensure!(!bag.join("bagit.txt").exists() && !bag.join("manifest-sha256.txt").exists());

    bucket::flip(block, 5000, 1)?;
    let stranger = bag.join("data/notes of somebody.txt");
    std::fs::write(&stranger, "x")?;
    let said = studio.cli(&into)?.refused()?;
    ensure!(said.contains("notes of somebody"), "{said}");
    ensure!(!bag.join("bagit.txt").exists());
    std::fs::remove_file(&stranger)?;
    studio.cli(&into)?.ok()?;
    compare(&bag, &files)?;
    validated(&bag)?;

    // Once more over a whole bag is a check of it; another session goes elsewhere.
    studio.cli(&into)?.ok()?;
    validated(&bag)?;
    let job = Job::create(studio.door(), "2026-0118").await?;
    job.upload(&files).await?;
    job.submit().await?;
    let other = ["export", "2026-0118", "--into", path(&bag)?];
    let said = studio.cli(&other)?.refused()?;
    ensure!(said.contains("something else"), "{said}");
    validated(&bag)?;
    studio.done().await
}

/// Names that are as long as a disk takes, that a Mac writes with a colon, that hold a backslash or
/// turn the direction of writing: all come back, by every way out.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_name_was_sealed_comes_back() -> Result<()> {
    let studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let link = studio.door().url(&link)?.to_string();
    let sent = studio.scratch().join("S");
    std::fs::create_dir(&sent)?;
    let mut files = Files::new();
    for (name, there) in [
        (format!("{}.bin", "M".repeat(247)), None),
        (format!("{}.bin", "L".repeat(251)), None),
        (format!("{}.bin", "録".repeat(83)), None),
        ("A:B mix.bin".to_owned(), None),
        ("Why?.bin".to_owned(), None),
        ("a\u{202e}gpj.bin".to_owned(), None),
        ("AC\\DC tribute.bin".to_owned(), Some("AC/DC tribute.bin")),
    ] {
        std::fs::write(sent.join(&name), &name)?;
        let there = format!("S/{}", there.unwrap_or(&name));
        files.insert(there, Bytes::from(name));
    }
    let pushed = studio.cli(&["push", path(&sent)?, "--to", &link, "--submit"])?;
    let said = format!("{}{}", pushed.out, pushed.err);
    pushed.ok()?;
    ensure!(!said.contains('\u{202e}'), "{said}");
    for word in ["S/AC/DC tribute.bin", "':'", "U+202E"] {
        ensure!(said.contains(word), "no {word}: {said}");
    }
    // Alone it is judged as in its folder.
    let alone = studio.cli(&["push", path(&sent.join("A:B mix.bin"))?, "--to", &link])?;
    ensure!(alone.err.contains("':'"), "{}", alone.err);
    alone.ok()?;
    let list = job.order().await?;
    let session = text(&list["sessions"][0], "session")?.to_owned();

    for into in ["pulled", "again"] {
        let folder = studio.scratch().join("pulled");
        studio
            .cli(&["pull", NUMBER, &session, "--into", path(&folder)?])?
            .ok()?;
        ensure!(fixtures::files(&folder)?.len() == files.len(), "{into}");
        for (name, bytes) in &files {
            ensure!(std::fs::read(folder.join(name))? == *bytes, "{name}");
        }
    }
    let bag = studio.scratch().join("bag");
    studio
        .cli(&["export", NUMBER, &session, "--into", path(&bag)?])?
        .ok()?;
    compare(&bag, &files)?;
    validated(&bag)?;
    let zip = studio.scratch().join(format!("{}.zip", "Z".repeat(251)));
    studio
        .cli(&["export", NUMBER, &session, "--zip", path(&zip)?])?
        .ok()?;
    let bag = unpacked(&zip, &studio.scratch().join("unpacked"))?;
    compare(&bag, &files)?;
    validated(&bag)?;
    studio.done().await
}

/// A file and a folder of one name are on no disk together: refused by name, before anything is
/// sealed. What only some disks cannot hold is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_disk_can_hold_is_not_sealed() -> Result<()> {
    let studio = Studio::start().await?;
    let drums = studio.scratch().join("Drums");
    std::fs::write(&drums, "a file")?;
    let folder = studio.scratch().join("in/drums");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("Kick.bin"), "in a folder")?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let link = studio.door().url(&link)?.to_string();
    studio.cli(&["push", path(&drums)?, "--to", &link])?.ok()?;
    let second = ["push", path(&folder)?, "--to", &link, "--submit"];
    let said = studio.cli(&second)?.refused()?;
    ensure!(
        said.contains("\"Drums\"") && said.contains("nothing was sent"),
        "{said}"
    );
    let anyway = [&second[..], &["--anyway"]].concat();
    let said = studio.cli(&anyway)?.refused()?;
    ensure!(said.contains("\"drums/Kick.bin\""), "{said}");
    ensure!(job.order().await?["sessions"] == json!([]));

    for (number, files, word) in [
        ("2026-0201", &["S", "S/x"][..], "no disk"),
        ("2026-0202", &["Caf\u{e9}", "CAFE\u{301}/x"], "Windows"),
        ("2026-0203", &["a\u{2028}b.txt"], "U+2028"),
    ] {
        let job = Job::create(studio.door(), number).await?;
        let files = files
            .iter()
            .map(|name| ((*name).to_owned(), Bytes::from(*name)));
        job.upload(&files.collect()).await?;
        let said = format!("{:#}", job.submit().await.unwrap_err());
        ensure!(said.contains(word), "{said}");
        ensure!(job.order().await?["sessions"] == json!([]));
    }
    let job = Job::create(studio.door(), "2026-0204").await?;
    let files = ["Kick.txt", "KICK.txt"].map(|name| (name.to_owned(), Bytes::from(name)));
    job.upload(&files.into_iter().collect()).await?;
    let receipt = job.submit().await?;
    ensure!(receipt["findings"][0]["rule"] == "names", "{receipt}");
    studio.done().await
}
