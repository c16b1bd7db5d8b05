//! What is wrong with the settings: one [`Problem`] per mistake, [`Problems`] for all of them.
//!
//! Promise: a problem says where it stands, which key it is about, what is wrong and what to write
//! instead, and never repeats a secret.

use std::fmt;
use std::path::PathBuf;

/// Where a value, and so a problem, comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A settings file; the line counts from 1 and is missing if the whole file is meant.
    File {
        /// The file.
        path: PathBuf,
        /// The line in it.
        line: Option<usize>,
    },
    /// The environment variable of this name.
    Environment(String),
    /// The command-line flag of this name, as typed (`--listen`).
    Flag(String),
    /// Nobody said anything: the built-in value.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub at: Origin,
    /// The setting it is about (`retention.working_kept`), if it is about one.
    pub key: Option<String>,
    /// What is wrong.
    pub wrong: String,
    /// What to do or write instead.
    pub instead: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}; {}", self.wrong, self.instead)
    }
}

/// Every mistake that was found, never none: file first, by line, then environment, then flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Err` with everything in reading order, or `Ok` if there is nothing.
    pub(crate) fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| a.at.cmp(&b.at));
        Err(Self(problems))
    }

    /// The mistakes in reading order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("there is a problem in the settings:")?,
            many => write!(f, "there are {many} problems in the settings:")?,
        }
        for problem in &self.0 {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
