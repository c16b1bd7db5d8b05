//! `stemvault push` while the studio's store is slow, so that there is a middle in which things happen
//! to the files that are being sent.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::order::{Job, text};
use stemvault_tests::studio::{PATIENCE, Stores, Studio};

const NUMBER: &str = "2026-0117";

/// Waits until so many bytes of the only upload are durable.
async fn stands_at(job: &Job<'_>, least: u64) -> Result<()> {
    let path = format!("orders/{NUMBER}/uploads");
    let wait = async {
        loop {
            let list = job.door.get(&path).await?;
            let first = list["uploads"].as_array().and_then(|all| all.first());
            if let Some(first) = first
                && text(first, "offset")?.parse::<u64>()? >= least
            {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await?
}

fn push(studio: &Studio, file: &str, link: &str) -> Result<Child> {
    let mut push = studio.command(&["push", file, "--to", link, "--submit"]);
    let push = push.stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(push.spawn()?)
}

/// A program goes on writing: as many bytes as before, later, or more of them. What arrived is a
/// mixture, and is said to be one; it is neither kept nor submitted.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_sent_is_named_and_not_submitted() -> Result<()> {
    let studio = Studio::on(Stores::Faulty(22)).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let link = studio.door().url(&link)?.to_string();
    let slow = Rule::some(Fault::Slow(4_000_000), Method::PUT, 100);
    let file = studio.scratch().join("Mixdown.bin");
    let name = file.to_str().context("a path in UTF-8")?;
    for longer in [0, 1] {
        studio.faulty()?.set(Some(slow.clone()));
        std::fs::write(&file, vec![7; 50_000_000])?;
        let pushing = push(&studio, name, &link)?;
        stands_at(&job, 4 << 20).await?;
        std::fs::write(&file, vec![8; 50_000_000 + longer])?;
        let later = std::fs::metadata(&file)?.modified()? + Duration::from_secs(1);
        std::fs::File::options()
            .write(true)
            .open(&file)?
            .set_modified(later)?;
        let pushed = tokio::task::block_in_place(|| pushing.wait_with_output())?;
        let said = String::from_utf8_lossy(&pushed.stderr).into_owned()
            + &String::from_utf8_lossy(&pushed.stdout);
        ensure!(!pushed.status.success(), "{said}");
        for word in [
            "Mixdown.bin",
            "changed while it was being sent",
            "push again",
        ] {
            ensure!(said.contains(word), "no {word:?} in {said}");
        }
        let order = job.order().await?;
        ensure!(order["sessions"] == json!([]), "it was submitted: {order}");
        let list = studio
            .door()
            .get(&format!("orders/{NUMBER}/uploads"))
            .await?;
        ensure!(list["uploads"] == json!([]), "a mixture stayed: {list}");
        studio.faulty()?.set(None);
    }
    // The program is done: the same command again.
    let pushed = tokio::task::block_in_place(|| {
        push(&studio, name, &link)?
            .wait_with_output()
            .context("waiting")
    })?;
    ensure!(pushed.status.success(), "{pushed:?}");
    studio.done().await
}
