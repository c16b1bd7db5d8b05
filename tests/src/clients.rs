//! Upload clients as their makers publish them, run as processes of their own.
//!
//! `./tests/run` installs them (npm by lock file, PyPI and Maven Central pinned); a client that is missing is an
//! error that says so, never a silent skip.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::door::Door;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// tus-js-client, from npm, in Node.
    TusJs,
    /// Its next major version, which speaks more than tus.
    TusJs5(Protocol),
    /// tuspy, from PyPI.
    Tuspy,
    /// tus-java-client, from Maven Central.
    TusJava,
}

/// What tus-js-client 5 speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// tus 1.0.
    Tus,
    /// Interop version 5 of the IETF draft.
    Draft03,
    /// Interop version 6.
    Draft05,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tus, Self::Draft03, Self::Draft05];

    fn name(self) -> &'static str {
        match self {
            Self::Tus => "tus-v1",
            Self::Draft03 => "ietf-draft-03",
            Self::Draft05 => "ietf-draft-05",
        }
    }
}

/// What a client said, line by line.
#[derive(Debug)]
pub struct Told {
    /// One JSON object per line of its output.
    pub events: Vec<Value>,
    /// Its exit code; none if it was killed.
    pub code: Option<i32>,
    /// What it complained about.
    pub err: String,
}

impl Client {
    /// Runs it: `words` are those of the script, starting with the endpoint.
    ///
    /// # Errors
    /// If it is not installed or says something that is not JSON.
    pub fn run(self, door: &Door, words: &[&str]) -> Result<Told> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scripts = tests.join("clients");
        let mut command = match self {
            Self::TusJs | Self::TusJs5(_) => {
                let (name, more) = match self {
                    Self::TusJs5(protocol) => (
                        "tus-js-client-5",
                        vec!["--client", "5", "--protocol", protocol.name()],
                    ),
                    _ => ("tus-js-client", Vec::new()),
                };
                ensure!(
                    scripts.join("node_modules").join(name).is_dir(),
                    "{name} is not installed: ./tests/run does it"
                );
                let mut node = Command::new("node");
                node.arg(scripts.join("tus-js.mjs"))
                    .args(more)
                    .env("NODE_EXTRA_CA_CERTS", &door.ca);
                node
            }
            Self::Tuspy => {
                let python = tests.join("../.cache/tuspy/bin/python");
                ensure!(
                    python.exists(),
                    "tuspy is not installed: ./tests/run does it"
                );
                let mut python = Command::new(python);
                python
                    .arg(scripts.join("tus_py.py"))
                    .env("REQUESTS_CA_BUNDLE", &door.ca);
                python
            }
            Self::TusJava => {
                let jars = tests.join("../.cache/tus-java");
                ensure!(
                    jars.join("installed-from").exists(),
                    "tus-java-client is not installed: ./tests/run long does it"
                );
                let mut java = Command::new("java");
                java.arg("-cp")
                    .arg(jars.join("*"))
                    .arg(scripts.join("java/TusJava.java"))
                    .env("CA", &door.ca)
                    // What it reads its arguments in.
                    .env("LC_ALL", "C.UTF-8");
                java
            }
        };
        let output = tokio::task::block_in_place(|| command.args(words).output())?;
        let out = String::from_utf8_lossy(&output.stdout);
        let events = out
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
            .collect::<Result<_>>()?;
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Told {
            events,
            code: output.status.code(),
            err,
        })
    }
}

impl Told {
    /// The last event of that name.
    ///
    /// # Errors
    /// With everything the client said, if there is none.
    pub fn event(&self, name: &str) -> Result<&Value> {
        let found = self
            .events
            .iter()
            .rev()
            .find(|event| event["event"] == name);
        found.with_context(|| format!("no {name:?} in {self:?}"))
    }

    /// A number in the last event of that name.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn number(&self, name: &str, key: &str) -> Result<u64> {
        self.event(name)?[key]
            .as_u64()
            .with_context(|| format!("no {key} in {self:?}"))
    }

    /// A text in the last event of that name.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn text(&self, name: &str, key: &str) -> Result<&str> {
        self.event(name)?[key]
            .as_str()
            .with_context(|| format!("no {key} in {self:?}"))
    }
}
