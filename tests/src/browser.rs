//! Scenes on the upload page: Debian's browsers, driven by a script in `browser/` that runs as a
//! process of its own and asks us for what only the studio's owner can do.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::order::{Files, Job, read};
use crate::studio::{PATIENCE, Setup, Studio};

/// The order that every scene is about.
const NUMBER: &str = "2026-0117";

/// A studio that wants to know what it is to mix.
const SETTINGS: &str = "[orders]\nrequired_form = [\"song\", \"artist\"]\n";

/// Which choices scenes make of themselves.
const SEED: u64 = 20_260_117;

/// Which browser plays a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Debian's Chromium.
    Chromium,
    /// Debian's Firefox ESR.
    Firefox,
    /// Debian's WebKitGTK.
    WebKit,
}

impl Engine {
    /// As the scripts call it.
    fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
        }
    }
}

/// A script in the middle of its scene.
struct Script {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Everything that it and its browsers write, and nobody else.
    folder: PathBuf,
}

impl Script {
    fn start(engine: Engine, name: &str, link: &str, folder: &Path, data: &Path) -> Result<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
        ensure!(
            scripts.join("node_modules/playwright-core").is_dir(),
            "playwright-core is not installed: ./tests/run does it"
        );
        let temporary = folder.join("tmp");
        std::fs::create_dir(&temporary)?;
        let mut child = Command::new("node")
            .env("TMPDIR", &temporary)
            .arg(scripts.join("scene.mjs"))
            .args([name, link])
            .args([folder, data])
            .arg(SEED.to_string())
            .env("STEMVAULT_ENGINE", engine.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node is needed")?;
        let out = child.stdout.take().context("a script without output")?;
        Ok(Self {
            child,
            lines: BufReader::new(out),
            folder: folder.to_owned(),
        })
    }

    fn next(&mut self) -> Result<Value> {
        let mut line = String::new();
        tokio::task::block_in_place(|| self.lines.read_line(&mut line))?;
        ensure!(!line.is_empty(), "the script ended without a word");
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))
    }

    fn answer(&mut self, answer: &Value) -> Result<()> {
        let stdin = self
            .child
            .stdin
            .as_mut()
            .context("a script without input")?;
        writeln!(stdin, "{answer}")?;
        Ok(stdin.flush()?)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It has ended, or it has nothing left to say; what failed was told.
        drop(self.child.kill());
        drop(self.child.wait());
        // A browser outlives its driver by a moment, and writes into a folder that is being removed.
        for _ in 0..PATIENCE.as_millis() / 20 {
            let left = processes_in(&self.folder);
            if left.is_empty() {
                return;
            }
            drop(Command::new("kill").arg("-KILL").args(&left).status());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The processes that were told of a folder, by their arguments or their environment.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let tells = |pid: &String| {
        ["cmdline", "environ"].iter().any(|what| {
            // It may end while it is looked at.
            let told = std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            String::from_utf8_lossy(&told).contains(&*folder)
        })
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let pids = pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter(tells).collect()
}

/// What a scene left behind.
#[derive(Debug)]
pub struct Played {
    /// What the script told, in order.
    pub events: Vec<Value>,
    /// The folder that it made and uploaded, read when it ended.
    pub files: Files,
}

impl Played {
    /// The events of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |it| it["event"] == name)
    }

    /// The last event of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn last(&self, name: &str) -> Result<&Value> {
        let found = self.all(name).last();
        found.with_context(|| format!("no {name:?} in {:?}", self.events))
    }

    /// Compares the hashes that the page last showed with those of the files, computed here.
    ///
    /// # Errors
    /// With what differs.
    pub fn check_hashes(&self) -> Result<()> {
        let shown: BTreeMap<String, String> =
            serde_json::from_value(self.last("receipt")?["hashes"].clone())?;
        let here: BTreeMap<String, String> = self
            .files
            .iter()
            .filter(|(path, _)| !path.ends_with(".DS_Store"))
            .map(|(path, bytes)| {
                // As the server writes it: composed.
                let path = path.replace("o\u{308}", "\u{f6}");
                (format!("Nachtzug/{path}"), blake3::hash(bytes).to_string())
            })
            .collect();
        ensure!(shown == here, "shown: {shown:#?}\nhere: {here:#?}");
        Ok(())
    }
}

/// Plays a scene on a new order of a new studio, in this browser.
///
/// # Errors
/// With what the script says, or the studio.
pub async fn play(engine: Engine, name: &str) -> Result<Played> {
    let mut studio = Studio::open(Setup {
        settings: SETTINGS.to_owned(),
        ..Setup::default()
    })
    .await?;
    let link = {
        let job = Job::create(studio.door(), NUMBER).await?;
        job.link(json!({"scope": "upload"})).await?
    };
    let folder: PathBuf = studio.scratch().join("scene");
    std::fs::create_dir_all(&folder)?;
    let mut script = Script::start(engine, name, &link, &folder, &studio.data_dir())?;
    let mut events = Vec::new();
    loop {
        let said = script.next()?;
        if let Some(wanted) = said["ask"].as_str() {
            let answer = obey(&mut studio, wanted, &said).await;
            script.answer(&answer.with_context(|| format!("asked for {wanted}"))?)?;
            continue;
        }
        match said["event"].as_str() {
            Some("failed") => bail!("{}", said["message"].as_str().unwrap_or_default()),
            Some("done") => break,
            _ => events.push(said),
        }
    }
    drop(script);
    let files = read(&folder.join("Nachtzug"))?;
    studio.done().await?;
    Ok(Played { events, files })
}

/// Does to the studio what a script asks for.
async fn obey(studio: &mut Studio, wanted: &str, said: &Value) -> Result<Value> {
    match wanted {
        "kill9" => studio.kill9()?,
        "start" => studio.restart().await?,
        "uploads" => {
            let path = format!("orders/{NUMBER}/uploads");
            return Ok(studio.door().get(&path).await?["uploads"].clone());
        }
        "return" | "accept" => {
            let door = studio.door();
            let order = door.get(&format!("orders/{NUMBER}")).await?;
            let last = order["sessions"].as_array().and_then(|all| all.last());
            let session = last.and_then(|it| it["session"].as_str());
            let session = session.context("nothing was submitted")?;
            let path = format!("orders/{NUMBER}/sessions/{session}/{wanted}");
            let why = match wanted {
                "return" => json!({"reasons": said["reasons"]}),
                _ => json!({}),
            };
            door.post(&path, why).await?;
        }
        "pull" => {
            let scene = studio.scratch().join("scene");
            let into = studio.scratch().join("pulled");
            let words = ["pull", NUMBER, "--into", into.to_str().context("UTF-8")?];
            studio.cli(&words)?.ok()?;
            let (here, there) = (
                read(&scene.join("Nachtzug"))?,
                read(&into.join("Nachtzug"))?,
            );
            ensure!(here == there, "what was pulled is not what was sent");
        }
        other => bail!("nobody knows how to {other}"),
    }
    Ok(json!({}))
}
