//! The catalog in sled: embedded, for one process.
//!
//! sled 0.34.7 alone loses acknowledged writes when the power fails and can be killed so that it
//! never opens again; `files` and `writer` hold the rules that cure both (see
//! `decisions/0001-catalog-on-sled.md`). One tree holds everything, because a batch is atomic in
//! one tree only. Reads never wait for a sync and never see what is not synced: the writer leaves
//! the rows as they were before the group that is under way, and reads put them on top of sled.

mod files;
mod large;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use self::writer::{GROUP, Waiting, Writer};
use super::{Batch, Catalog, CatalogError, CommitError, Key, KeyRange, Row, Version};

/// The catalog in a directory of its own. Dropping it closes it, and blocks for one sync;
/// [`close`](Self::close) does not block.
pub struct SledCatalog {
    shared: Arc<Shared>,
    /// Gone once closed.
    batches: Mutex<Option<mpsc::Sender<Waiting>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What readers and the writer share.
struct Shared {
    root: PathBuf,
    /// An error once nothing can be read any more.
    state: RwLock<Result<Open, CatalogError>>,
}

struct Open {
    db: sled::Db,
    /// The durable rows under keys that are written, but not synced yet.
    before: BTreeMap<Key, Option<Row>>,
}

impl SledCatalog {
    /// Opens the catalog in `path`, or makes it, with the directories above it. Waits some seconds
    /// for the lock of a process that is just ending.
    ///
    /// # Errors
    /// [`Locked`](CatalogError::Locked) when another process has it open,
    /// [`Corrupt`](CatalogError::Corrupt) when it cannot be read, `Full` or `Io` when the disk
    /// does not let it be opened.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, CatalogError> {
        let root = path.into();
        spawn_blocking(move || Self::open_blocking(root))
            .await
            .unwrap_or(Err(CatalogError::Closed))
    }

    fn open_blocking(root: PathBuf) -> Result<Self, CatalogError> {
        let files = files::open(&root)?;
        let open = Open {
            db: files.db.clone(),
            before: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            root,
            state: RwLock::new(Ok(open)),
        });
        let (sender, receiver) = mpsc::channel(GROUP);
        let writer = Writer::new(Arc::clone(&shared), files);
        let thread = std::thread::Builder::new().name("catalog".into());
        let thread = thread
            .spawn(move || writer.run(receiver))
            .map_err(|error| CatalogError::Io {
                what: "start the writer of",
                path: shared.root.clone(),
                source: Arc::new(error),
            })?;
        Ok(Self {
            shared,
            batches: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(thread)),
        })
    }

    /// Finishes the commits that wait, closes the files and gives up the lock. From then on
    /// everything is refused with [`Closed`](CatalogError::Closed).
    pub async fn close(&self) {
        if let Some(writer) = self.stop() {
            // Fails only if the writer panicked, and then it has said so.
            let _ = spawn_blocking(|| writer.join()).await;
        }
    }

    /// Lets the writer end. Who calls it first gets the thread.
    fn stop(&self) -> Option<JoinHandle<()>> {
        self.batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Runs `read` where it may wait for the disk.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared, &Open) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let shared = Arc::clone(&self.shared);
        let reading = spawn_blocking(move || {
            // A writer that panicked left durable rows in `before`: reading on is safe.
            let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                Ok(open) => read(&shared, open),
                Err(error) => Err(error.clone()),
            }
        });
        reading
            .await
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => Err(files::panic_error(&self.shared.root, panic.as_ref())),
                Err(_) => Err(CatalogError::Closed),
            })
    }
}

impl Drop for SledCatalog {
    fn drop(&mut self) {
        if let Some(writer) = self.stop() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for SledCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledCatalog")
            .field("root", &self.shared.root)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Catalog for SledCatalog {
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        // One row is nearly always in sled's cache, and then read sooner than handed to another
        // thread. If a group is just being written, that thread waits instead of this one.
        if let Ok(state) = self.shared.state.try_read() {
            return match &*state {
                Ok(open) => row(&self.shared, open, key),
                Err(error) => Err(error.clone()),
            };
        }
        let key = key.clone();
        self.reading(move |shared, open| row(shared, open, &key))
            .await
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.reading(move |shared, open| {
            let written = open
                .db
                .range::<Vec<u8>, _>(sled_range(&range))
                .map(|entry| {
                    let (key, value) =
                        entry.map_err(|error| files::sled_error(&shared.root, error))?;
                    Ok((Key(key[1..].to_vec()), Some(decode(&shared.root, &value)?)))
                });
            let before = open.before.range::<Key, _>(range.bounds());
            let before = before.map(|(key, row)| Ok((key.clone(), row.clone())));
            Overlaid {
                below: written.peekable(),
                above: before.peekable(),
            }
            .filter_map(|entry| entry.map(|(key, row)| Some((key, row?))).transpose())
            .take(limit)
            .collect()
        })
        .await
    }

    async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        batch.check_sizes()?;
        let sender = self
            .batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let sender = sender.ok_or(CatalogError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let sent = sender.send(Waiting { batch, answer }).await;
        sent.map_err(|_| CatalogError::Closed)?;
        // The writer ends when the last sender is gone: keep none while waiting for it.
        drop(sender);
        answered.await.unwrap_or(Err(CatalogError::Closed.into()))
    }
}

/// A durable row.
fn row(shared: &Shared, open: &Open, key: &Key) -> Result<Option<Row>, CatalogError> {
    if let Some(row) = open.before.get(key) {
        return Ok(row.clone());
    }
    // Some kinds of damage make sled panic.
    let found = catch_unwind(AssertUnwindSafe(|| open.db.get(sled_key(key))))
        .map_err(|panic| files::panic_error(&shared.root, panic.as_ref()))?
        .map_err(|error| files::sled_error(&shared.root, error))?;
    found.map(|value| decode(&shared.root, &value)).transpose()
}

impl Shared {
    fn write(&self) -> RwLockWriteGuard<'_, Result<Open, CatalogError>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

type Entry = Result<(Key, Option<Row>), CatalogError>;

/// Two ascending runs of entries as one; where both know a key, `above` is right.
struct Overlaid<B: Iterator<Item = Entry>, A: Iterator<Item = Entry>> {
    below: Peekable<B>,
    above: Peekable<A>,
}

impl<B: Iterator<Item = Entry>, A: Iterator<Item = Entry>> Iterator for Overlaid<B, A> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match (self.below.peek(), self.above.peek()) {
            (Some(Ok((below, _))), Some(Ok((above, _)))) => {
                if below < above {
                    return self.below.next();
                }
                if below == above {
                    self.below.next();
                }
                self.above.next()
            }
            (None, _) => self.above.next(),
            _ => self.below.next(),
        }
    }
}

/// The callers' keys live under a byte of their own, beside [`files::OWN_ROW`].
const ROWS: u8 = b'r';

fn sled_key(key: &Key) -> Vec<u8> {
    [&[ROWS], key.0.as_slice()].concat()
}

fn sled_range(range: &KeyRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let (from, to) = range.bounds();
    let from = match from.map(sled_key) {
        Bound::Unbounded => Bound::Included(vec![ROWS]),
        bound => bound,
    };
    let to = match to.map(sled_key) {
        Bound::Unbounded => Bound::Excluded(vec![ROWS + 1]),
        bound => bound,
    };
    (from, to)
}

/// A row as sled holds it: its version, then its value.
fn encode(version: Version, value: &Bytes) -> Vec<u8> {
    [&version.0.to_be_bytes(), value.as_ref()].concat()
}

fn decode(root: &Path, stored: &[u8]) -> Result<Row, CatalogError> {
    let (version, value) = stored
        .split_first_chunk()
        .ok_or_else(|| CatalogError::Corrupt {
            path: root.to_owned(),
            detail: "a row has no version".into(),
        })?;
    Ok(Row {
        version: Version(u64::from_be_bytes(*version)),
        value: Bytes::copy_from_slice(value),
    })
}

#[cfg(test)]
mod tests;
