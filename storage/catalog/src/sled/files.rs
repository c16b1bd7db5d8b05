//! What lies in the directory of a sled catalog, and how it is opened so that it can be trusted.
//!
//! `lock` is ours: whoever holds it may touch the rest. `sled/` is the database; it is made under
//! the name `sled.creating` and renamed when it is whole and on disk, so a `sled/` without our
//! format row is damage and never an interrupted first start. An open that is killed at any moment
//! leaves a directory that opens. `large` holds a large batch while it is applied.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blake3::Hash;

use super::large;
use crate::CatalogError;

/// The key of the only row that is not the caller's: an [`Own`].
pub(super) const OWN_ROW: &[u8] = b"own";
const FORMAT: u8 = 1;
/// The format while a large batch is being applied: nobody who does not know of it may open this.
const IN_A_LARGE_BATCH: u8 = 2;

/// sled keeps a page of more than a quarter of a segment in a file that it never syncs. It splits
/// a leaf by the number of its rows (17), not by their size, so with the usual 512 KiB a few rows
/// of 16 KiB are enough; with 2 MiB no page of such rows, or of the longest keys, gets there.
const SEGMENT: usize = 2 * 1024 * 1024;
/// sled takes about four times as much memory as this; twice the setting measured no faster.
const CACHE: u64 = 8 * 1024 * 1024;

/// A catalog whose disk was full goes on with so much room: some segments.
const ROOM: u64 = 16 * SEGMENT as u64;

/// The lock of a process that was killed may outlive it for some 100 ms.
const LOCK_TRIES: u32 = 60;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A catalog's files, open and locked.
pub(super) struct Files {
    pub(super) db: sled::Db,
    /// The file that sled writes to: its own flush does not sync it.
    pub(super) data: File,
    /// Versions from here on were never given to a row.
    pub(super) unused_versions: u64,
    /// Held until everything above is closed.
    pub(super) lock: File,
}

/// Opens the catalog in `root`, or makes it. Blocks.
pub(super) fn open(root: &Path) -> Result<Files, CatalogError> {
    make_directory(root)?;
    let lock = take_lock(root)?;
    open_locked(root, lock)
}

/// The same, by whoever has the lock. Blocks.
pub(super) fn open_locked(root: &Path, lock: File) -> Result<Files, CatalogError> {
    let home = root.join("sled");
    if !home.try_exists().map_err(io_error("look for", &home))? {
        create(root, &home)?;
    }
    remove_half_written_snapshots(&home)?;

    let path = home.join("db");
    let data = File::open(&path).map_err(io_error("open", &path))?;
    // What a killed process left in the page cache is not on disk yet, and after a failed write
    // the cache may hold what never gets there: sled must start from what a power cut would leave.
    data.sync_all().map_err(io_error("sync", &path))?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&data, 0, None, rustix::fs::Advice::DontNeed)
        .map_err(|error| io_error("read", &path)(error.into()))?;

    let db = open_sled(root, &home)?;
    let own = db.get(OWN_ROW).map_err(|error| sled_error(root, error))?;
    let own = own.as_deref().and_then(Own::parse);
    let own = own.ok_or_else(|| CatalogError::Corrupt {
        path: root.to_owned(),
        detail: "it does not say that it is a catalog of format 1".into(),
    })?;
    make_durable(root, &db, &data)?;
    sync(&home)?;
    let files = Files {
        db,
        data,
        unused_versions: own.unused_versions,
        lock,
    };
    if let Some(hash) = own.large {
        large::apply(root, &files.db, hash)?;
        files.end_large(root, own.unused_versions)?;
    }
    large::remove(root)?;
    Ok(files)
}

impl Files {
    /// From now on the large batch of this hash has happened, whatever else does.
    pub(super) fn begin_large(
        &self,
        root: &Path,
        unused_versions: u64,
        hash: Hash,
    ) -> Result<(), CatalogError> {
        self.put_own(root, unused_versions, Some(hash))
    }

    /// All its rows are there: it is not to be applied again.
    pub(super) fn end_large(&self, root: &Path, unused_versions: u64) -> Result<(), CatalogError> {
        make_durable(root, &self.db, &self.data)?;
        self.put_own(root, unused_versions, None)
    }

    fn put_own(
        &self,
        root: &Path,
        unused_versions: u64,
        large: Option<Hash>,
    ) -> Result<(), CatalogError> {
        let own = Own {
            unused_versions,
            large,
        };
        let put = self.db.insert(OWN_ROW, own.encode());
        put.map_err(|error| sled_error(root, error))?;
        make_durable(root, &self.db, &self.data)
    }
}

/// Whether the disk has so much room that a catalog which met its end may go on.
pub(super) fn has_room(root: &Path) -> bool {
    rustix::fs::statvfs(root).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM)
}

/// Everything that sled was given is on disk when this returns.
pub(super) fn make_durable(root: &Path, db: &sled::Db, data: &File) -> Result<(), CatalogError> {
    db.flush().map_err(|error| sled_error(root, error))?;
    data.sync_all().map_err(io_error("sync", root))
}

/// What the row under [`OWN_ROW`] says, after a byte for the format.
pub(super) struct Own {
    /// Versions from here on were never given to a row.
    pub(super) unused_versions: u64,
    /// The hash of the large batch that is being applied.
    pub(super) large: Option<Hash>,
}

impl Own {
    pub(super) fn encode(&self) -> Vec<u8> {
        let versions = self.unused_versions.to_be_bytes();
        match &self.large {
            None => [&[FORMAT][..], &versions].concat(),
            Some(hash) => [&[IN_A_LARGE_BATCH][..], &versions, hash.as_bytes()].concat(),
        }
    }

    fn parse(row: &[u8]) -> Option<Self> {
        let (&format, rest) = row.split_first()?;
        let (&versions, hash) = rest.split_first_chunk()?;
        let large = match (format, hash) {
            (FORMAT, []) => None,
            (IN_A_LARGE_BATCH, hash) => Some(Hash::from_slice(hash).ok()?),
            _ => return None,
        };
        let unused_versions = u64::from_be_bytes(versions);
        Some(Self {
            unused_versions,
            large,
        })
    }
}

/// Makes `root`, and makes sure that the way to it survives a power cut, even when an earlier
/// process was killed between making it and syncing.
fn make_directory(root: &Path) -> Result<(), CatalogError> {
    fs::create_dir_all(root).map_err(io_error("create", root))?;
    let full = root.canonicalize().map_err(io_error("find", root))?;
    for (height, directory) in full.ancestors().enumerate() {
        match sync(directory) {
            // Higher up the directories may be anybody's, and unreadable.
            Err(error) if height < 2 => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn take_lock(root: &Path) -> Result<File, CatalogError> {
    let path = root.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let lock = lock.map_err(io_error("open", &path))?;
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
        }
    }
    Err(CatalogError::Locked {
        path: root.to_owned(),
    })
}

/// Makes an empty database that appears under its name whole, or not at all.
fn create(root: &Path, home: &Path) -> Result<(), CatalogError> {
    let making = root.join("sled.creating");
    match fs::remove_dir_all(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("delete", &making)(error));
        }
        _ => {}
    }
    let db = open_sled(root, &making)?;
    let own = Own {
        unused_versions: 1,
        large: None,
    };
    let made = db.insert(OWN_ROW, own.encode()).and_then(|_| db.flush());
    made.map_err(|error| sled_error(root, error))?;
    drop(db);
    for entry in fs::read_dir(&making).map_err(io_error("list", &making))? {
        sync(&entry.map_err(io_error("list", &making))?.path())?;
    }
    sync(&making)?;
    fs::rename(&making, home).map_err(io_error("rename", &making))?;
    sync(root)
}

/// sled takes a half-written snapshot for the newest one and then never opens again. Deleting it
/// is safe: the one before goes only after the new one has its final name.
fn remove_half_written_snapshots(home: &Path) -> Result<(), CatalogError> {
    for entry in fs::read_dir(home).map_err(io_error("list", home))? {
        let path = entry.map_err(io_error("list", home))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).map_err(io_error("delete", &path))?;
        }
    }
    Ok(())
}

fn open_sled(root: &Path, home: &Path) -> Result<sled::Db, CatalogError> {
    let config = sled::Config::new()
        .path(home)
        .cache_capacity(CACHE)
        .flush_every_ms(None)
        .use_compression(false)
        .segment_size(SEGMENT);
    for _ in 0..LOCK_TRIES {
        // Some kinds of damage make sled panic.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if is_lock_error(&error) => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Ok(Err(error)) => return Err(sled_error(root, error)),
            Err(panic) => return Err(panic_error(root, panic.as_ref())),
        }
    }
    Err(CatalogError::Locked {
        path: root.to_owned(),
    })
}

/// sled's own lock on its file; its threads give it up a little after the database is dropped.
fn is_lock_error(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

pub(super) fn sync(path: &Path) -> Result<(), CatalogError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error("sync", path))
}

/// What sled's error means to us.
pub(super) fn sled_error(root: &Path, error: sled::Error) -> CatalogError {
    match error {
        sled::Error::Io(error) => io_error("read or write", root)(error),
        other => CatalogError::Corrupt {
            path: root.to_owned(),
            detail: other.to_string(),
        },
    }
}

/// What a panic inside sled means to us.
pub(super) fn panic_error(root: &Path, panic: &(dyn std::any::Any + Send)) -> CatalogError {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    CatalogError::Corrupt {
        path: root.to_owned(),
        detail: format!("sled panicked: {}", said.unwrap_or("without a word")),
    }
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CatalogError {
    move |error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CatalogError::Full {
            path: path.to_owned(),
        },
        _ => CatalogError::Io {
            what,
            path: path.to_owned(),
            source: Arc::new(error),
        },
    }
}
