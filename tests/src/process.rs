//! A process of the binary under test: started here, ended here, everything it prints kept.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::studio::PATIENCE;

/// A running process and what it has printed, on both channels.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<(Mutex<Log>, Condvar)>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    ended: bool,
}

impl Process {
    /// Starts `command`; consumed, because it holds the pipe's other end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let child = command
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
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
        Ok(Self { child, log })
    }

    /// Waits until `find` finds something in what the process prints.
    ///
    /// # Errors
    /// If it ends or stays silent instead.
    pub fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = |log: &Log| log.lines.iter().find_map(|line| find(line));
        let (log, changed) = &*self.log;
        let log = log.lock().expect("nobody panics with the log");
        let (log, _) = changed
            .wait_timeout_while(log, PATIENCE, |log| !log.ended && found(log).is_none())
            .expect("nobody panics with the log");
        match found(&log) {
            Some(found) => Ok(found),
            None if log.ended => bail!("the server ended at its start"),
            None => bail!("the server never said where it listens"),
        }
    }

    /// Waits for the end; a process that does not end is killed.
    ///
    /// # Errors
    /// If it had to be killed.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let (log, changed) = &*self.log;
        let log = log.lock().expect("nobody panics with the log");
        let (log, waited) = changed
            .wait_timeout_while(log, PATIENCE, |log| !log.ended)
            .expect("nobody panics with the log");
        drop(log);
        if waited.timed_out() {
            self.kill()?;
            bail!("the server did not end");
        }
        Ok(self.child.wait()?)
    }

    /// Returns when it is over.
    ///
    /// # Panics
    /// Never in practice.
    pub async fn ended(&self) {
        let over = || self.log.0.lock().expect("nobody panics with the log").ended;
        while !over() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends it a signal: its name, without `SIG`.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn signal(&self, name: &str) -> Result<()> {
        signal(self.id(), name)
    }

    /// Stops it where it is (SIGSTOP): from here on it answers nobody. Whether there was anything to
    /// stop; it may have ended by itself.
    ///
    /// # Errors
    /// If it does neither.
    pub fn freeze(&self) -> Result<bool> {
        self.signal("STOP")?;
        let pid = self.id();
        for _ in 0..PATIENCE.as_millis() {
            let states = states(pid)?;
            if states.iter().all(|state| *state == 'T') {
                return Ok(true);
            }
            if states.iter().any(|state| matches!(state, 'Z' | 'X')) {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("the server does not stop")
    }

    /// SIGKILL, and waits.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far.
    ///
    /// # Panics
    /// Never in practice.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.log
            .0
            .lock()
            .expect("nobody panics with the log")
            .lines
            .clone()
    }
}

/// Sends a process a signal: its name, without `SIG`.
///
/// # Errors
/// If it cannot be sent.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let told = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &told]).status()?;
    ensure!(status.success(), "{told} ended with {status}");
    Ok(())
}

/// A port that was free a moment ago.
///
/// # Errors
/// If there is none.
pub fn free_port() -> std::io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}

/// What the kernel says of every thread of a process that nobody has waited for: `T` is stopped.
fn states(pid: u32) -> Result<Vec<char>> {
    let mut states = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while it is looked at.
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else {
            continue;
        };
        // The name before it, in brackets, may hold anything.
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        states.push(state.context("a state in /proc")?);
    }
    Ok(states)
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
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

/// The port in `listening on https://127.0.0.1:PORT`.
pub(crate) fn address(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("listening on https://127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|port| *port != 0)
}
