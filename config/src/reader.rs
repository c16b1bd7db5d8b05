//! Puts the sources in order for one key after the other: flag, environment, file, default.
//!
//! Promise: every value that anyone gave is checked, also one that another overrides; what was
//! read is on record with its origin, so that afterwards all that nobody asked for is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::environment::{self, variable};
use crate::file::{File, Given, Raw};
use crate::kind::{Kind, Wrong};
use crate::nearest::{nearest, nearest_key};
use crate::problem::{Origin, Problem};

/// Settings from the command line; they win over environment and file.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<Flag>);

#[derive(Debug, Clone)]
struct Flag {
    name: String,
    key: String,
    value: String,
}

impl Overrides {
    /// Adds a setting: the flag as typed (`--listen`), the key it stands for (`server.listen`) and
    /// its value, written as in an environment variable (items of a list separated by commas).
    /// Of two values for one key the later one holds.
    #[must_use]
    pub fn with(mut self, flag: &str, key: &str, value: impl Into<String>) -> Self {
        self.0.push(Flag {
            name: flag.to_owned(),
            key: key.to_owned(),
            value: value.into(),
        });
        self
    }
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its key, `retention.working_kept`.
    pub key: String,
    /// Its value as it would stand in the settings file; `(set)` if it is a secret.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
    /// What it is for, one paragraph.
    pub about: &'static str,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.origin)
    }
}

/// Reads keys and keeps the books.
pub(crate) struct Reader {
    pub(crate) file: File,
    pub(crate) environment: BTreeMap<String, String>,
    flags: Overrides,
    /// Values from variables of other programs (`AWS_REGION`), weakest of all that is given.
    ambient: BTreeMap<String, Given>,
    known: BTreeSet<String>,
    bad: BTreeSet<String>,
    pub(crate) in_force: Vec<InForce>,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn new(environment: BTreeMap<String, String>, flags: Overrides) -> Self {
        Self {
            file: File::default(),
            environment,
            flags,
            ambient: BTreeMap::new(),
            known: BTreeSet::new(),
            bad: BTreeSet::new(),
            in_force: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Reads one setting. After a problem it returns something valid, so that reading can go on.
    pub(crate) fn value<K: Kind>(
        &mut self,
        key: &str,
        about: &'static str,
        kind: &K,
        default: &str,
    ) -> K::Value {
        let mut chosen = None;
        for given in self.given(key) {
            match kind.parse(&given.raw) {
                Ok(value) if chosen.is_none() => chosen = Some((value, given.at)),
                Ok(_) => {}
                Err(wrong) => self.refuse(key, given.at, wrong),
            }
        }
        let (value, origin) = chosen.unwrap_or_else(|| {
            let raw = Raw::Plain(default.to_owned());
            let value = kind.parse(&raw).ok();
            (
                value.expect("every default is valid: sample_tests.rs reads them all"),
                Origin::Default,
            )
        });
        self.record(key, kind.show(&value), origin, about);
        value
    }

    /// Everything given for a key, strongest first. From now on the key is a known one.
    pub(crate) fn given(&mut self, key: &str) -> Vec<Given> {
        self.known.insert(key.to_owned());
        let flags = self.flags.0.iter().rev().filter(|flag| flag.key == key);
        let mut given: Vec<Given> = flags
            .map(|flag| Given {
                raw: Raw::Plain(flag.value.clone()),
                at: Origin::Flag(flag.name.clone()),
            })
            .collect();
        given.extend(self.variable(&variable(key)));
        given.extend(self.file.values.get(key).cloned());
        given.extend(self.ambient.get(key).cloned());
        given
    }

    /// A variable's value; an empty one counts as not set, as compose files leave them.
    pub(crate) fn variable(&self, name: &str) -> Option<Given> {
        let value = self.environment.get(name)?;
        (!value.trim().is_empty()).then(|| Given {
            raw: Raw::Plain(value.clone()),
            at: Origin::Environment(name.to_owned()),
        })
    }

    /// Lets a key have a value from a variable of another name, weaker than all else but the
    /// default.
    pub(crate) fn ambient(&mut self, key: &str, given: Given) {
        self.ambient.insert(key.to_owned(), given);
    }

    /// Reports a value that cannot be used; contradictions no longer mention its key.
    pub(crate) fn refuse(&mut self, key: &str, at: Origin, wrong: Wrong) {
        self.bad.insert(key.to_owned());
        self.report(key, at, wrong);
    }

    /// Reports a problem with a key whose value is valid in itself.
    pub(crate) fn report(&mut self, key: &str, at: Origin, wrong: Wrong) {
        self.problems.push(Problem {
            at,
            key: Some(key.to_owned()),
            wrong: wrong.wrong,
            instead: wrong.instead,
        });
    }

    pub(crate) fn record(&mut self, key: &str, value: String, origin: Origin, about: &'static str) {
        self.in_force.push(InForce {
            key: key.to_owned(),
            value,
            origin,
            about: about.trim(),
        });
    }

    /// Whether what was written for a key could not be used.
    pub(crate) fn is_bad(&self, key: &str) -> bool {
        self.bad.contains(key) || self.file.broken_keys.contains(key)
    }

    /// Who set a key.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let found = self.in_force.iter().find(|setting| setting.key == key);
        found.map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// Reports everything that was given and that nobody read.
    pub(crate) fn report_unknown(&mut self) {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let mut problems = environment::unknown(&self.environment, &known);
        for flag in &self.flags.0 {
            if !self.known.contains(&flag.key) {
                let at = Origin::Flag(flag.name.clone());
                problems.push(unknown_key(&flag.key, at, &known));
            }
        }
        let mut unknown_tables: Vec<&str> = Vec::new();
        for (table, at) in &self.file.tables {
            let inside = |outer: &&str| below(table, outer);
            if holds_keys(table, &known) || unknown_tables.iter().any(inside) {
                continue;
            }
            unknown_tables.push(table);
            problems.push(
                match known.iter().find(|key| *key == table || below(table, key)) {
                    Some(key) => Problem {
                        at: at.clone(),
                        key: Some((*key).to_owned()),
                        wrong: "is one value, not a table of several".to_owned(),
                        instead: "write key = value in one line".to_owned(),
                    },
                    None => unknown_table(table, at.clone(), &known),
                },
            );
        }
        for (key, given) in &self.file.values {
            let reported = unknown_tables.iter().any(|table| below(key, table));
            if self.known.contains(key) || reported {
                continue;
            }
            problems.push(if holds_keys(key, &known) {
                Problem {
                    at: given.at.clone(),
                    key: Some(key.clone()),
                    wrong: "is a section, not a value".to_owned(),
                    instead: format!(
                        "write [{key}] in a line of its own and below it {}",
                        names_in(key, &known).join(", ")
                    ),
                }
            } else {
                unknown_key(key, given.at.clone(), &known)
            });
        }
        self.problems.append(&mut problems);
    }
}

/// Whether `name` stands somewhere below the table `outer`.
fn below(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn holds_keys(table: &str, known: &[&str]) -> bool {
    known.iter().any(|key| below(key, table))
}

/// The names that may stand directly in a section.
fn names_in<'a>(section: &str, known: &[&'a str]) -> Vec<&'a str> {
    let inside = known.iter().filter_map(|key| key.rsplit_once('.'));
    inside
        .filter(|(outer, _)| *outer == section)
        .map(|(_, name)| name)
        .collect()
}

fn unknown_key(key: &str, at: Origin, known: &[&str]) -> Problem {
    let instead = match nearest_key(key, known) {
        Some(near) if same_section(near, key) => {
            format!("write {}", near.rsplit('.').next().unwrap_or(near))
        }
        Some(near) => match near.rsplit_once('.') {
            Some((section, name)) => format!("write {name} in the section [{section}]"),
            None => format!("write {near} at the top, before the first section"),
        },
        None => "take it out; `stemvault config sample` lists every setting".to_owned(),
    };
    Problem {
        at,
        key: Some(key.to_owned()),
        wrong: "no setting has this name".to_owned(),
        instead,
    }
}

fn same_section(a: &str, b: &str) -> bool {
    let section = |key: &str| key.rsplit_once('.').map(|(section, _)| section.to_owned());
    section(a) == section(b)
}

fn unknown_table(table: &str, at: Origin, known: &[&str]) -> Problem {
    let sections: BTreeSet<&str> = known
        .iter()
        .filter_map(|key| key.rsplit_once('.'))
        .map(|(section, _)| section)
        .collect();
    let instead = nearest(table, sections.iter().copied()).map_or_else(
        || {
            let top: Vec<&str> = sections.into_iter().filter(|s| !s.contains('.')).collect();
            format!("the sections are {}", top.join(", "))
        },
        |near| format!("write [{near}]"),
    );
    Problem {
        at,
        key: Some(table.to_owned()),
        wrong: "no section has this name".to_owned(),
        instead,
    }
}
