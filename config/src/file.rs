//! The settings file: TOML text to dotted keys with their lines.
//!
//! Promise: a syntax mistake does not hide the others. What the parser could still read is read,
//! and nothing is reported twice for one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Origin, Problem};

/// A value as it was written, before anyone asked what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    /// Text without a type: from the environment, a flag or a default.
    Plain(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Raw>),
    /// Something that no setting takes, by its name.
    Other(&'static str),
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) raw: Raw,
    pub(crate) at: Origin,
}

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Dotted key to value.
    pub(crate) values: BTreeMap<String, Given>,
    /// Dotted name of every table, also of empty ones, with its place.
    pub(crate) tables: BTreeMap<String, Origin>,
    /// Lines that cannot be read; nothing more is said about them.
    broken: BTreeSet<usize>,
    /// Keys that stand in such lines, as far as they can be made out.
    pub(crate) broken_keys: BTreeSet<String>,
}

impl File {
    /// Reads a file; a file that cannot be read is one problem.
    pub(crate) fn read(path: &Path, problems: &mut Vec<Problem>) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text, problems),
            Err(error) => {
                problems.push(Problem {
                    at: Origin::File {
                        path: path.to_owned(),
                        line: None,
                    },
                    key: None,
                    wrong: format!("cannot be read: {error}"),
                    instead: "name a text file that this user may read".to_owned(),
                });
                Self::default()
            }
        }
    }

    fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Self {
        let mut file = Self::default();
        let lines = Lines {
            path: path.to_owned(),
            text,
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = lines.of(error.span().map_or(text.len(), |span| span.start));
            if file.broken.insert(line) {
                problems.push(Problem {
                    at: lines.at(line),
                    key: None,
                    wrong: format!("this line cannot be read: {}", error.message()),
                    instead: lines.advice(line, error.message()),
                });
            }
        }
        file.flatten("", table.get_ref(), &lines);
        file
    }

    fn flatten(&mut self, prefix: &str, table: &DeTable<'_>, lines: &Lines<'_>) {
        for (key, value) in table {
            let line = lines.of(key.span().start);
            let name = match prefix {
                "" => key.get_ref().to_string(),
                prefix => format!("{prefix}.{}", key.get_ref()),
            };
            let at = lines.at(line);
            if let DeValue::Table(inner) = value.get_ref() {
                self.flatten(&name, inner, lines);
                self.tables.insert(name, at);
            } else if self.broken.contains(&line) {
                self.broken_keys.insert(name);
            } else {
                let raw = raw(value);
                self.values.insert(name, Given { raw, at });
            }
        }
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number with too many digits"), Raw::Integer),
        DeValue::Boolean(yes) => Raw::Boolean(*yes),
        DeValue::Array(items) => Raw::List(items.iter().map(raw).collect()),
        DeValue::Float(_) => Raw::Other("a number with a decimal point"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

/// Turns byte positions of one file into lines.
struct Lines<'a> {
    path: PathBuf,
    text: &'a str,
}

impl Lines<'_> {
    fn of(&self, position: usize) -> usize {
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn at(&self, line: usize) -> Origin {
        Origin::File {
            path: self.path.clone(),
            line: Some(line),
        }
    }

    /// What to do about a broken line. Its value is not repeated: it may be a secret.
    fn advice(&self, line: usize, message: &str) -> String {
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = text.split_once('=').map_or("", |(key, _)| key.trim());
        if message.starts_with("duplicate key") {
            "take one of the two out".to_owned()
        } else if message.contains("must be quoted") && !key.is_empty() {
            format!("put the value in quotes: {key} = \"...\"")
        } else {
            "write key = \"value\", one to a line".to_owned()
        }
    }
}
