//! What an unmodified upload client does with nothing but an order's upload link: the same scenes
//! for each of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::clients::{Client, Told};
use crate::fixtures::{self, Scale};
use crate::order::{Job, b3, text};
use crate::studio::{PATIENCE, Stores, Studio};

/// A studio with one order, its upload link, and a file of several blocks to send.
#[derive(Debug)]
pub struct Scene {
    studio: Studio,
    link: String,
    file: std::path::PathBuf,
    bytes: Vec<u8>,
    runs: AtomicUsize,
}

const NUMBER: &str = "2026-0117";

impl Scene {
    /// Starts the studio and creates the order.
    ///
    /// # Errors
    /// If that does not work.
    pub async fn set() -> Result<Self> {
        Self::set_on(Stores::Files).await
    }

    /// The same, in these stores.
    ///
    /// # Errors
    /// If that does not work.
    pub async fn set_on(stores: Stores) -> Result<Self> {
        let studio = Studio::on(stores).await?;
        let link = Job::create(studio.door(), NUMBER)
            .await?
            .link(json!({"scope": "upload"}))
            .await?;
        // One file of several blocks: all stems of the session behind one another.
        let mut bytes = Vec::new();
        for (_, path) in fixtures::files(&fixtures::cached(Scale::Small)?)? {
            bytes.extend(std::fs::read(path)?);
        }
        let file = studio.scratch().join("Alles.wav");
        std::fs::write(&file, &bytes)?;
        Ok(Self {
            studio,
            link,
            file,
            bytes,
            runs: AtomicUsize::new(0),
        })
    }

    /// The studio, to make things go wrong in it.
    #[must_use]
    pub fn studio(&self) -> &Studio {
        &self.studio
    }

    fn run(&self, client: Client, words: &[&str]) -> Result<Told> {
        let file = self.file.to_str().context("a path in UTF-8")?;
        // A path of its own for each run, so that none replaces another's file.
        let path = format!(
            "Drums/ボーカル größer {}.wav",
            self.runs.fetch_add(1, Ordering::Relaxed)
        );
        let words = [&[self.link.as_str(), file, &path], words].concat();
        client.run(self.studio.door(), &words)
    }

    /// What the server says of the newest upload, in the order's list of uploads, which stops
    /// nothing that is still running.
    async fn listed(&self, url: &str) -> Result<Option<Value>> {
        let list = self
            .studio
            .door()
            .get(&format!("orders/{NUMBER}/uploads"))
            .await?;
        let id = url.rsplit('/').next().unwrap_or_default();
        let uploads = list["uploads"].as_array().context("a list of uploads")?;
        Ok(uploads.iter().find(|upload| upload["id"] == id).cloned())
    }

    /// Waits until the server has exactly `sent` bytes of an upload.
    async fn kept(&self, url: &str, sent: u64) -> Result<()> {
        let mut seen = Value::Null;
        let wait = async {
            loop {
                seen = self.listed(url).await?.unwrap_or_default();
                if text(&seen, "offset")? == sent.to_string() {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(result) => result,
            Err(_) => anyhow::bail!("{sent} bytes were sent and the connection ended; {seen}"),
        }
    }

    fn check_done(&self, told: &Told) -> Result<()> {
        ensure!(told.code == Some(0), "{told:?}");
        let hash = b3(&self.bytes);
        ensure!(
            told.text("done", "hash")? == hash,
            "the file's hash is {hash}: {told:?}"
        );
        Ok(())
    }

    /// A whole upload: one request, then in pieces that are no multiple of a block.
    ///
    /// # Errors
    /// If the server ends up with anything but the file.
    pub async fn whole(self, client: Client) -> Result<()> {
        for words in [&["--chunk", "3000000"][..], &["--chunk", "1000000000"]] {
            let told = self.run(client, words)?;
            self.check_done(&told)?;
            let listed = self
                .listed(told.text("done", "url")?)
                .await?
                .context("not listed")?;
            ensure!(
                listed["state"] == "finished" && text(&listed, "path")?.starts_with("Drums/ボ"),
                "{listed}"
            );
        }
        self.studio.done().await
    }

    /// The client is killed in the middle of a request, at seeded bytes: every byte it had handed
    /// to the network is kept, and another process finishes the upload from there.
    ///
    /// # Errors
    /// If a byte is missing.
    pub async fn killed(self, client: Client) -> Result<()> {
        let mut seeded = StdRng::seed_from_u64(117);
        let block = 4 << 20;
        let length = self.bytes.len() as u64;
        for at in [1, block, block + 1, seeded.random_range(block..length)] {
            let die = self.run(
                client,
                &["--chunk", "1000000000", "--die-at", &at.to_string()],
            )?;
            ensure!(die.code.is_none(), "it was to be killed: {die:?}");
            ensure!(die.number("dies", "sent")? == at, "{die:?}");
            let url = die.text("url", "url")?.to_owned();
            self.kept(&url, at).await?;
            let told = self.run(client, &["--url", &url])?;
            ensure!(told.number("resumed", "offset")? == at, "{told:?}");
            self.check_done(&told)?;
        }
        self.studio.done().await
    }

    /// The client stops by itself, at seeded bytes, and resumes in the same process.
    ///
    /// # Errors
    /// If the upload does not end well, or the server claims more than was sent.
    pub async fn stopped(self, client: Client) -> Result<()> {
        let mut seeded = StdRng::seed_from_u64(118);
        let (word, chunk) = match client {
            Client::TusJs | Client::TusJs5(_) => ("--abort-at", "1000000000"),
            Client::Tuspy | Client::TusJava => ("--stop-at", "1500000"),
        };
        for _ in 0..3 {
            let at = seeded.random_range(1..self.bytes.len() as u64);
            let told = self.run(client, &["--chunk", chunk, word, &at.to_string()])?;
            self.check_done(&told)?;
            let most = match client {
                // It stops at the end of a request.
                Client::TusJava => told.number("stopped", "sent")?,
                _ => at,
            };
            ensure!(told.number("resumed", "offset")? <= most, "{told:?}");
        }
        self.studio.done().await
    }

    /// The client is killed in the middle of a request, at seeded bytes, where nobody can see how
    /// many of them had left it: another process finishes the upload from what is there.
    ///
    /// # Errors
    /// If it does not end well, or next to nothing was kept.
    pub async fn killed_somewhere(self, client: Client) -> Result<()> {
        let mut seeded = StdRng::seed_from_u64(120);
        for _ in 0..4 {
            let at = seeded.random_range(3_000_000..self.bytes.len() as u64 - 20_000);
            let words = ["--chunk", "1000000000", "--die-at", &at.to_string()];
            let die = self.run(client, &words)?;
            ensure!(die.code.is_none(), "it was to be killed: {die:?}");
            let url = die.text("url", "url")?.to_owned();
            let told = self.run(client, &["--url", &url])?;
            let (kept, sent) = (
                told.number("resumed", "offset")?,
                die.number("dies", "sent")?,
            );
            ensure!(
                kept <= sent && kept > sent / 2,
                "{kept} of {sent} bytes were kept: {told:?}"
            );
            self.check_done(&told)?;
        }
        self.studio.done().await
    }

    /// The client sends the file in one of its own ways, whole and then stopped at seeded bytes of a
    /// request, after which it goes on.
    ///
    /// # Errors
    /// If the server ends up with anything but the file.
    pub async fn in_mode(self, client: Client, mode: &str, chunk: u64) -> Result<()> {
        let (words, chunk_word) = (["--mode", mode, "--chunk"], chunk.to_string());
        let words = [&words[..], &[&chunk_word]].concat();
        let told = self.run(client, &words)?;
        self.check_done(&told)?;
        let listed = self.listed(told.text("done", "url")?).await?;
        let listed = listed.context("not listed")?;
        ensure!(listed["state"] == "finished", "{listed}");
        let mut seeded = StdRng::seed_from_u64(119);
        // A request of four side by side has a quarter of the file.
        let longest = chunk.min(self.bytes.len() as u64 / 4);
        for _ in 0..3 {
            let at = seeded.random_range(1..longest).to_string();
            let told = self.run(client, &[&words[..], &["--abort-at", &at]].concat())?;
            self.check_done(&told)?;
            told.event("aborted")?;
        }
        self.studio.done().await
    }

    /// The client sends a checksum with every piece, and is stopped in between.
    ///
    /// # Errors
    /// If the server ends up with anything but the file.
    pub async fn checked(self, client: Client) -> Result<()> {
        let told = self.run(client, &["--chunk", "3000000", "--checksum"])?;
        self.check_done(&told)?;
        let words = ["--chunk", "1500000", "--checksum", "--stop-at", "5000000"];
        let told = self.run(client, &words)?;
        self.check_done(&told)?;
        ensure!(told.number("resumed", "offset")? >= 5_000_000, "{told:?}");
        self.studio.done().await
    }

    /// The client ends an upload: it is gone, and so is what it had stored.
    ///
    /// # Errors
    /// If it is still there.
    pub async fn terminated(self, client: Client) -> Result<()> {
        let told = self.run(client, &["--terminate"])?;
        self.check_done(&told)?;
        let url = told.text("terminated", "url")?;
        let headers = [("tus-resumable", "1.0.0")];
        let head = self
            .studio
            .door()
            .ask(Method::HEAD, url, &headers, None)
            .await?;
        ensure!(
            matches!(head.status, 404 | 410),
            "HEAD answers {}",
            head.status
        );
        ensure!(
            self.listed(url).await?.is_none(),
            "a terminated upload is still listed"
        );
        self.studio.done().await
    }
}
