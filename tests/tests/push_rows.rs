//! `stemvault push` of small files through an upload link: several go in one request, and whatever happens
//! to such a row on its way, each file is there once in the end, as it is here.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::line::Line;
use stemvault_tests::order::text;
use stemvault_tests::process::signal;
use stemvault_tests::studio::{Setup, Stores};

/// Where rows go, and where single files do.
const ROWS: &str = "/u/{link}/files";
const ALONE: &str = "/u/{link}";

/// As many files as are sent before the first answer, and more.
const MANY: usize = 200;

async fn line(lengths: impl IntoIterator<Item = usize>) -> Result<Line> {
    Line::to(Setup::default(), lengths).await
}

fn rows(fault: Fault) -> Option<Rule> {
    Some(Rule::some(fault, Method::POST, 100).at("/files"))
}

fn many() -> impl Iterator<Item = usize> {
    (0..MANY).map(|nth| nth * 211 % 40_000)
}

/// As Ctrl-C does; but that signal is ignored by whatever is started in the background of a script.
fn interrupt(child: &Child) -> Result<()> {
    signal(child.id(), "TERM")
}

#[tokio::test(flavor = "multi_thread")]
async fn very_small_files_go_in_rows_by_a_link_and_alone_by_a_token() -> Result<()> {
    let line = line(many().chain([256 << 10, (256 << 10) + 1, 1 << 20, 3 << 20])).await?;
    let said: Value = serde_json::from_str(&line.push(&["--json"])?.ok()?)?;
    let files = said["files"].as_array().context("files")?;
    let total: usize = many().sum::<usize>() + (512 << 10) + 1 + (4 << 20);
    ensure!(text(&said, "moved_bytes")? == total.to_string(), "{said}");
    ensure!(files.iter().all(|file| file["outcome"] == "sent"), "{said}");
    line.holds_each_once().await?;
    let (in_rows, alone) = (line.posts(ROWS).await?, line.posts(ALONE).await?);
    // 204 files: three are too large for a row, and a last one may be without company.
    ensure!(
        (3.0..=4.0).contains(&alone),
        "{in_rows} rows, {alone} alone"
    );
    ensure!(in_rows <= 40.0, "{in_rows} rows, {alone} alone");
    let folder = line.folder.to_str().context("UTF-8")?;
    let kind = ["--order", "2026-0117", "--kind", "delivery"];
    let by_token = line.studio.cli(&[&["push", folder], &kind[..]].concat())?;
    by_token.ok()?;
    ensure!(line.posts(ROWS).await? == in_rows, "a row by a token");
    ensure!(line.posts("/files/").await? >= MANY as f64, "not by it");
    line.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_of_one_file_stops_no_other() -> Result<()> {
    let setup = Setup {
        settings: "max_file = \"5 kB\"\n".to_owned(),
        ..Setup::default()
    };
    let mut line = Line::to(setup, (0..40).map(|nth| 4_000 + 50 * nth)).await?;
    let pushed = line.push(&["--anyway"])?.refused()?;
    for nth in 21..40 {
        let file = format!("{nth:03} Größe.bin");
        let said = pushed
            .lines()
            .filter(|it| it.contains(&file) && it.contains("of up to 5000"));
        ensure!(said.count() > 0, "{file}: {pushed}");
        line.holds(file.as_ref(), None);
    }
    ensure!(
        pushed.contains("19 of 40 files not on the server"),
        "{pushed}"
    );
    line.holds_each_once().await?;
    ensure!(line.posts(ROWS).await? > 0.0, "no rows");
    line.studio.done().await
}

/// The server has kept all of a row, and nobody hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_answer_is_lost_is_not_sent_again() -> Result<()> {
    let line = line(many()).await?;
    line.faulty.set(rows(Fault::AnswerLost));
    let said = line.push(&["--json"])?;
    ensure!(said.err.contains("trying again"), "{}", said.err);
    let said: Value = serde_json::from_str(&said.ok()?)?;
    let files = said["files"].as_array().context("files")?;
    let there = files.iter().filter(|it| it["outcome"] == "already_there");
    ensure!(there.count() > 16, "{said}");
    ensure!(line.faulty.faults() > 0, "no row");
    line.holds_each_once().await?;
    line.studio.done().await
}

/// The server has kept some files of a row.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_row_that_breaks_off_only_what_is_missing_is_sent_again() -> Result<()> {
    let line = line([10_000; 15]).await?;
    line.faulty.set(rows(Fault::HalfWay));
    let pushing = line.begin()?;
    line.arrive(7).await?;
    line.faulty.set(None);
    line.faulty.let_go();
    let pushed = Line::end(pushing).await?;
    ensure!(
        pushed.err.contains("already there, checked"),
        "{}",
        pushed.err
    );
    let said = pushed.ok()?;
    ensure!(said.contains("15 of 15 files there"), "{said}");
    ensure!(line.posts(ALONE).await? == 8.0, "more than was missing");
    line.holds_each_once().await?;
    line.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_rows_gets_the_files_alone() -> Result<()> {
    // An older server, and what else may stand in the way.
    for status in [404, 405, 403, 413, 400, 501] {
        let line = line(many()).await?;
        line.faulty.set(rows(Fault::Status(status, "NoRows")));
        let pushed = line.push(&[])?;
        ensure!(
            !pushed.err.contains("trying again"),
            "{status}: {}",
            pushed.err
        );
        let said = pushed.ok().with_context(|| format!("{status}"))?;
        ensure!(said.contains("200 sent, 0 resumed"), "{status}: {said}");
        let refused = line.faulty.faults();
        ensure!((1..30).contains(&refused), "{status}: {refused} rows");
        ensure!(line.posts(ALONE).await? == MANY as f64, "{status}");
        line.holds_each_once().await?;
        line.studio.done().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_large_requests_are_refused_rows_are_smaller() -> Result<()> {
    let line = line([50_000; MANY]).await?;
    line.faulty.set(rows(Fault::Larger(400_000)));
    let pushed = line.push(&[])?;
    ensure!(!pushed.err.contains("trying again"), "{}", pushed.err);
    pushed.ok()?;
    ensure!(line.faulty.faults() > 0, "no row was refused");
    let (in_rows, alone) = (line.posts(ROWS).await?, line.posts(ALONE).await?);
    ensure!(
        in_rows > 0.0 && alone < MANY as f64 * 0.75,
        "{in_rows} {alone}"
    );
    line.holds_each_once().await?;
    line.studio.done().await
}

/// A server that is busy, or not there for a while, as it says itself or as a proxy says for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_has_to_wait_is_sent_later() -> Result<()> {
    for status in [429, 503] {
        let line = line(many()).await?;
        line.faulty.set(rows(Fault::Status(status, "SlowDown")));
        let pushing = line.begin()?;
        line.fails(4).await?;
        line.faulty.set(None);
        let pushed = Line::end(pushing).await?;
        // That there is no place yet is said once it lasts.
        ensure!(
            pushed.err.contains("trying again") == (status == 503),
            "{status}: {}",
            pushed.err
        );
        pushed.ok().with_context(|| format!("{status}"))?;
        ensure!(line.posts(ROWS).await? > 0.0, "{status}: no rows any more");
        line.holds_each_once().await?;
        line.studio.done().await?;
    }
    Ok(())
}

/// Ctrl-C while rows are under way; what of them arrives all the same is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_was_stopped_goes_on() -> Result<()> {
    let line = line(many()).await?;
    line.faulty.set(rows(Fault::Held));
    let pushing = line.begin()?;
    line.fails(4).await?;
    interrupt(&pushing)?;
    ensure!(
        Line::end(pushing).await?.code.is_none(),
        "it ended by itself"
    );
    line.faulty.set(None);
    line.faulty.let_go();
    line.arrive(64).await?;
    let said = line.push(&[])?.ok()?;
    ensure!(
        said.contains("136 sent, 0 resumed, 64 already there"),
        "{said}"
    );
    line.holds_each_once().await?;
    line.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_its_row_is_under_way_is_sent_again() -> Result<()> {
    let mut line = line([1_000; 16]).await?;
    line.faulty.set(rows(Fault::Held));
    let pushing = line.begin()?;
    line.fails(1).await?;
    // As a sync does: other bytes, the same length, the same time of change.
    let file = line.folder.join("003 Größe.bin");
    let before = std::fs::metadata(&file)?.modified()?;
    let changed = line.folder.join("007 Größe.bin");
    for (file, later) in [(&file, 0), (&changed, 1)] {
        std::fs::write(file, vec![8; 1_000])?;
        let written = std::fs::File::options().write(true).open(file)?;
        written.set_modified(before + Duration::from_secs(later))?;
        line.holds(file, Some(vec![8; 1_000]));
    }
    line.faulty.set(None);
    line.faulty.let_go();
    let pushed = Line::end(pushing).await?;
    let again = pushed.err.matches("changed while it was sent").count();
    ensure!(again == 2, "{}", pushed.err);
    pushed.ok()?;
    line.holds_each_once().await?;
    line.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_stops_no_other() -> Result<()> {
    let mut line = line([1_000; 70]).await?;
    line.faulty.set(rows(Fault::Held));
    let pushing = line.begin()?;
    line.fails(4).await?;
    // Its turn has not come: 64 files are under way.
    let file = line.folder.join("068 Größe.bin");
    std::fs::remove_file(&file)?;
    line.holds(&file, None);
    line.faulty.set(None);
    line.faulty.let_go();
    let said = Line::end(pushing).await?.refused()?;
    ensure!(said.contains("068 Größe.bin: cannot be read"), "{said}");
    ensure!(said.contains("69 of 70 files there"), "{said}");
    line.holds_each_once().await?;
    line.studio.done().await
}

/// The server dies in the middle of rows: some of their files are whole, some have begun, some have not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_within_a_row_is_no_matter() -> Result<()> {
    let setup = Setup {
        stores: Stores::Faulty(31),
        ..Setup::default()
    };
    let mut line = Line::to(setup, [3_000; 40]).await?;
    let held = Rule::some(Fault::Held, Method::PUT, 50);
    line.studio.faulty()?.set(Some(held));
    let pushing = line.begin()?;
    line.arrive(1).await?;
    ensure!(line.studio.faulty()?.faults() > 0, "no row is under way");
    line.studio.kill9()?;
    line.studio.faulty()?.set(None);
    line.studio.faulty()?.let_go();
    line.studio.restart().await?;
    let pushed = Line::end(pushing).await?;
    ensure!(pushed.err.contains("trying again"), "{}", pushed.err);
    pushed.ok()?;
    line.holds_each_once().await?;
    line.studio.done().await
}
