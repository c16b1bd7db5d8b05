//! A program that writes to a catalog until it is killed, and the check of what it left.
//!
//! Every line it prints is a promise: `ack <task> <n>` comes after the n-th commit of that task
//! returned. What a task has written after n commits is a function of n, so the check is exact:
//! the catalog must hold the state after some n, whole, and no less than was acknowledged.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use stemvault_catalog::{Batch, Catalog, CommitError, Key, SledCatalog};

/// Tasks that write at the same time.
pub const TASKS: u32 = 4;
/// How many of the numbered rows a task keeps.
const KEPT: u32 = 200;
/// Rows that are written again and again, so that sled has old pages to clean up.
const SLOTS: u32 = 100;
/// Every so many commits one is large.
const LARGE_EVERY: u32 = 40;
const LARGE: u32 = 500;

const DIRECTORY: &str = "STEMVAULT_TEST_VICTIM";

/// Last acknowledged commit of each task.
pub type Acknowledged = BTreeMap<u32, u32>;

/// A running writer.
pub struct Victim {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    /// What it promised so far.
    pub acknowledged: Acknowledged,
    /// Whether it came to the end of its open.
    pub opened: bool,
    /// What it said when a commit failed.
    pub failure: Option<String>,
}

impl Victim {
    /// Starts this test binary again, as the ignored test `name`, which calls [`serve`]. Returns
    /// when it is about to open the catalog.
    pub fn start(name: &str, directory: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([name, "--exact", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        while output.next().expect("it begins").unwrap() != "opening" {}
        Self {
            child,
            output,
            acknowledged: BTreeMap::new(),
            opened: false,
            failure: None,
        }
    }

    /// Reads until `acks` more commits were acknowledged, or it ended.
    pub fn wait_for(&mut self, acks: u32) {
        let mut missing = acks;
        while missing > 0 && self.read_line() {
            missing -= u32::from(self.opened);
        }
    }

    /// Kills it where it stands and takes in what it had said by then.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait_for(u32::MAX);
        self.child.wait().unwrap();
    }

    /// Takes in one line; false at the end.
    fn read_line(&mut self) -> bool {
        let Some(line) = self.output.next() else {
            return false;
        };
        let line = line.unwrap();
        if let Some(failure) = line.strip_prefix("failed ") {
            self.failure = Some(failure.to_owned());
        } else if line == "open" {
            self.opened = true;
        } else if let Some(ack) = line.strip_prefix("ack ") {
            let (task, n) = ack.split_once(' ').unwrap();
            self.acknowledged
                .insert(task.parse().unwrap(), n.parse().unwrap());
        }
        true
    }
}

/// The body of an ignored test that is started as a victim, and of no use otherwise.
pub fn serve(write: impl FnOnce(&Path)) {
    let Some(directory) = env::var_os(DIRECTORY) else {
        return;
    };
    // The test harness has left a line without an end.
    println!("\nopening");
    write(Path::new(&directory));
}

/// Writes to the product's catalog.
pub fn write(directory: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    runtime.unwrap().block_on(write_to_ours(directory.into()));
}

async fn write_to_ours(directory: std::path::PathBuf) {
    let catalog = match SledCatalog::open(directory).await {
        Ok(catalog) => std::sync::Arc::new(catalog),
        Err(error) => return println!("failed {error}"),
    };
    println!("open");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let catalog = std::sync::Arc::clone(&catalog);
        tasks.spawn(async move {
            let last = catalog.get(&last_key(task)).await.unwrap();
            let last = last.map_or(0, |row| number(&row.value));
            for n in last + 1.. {
                let batch = writes(task, n)
                    .into_iter()
                    .fold(Batch::new(), |batch, write| match write {
                        (key, Some(value)) => batch.put(key, value),
                        (key, None) => batch.delete(key),
                    });
                match catalog.commit(batch).await {
                    Ok(()) => println!("ack {task} {n}"),
                    Err(CommitError::Conflict(key)) => panic!("nothing was expected of {key}"),
                    Err(CommitError::Failed(error)) => return println!("failed {error}"),
                }
            }
        });
    }
    tasks.join_all().await;
}

/// The row in which a task counts its commits.
pub fn last_key(task: u32) -> Key {
    Key(format!("{task}/last").into())
}

/// What [`last_key`] holds.
pub fn number(value: &[u8]) -> u32 {
    str::from_utf8(value).unwrap().parse().unwrap()
}

/// What the n-th commit of a task writes; without a value, what it deletes.
pub fn writes(task: u32, n: u32) -> BTreeMap<Key, Option<Vec<u8>>> {
    let key = |name: String| Key(format!("{task}/{name}").into());
    let filler = |length: u32| format!("{n} ").into_bytes().repeat(length as usize);
    let mut writes = BTreeMap::from([
        (last_key(task), Some(n.to_string().into_bytes())),
        (key(format!("first/{n:08}")), Some(filler(1 + n % 30))),
        (key(format!("second/{n:08}")), Some(filler(1 + n % 50))),
        (
            key(format!("slot/{:03}", n % SLOTS)),
            Some(filler(n * 37 % 700)),
        ),
    ]);
    if let Some(old) = n.checked_sub(KEPT) {
        writes.insert(key(format!("first/{old:08}")), None);
        writes.insert(key(format!("second/{old:08}")), None);
    }
    if n.is_multiple_of(LARGE_EVERY) {
        writes.extend((0..LARGE).map(|i| (key(format!("large/{i:03}")), Some(filler(20)))));
    }
    writes
}

/// What a task has written after `n` commits.
fn state_after(task: u32, n: u32) -> BTreeMap<Key, Vec<u8>> {
    // Nothing older than this is still there, except what a large commit wrote.
    let begin = n.saturating_sub(KEPT + SLOTS + LARGE_EVERY).max(1);
    let mut state = BTreeMap::new();
    for (key, value) in (begin..=n).flat_map(|n| writes(task, n)) {
        match value {
            Some(value) => state.insert(key, value),
            None => state.remove(&key),
        };
    }
    state
}

/// Panics unless the catalog opens and holds what was acknowledged. Says what it holds.
pub async fn check(directory: &Path, acknowledged: &Acknowledged) -> Acknowledged {
    let catalog = match SledCatalog::open(directory).await {
        Ok(catalog) => catalog,
        Err(error) => panic!("the catalog does not open any more: {error}"),
    };
    let mut held = Acknowledged::new();
    for task in 0..TASKS {
        let rows = catalog
            .scan_prefix(&Key(format!("{task}/").into()))
            .await
            .unwrap();
        let rows: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(key, row)| (key, row.value.to_vec()))
            .collect();
        let last = rows.get(&last_key(task)).map_or(0, |value| number(value));
        let promised = acknowledged.get(&task).copied().unwrap_or(0);
        assert!(
            last >= promised,
            "task {task}: {promised} acknowledged, {last} there"
        );
        if rows != state_after(task, last) {
            let expected = state_after(task, last);
            let wrong = rows
                .iter()
                .find(|(key, value)| expected.get(*key) != Some(*value));
            let missing = expected.keys().find(|key| !rows.contains_key(*key));
            panic!("task {task}, torn after {last}: wrong {wrong:?}, missing {missing:?}");
        }
        held.insert(task, last);
    }
    catalog.close().await;
    held
}
