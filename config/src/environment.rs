//! Environment variables: how a setting is named there, and which foreign ones to leave alone.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::nearest::nearest;
use crate::problem::{Origin, Problem};

const PREFIX: &str = "STEMVAULT_";

/// The variable that holds the master key itself.
pub(crate) const MASTER_KEY: &str = "STEMVAULT_MASTER_KEY";

/// Variables with our prefix that are no settings: the command line of a client reads them.
const NOT_SETTINGS: [&str; 4] = [
    "STEMVAULT_SERVER",
    "STEMVAULT_TOKEN",
    "STEMVAULT_CA",
    MASTER_KEY,
];

/// The environment of this process, fit for [`Settings::load`](crate::Settings::load). Bytes that
/// are not UTF-8 become U+FFFD, which no setting takes for a path.
#[must_use]
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            let text = |bytes: OsString| bytes.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .collect()
}

/// `server.header_timeout` is `STEMVAULT_SERVER_HEADER_TIMEOUT`.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// A problem for every variable that looks like a setting and is none.
pub(crate) fn unknown(environment: &BTreeMap<String, String>, keys: &[&str]) -> Vec<Problem> {
    let known: Vec<String> = keys.iter().map(|key| variable(key)).collect();
    let sections: Vec<String> = keys
        .iter()
        .filter_map(|key| key.split_once('.'))
        .map(|(section, _)| variable(section))
        .collect();
    let mut problems = Vec::new();
    for name in environment.keys() {
        if !name.starts_with(PREFIX)
            || known.contains(name)
            || NOT_SETTINGS.contains(&name.as_str())
            || set_by_kubernetes(name)
        {
            continue;
        }
        let near = nearest(name, known.iter().map(String::as_str));
        let in_a_section = sections
            .iter()
            .any(|s| name == s || name.starts_with(&format!("{s}_")));
        if near.is_none() && !in_a_section {
            continue;
        }
        problems.push(Problem {
            at: Origin::Environment(name.clone()),
            key: None,
            wrong: "no setting has this name".to_owned(),
            instead: near.map_or_else(
                || "unset it; `stemvault config sample` lists every setting".to_owned(),
                |near| format!("write {near}"),
            ),
        });
    }
    problems
}

/// Kubernetes gives every container variables named after each service (`STEMVAULT_PORT`,
/// `STEMVAULT_SERVER_SERVICE_HOST`, ...): a service called "stemvault" must not stop the server.
fn set_by_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| {
            let number = rest.split('_').next().unwrap_or_default();
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        })
}
