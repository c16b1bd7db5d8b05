//! Houses of earlier versions: this one opens them, serves every byte, and carries each order to its end.
//! `tests/golden/README.md` says what is in them; they never change.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::order::{Job, advance, read, text};
use stemvault_tests::setup::Setup;
use stemvault_tests::studio::Studio;
use tempfile::TempDir;

/// Order and stage, as the house was left; where there is something to pull, what was sent.
const ORDERS: [(&str, &str, Option<&str>); 10] = [
    ("2026-0001", "open", None),
    ("2026-0002", "open", Some("m2")),
    ("2026-0003", "open", None),
    ("2026-0004", "open", Some("m4")),
    ("2026-0005", "archived", Some("m5")),
    ("2026-0006", "released", None),
    ("2026-0007", "recalled", Some("m7")),
    ("2026-0008", "purged", None),
    ("2026-0009", "purged", None),
    ("2026-0010", "completed", Some("m10")),
];

/// The order of which everything was returned.
const RETURNED: &str = "2026-0004";

/// A house, unpacked: its data folder, and beside it what was sent.
struct House {
    folder: TempDir,
}

impl House {
    fn unpacked(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("house-").tempdir()?;
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let unpacked = Command::new("tar")
            .args(["--extract", "--zstd", "--file"])
            .arg(packed.join(name))
            .arg("--directory")
            .arg(folder.path())
            .status()
            .context("tar does not run")?;
        ensure!(unpacked.success(), "{name} does not unpack");
        Ok(Self { folder })
    }

    async fn opened(&self) -> Result<Studio> {
        let data_dir = Some(self.folder.path().join("data"));
        let setup = Setup {
            data_dir,
            ..Setup::default()
        };
        Studio::open(setup).await
    }

    /// Whether a folder that was pulled holds what was sent as `sent`, and nothing else.
    fn compare(&self, pulled: &Path, sent: &str) -> Result<()> {
        let (pulled, sent) = (read(pulled)?, read(&self.folder.path().join(sent))?);
        for (path, bytes) in &sent {
            ensure!(pulled.get(path) == Some(bytes), "{path} differs");
        }
        ensure!(pulled.len() == sent.len(), "more came than was sent");
        Ok(())
    }

    /// Pulls a session of an order, or its only one, and compares.
    fn pull(&self, studio: &Studio, number: &str, session: &str, sent: &str) -> Result<()> {
        let into: PathBuf = studio.scratch().join(format!("{number} {session} {sent}"));
        let mut words = vec!["pull", number];
        words.extend(Some(session).filter(|it| !it.is_empty()));
        words.extend(["--into", into.to_str().context("UTF-8")?]);
        studio.cli(&words)?.ok()?;
        // A delivery was sent as the folder itself.
        let whole = into.join(sent);
        let pulled = if whole.is_dir() { &whole } else { &into };
        self.compare(pulled, sent)
            .with_context(|| format!("{number}: {sent}"))?;
        Ok(std::fs::remove_dir_all(&into)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_of_the_first_version_is_served_and_carried_to_its_end() -> Result<()> {
    let house = House::unpacked("house-66686d5.tar.zst")?;
    let studio = house.opened().await?;
    for (number, stage, sent) in ORDERS {
        let is = at(&studio, number).stage().await?;
        ensure!(is == stage, "{number} is {is}");
        if let Some(sent) = sent {
            house.pull(&studio, number, "", sent)?;
        }
    }
    let third = at(&studio, "2026-0003").order().await?;
    for session in third["sessions"].as_array().context("sessions")? {
        let sent = match text(session, "kind")? {
            "delivery" => "mix",
            _ => "m3",
        };
        house.pull(&studio, "2026-0003", text(session, "session")?, sent)?;
    }

    complete_what_is_open(&house, &studio).await?;
    release_all(&house, &studio).await?;
    purge_all(&studio).await?;
    studio.done().await
}

fn at<'a>(studio: &'a Studio, number: &'a str) -> Job<'a> {
    let door = studio.door();
    Job { door, number }
}

async fn complete_what_is_open(house: &House, studio: &Studio) -> Result<()> {
    // All of it had arrived, and is known by its hashes.
    let first = at(studio, "2026-0001");
    let sent = house.folder.path().join("m1/Song");
    let push = [
        "push",
        "--order",
        first.number,
        "--kind",
        "material",
        "--json",
        "--submit",
    ];
    let words = [&push[..], &[sent.to_str().context("UTF-8")?]].concat();
    let pushed: serde_json::Value = serde_json::from_str(&studio.cli(&words)?.ok()?)?;
    ensure!(text(&pushed, "moved_bytes")? == "0", "{pushed}");
    house.pull(studio, first.number, "", "m1")?;
    for number in ["2026-0001", "2026-0002", "2026-0003"] {
        at(studio, number).verb("complete", json!({})).await?;
    }
    // All of it was returned, so nothing of it is kept.
    let empty = at(studio, RETURNED);
    empty.verb("complete", json!({"empty": true})).await?;
    for number in ["2026-0001", "2026-0002", "2026-0003", "2026-0010"] {
        at(studio, number).until("archived").await?;
    }
    Ok(())
}

async fn release_all(house: &House, studio: &Studio) -> Result<()> {
    at(studio, "2026-0005")
        .verb("release-hold", json!({}))
        .await?;
    at(studio, "2026-0007")
        .verb("end-recall", json!({}))
        .await?;
    advance(studio.door(), "95d").await?;
    for (number, stage, _) in ORDERS {
        if stage != "purged" && number != RETURNED {
            run_until(studio, number, "released").await?;
        }
    }
    // From their archives alone.
    for (number, sent) in [
        ("2026-0006", "m6"),
        ("2026-0010", "m10"),
        ("2026-0002", "m2"),
    ] {
        at(studio, number).verb("recall", json!({})).await?;
        house.pull(studio, number, "", sent)?;
        at(studio, number).verb("end-recall", json!({})).await?;
    }
    Ok(())
}

async fn purge_all(studio: &Studio) -> Result<()> {
    advance(studio.door(), "800d").await?;
    for (number, ..) in ORDERS {
        run_until(studio, number, "purged").await?;
    }
    let left = bucket::objects(&studio.bucket().join("orders"))?;
    ensure!(left.is_empty(), "left behind: {left:?}");
    let keys = bucket::objects(&studio.keys().join("orders"))?;
    ensure!(keys.is_empty(), "keys are left: {keys:?}");
    Ok(())
}

/// Runs the jobs, more at once than the brake lets, until the order is there.
async fn run_until(studio: &Studio, number: &str, stage: &str) -> Result<()> {
    let all = json!({"allow_many": true});
    at(studio, number).until_by(stage, all).await.map(drop)
}
