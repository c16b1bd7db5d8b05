//! A studio: the real binary on its own data directory, on a port of its own.
//!
//! A [`Studio`] starts the server, waits until it says where it listens and that it is ready, and
//! ends nothing but what it started. A test ends with [`Studio::done`]; one that does not get there
//! has failed, and the server's log is printed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

pub use crate::cloud::Stores;
use crate::cloud::{self, Cloud};
use crate::door::Door;
use crate::faulty::Faulty;
pub use crate::process::Ran;
use crate::process::{Process, address, binary};
use crate::s3::S3;
pub use crate::setup::Setup;

/// How long anything here may take before the test gives up; only failures ever wait for it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Settings every studio of a test starts with; a test adds its own lines.
const SETTINGS: &str = "[uploads]\nfree_disk_floor = { bytes = \"1 MB\", percent = 0 }\n";

/// A running server with its data directory, and the ways in.
#[derive(Debug)]
pub struct Studio {
    setup: Setup,
    /// Before its folder: where a test fails, it ends before that is removed.
    server: Option<Process>,
    home: TempDir,
    /// What earlier processes on this data directory printed.
    past: Vec<String>,
    port: u16,
    door: Option<Door>,
    done: bool,
    cloud: Option<Cloud>,
}

impl Studio {
    /// A studio with a demo clock in a fresh data directory.
    ///
    /// # Errors
    /// If the server does not become ready; with its log.
    pub async fn start() -> Result<Self> {
        Self::open(Setup::default()).await
    }

    /// A studio with a demo clock in a fresh data directory, its bytes in these stores.
    ///
    /// # Errors
    /// If the server does not become ready; with its log.
    pub async fn on(stores: Stores) -> Result<Self> {
        Self::open(Setup {
            stores,
            ..Setup::default()
        })
        .await
    }

    /// A studio as `setup` says.
    ///
    /// # Errors
    /// If the server does not become ready; with its log.
    pub async fn open(setup: Setup) -> Result<Self> {
        let mut studio = Self::closed(setup)?;
        studio.restart().await?;
        Ok(studio)
    }

    /// A studio whose server is not started yet.
    ///
    /// # Errors
    /// If there is no room for its files.
    pub fn closed(setup: Setup) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("studio-").tempdir()?;
        let cloud = Cloud::start(setup.stores)?;
        let stores = cloud.as_ref().map(Cloud::settings).unwrap_or_default();
        std::fs::write(
            home.path().join("stemvault.toml"),
            format!("{stores}{SETTINGS}{}", setup.settings),
        )?;
        Ok(Self {
            setup,
            cloud,
            home,
            server: None,
            past: Vec::new(),
            port: 0,
            door: None,
            done: false,
        })
    }

    /// Starts the server, on the port it had before if it had one, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; with its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.begin().await?;
        let (door, server) = (self.door(), self.server.as_ref().context("it was started")?);
        tokio::select! {
            () = door.wait_until_ready() => Ok(()),
            () = server.ended() => {
                self.wait_for_end()?;
                bail!("the server ended at its start")
            }
            () = tokio::time::sleep(PATIENCE) => {
                bail!("the server is not ready after {PATIENCE:?}:\n{}", self.log())
            }
        }
    }

    /// The same for a server that listens, and will not be ready.
    ///
    /// # Errors
    /// If it does not listen.
    pub async fn begin(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "the server is running");
        self.spawn()?;
        let port = tokio::task::block_in_place(|| self.server()?.wait_for(address));
        let port = port.with_context(|| self.log())?;
        self.port = port;
        // The line and the file for the command line come in whichever order.
        let data_dir = self.data_dir();
        let opened = tokio::time::timeout(PATIENCE, async {
            loop {
                match Door::open(&data_dir, port) {
                    Ok(door) => break door,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let Ok(door) = opened.await else {
            Door::open(&data_dir, port).with_context(|| self.log())?;
            bail!("cli.toml came after {PATIENCE:?}");
        };
        self.door = Some(door);
        Ok(())
    }

    /// Starts the server where it is expected to refuse, and waits for its end.
    ///
    /// # Errors
    /// If it does not end, or ends with code 0.
    pub fn start_refused(&mut self) -> Result<String> {
        self.spawn()?;
        let status = tokio::task::block_in_place(|| self.wait_for_end())?;
        let log = self.log();
        ensure!(
            !status.success(),
            "the server started and stopped without an error:\n{log}"
        );
        Ok(log)
    }

    /// Sets a variable of the environment for the next start; none removes it.
    pub fn set_env(&mut self, key: &str, value: Option<&str>) {
        self.setup.env.retain(|(known, _)| known != key);
        if let Some(value) = value {
            self.setup.env.push((key.to_owned(), value.to_owned()));
        }
    }

    /// Ends the server as a power cut of its process: SIGKILL.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill9(&mut self) -> Result<()> {
        self.server.as_mut().context("no server runs")?.kill()?;
        tokio::task::block_in_place(|| self.wait_for_end())?;
        Ok(())
    }

    /// Asks the server to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// If it ends with an error or not at all.
    pub fn stop(&mut self) -> Result<()> {
        self.server()?.signal("TERM")?;
        let status = tokio::task::block_in_place(|| self.wait_for_end())?;
        let log = self.log();
        ensure!(status.success(), "it ended with {status}:\n{log}");
        Ok(())
    }

    /// The end of a test: no job has failed, nothing panicked, the server stops when it is told to.
    ///
    /// # Errors
    /// If any of that is not so.
    pub async fn done(self) -> Result<()> {
        self.done_but("").await
    }

    /// The same where jobs (their names, with blanks between) may have failed: they met what the
    /// test had damaged, by the minute.
    ///
    /// # Errors
    /// If another job failed or anything panicked.
    pub async fn done_but(mut self, jobs: &str) -> Result<()> {
        if self.server.is_some() {
            let runs = self.door().get("runs").await?;
            let runs = runs["runs"].as_array().context("a list of runs")?;
            let failed = |run: &&serde_json::Value| {
                run["outcome"] == "failed" && jobs.split(' ').all(|job| run["job"] != job)
            };
            let failed: Vec<_> = runs.iter().filter(failed).collect();
            ensure!(failed.is_empty(), "failed runs: {failed:?}");
            self.stop()?;
        }
        ensure!(!self.log().contains("panicked at"), "the server panicked");
        self.done = true;
        Ok(())
    }

    /// Waits for the end of a server that is expected to end by itself.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let mut server = self.server.take().context("no server runs")?;
        let ended = server.wait_for_end();
        self.past.extend(server.lines());
        ended.with_context(|| self.log())
    }

    /// The process id of the running server.
    ///
    /// # Errors
    /// If none runs.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.server()?.id())
    }

    /// The running server.
    ///
    /// # Errors
    /// If none runs.
    pub fn server(&self) -> Result<&Process> {
        self.server.as_ref().context("no server runs")
    }

    /// The way in by HTTPS.
    ///
    /// # Panics
    /// If the server was never started.
    #[must_use]
    pub fn door(&self) -> &Door {
        self.door.as_ref().expect("the studio was started")
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        let fresh = if self.setup.bare {
            ".local/share/stemvault"
        } else {
            "data"
        };
        self.setup
            .data_dir
            .clone()
            .unwrap_or_else(|| self.home.path().join(fresh))
    }

    /// The settings file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home.path().join("stemvault.toml")
    }

    /// The S3 server, to end and start it.
    ///
    /// # Errors
    /// If its stores are folders.
    pub fn s3(&mut self) -> Result<&mut S3> {
        Ok(&mut self.cloud.as_mut().context("its stores are folders")?.s3)
    }

    /// The proxy in front of the S3 server.
    ///
    /// # Errors
    /// If there is none.
    pub fn faulty(&self) -> Result<&Faulty> {
        let faulty = self.cloud.as_ref().and_then(|cloud| cloud.faulty.as_ref());
        faulty.context("its stores are in order")
    }

    /// The folder with the objects of the working and the archive store, wherever they are.
    #[must_use]
    pub fn bucket(&self) -> PathBuf {
        self.objects(cloud::WORKING, "bucket")
    }

    /// The folder with the objects of the key store.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.objects(cloud::KEYS, "keys")
    }

    fn objects(&self, bucket: &str, folder: &str) -> PathBuf {
        let cloud = self.cloud.as_ref();
        cloud.map_or_else(|| self.data_dir().join(folder), |it| it.s3.folder(bucket))
    }

    /// A folder for the test's own files, gone with the studio.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.home.path()
    }

    /// Everything the server printed so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        let mut lines = self.past.clone();
        if let Some(server) = &self.server {
            lines.extend(server.lines());
        }
        lines.join("\n")
    }

    /// Runs a command of the binary on this studio and waits for it, at most two minutes.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn cli<A: AsRef<OsStr>>(&self, words: &[A]) -> Result<Ran> {
        let plain = self.command(words);
        // A command that is to be refused may go on for ever instead: a server, say.
        let mut limited = Command::new("timeout");
        limited
            .args(["--signal=KILL", "120"])
            .arg(plain.get_program())
            .args(plain.get_args());
        for (key, value) in plain.get_envs() {
            match value {
                Some(value) => limited.env(key, value),
                None => limited.env_remove(key),
            };
        }
        let output = tokio::task::block_in_place(|| limited.stdin(Stdio::null()).output())?;
        Ok(output.into())
    }

    /// A command of the binary on this studio, not started yet.
    pub fn command<A: AsRef<OsStr>>(&self, words: &[A]) -> Command {
        let mut command = Command::new(binary());
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("STEMVAULT_") {
                command.env_remove(key);
            }
        }
        command
            .args(words)
            .env("HOME", self.home.path())
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null());
        if !self.setup.bare {
            command.env("STEMVAULT_DATA_DIR", self.data_dir());
        }
        if let Some(cloud) = &self.cloud {
            command.env("STEMVAULT_HURRY", cloud.hurry());
        }
        command
    }

    fn spawn(&mut self) -> Result<()> {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = self.command(&["serve", "--listen", &listen]);
        if !self.setup.bare {
            command
                .arg("--demo-clock")
                .arg("--config")
                .arg(self.config());
        }
        if !self.setup.beats {
            command.env("STEMVAULT_BEAT", "rests");
        }
        command.envs(self.setup.env.iter().map(|(key, value)| (key, value)));
        self.server = Some(Process::start(command)?);
        Ok(())
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        if !self.done {
            eprintln!("--- log of the server ---\n{}\n---", self.log());
        }
    }
}
