//! The audit log through the door: an order's life, entry by entry; what a lost catalog leaves of
//! it; and whether it names what somebody changed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Job, advance, b3, read, text};
use stemvault_tests::studio::Studio;
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";

/// The log, which must hold.
async fn sound(job: &Job<'_>) -> Result<Value> {
    let log = job.door.get(&format!("orders/{NUMBER}/audit")).await?;
    ensure!(log["holds"] == true, "{log}");
    Ok(log)
}

fn entries<'l>(log: &'l Value, key: &str) -> Vec<&'l str> {
    let entries = log["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry[key].as_str()).collect()
}

/// From the order to its archive: the client submits by the link, the studio does the rest.
async fn work(job: &Job<'_>) -> Result<String> {
    let files = read(&fixtures::cached(Scale::Tiny)?)?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let place = Place::link(job.door, &link)?;
    for (path, bytes) in &files {
        place.upload(path, bytes, usize::MAX / 2).await?;
    }
    let body = Some(b"{}".as_slice().into());
    let headers = [("content-type", "application/json")];
    let url = format!("{link}/submit");
    let receipt = job.door.ask(Method::POST, &url, &headers, body).await?;
    let receipt = receipt.expect(201)?.json()?;
    let session = text(&receipt, "session")?.to_owned();
    job.accept(&session).await?;
    job.verb("complete", json!({})).await?;
    job.until("archived").await?;
    Ok(session)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_logged_from_the_order_to_the_purge_and_through_a_lost_catalog() -> Result<()> {
    let mut studio = Studio::start().await?;
    let door = studio.door();
    let job = Job::create(door, NUMBER).await?;
    let session = work(&job).await?;
    let log = sound(&job).await?;
    let expected = [
        "created",
        "link_made",
        "submitted",
        "accepted",
        "completed",
        "archived",
    ];
    ensure!(entries(&log, "what") == expected, "{log}");
    ensure!(entries(&log, "about").contains(&&*session), "{log}");
    let who = entries(&log, "who");
    ensure!(who[0].starts_with("token:") && who[1] == who[0], "{who:?}");
    ensure!(who[2].starts_with("link:") && who[3] == who[0], "{who:?}");
    ensure!(who[5] == "system:archive", "{who:?}");
    let told = studio.cli(&["order", "audit", NUMBER])?.ok()?;
    for word in [
        "link made",
        "system:archive",
        &session,
        "holds: it ends with entry 6",
    ] {
        ensure!(told.contains(word), "{word} is missing in {told}");
    }
    ensure!(
        !told.contains("Demo-Band") && !told.contains("Nachtzug"),
        "{told}"
    );
    let unknown = door
        .api(Method::GET, "orders/2026-0118/audit", None)
        .await?;
    ensure!(unknown.status == 404, "{}", unknown.text());

    // The snapshot was taken with the archive's run; these two come after it.
    door.post("retention/run", json!({"job": "snapshot"}))
        .await?;
    job.verb("hold", json!({"reason": "the drummer sues"}))
        .await?;
    job.verb("release-hold", json!({})).await?;
    let before = sound(&job).await?;
    studio.kill9()?;
    std::fs::remove_dir_all(studio.data_dir().join("catalog"))?;
    let told = studio.cli(&["rebuild"])?.ok()?;
    let word = "audit logs: 6 entries came back, 2 lost with the catalog";
    ensure!(told.contains(word), "{word} is missing in {told}");
    studio.restart().await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    let log = sound(&job).await?;
    ensure!(log["head"] == before["head"], "{log} {before}");
    let lost = "entries 7 to 8 are lost with the catalog; the chain goes on from their hash";
    ensure!(log["remarks"] == json!([lost]), "{log}");

    advance(job.door, "91d").await?;
    job.until("released").await?;
    job.verb("recall", json!({"days": 3})).await?;
    job.verb("end-recall", json!({})).await?;
    advance(job.door, "650d").await?;
    job.until("purged").await?;
    let log = sound(&job).await?;
    let later = [
        "releasing",
        "released",
        "recalled",
        "recall_ended",
        "purging",
        "purged",
    ];
    let what = entries(&log, "what");
    ensure!(what == [&expected[..], &later[..]].concat(), "{log}");
    ensure!(log["head"]["sequence"] == "14", "{log}");
    // The records went with the order, so what stands before the gap is on its own now.
    let alone = "nothing vouches for entry 6 and those before it";
    let remarks = log["remarks"].as_array().context("remarks")?;
    ensure!(remarks.len() == 2 && remarks[1] == lost, "{log}");
    ensure!(remarks[0].to_string().contains(alone), "{log}");
    let who = entries(&log, "who");
    ensure!(
        who[6] == "system:release" && who[11] == "system:purge",
        "{who:?}"
    );
    let told = studio.cli(&["order", "audit", NUMBER])?.ok()?;
    ensure!(told.contains(lost), "{told}");
    studio.done().await
}

/// Changes the row of a catalog's file that has `from`, and the hash at the end, as somebody would
/// who knows how.
fn change(file: &Path, from: &str, to: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let end = text.trim_end().rfind('\n').context("lines")? + 1;
    let (rows, end) = text.split_at(end);
    ensure!(rows.matches(from).count() == 1, "{from}: {rows}");
    let changed = rows.replace(from, to);
    let end = end.replace(&b3(rows.as_bytes()), &b3(changed.as_bytes()));
    std::fs::write(file, changed + &end)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_entry_is_named() -> Result<()> {
    let mut studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.verb("hold", json!({"reason": "the drummer sues"}))
        .await?;
    job.verb("release-hold", json!({})).await?;
    sound(&job).await?;
    studio.stop()?;
    let file = studio.scratch().join("catalog.jsonl");
    let word = file.to_str().context("a path in UTF-8")?;
    studio.cli(&["catalog", "export", word])?.ok()?;
    change(&file, r#""what":"held""#, r#""what":"reopened""#)?;
    std::fs::remove_dir_all(studio.data_dir().join("catalog"))?;
    studio.cli(&["catalog", "import", word])?.ok()?;
    studio.restart().await?;
    let told = studio.cli(&["order", "audit", NUMBER])?.refused()?;
    let named = "entry 2 is not what was decided";
    for word in [named, "of order 2026-0117 does not hold", "hold lifted"] {
        ensure!(told.contains(word), "{word} is missing in {told}");
    }
    let log = studio.door().get(&format!("orders/{NUMBER}/audit")).await?;
    let problems = log["problems"].as_array().context("problems")?;
    ensure!(log["holds"] == false && problems.len() == 1, "{log}");
    let problem = problems[0].as_str().context("a sentence")?;
    ensure!(problem.starts_with(named), "{log}");
    studio.done().await
}

/// What the engineer decides by hand, what the checks decide, and who got what: each with its reason,
/// and a download once.
#[tokio::test(flavor = "multi_thread")]
async fn reasons_returns_removals_and_downloads_are_logged() -> Result<()> {
    let studio = Studio::start().await?;
    let door = studio.door();
    let job = Job::create(door, NUMBER).await?;
    let refused = studio.cli(&["order", "complete", NUMBER])?.refused()?;
    ensure!(
        refused.contains("nothing was submitted") && refused.contains("--empty"),
        "{refused}"
    );
    let link = job.link(json!({"scope": "upload"})).await?;
    let place = Place::link(door, &link)?;
    for path in ["a.wav", "b.wav", "notes.txt"] {
        place
            .upload(path, &path.as_bytes().to_vec().into(), usize::MAX / 2)
            .await?;
    }
    let shown = studio.cli(&["order", "show", NUMBER])?.ok()?;
    ensure!(
        shown.contains("not submitted (material): 3 files arrived, 19 B"),
        "{shown}"
    );
    studio.cli(&["upload", "remove", NUMBER, "b.wav"])?.ok()?;
    let form =
        json!({"kind": "material", "form": {"song": "Nachtzug", "notes": "keep the count-in"}});
    let receipt = job.verb("submit", form).await?;
    let session = text(&receipt, "session")?.to_owned();
    ensure!(receipt["review"]["state"] == "returned", "{receipt}");
    let shown = studio.cli(&["session", "show", NUMBER])?.ok()?;
    let start = "Song: Nachtzug\nNotes for the engineer: keep the count-in\n";
    ensure!(shown.starts_with(start), "{shown}");
    job.accept_because(&session, "as received").await?;
    job.verb("hold", json!({"reason": "the drummer sues"}))
        .await?;
    job.verb("release-hold", json!({})).await?;
    let path = format!("orders/{NUMBER}/sessions/{session}/files/a.wav");
    door.api(Method::HEAD, &path, None).await?.expect(200)?;
    job.file(&session, "a.wav").await?;
    job.file(&session, "notes.txt").await?;
    let download = job
        .link(json!({"scope": "session", "session": session}))
        .await?;
    for _ in 0..2 {
        let url = format!("{download}/a.wav");
        door.ask(Method::GET, &url, &[], None).await?.expect(200)?;
    }
    let log = sound(&job).await?;
    let expected = [
        "created",
        "link_made",
        "upload_removed",
        "submitted_and_returned",
        "accepted",
        "held",
        "hold_lifted",
        "downloaded",
        "link_made",
        "downloaded",
    ];
    ensure!(entries(&log, "what") == expected, "{log}");
    let whys = &log["entries"];
    ensure!(
        whys[4]["why"] == "as received" && whys[5]["why"] == "the drummer sues",
        "{log}"
    );
    let who = entries(&log, "who");
    ensure!(
        who[7].starts_with("token:") && who[9].starts_with("link:"),
        "{who:?}"
    );
    // The next day it is another download.
    advance(door, "25h").await?;
    job.file(&session, "a.wav").await?;
    ensure!(entries(&sound(&job).await?, "what").len() == expected.len() + 1);
    let told = studio.cli(&["order", "audit", NUMBER])?.ok()?;
    ensure!(
        told.contains("the drummer sues") && told.contains("upload removed"),
        "{told}"
    );
    studio.done().await
}

/// Whoever removes a file with a token decides about the order, by whichever door they come; a client
/// who takes back an own file by the link does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_with_a_token_is_logged_whatever_dialect_asked_for_it() -> Result<()> {
    let studio = Studio::start().await?;
    let door = studio.door();
    let job = Job::create(door, NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let by_link = Place::link(door, &link)?;
    let by_token = Place::files(door, NUMBER)?;
    by_link
        .terminate(&by_link.create("taken back.wav", 3).await?)
        .await?;
    by_token
        .terminate(&by_token.create("Drums/Kick.wav", 3).await?)
        .await?;
    // What the client began, in the other dialect.
    let begun = by_link.create("Bass.wav", 3).await?;
    let id = begun.path_segments().and_then(Iterator::last);
    let token = door.bearer();
    let headers = [
        ("authorization", token.as_str()),
        ("upload-draft-interop-version", "8"),
    ];
    let at = format!("files/{}", id.context("an id")?);
    door.ask(Method::DELETE, &at, &headers, None)
        .await?
        .expect(204)?;
    let log = sound(&job).await?;
    let what = ["created", "link_made", "upload_removed", "upload_removed"];
    ensure!(entries(&log, "what") == what, "{log}");
    let who = entries(&log, "who");
    ensure!(who[2] == who[0] && who[3] == who[0], "{who:?}");
    let why = entries(&log, "why");
    ensure!(
        why == [r#"it was "Drums/Kick.wav""#, r#"it was "Bass.wav""#],
        "{why:?}"
    );
    let told = studio.cli(&["order", "audit", NUMBER])?.ok()?;
    ensure!(
        told.contains("2026-0117") && told.contains("Bass.wav"),
        "{told}"
    );
    studio.done().await
}
