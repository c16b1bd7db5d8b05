//! The one thread that writes to sled: it takes what waits, applies it, syncs once, and only then
//! answers.
//!
//! A batch of a group is checked against the rows as the batches before it left them. Conflicts
//! are answered with the group as well, so whoever reads again sees what the conflict was with.
//! After a failed write or sync, and after a panic, nothing is written any more. Where only the disk
//! was full, the files are opened anew when there is room, as after a crash: what was acknowledged is
//! there, and whoever was told of the failure looks where things stand.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::files::{self, Files, Own};
use super::large::{self, Change};
use super::{Open, Shared, decode, encode, sled_key};
use crate::{Batch, CatalogError, CommitError, Key, Row, Version};

/// Batches that share one sync at most.
pub(super) const GROUP: usize = 256;

/// Versions are set aside in steps, so that not every batch writes the row that counts them.
const VERSIONS_AT_ONCE: u64 = 1 << 16;

/// How often a catalog whose disk was full looks whether there is room.
const LOOK: Duration = Duration::from_millis(500);

/// A batch, and who waits for it.
pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) files: Files,
    next_version: u64,
    /// The first version that is not set aside yet.
    unreserved: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, files: Files) -> Self {
        let next_version = files.unused_versions;
        Self {
            shared,
            files,
            next_version,
            unreserved: next_version,
        }
    }

    /// Serves until every sender is gone, then closes the catalog.
    pub(super) fn run(mut self, mut batches: mpsc::Receiver<Waiting>) {
        let mut group = Vec::with_capacity(GROUP);
        while batches.blocking_recv_many(&mut group, GROUP) > 0 {
            let root = self.shared.root.clone();
            let answers = catch_unwind(AssertUnwindSafe(|| self.commit_group(&group)))
                .unwrap_or_else(|panic| Err(files::panic_error(&root, panic.as_ref())));
            match answers {
                Ok(answers) => {
                    for (waiting, answer) in group.drain(..).zip(answers) {
                        // Nobody waits any more: then nobody needs to know.
                        let _ = waiting.answer.send(answer);
                    }
                }
                Err(error) => {
                    let full = matches!(error, CatalogError::Full { .. });
                    let failed = Failed::begin(self, &error);
                    answer(group.drain(..), &error);
                    self = match failed.when_there_is_room(full, &error, &mut batches) {
                        Some(writer) => writer,
                        None => return,
                    };
                }
            }
        }
        self.close();
    }

    /// The answers, once everything that they say is on disk.
    pub(super) fn commit_group(
        &mut self,
        group: &[Waiting],
    ) -> Result<Vec<Result<(), CommitError>>, CatalogError> {
        let mut answers = Vec::with_capacity(group.len());
        let mut changed = false;
        for waiting in group {
            answers.push(match self.first_conflict(&waiting.batch)? {
                Some(key) => Err(CommitError::Conflict(key)),
                None if waiting.batch.writes.len() > large::STEP => {
                    self.apply_large(&waiting.batch)?
                }
                None => {
                    changed |= self.apply(&waiting.batch)?;
                    Ok(())
                }
            });
        }
        if changed {
            files::make_durable(&self.shared.root, &self.files.db, &self.files.data)?;
            self.show();
        }
        Ok(answers)
    }

    pub(super) fn first_conflict(&self, batch: &Batch) -> Result<Option<Key>, CatalogError> {
        for (key, expect) in &batch.expected {
            if !expect.holds(self.row(key)?.map(|row| row.version)) {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// Applies a batch whose expectations hold. Says whether it changed anything.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<bool, CatalogError> {
        let before = self.before(batch)?;
        if before.is_empty() {
            return Ok(false);
        }
        let version = Version(self.next_version);
        let mut step = large::step(changes(version, batch, &before));
        if self.take_version() {
            let own = Own {
                unused_versions: self.unreserved,
                large: None,
            };
            step.insert(files::OWN_ROW, own.encode());
        }
        self.put_aside(&before);
        self.give(step)?;
        Ok(true)
    }

    /// The same for a batch of many rows; it is durable at once. Where what lies beside sled cannot
    /// be written nothing has happened, and others go on.
    fn apply_large(&mut self, batch: &Batch) -> Result<Result<(), CommitError>, CatalogError> {
        let root = self.shared.root.clone();
        let before = self.before(batch)?;
        let version = Version(self.next_version);
        let hash = match large::write(&root, changes(version, batch, &before)) {
            Ok(hash) => hash,
            Err(error) => return Ok(Err(error.into())),
        };
        self.take_version();
        self.files.begin_large(&root, self.unreserved, hash)?;
        self.put_aside(&before);
        for step in before.chunks(large::STEP) {
            self.give(large::step(changes(version, batch, step)))?;
        }
        self.files.end_large(&root, self.unreserved)?;
        self.show();
        if let Err(error) = large::remove(&root) {
            tracing::warn!(%error, "a large batch is applied, and its file is left behind");
        }
        Ok(Ok(()))
    }

    /// The rows that a batch changes, as the batches so far left them.
    pub(super) fn before(&self, batch: &Batch) -> Result<Vec<(Key, Option<Row>)>, CatalogError> {
        let mut before = Vec::with_capacity(batch.writes.len());
        for (key, value) in &batch.writes {
            let old = self.row(key)?;
            if value.is_some() || old.is_some() {
                before.push((key.clone(), old));
            }
        }
        Ok(before)
    }

    /// The next version is used. Says whether more were set aside, which must be written down
    /// with the first of them.
    fn take_version(&mut self) -> bool {
        let more = self.next_version == self.unreserved;
        if more {
            self.unreserved += VERSIONS_AT_ONCE;
        }
        self.next_version += 1;
        more
    }

    /// From now on whoever reads these rows finds them as they were.
    fn put_aside(&self, before: &[(Key, Option<Row>)]) {
        if let Ok(open) = &mut *self.shared.write() {
            for (key, old) in before {
                open.before
                    .entry(key.clone())
                    .or_insert_with(|| old.clone());
            }
        }
    }

    /// Gives sled a step. Nobody reads meanwhile.
    pub(super) fn give(&self, step: sled::Batch) -> Result<(), CatalogError> {
        let _state = self.shared.write();
        let applied = self.files.db.apply_batch(step);
        applied.map_err(|error| files::sled_error(&self.shared.root, error))
    }

    /// Everything that was applied is durable: whoever reads finds it.
    fn show(&self) {
        if let Ok(open) = &mut *self.shared.write() {
            open.before.clear();
        }
    }

    /// The row as the batches so far left it, durable or not.
    fn row(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        let found = self.files.db.get(sled_key(key));
        let found = found.map_err(|error| files::sled_error(&self.shared.root, error))?;
        found
            .map(|value| decode(&self.shared.root, &value))
            .transpose()
    }

    fn close(self) {
        let open = std::mem::replace(&mut *self.shared.write(), Err(CatalogError::Closed));
        drop::<Result<Open, CatalogError>>(open);
        let Files { db, data, lock, .. } = self.files;
        if let Err(error) = files::make_durable(&self.shared.root, &db, &data) {
            tracing::error!(%error, "the catalog was not closed cleanly; what was acknowledged is safe");
        }
        drop(db);
        drop(lock);
    }
}

/// What sled is to do to these rows.
pub(super) fn changes(
    version: Version,
    batch: &Batch,
    rows: &[(Key, Option<Row>)],
) -> impl Iterator<Item = Change> {
    rows.iter().map(move |(key, _)| {
        let value = batch.writes[key].as_ref();
        (sled_key(key), value.map(|value| encode(version, value)))
    })
}

/// Tells an error to everybody who waits.
fn answer(waiting: impl Iterator<Item = Waiting>, error: &CatalogError) {
    for waiting in waiting {
        let _ = waiting.answer.send(Err(error.clone().into()));
    }
}

/// A catalog that has failed: nothing is read or written.
struct Failed {
    shared: Arc<Shared>,
    /// As it was. Closing it would write what was left to be written, on a disk that refused it.
    state: ManuallyDrop<(Result<Open, CatalogError>, Files)>,
}

impl Failed {
    fn begin(writer: Writer, error: &CatalogError) -> Self {
        let Writer { shared, files, .. } = writer;
        let open = std::mem::replace(&mut *shared.write(), Err(error.clone()));
        Self {
            shared,
            state: ManuallyDrop::new((open, files)),
        }
    }

    /// The writer that goes on, once there is room; none when everybody has gone, or it is not the
    /// room that is missing. Whoever asks meanwhile is told what is the matter.
    fn when_there_is_room(
        self,
        full: bool,
        error: &CatalogError,
        batches: &mut mpsc::Receiver<Waiting>,
    ) -> Option<Writer> {
        let Self { shared, state } = self;
        // Where only the sync failed, sled knows nothing of it, and would go on from pages that may be
        // nowhere.
        let failed = || state.1.db.flush().is_err();
        let failed = || catch_unwind(AssertUnwindSafe(failed)).unwrap_or(true);
        if !(full && failed()) {
            tracing::error!(%error, "the catalog failed: nothing is read or written until the server is started again");
            while let Some(waiting) = batches.blocking_recv() {
                answer(std::iter::once(waiting), error);
            }
            return None;
        }
        tracing::error!(%error, "the catalog's disk is full: nothing is read or written until there is room again");
        let mut before = Some(state);
        let mut lock = None;
        loop {
            loop {
                match batches.try_recv() {
                    Ok(waiting) => answer(std::iter::once(waiting), error),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return None,
                }
            }
            std::thread::sleep(LOOK);
            if !files::has_room(&shared.root) {
                continue;
            }
            if let Some(state) = before.take() {
                let (
                    open,
                    Files {
                        db,
                        data,
                        lock: own,
                        ..
                    },
                ) = ManuallyDrop::into_inner(state);
                lock = Some(own);
                // It has failed, so it writes nothing more; a panic on the way down is no news.
                let dropped = catch_unwind(AssertUnwindSafe(|| drop((open, db, data))));
                if dropped.is_err() {
                    tracing::warn!("the catalog that met a full disk was not closed in order");
                }
            }
            let own = lock.take()?;
            let kept = own.try_clone();
            let opened = catch_unwind(AssertUnwindSafe(|| files::open_locked(&shared.root, own)))
                .unwrap_or_else(|panic| Err(files::panic_error(&shared.root, panic.as_ref())));
            match (opened, kept) {
                (Ok(files), _) => {
                    *shared.write() = Ok(Open {
                        db: files.db.clone(),
                        before: BTreeMap::new(),
                    });
                    tracing::info!("there is room for the catalog again: it goes on");
                    return Some(Writer::new(shared, files));
                }
                (Err(error), Ok(kept)) => {
                    tracing::warn!(%error, "the catalog does not open yet");
                    lock = Some(kept);
                }
                (Err(_), Err(error)) => {
                    tracing::error!(%error, "the catalog's lock is lost: start the server again");
                    return None;
                }
            }
        }
    }
}
