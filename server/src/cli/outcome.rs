//! What became of each file of a push or a pull, as JSON and as the end of a summary.

use anyhow::Context;
use futures::StreamExt;
use serde::Serialize;

use stemvault_client::shown::{printable, printable_json};
use stemvault_client::terminal::{print, tell};

/// At most so many names are listed.
pub(super) const LISTED: usize = 20;

/// What became of one file.
#[derive(Debug, Serialize)]
pub(super) struct Outcome<How> {
    pub path: String,
    /// Bytes, as a string: it may need 64 bits.
    pub length: String,
    /// How it arrived, or nothing if it did not.
    pub outcome: Option<How>,
    /// BLAKE3, once both sides agree on it.
    pub hash: Option<String>,
    /// Whether what is on the disk was compared with that, after it was sent or written.
    pub checked: bool,
    /// Why it did not arrive.
    pub problem: Option<String>,
    /// The id of its upload, where it has one.
    #[serde(skip)]
    pub upload: Option<String>,
    #[serde(skip)]
    pub bytes: u64,
    #[serde(skip)]
    pub moved: u64,
}

impl<How> Outcome<How> {
    /// A file of which nothing is known yet.
    pub(super) fn new(path: &str, length: u64) -> Self {
        Self {
            path: path.to_owned(),
            length: length.to_string(),
            outcome: None,
            hash: None,
            checked: false,
            problem: None,
            upload: None,
            bytes: length,
            moved: 0,
        }
    }
}

/// Runs `parallel` of the transfers at once; the outcomes have the order of the transfers.
pub(super) async fn in_parallel<T>(
    parallel: usize,
    transfers: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let numbered = transfers
        .enumerate()
        .map(|(place, transfer)| async move { (place, transfer.await) });
    let mut done: Vec<_> = futures::stream::iter(numbered)
        .buffer_unordered(parallel)
        .collect()
        .await;
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// How many files did not arrive.
pub(super) fn failed<How>(lines: &[Outcome<How>]) -> usize {
    lines.iter().filter(|line| line.problem.is_some()).count()
}

/// How many bytes were moved over the network.
pub(super) fn moved<How>(lines: &[Outcome<How>]) -> u64 {
    lines.iter().map(|line| line.moved).sum()
}

/// Prints why files did not arrive.
pub(super) fn print_problems<How>(what: &str, lines: &[Outcome<How>]) {
    let problems = lines
        .iter()
        .filter_map(|line| Some((&line.path, line.problem.as_ref()?)));
    for (path, problem) in problems.take(LISTED) {
        tell(&format!(
            "  {what}: {}: {}",
            printable(path),
            printable(problem)
        ));
    }
    if failed(lines) > LISTED {
        tell(&format!("  and {} more", failed(lines) - LISTED));
    }
}

/// Prints a result for programs.
///
/// # Errors
/// When standard output does not take it.
pub(super) fn print_json(result: &serde_json::Value) -> anyhow::Result<()> {
    let what = "it is done, but its result was not printed";
    print(&printable_json(&result.to_string())).context(what)
}

/// `1 file`, `2 files`.
pub(super) fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}
