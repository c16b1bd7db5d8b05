//! Releases that meet a store that fails, or that stand still half way, and clocks that cannot be
//! believed: nothing more is deleted, everybody is told what is so, and it goes on by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use stemvault_tests::care::{archive_in, blocks, mount, restore, run, status, unmount};
use stemvault_tests::door::Door;
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::order::{Files, Job, advance, escape, small_files, text};
use stemvault_tests::studio::{Setup, Stores, Studio};

const NUMBER: &str = "2026-0117";
const OTHER: &str = "2026-0118";
const DAY_MS: i64 = 86_400_000;

fn job<'a>(door: &'a Door, number: &'a str) -> Job<'a> {
    Job { door, number }
}

/// The archive's index or blocks cannot be read when the working files are due.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_cannot_read_the_archive_decides_nothing_and_delays_no_other() -> Result<()>
{
    let studio = Studio::on(Stores::Faulty(31)).await?;
    let door = studio.door();
    let files = small_files()?;
    let ill = Job::create(door, NUMBER).await?;
    let well = Job::create(door, OTHER).await?;
    let session = ill.complete_with(&files).await?;
    well.complete_with(&files).await?;
    ill.until("archived").await?;
    well.until("archived").await?;
    let folder = format!("/orders/{}/archive/", text(&ill.order().await?, "id")?);
    let fails = |fault| Rule::some(fault, Method::GET, 100).at(&folder);
    studio.faulty()?.set(Some(fails(Fault::Held)));
    advance(door, "91d").await?;
    ensure!(well.stage().await? == "releasing", "it waits for the other");
    for fault in [
        Fault::Held,
        Fault::Status(500, "InternalError"),
        Fault::Status(403, "AccessDenied"),
        Fault::Truncated,
    ] {
        studio.faulty()?.set(Some(fails(fault)));
        let before = studio.faulty()?.faults();
        let told = run(door, "release").await?;
        ensure!(studio.faulty()?.faults() > before, "{fault:?}: none failed");
        ensure!(told["outcome"] == "failed", "{fault:?}: {told}");
        let notes = told["orders"].as_array().context("notes")?;
        let note = notes.iter().find(|note| note["order"] == NUMBER);
        let said = text(note.context("a note")?, "detail")?;
        for words in ["failed: ", "the archive store"] {
            ensure!(said.contains(words), "{fault:?}: no {words:?} in {said}");
        }
        let order = ill.order().await?;
        ensure!(order["stage"] == "archived", "{fault:?}: {order}");
        // That a store does not answer says nothing of what it holds.
        ensure!(order["unproven"].is_null(), "{fault:?}: {order}");
        ill.compare(&session, &files).await?;
    }
    studio.faulty()?.set(None);
    studio.faulty()?.let_go();
    ill.until("released").await?;
    ill.verb("recall", json!({})).await?;
    ill.compare(&session, &files).await?;
    studio.done_but("release prove").await
}

/// An order whose release was begun by a process that died when half of the working files were gone.
async fn half_way(studio: &mut Studio) -> Result<(Files, String)> {
    let door = studio.door().clone();
    let files = small_files()?;
    let order = Job::create(&door, NUMBER).await?;
    let session = order.complete_with(&files).await?;
    order.until("archived").await?;
    let working = blocks(studio, "working")?;
    let kept = working.iter().step_by(2);
    let kept = kept.map(|path| Ok((path.clone(), fs::read(path)?)));
    let kept = kept.collect::<Result<Vec<_>>>()?;
    advance(&door, "91d").await?;
    run(&door, "release").await?;
    ensure!(
        order.stage().await? == "releasing",
        "{:?}",
        order.order().await?
    );
    studio.kill9()?;
    for (path, _) in &kept {
        fs::create_dir_all(path.parent().context("a folder")?)?;
    }
    restore(&kept)?;
    Ok((files, session))
}

/// Nothing more goes, and whoever asks for the order is told why.
async fn stands_still(studio: &Studio, session: &str, files: &Files, why: &str) -> Result<()> {
    let door = studio.door();
    let order = job(door, NUMBER);
    let left = blocks(studio, "working")?;
    for _ in 0..2 {
        let told = run(door, "release").await?;
        ensure!(told["outcome"] == "stopped", "{told}");
        ensure!(text(&told, "message")?.contains(why), "{told}");
        advance(door, "1d").await?;
    }
    ensure!(blocks(studio, "working")? == left, "more was deleted");
    ensure!(order.stage().await? == "releasing");
    let shown = studio.cli(&["order", "show", NUMBER])?.ok()?;
    for words in ["its release has stopped half way", why] {
        ensure!(shown.contains(words), "no {words:?} in {shown}");
    }
    let path = files.keys().next().context("a file")?;
    let file = format!("orders/{NUMBER}/sessions/{session}/files/{}", escape(path));
    let answer = door.api(Method::GET, &file, None).await?.expect(410)?;
    let into = studio.scratch().join("pulled");
    let into = into.to_str().context("UTF-8")?;
    let pull = studio.cli(&["pull", NUMBER, session, "--into", into])?;
    let pull = pull.refused()?;
    for said in [answer.text(), pull] {
        for words in ["stopped half way", "stemvault order show 2026-0117"] {
            ensure!(said.contains(words), "no {words:?} in {said}");
        }
        // Clients read it too.
        ensure!(
            !said.contains(why) && !said.contains("in a few minutes"),
            "{said}"
        );
    }
    let recall = studio.cli(&["recall", NUMBER])?.refused()?;
    ensure!(recall.contains("`stemvault order show"), "{recall}");
    let reopen = studio.cli(&["order", "reopen", NUMBER])?.refused()?;
    ensure!(reopen.contains("`stemvault order show"), "{reopen}");
    Ok(())
}

async fn comes_to_its_end(studio: &Studio, session: &str, files: &Files) -> Result<()> {
    let order = job(studio.door(), NUMBER);
    let released = order.until("released").await?;
    ensure!(released["stands_still"].is_null(), "{released}");
    ensure!(blocks(studio, "working").is_err(), "something stays");
    order.verb("recall", json!({})).await?;
    order.compare(session, files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_half_way_stands_still_while_the_archive_is_away_or_anothers() -> Result<()> {
    let home = tempfile::tempdir()?;
    let disk = home.path().join("disk");
    let mut studio = Studio::open(Setup {
        settings: archive_in(home.path()),
        ..Setup::default()
    })
    .await?;
    let (files, session) = half_way(&mut studio).await?;
    unmount(&disk)?;
    studio.begin().await?;
    stands_still(&studio, &session, &files, "the archive store at").await?;
    let (colour, says) = status(studio.door(), "stores").await?;
    ensure!(colour == "red" && says.contains("mounted"), "{says}");
    let mark = json!({"v": 1, "installation": "0123", "begun_at": "2026-01-05T09:00:00Z"});
    fs::create_dir_all(disk.join("marks"))?;
    fs::write(disk.join("marks/archive"), mark.to_string())?;
    stands_still(&studio, &session, &files, "belongs to another installation").await?;
    mount(&disk)?;
    studio.door().wait_until_ready().await;
    comes_to_its_end(&studio, &session, &files).await?;
    studio.done().await
}

/// Puts the date of a demo so far from the machine's, as a wrong time server does, or lets it pass;
/// while its server is off.
fn date(studio: &Studio, moved_ms: i64, let_pass_ms: i64) -> Result<()> {
    let text = format!("wall_moved_ms = {moved_ms}\nlet_pass_ms = {let_pass_ms}\n");
    let own = fs::Permissions::from_mode(0o700);
    fs::create_dir_all(studio.data_dir())?;
    fs::set_permissions(studio.data_dir(), own)?;
    Ok(fs::write(studio.data_dir().join("demo"), text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_half_way_stands_still_while_the_clock_is_in_doubt() -> Result<()> {
    let mut studio = Studio::start().await?;
    let (files, session) = half_way(&mut studio).await?;
    let demo = fs::read_to_string(studio.data_dir().join("demo"))?;
    let demo: toml::Table = demo.parse()?;
    let ms = |key: &str| demo[key].as_integer().context("milliseconds");
    let (moved, passed) = (ms("wall_moved_ms")?, ms("let_pass_ms")?);
    date(&studio, moved + 731 * DAY_MS, passed)?;
    studio.restart().await?;
    stands_still(&studio, &session, &files, "--accept-clock").await?;
    studio.kill9()?;
    studio.restart().await?;
    stands_still(&studio, &session, &files, "--accept-clock").await?;
    is(studio.door(), "red").await?;
    studio
        .door()
        .post("clock", json!({"jump": "-731d"}))
        .await?;
    comes_to_its_end(&studio, &session, &files).await?;
    studio.done().await
}

/// How the status finds the clock.
async fn is(door: &Door, expected: &str) -> Result<()> {
    let (colour, says) = status(door, "clock").await?;
    ensure!(colour == expected, "{colour}, not {expected}: {says}");
    Ok(())
}

/// The S3 server has the right time, and the node's clock is years ahead.
#[tokio::test(flavor = "multi_thread")]
async fn an_s3_store_is_a_witness_against_a_clock_and_for_one() -> Result<()> {
    let mut studio = Studio::closed(Setup {
        stores: Stores::S3,
        ..Setup::default()
    })?;
    // From the very first start on: nothing else is known yet.
    date(&studio, 731 * DAY_MS, 0)?;
    studio.restart().await?;
    is(studio.door(), "red").await?;
    let told = run(studio.door(), "expire").await?;
    ensure!(told["outcome"] == "stopped", "{told}");
    let order = Job::create(studio.door(), NUMBER).await?;
    let empty = json!({"empty": true});
    let path = format!("orders/{NUMBER}/complete");
    let refused = order
        .door
        .api(Method::POST, &path, Some(empty.clone()))
        .await?;
    ensure!(refused.status == 409, "{refused:?}");
    studio.kill9()?;
    // Somebody sets it right.
    date(&studio, 0, 0)?;
    studio.restart().await?;
    is(studio.door(), "green").await?;

    // It goes wrong in running, and a restart does not help.
    studio.door().post("clock", json!({"jump": "731d"})).await?;
    is(studio.door(), "red").await?;
    studio.kill9()?;
    studio.restart().await?;
    is(studio.door(), "red").await?;
    studio
        .door()
        .post("clock", json!({"jump": "-731d"}))
        .await?;
    is(studio.door(), "green").await?;

    // Ten days behind, accepted, and set right while the server is off: as if it had been off for ten
    // days. The store says that they have passed.
    studio.door().post("clock", json!({"jump": "-10d"})).await?;
    is(studio.door(), "red").await?;
    accept(studio.door()).await?;
    is(studio.door(), "green").await?;
    studio.kill9()?;
    date(&studio, 0, 0)?;
    studio.restart().await?;
    is(studio.door(), "green").await?;
    // Three days more would be believed on the machine's word where there is no witness.
    studio.kill9()?;
    date(&studio, 3 * DAY_MS, 0)?;
    studio.restart().await?;
    is(studio.door(), "red").await?;
    studio.stop()?;
    studio.done().await
}

async fn accept(door: &Door) -> Result<Value> {
    let accepted = json!({"accept_clock": true, "job": "end_recall"});
    door.post("retention/run", accepted).await
}

/// The file is written first, and the process dies before anything else is.
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_died_right_after_its_clock_was_moved_is_not_in_doubt() -> Result<()> {
    let mut studio = Studio::start().await?;
    studio.kill9()?;
    date(&studio, 91 * DAY_MS, 91 * DAY_MS)?;
    studio.restart().await?;
    is(studio.door(), "green").await?;
    studio.kill9()?;
    date(&studio, 182 * DAY_MS, 91 * DAY_MS)?;
    studio.restart().await?;
    is(studio.door(), "red").await?;
    studio.stop()?;
    studio.done().await
}
