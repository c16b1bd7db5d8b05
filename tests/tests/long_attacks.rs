//! The attacks of tests/attack, run against a server of their own, with their bounds: what a stranger
//! or one link can take of it, and that nothing hidden in a request is answered. Not in every run, as
//! they keep a machine busy: `./tests/run long`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use stemvault_tests::order::Job;
use stemvault_tests::studio::{Setup, Studio};
use stemvault_tests::tus::Place;

/// A studio that is attacked, with two orders.
struct Attacked {
    studio: Studio,
    link: String,
    other: String,
}

impl Attacked {
    async fn open(settings: &str) -> Result<Self> {
        let studio = Studio::open(Setup {
            settings: settings.to_owned(),
            ..Setup::default()
        })
        .await?;
        let mut links = Vec::new();
        for number in ["2026-0117", "2026-0118"] {
            Job::create(studio.door(), number).await?;
            links.push(link(&studio, &[number, "--upload"])?);
        }
        let [link, other] = <[String; 2]>::try_from(links).ok().context("two links")?;
        Ok(Self {
            studio,
            link,
            other,
        })
    }

    /// Runs a script of tests/attack; what it measured.
    fn run(&self, script: &str, words: &[&str]) -> Result<Value> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join("../.cache/attack/bin/python");
        ensure!(
            python.exists(),
            "what the attacks need is not installed: ./tests/run long does it"
        );
        let mut command = Command::new(python);
        command.arg("-B").arg(tests.join("attack").join(script));
        let certificate = self.studio.data_dir().join("tls/cert.pem");
        command.args(words).arg("--cert").arg(certificate);
        let port = self.studio.door().url("")?.port().context("a port")?;
        command.args(["--port", &port.to_string()]);
        command.args(["--pid", &self.studio.pid()?.to_string()]);
        let output = tokio::task::block_in_place(|| command.output())?;
        let (said, trouble) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{words:?}: {trouble}");
        let found = serde_json::from_slice(said).with_context(|| trouble.into_owned())?;
        println!("{script} {words:?}: {found}");
        Ok(found)
    }

    /// An attack by the links.
    fn attack(&self, name: &str, more: &[&str]) -> Result<Value> {
        let bucket = self.studio.bucket();
        let bucket = bucket.to_str().context("a plain path")?;
        let words = [
            name,
            "--link",
            self.link.as_str(),
            "--other",
            self.other.as_str(),
            "--bucket",
            bucket,
        ];
        self.run("attacks.py", &[&words[..], more].concat())
    }
}

/// The path of a new link.
fn link(studio: &Studio, words: &[&str]) -> Result<String> {
    let told = studio
        .cli(&[&["link", "create"][..], words].concat())?
        .ok()?;
    let url = told.split_whitespace().find(|word| word.contains("://"));
    let url: reqwest::Url = url.context("no link")?.parse()?;
    Ok(url.path().to_owned())
}

fn number(found: &Value, name: &str) -> Result<f64> {
    found[name]
        .as_f64()
        .with_context(|| format!("{name}: {found}"))
}

/// No more was had than one link may ask for in that time: 20,000 at once, 2,000 a second, and what
/// eight that ask at the same moment get before it is counted.
fn paced(found: &Value) -> Result<()> {
    let (cost, most) = (number(found, "cost")?, number(found, "dearest")?);
    let bound = 20_000.0 + 2_000.0 * number(found, "elapsed")? + 9.0 * most;
    ensure!(cost <= bound, "{cost} of {bound}: {found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn nobody_is_locked_out() -> Result<()> {
    let attacked = Attacked::open("[server]\nidle_timeout = \"20 s\"\n").await?;
    let words = ["--count", "1056", "--patience", "90"];
    let found = attacked.attack("hold_places", &words)?;
    ensure!(found["answered"] == 3 && found["stuck"] == 0, "{found}");
    attacked.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn answers_that_are_not_taken_hold_little() -> Result<()> {
    let attacked = Attacked::open("").await?;
    let studio = &attacked.studio;
    let place = Place::files(studio.door(), "2026-0117")?;
    let bytes: Vec<u8> = (0..60_000_000_u32).map(|at| (at / 7 % 251) as u8).collect();
    let upload = place.create("a.bin", bytes.len() as u64).await?;
    place.patch(&upload, 0, Bytes::from(bytes)).await?;
    let path = "orders/2026-0117/submit";
    let receipt = studio
        .door()
        .post(path, json!({"kind": "material"}))
        .await?;
    let session = receipt["session"].as_str().context("a session")?;
    let link = link(studio, &["2026-0117", "--session", session])?;
    for path in [format!("{link}/a.bin"), format!("{link}?bag=zip")] {
        let found = attacked.attack("hold_downloads", &["--path", &path])?;
        let grown = number(&found, "peak")? - number(&found, "before")?;
        // A quarter of `downloads.memory`, and what 400 requests take.
        ensure!(found["alive"] == 200 && grown < 200.0, "{found}");
    }
    let found = attacked.attack("ranges", &["--path", &format!("{link}/a.bin")])?;
    paced(&found)?;
    attacked.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn one_link_takes_neither_the_disk_nor_the_machine() -> Result<()> {
    let attacked = Attacked::open("").await?;
    let found = attacked.attack("checked_bodies", &[])?;
    ensure!(found["statuses"] == json!([460, 460]), "{found}");
    ensure!(number(&found, "kept")? < 1_000_000.0, "{found}");
    let found = attacked.attack("checked_turns", &[])?;
    ensure!(found["status"] == 204, "{found}");
    let found = attacked.attack("join_again", &[])?;
    let statuses = json!([400, 201, 201, 201, 201, 400, 400, 400]);
    ensure!(found["statuses"] == statuses, "{found}");
    let found = attacked.attack("tiny_patches", &[])?;
    ensure!(number(&found, "written")? < 150_000.0, "{found}");
    let found = attacked.attack("dear_answers", &["--count", "1500"])?;
    paced(&found)?;
    attacked.studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn what_must_not_be_is_refused_and_floods_end() -> Result<()> {
    let attacked = Attacked::open("").await?;
    let odd = attacked.run("odd.py", &[])?;
    ensure!(odd["wrong"] == json!({}), "{odd}");
    let found = attacked.attack("floods", &[])?;
    ensure!(number(&found, "memory")? < 300.0, "{found}");
    let floods = found["floods"].as_object().context("floods")?;
    ensure!(floods.len() == 9, "{found}");
    for (name, flood) in floods {
        ensure!(flood["alive"] == 200, "{name}: {found}");
        // What is not ended is read slowly: the rest stands in the system's buffers.
        let slow = number(flood, "sent")? < 16e6;
        ensure!(flood["ended"] == true || slow, "{name}: {found}");
    }
    for name in ["rapid reset", "made to reset", "continuation", "empty data"] {
        ensure!(floods[name]["ended"] == true, "{name}: {found}");
    }
    attacked.studio.done().await
}
