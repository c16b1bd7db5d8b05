//! A studio: the real binary on its own data directory, on a port of its own.
//!
//! A [`Studio`] starts the server, waits until it says where it listens and that it is ready, and
//! ends nothing but what it started. If the test fails, the server's log is printed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::door::Door;

/// How long anything here may take before the test gives up; only failures ever wait for it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Settings every studio of a test starts with; a test adds its own lines.
const SETTINGS: &str = "[uploads]\nfree_disk_floor = { bytes = \"1 MB\", percent = 0 }\n";

/// What to start; [`Studio::start`] is enough for most tests.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    /// Lines of the configuration file after those of every test.
    pub settings: String,
    /// Environment of the server on top of the test's own.
    pub env: Vec<(String, String)>,
    /// An existing place for the data directory, instead of a fresh one that goes with the test.
    pub data_dir: Option<PathBuf>,
}

/// The server's process and what it has printed.
#[derive(Debug)]
struct Server {
    child: Child,
    log: Arc<(Mutex<Log>, Condvar)>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    ended: bool,
}

/// A running server with its data directory, and the ways in.
#[derive(Debug)]
pub struct Studio {
    setup: Setup,
    home: TempDir,
    server: Option<Server>,
    /// What earlier processes on this data directory printed.
    past: Vec<String>,
    port: u16,
    door: Option<Door>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The output of a command that must have worked.
    ///
    /// # Errors
    /// With everything it printed, if it ended with another code than 0.
    pub fn ok(self) -> Result<String> {
        ensure!(
            self.code == Some(0),
            "ended with {:?}\n{}{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self.out)
    }

    /// The output of a command that must have been refused (exit code 1).
    ///
    /// # Errors
    /// With everything it printed, if it ended with another code than 1.
    pub fn refused(self) -> Result<String> {
        ensure!(
            self.code == Some(1),
            "ended with {:?}\n{}{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self.out + &self.err)
    }
}

impl Studio {
    /// A studio with a demo clock in a fresh data directory.
    ///
    /// # Errors
    /// If the server does not become ready; with its log.
    pub async fn start() -> Result<Self> {
        Self::open(Setup::default()).await
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
        std::fs::write(
            home.path().join("stemvault.toml"),
            format!("{SETTINGS}{}", setup.settings),
        )?;
        Ok(Self {
            setup,
            home,
            server: None,
            past: Vec::new(),
            port: 0,
            door: None,
        })
    }

    /// Starts the server, on the port it had before if it had one, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; with its log.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "the server is running");
        self.spawn()?;
        let port = tokio::task::block_in_place(|| self.wait_for_address())?;
        self.port = port;
        self.door = Some(Door::open(&self.data_dir(), port)?);
        let door = self.door().clone();
        let ready = tokio::time::timeout(PATIENCE, door.wait_until_ready()).await;
        if ready.is_err() {
            bail!(
                "the server is not ready after {PATIENCE:?}:\n{}",
                self.log()
            );
        }
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
        let server = self.server.as_mut().context("no server runs")?;
        server.child.kill()?;
        tokio::task::block_in_place(|| self.wait_for_end())?;
        Ok(())
    }

    /// Asks the server to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// If it ends with an error or not at all.
    pub fn stop(&mut self) -> Result<()> {
        let pid = self.pid()?;
        let told = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {pid}"))
            .status()?;
        ensure!(told.success(), "kill -TERM {pid} ended with {told}");
        let status = tokio::task::block_in_place(|| self.wait_for_end())?;
        ensure!(
            status.success(),
            "told to stop, it ended with {status}:\n{}",
            self.log()
        );
        Ok(())
    }

    /// Waits for the end of a server that is expected to end by itself.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let mut server = self.server.take().context("no server runs")?;
        let (log, changed) = &*server.log;
        let (log, wait) = changed
            .wait_timeout_while(log.lock().expect("readers do not panic"), PATIENCE, |log| {
                !log.ended
            })
            .expect("readers do not panic");
        self.past.extend(log.lines.iter().cloned());
        drop(log);
        if wait.timed_out() {
            server.child.kill()?;
            server.child.wait()?;
            bail!("the server did not end:\n{}", self.log());
        }
        Ok(server.child.wait()?)
    }

    /// Whether the process has ended without being asked.
    ///
    /// # Errors
    /// If the process cannot be looked at.
    pub fn has_died(&mut self) -> Result<bool> {
        match &mut self.server {
            Some(server) => Ok(server.child.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    /// The process id of the running server.
    ///
    /// # Errors
    /// If none runs.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.server.as_ref().context("no server runs")?.child.id())
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
        self.setup
            .data_dir
            .clone()
            .unwrap_or_else(|| self.home.path().join("data"))
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
            lines.extend(
                server
                    .log
                    .0
                    .lock()
                    .expect("readers do not panic")
                    .lines
                    .iter()
                    .cloned(),
            );
        }
        lines.join("\n")
    }

    /// Runs a command of the binary on this studio and waits for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn cli<A: AsRef<OsStr>>(&self, words: &[A]) -> Result<Ran> {
        let output = tokio::task::block_in_place(|| self.command(words).output())?;
        Ok(Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
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
            .env("STEMVAULT_DATA_DIR", self.data_dir())
            .stdin(Stdio::null());
        command
    }

    fn spawn(&mut self) -> Result<()> {
        let listen = format!("127.0.0.1:{}", self.port);
        let settings = self.home.path().join("stemvault.toml");
        let (reader, writer) = std::io::pipe()?;
        let mut command = self.command(&["serve", "--demo-clock", "--listen", &listen]);
        command
            .arg("--config")
            .arg(settings)
            .envs(self.setup.env.iter().map(|(key, value)| (key, value)))
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", binary().display()))?;
        // The command holds the pipe's other end: gone with it, the reader sees the server's end.
        drop(command);
        let log = Arc::new((Mutex::new(Log::default()), Condvar::new()));
        let shared = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                shared
                    .0
                    .lock()
                    .expect("nobody panics with the log")
                    .lines
                    .push(line);
                shared.1.notify_all();
            }
            shared.0.lock().expect("nobody panics with the log").ended = true;
            shared.1.notify_all();
        });
        self.server = Some(Server { child, log });
        Ok(())
    }

    /// Waits for the line that says where the server listens.
    fn wait_for_address(&mut self) -> Result<u16> {
        let server = self.server.as_ref().context("no server runs")?;
        let (log, changed) = &*server.log;
        let (log, _) = changed
            .wait_timeout_while(log.lock().expect("readers do not panic"), PATIENCE, |log| {
                !log.ended && address(&log.lines).is_none()
            })
            .expect("readers do not panic");
        let found = address(&log.lines);
        let ended = log.ended;
        drop(log);
        match found {
            Some(port) => Ok(port),
            None if ended => bail!("the server ended at its start:\n{}", self.log()),
            None => bail!("the server never said where it listens:\n{}", self.log()),
        }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}\n---", self.log());
        }
        if let Some(server) = &mut self.server {
            // It may be gone already; then there is nothing to end.
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
    }
}

/// The port in the first `https://127.0.0.1:PORT` of the lines.
fn address(lines: &[String]) -> Option<u16> {
    lines.iter().find_map(|line| {
        let (_, rest) = line.split_once("https://127.0.0.1:")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok().filter(|port| *port != 0)
    })
}

/// The binary under test: `STEMVAULT_BIN`, or the one in the folder this test was built into.
///
/// # Panics
/// If it is not there or older than its sources: a test of something else would prove nothing.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("STEMVAULT_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests lie in target/<profile>/deps");
    let binary = folder.join("stemvault");
    let advice = "cargo build --workspace --all-targets makes it; ./tests/run does both";
    let built = match binary.metadata().and_then(|data| data.modified()) {
        Ok(built) => built,
        Err(error) => panic!("{}: {error}; {advice}", binary.display()),
    };
    let sources = std::fs::read_to_string(folder.join("stemvault.d")).unwrap_or_default();
    for source in sources.split_whitespace().skip(1) {
        if let Ok(changed) = Path::new(source)
            .metadata()
            .and_then(|data| data.modified())
        {
            assert!(
                changed <= built,
                "{} is older than {source}; {advice}",
                binary.display()
            );
        }
    }
    binary
}
