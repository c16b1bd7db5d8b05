//! The master key is changed under a running server, and the server killed at every write of it;
//! backups of the key store bring back what lives, and nothing that was purged.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stemvault_tests::bucket;
use stemvault_tests::order::{Job, advance, small_files, text};
use stemvault_tests::studio::{Setup, Stores, Studio};

/// What the keys are wrapped with: id to state and count.
async fn masters(studio: &Studio) -> Result<Vec<(String, String, u64)>> {
    let keys = studio.door().get("keys").await?;
    let list = keys["masters"].as_array().context("masters")?;
    list.iter()
        .map(|it| {
            let keys = it["keys"].as_u64().context("keys")?;
            Ok((text(it, "id")?.into(), text(it, "state")?.into(), keys))
        })
        .collect()
}

fn secrets(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let keys = text.lines().filter(|line| !line.starts_with('#'));
    Ok(keys
        .filter_map(|line| line.split(' ').nth(2))
        .map(str::to_owned)
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_is_changed_while_orders_and_uploads_go_on() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = small_files()?;
    let master = studio.data_dir().join("master.key");
    let before = secrets(&master)?;
    Job::create(studio.door(), "2026-0001").await?;
    let door = studio.door().clone();
    let work = async {
        for n in 2..12 {
            let number = format!("2026-{n:04}");
            let job = Job::create(&door, &number).await?;
            job.upload(&files).await?;
        }
        anyhow::Ok(())
    };
    let mut command = studio.command(&["keys", "rotate"]);
    let rotate = tokio::task::spawn_blocking(move || command.output());
    let (worked, rotated) = tokio::join!(work, rotate);
    worked?;
    let rotated = rotated??;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&rotated.stdout),
        String::from_utf8_lossy(&rotated.stderr)
    );
    ensure!(rotated.status.success() && said.contains("COPY"), "{said}");
    let now = secrets(&master)?;
    ensure!(now.len() == 2 && now[1] == before[0], "{} keys", now.len());
    for secret in &now {
        ensure!(!said.contains(secret.as_str()), "it printed a key");
    }
    let list = masters(&studio).await?;
    let current = list.iter().find(|it| it.1 == "current").context("one")?;
    let old = list.iter().find(|it| it.1 == "old").context("one")?;
    ensure!((current.2, old.2) == (12, 0), "{list:?}");

    let early = studio.cli(&["keys", "retire"])?.refused()?;
    ensure!(early.contains("seconds"), "{early}");
    advance(studio.door(), "3m").await?;
    studio.cli(&["keys", "retire"])?.ok()?;
    ensure!(secrets(&master)? == now[..1], "the old key is still there");
    let shown = studio.cli(&["keys", "list"])?.ok()?;
    ensure!(
        shown.contains("retired") && !shown.contains(&now[0]),
        "{shown}"
    );
    studio.stop()?;

    // The old key alone opens nothing, the new one everything.
    let whole = std::fs::read(&master)?;
    std::fs::write(&master, format!("stemvault-master-key v1 {}\n", before[0]))?;
    let refused = studio.start_refused()?;
    ensure!(refused.contains("is not at hand"), "{refused}");
    std::fs::write(&master, whole)?;
    studio.restart().await?;
    for n in 2..12 {
        let number = format!("2026-{n:04}");
        let job = Job {
            door: studio.door(),
            number: &number,
        };
        let receipt = job.submit().await?;
        job.compare(text(&receipt, "session")?, &files).await?;
    }
    studio.done().await
}

/// Rotates on a server that dies before its write `point`, if that is one of the rotation's.
async fn rotated(stores: Stores, point: Option<u64>) -> Result<(u64, u64)> {
    let mut studio = Studio::closed(Setup {
        stores,
        ..Setup::default()
    })?;
    let env = point.map(|point| point.to_string());
    studio.set_env("STEMVAULT_CRASH_AT", env.as_deref());
    studio.restart().await?;
    Job::create(studio.door(), "2026-0001").await?;
    let writes = "stemvault_torture_writes_total";
    let from = studio.door().metric(writes).await?;
    let ran = studio.cli(&["keys", "rotate"])?;
    let master = studio.data_dir().join("master.key");
    let made = secrets(&master)?;
    let to = if point.is_some() {
        ensure!(ran.code == Some(1), "it did not notice: {}", ran.out);
        ensure!(ran.err.contains("goes on"), "{}", ran.err);
        studio.wait_for_end()?;
        studio.set_env("STEMVAULT_CRASH_AT", None);
        studio.restart().await?;
        Job::create(studio.door(), "2026-0002").await?;
        let again = studio.cli(&["keys", "rotate"])?;
        ensure!(again.code == Some(0), "{}{}", again.out, again.err);
        ensure!(again.err.contains("going on"), "{}", again.err);
        0.0
    } else {
        ran.ok()?;
        studio.door().metric(writes).await?
    };
    ensure!(secrets(&master)? == made, "it made another key");
    advance(studio.door(), "3m").await?;
    studio.cli(&["keys", "retire"])?.ok()?;
    studio.stop()?;
    ensure!(secrets(&master)? == made[..1]);
    studio.restart().await?;
    let keys = studio.door().get("keys").await?;
    ensure!(keys["problems"] == json!([]), "{keys}");
    Job {
        door: studio.door(),
        number: "2026-0001",
    }
    .link(json!({"scope": "upload"}))
    .await?;
    studio.done().await?;
    Ok((from as u64, to as u64))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_at_any_write_goes_on() -> Result<()> {
    let (from, to) = rotated(Stores::Files, None).await?;
    ensure!(to >= from + 7, "writes {from} to {to}");
    for point in from + 1..=to {
        rotated(Stores::Files, Some(point))
            .await
            .with_context(|| format!("write {point} of {from} to {to}"))?;
    }
    println!("{} deaths in a rotation", to - from);
    Ok(())
}

fn backup(studio: &Studio, name: &str) -> Result<String> {
    let path = studio.scratch().join(name);
    let path = path.to_str().context("a path in UTF-8")?.to_owned();
    let said = studio.cli(&["keys", "backup", &path])?.ok()?;
    ensure!(said.contains("DESTROY IT ON"), "{said}");
    Ok(path)
}

fn restore(studio: &Studio, words: &[&str]) -> Result<stemvault_tests::studio::Ran> {
    let config = studio.config();
    let config = config.to_str().context("a path in UTF-8")?;
    studio.cli(&[&["keys", "restore", "--config", config], words].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_store_comes_back_however_often_the_restore_is_killed() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = small_files()?;
    let mut sessions = Vec::new();
    for number in ["2026-0001", "2026-0002"] {
        let job = Job::create(studio.door(), number).await?;
        job.upload(&files).await?;
        sessions.push((number, text(&job.submit().await?, "session")?.to_owned()));
    }
    let file = backup(&studio, "keys.jsonl")?;
    let taken = studio.cli(&["keys", "backup", &file])?.refused()?;
    ensure!(taken.contains("there already"), "{taken}");
    let running = restore(&studio, &[&file])?.refused()?;
    ensure!(running.contains("stop it first"), "{running}");
    studio.kill9()?;
    let keys = studio.keys();
    let mut deaths = 0;
    for point in 1.. {
        std::fs::remove_dir_all(&keys)?;
        let refused = studio.start_refused()?;
        ensure!(refused.contains("stemvault keys restore"), "{refused}");
        let mut command = studio.command(&["keys", "restore", &file]);
        command.env("STEMVAULT_CRASH_AT", point.to_string());
        let ended = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        restore(&studio, &[&file])?.ok()?;
        ensure!(bucket::objects(&keys.join("orders"))?.len() == 2);
        if ended.success() {
            break;
        }
        deaths += 1;
    }
    ensure!(deaths > 4, "it died {deaths} times only");
    studio.restart().await?;
    for (number, session) in &sessions {
        let door = studio.door();
        Job { door, number }.compare(session, &files).await?;
    }
    let known = studio.door().get("keys").await?;
    ensure!(
        known["backups"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    );
    studio.done().await
}

/// An order's whole life; the copy of the bucket that somebody kept, and two backups.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_bucket_opens_with_no_backup_that_may_still_exist() -> Result<()> {
    let mut studio = Studio::start().await?;
    let files = small_files()?;
    let job = Job::create(studio.door(), "2026-0001").await?;
    job.complete_with(&files).await?;
    job.until("archived").await?;
    advance(studio.door(), "91d").await?;
    job.until("released").await?;
    let copy = studio.scratch().join("copy of the bucket");
    bucket::copy(&studio.bucket(), &copy)?;
    let ancient = backup(&studio, "ancient.jsonl")?;
    let due: chrono::DateTime<chrono::Utc> = text(&job.order().await?, "purge_due_at")?.parse()?;
    let plan = studio.door().get("retention/plan").await?;
    let now: chrono::DateTime<chrono::Utc> = text(&plan, "at")?.parse()?;
    let span = format!("{}h", (due - now).num_hours() - 24 * 10);
    advance(studio.door(), &span).await?;
    Job::create(studio.door(), "2026-0002").await?;
    let older = backup(&studio, "older.jsonl")?;
    advance(studio.door(), "11d").await?;
    let gone = job.until("purged").await?;
    let newer = backup(&studio, "newer.jsonl")?;
    let known = studio.door().get("keys").await?;
    let end = |which: usize| -> Value { known["backups"][which]["ends_at"].clone() };
    // The ancient one is forgotten: it ended long ago.
    ensure!(gone["last_key_backup_ends_at"] == end(0), "{gone} {known}");
    let shown = studio.cli(&["order", "show", "2026-0001"])?.ok()?;
    ensure!(shown.contains("may hold it ends"), "{shown}");

    // Whoever puts the copy back has today's keys and the master key: it opens nothing.
    studio.stop()?;
    let id = text(&gone, "id")?.to_owned();
    bucket::copy(&copy, &studio.bucket())?;
    std::fs::remove_dir_all(studio.data_dir().join("catalog"))?;
    std::fs::remove_dir_all(studio.keys())?;
    let said = restore(&studio, &[&ancient])?.refused()?;
    ensure!(said.contains("had to be destroyed"), "{said}");
    let said = restore(&studio, &[&ancient, "--although-ended"])?.ok()?;
    ensure!(
        said.contains(&format!("order {id}: it was purged")),
        "{said}"
    );
    let said = restore(&studio, &[&older])?.ok()?;
    ensure!(said.contains("it was purged"), "{said}");

    // Not even if he deletes the tombstone: the backups that may exist then do not hold the key.
    std::fs::remove_dir_all(studio.bucket().join("tombstones"))?;
    let said = restore(&studio, &[&newer])?.ok()?;
    ensure!(!said.contains(&id), "{said}");
    let told = studio.cli(&["rebuild"])?.refused()?;
    ensure!(
        told.contains(&format!("order {id} has objects but no key")),
        "{told}"
    );
    studio.restart().await?;
    ensure!(studio.door().get("orders/2026-0001").await.is_err());
    studio.door().get("orders/2026-0002").await?;
    studio.done().await
}
