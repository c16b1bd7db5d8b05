//! Preflight over HTTP: paths, lengths and first bytes of many files in one request, and what
//! submit would say of them.
//!
//! Nothing is written. `stemvault push` asks the same code on its own machine.

pub(crate) mod heads;
mod pace;

use std::collections::BTreeMap;

use serde::Serialize;
use stemvault_storage::intake::Room;
use stemvault_storage::intake::checks::{Rule, Severity};
use stemvault_storage::intake::facts::Known;
use stemvault_storage::intake::preflight::{self, Candidate, Here, preflight as judge};
use stemvault_storage::session::Rules;
use utoipa::ToSchema;

pub(crate) use heads::Head;
pub use heads::{BODY_MAX, FILES_MAX};
pub use pace::Paces;

/// What submit would say of files that are not uploaded yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preflight {
    /// One for each file that can be uploaded, in the order of the request.
    pub files: Vec<Verdict>,
    /// What is wrong with them together, beside those that are here.
    pub session: Vec<Together>,
    /// Paths that cannot be uploaded.
    pub forbidden: Vec<Forbidden>,
}

/// What is to be said of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// The path as it was sent.
    pub path: String,
    /// The path that it has in the session.
    pub normalised: String,
    /// `upload`, `already_here` or `skip`.
    pub action: &'static str,
    /// `header`: all that submit judges by was in the head; `format` or `length`: a longer head
    /// would tell more.
    #[schema(value_type = String)]
    pub known: Known,
    /// What is wrong with it.
    pub findings: Vec<Remark>,
}

/// Something to say of one file.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Remark {
    /// A rule of the settings, or `junk`, `folder`, `same_name`, `limit`.
    pub rule: &'static str,
    /// `warn`, or `refuse`: the file cannot stay as it is.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// What is wrong and what to do, without the file's name.
    pub message: String,
}

/// Something to say of several files.
#[derive(Debug, Serialize, ToSchema)]
pub struct Together {
    /// A rule of the settings, or `limit`.
    pub rule: &'static str,
    /// `warn` or `refuse`.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// Which files, by their paths in the session.
    pub files: Vec<String>,
    /// Which files, what is wrong and what to do.
    pub message: String,
}

/// A path that cannot be uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forbidden {
    /// As it was sent.
    pub path: String,
    /// Why, and what to do.
    pub message: String,
}

impl From<preflight::Preflight> for Preflight {
    fn from(said: preflight::Preflight) -> Self {
        let remark = |remark: preflight::Remark| Remark {
            rule: remark.rule,
            severity: remark.severity,
            message: remark.message,
        };
        let verdict = |verdict: preflight::Verdict| Verdict {
            path: verdict.path,
            normalised: verdict.normalised,
            action: verdict.action.name(),
            known: verdict.known,
            findings: verdict.findings.into_iter().map(remark).collect(),
        };
        let together = |together: preflight::Together| Together {
            rule: together.rule,
            severity: together.severity,
            files: together.files,
            message: together.message,
        };
        let forbidden = |(path, message)| Forbidden { path, message };
        Self {
            files: said.files.into_iter().map(verdict).collect(),
            session: said.session.into_iter().map(together).collect(),
            forbidden: said.forbidden.into_iter().map(forbidden).collect(),
        }
    }
}

/// Judges a request's files beside those that are here.
#[must_use]
pub fn preflight(candidates: &[Candidate], here: &[Here], room: &Room, rules: &Rules) -> Preflight {
    judge(candidates, here, Some(room), severity(rules)).into()
}

/// The severity of each rule, where one that is not set is not looked for.
pub fn severity(rules: &Rules) -> impl Fn(Rule) -> Severity {
    |rule| rules.get(&rule).copied().unwrap_or(Severity::Ignore)
}

/// The rules in force by their names, as they are told to programs.
#[must_use]
pub fn told(rules: &Rules) -> BTreeMap<&'static str, Severity> {
    let told = rules
        .iter()
        .map(|(rule, severity)| (rule.name(), *severity));
    told.collect()
}
