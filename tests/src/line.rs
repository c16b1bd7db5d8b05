//! What stands between a sender and its studio, and does not work well: a proxy that fails as it is told,
//! in front of the studio's address without encryption, and a folder of small files to send through it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::order::{Job, b3, text};
use crate::process::{Ran, free_port, signal};
use crate::studio::{PATIENCE, Setup, Studio};

const NUMBER: &str = "2026-0117";

/// A studio, and a line to it.
#[derive(Debug)]
pub struct Line {
    /// The studio; its own door goes past the line.
    pub studio: Studio,
    /// The line.
    pub faulty: Faulty,
    /// The folder.
    pub folder: PathBuf,
    link: String,
    /// By their paths in the session.
    files: BTreeMap<String, Vec<u8>>,
}

impl Line {
    /// A line to a studio as `setup` says, and a file of each of these lengths.
    ///
    /// # Errors
    /// If the studio does not start.
    pub async fn to(setup: Setup, lengths: impl IntoIterator<Item = usize>) -> Result<Self> {
        // It stays the same when the server starts again.
        let plain = format!("127.0.0.1:{}", free_port()?);
        let settings = format!("{}\n[server]\nplain_http = [{plain:?}]\n", setup.settings);
        let studio = Studio::open(Setup { settings, ..setup }).await?;
        let job = Job::create(studio.door(), NUMBER).await?;
        let link = job.link(json!({"scope": "upload"})).await?;
        let link = studio.door().url(&link)?.path().to_owned();
        let faulty = Faulty::start(plain, 7)?;
        let folder = studio.scratch().join("Takes");
        std::fs::create_dir(&folder)?;
        let mut files = BTreeMap::new();
        for (nth, length) in lengths.into_iter().enumerate() {
            let name = format!("{nth:03} Größe.bin");
            let bytes: Vec<_> = (0..length).map(|at| ((at + nth * 7) % 251) as u8).collect();
            std::fs::write(folder.join(&name), &bytes)?;
            files.insert(format!("Takes/{name}"), bytes);
        }
        Ok(Self {
            link: format!("http://{}{link}", faulty.address()),
            studio,
            faulty,
            folder,
            files,
        })
    }

    /// `push` of the folder through the line, with these words more, to its end.
    ///
    /// # Errors
    /// If it does not end.
    pub fn push(&self, more: &[&str]) -> Result<Ran> {
        self.studio.cli(&[&self.words()?, more].concat())
    }

    /// The same, begun.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn begin(&self) -> Result<Child> {
        let mut push = self.studio.command(&self.words()?);
        Ok(push.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    fn words(&self) -> Result<[&str; 4]> {
        let folder = self.folder.to_str().context("a path in UTF-8")?;
        Ok(["push", folder, "--to", &self.link])
    }

    /// The end of one that was begun.
    ///
    /// # Errors
    /// If it does not end; then it is killed.
    pub async fn end(pushing: Child) -> Result<Ran> {
        let pid = pushing.id();
        let waiting = tokio::task::spawn_blocking(move || pushing.wait_with_output());
        let Ok(output) = tokio::time::timeout(PATIENCE, waiting).await else {
            signal(pid, "KILL")?;
            bail!("the push does not end");
        };
        Ok(output??.into())
    }

    /// What is sent is another now.
    pub fn holds(&mut self, file: &Path, bytes: Option<Vec<u8>>) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let path = format!("Takes/{name}");
        match bytes {
            Some(bytes) => self.files.insert(path, bytes),
            None => self.files.remove(&path),
        };
    }

    /// Waits until the line has failed so often.
    ///
    /// # Errors
    /// If it never does.
    pub async fn fails(&self, times: usize) -> Result<()> {
        self.until(async || Ok(self.faulty.faults() >= times)).await
    }

    /// Waits until so many files are there as a whole.
    ///
    /// # Errors
    /// If they never are.
    pub async fn arrive(&self, least: usize) -> Result<()> {
        self.until(async || {
            let uploads = self.uploads().await?;
            let whole = uploads.iter().filter(|it| it["state"] == "finished");
            Ok(whole.count() >= least)
        })
        .await
    }

    async fn until(&self, mut enough: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let wait = async {
            while !enough().await? {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.with_context(|| format!("{} faults so far", self.faulty.faults()))?
    }

    async fn uploads(&self) -> Result<Vec<Value>> {
        let list = format!("orders/{NUMBER}/uploads");
        let list = self.studio.door().get(&list).await?;
        Ok(list["uploads"].as_array().context("uploads")?.clone())
    }

    /// Each file is there once, as it is here, and nothing else is.
    ///
    /// # Errors
    /// If that is not so.
    pub async fn holds_each_once(&self) -> Result<()> {
        let mut there = BTreeSet::new();
        for upload in self.uploads().await? {
            let path = text(&upload, "path")?;
            let here = self.files.get(path).context("it was not sent")?;
            ensure!(
                upload["state"] == "finished" && text(&upload, "hash")? == b3(here),
                "not as it is here: {upload}"
            );
            ensure!(there.insert(path.to_owned()), "there twice: {upload}");
        }
        ensure!(
            there.len() == self.files.len(),
            "{} of {} are there",
            there.len(),
            self.files.len()
        );
        Ok(())
    }

    /// How many requests with bodies the server has answered at a route.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn posts(&self, route: &str) -> Result<f64> {
        let name = format!("stemvault_http_requests_total{{method=\"POST\",route=\"{route}\"");
        let page = self
            .studio
            .door()
            .ask(reqwest::Method::GET, "metrics", &[], None);
        let page = page.await?.expect(200)?.text();
        let samples = page.lines().filter(|line| line.starts_with(&name));
        samples
            .map(|line| {
                Ok(line
                    .rsplit(' ')
                    .next()
                    .context("a number")?
                    .parse::<f64>()?)
            })
            .sum()
    }
}
