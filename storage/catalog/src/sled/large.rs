//! A batch of many rows, atomic without one large step of sled.
//!
//! sled keeps every page that one `apply_batch` replaces until the batch is applied: some 17 kB a
//! row, which the process then keeps. So a large batch is first written beside sled, whole and
//! synced, in the file `large`; then our own row names its hash, and from that sync on the batch
//! has happened; then its rows are applied in steps, and our own row forgets it. Whoever opens a
//! catalog whose own row names a hash applies the file again.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};

use super::files::{io_error, sled_error, sync};
use crate::{CatalogError, MAX_KEY, MAX_VALUE};

/// Rows of one step; a batch of more is large.
pub(super) const STEP: usize = 256;

/// A row of sled's, and its new value; none removes it.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// Longer than any part of a change: our prefixes are short.
const LONGEST: usize = MAX_KEY + MAX_VALUE;

/// Writes the changes beside sled, and makes them durable. The hash of what was written.
pub(super) fn write(
    root: &Path,
    changes: impl Iterator<Item = Change>,
) -> Result<Hash, CatalogError> {
    let path = path(root);
    let written = write_all(&path, changes).map_err(io_error("write", &path));
    if written.is_err() {
        // It may be the room that is missing.
        let _ = fs::remove_file(&path);
    }
    let hash = written?;
    sync(root)?;
    Ok(hash)
}

/// Applies the changes that have this hash, by whom the catalog is opened.
pub(super) fn apply(root: &Path, db: &sled::Db, hash: Hash) -> Result<(), CatalogError> {
    let path = path(root);
    let file = File::open(&path).map_err(io_error("open", &path))?;
    let mut hasher = Hasher::new();
    let hashed = hasher.update_reader(&file);
    hashed.map_err(io_error("read", &path))?;
    if hasher.finalize() != hash {
        return Err(CatalogError::Corrupt {
            path: root.to_owned(),
            detail: "the large batch that it was applying is damaged".into(),
        });
    }
    let file = File::open(&path).map_err(io_error("open", &path))?;
    let mut file = BufReader::new(file);
    loop {
        let changes = std::iter::from_fn(|| next(&mut file).transpose()).take(STEP);
        let changes: io::Result<Vec<_>> = changes.collect();
        let changes = changes.map_err(io_error("read", &path))?;
        if changes.is_empty() {
            return Ok(());
        }
        db.apply_batch(step(changes.into_iter()))
            .map_err(|error| sled_error(root, error))?;
    }
}

/// Changes that sled is given together.
pub(super) fn step(changes: impl Iterator<Item = Change>) -> sled::Batch {
    let mut step = sled::Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => step.insert(key, value),
            None => step.remove(key),
        }
    }
    step
}

/// Forgets the file of a batch that our own row no longer names.
pub(super) fn remove(root: &Path) -> Result<(), CatalogError> {
    let path = path(root);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("delete", &path)(error)),
        _ => Ok(()),
    }
}

fn path(root: &Path) -> PathBuf {
    root.join("large")
}

fn write_all(path: &Path, changes: impl Iterator<Item = Change>) -> io::Result<Hash> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut hasher = Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        file.write_all(bytes)
    };
    for (key, value) in changes {
        for part in [Some(key), value] {
            // Lengths are those of a catalog's keys and values, plus one; zero is no value.
            let length = part.as_ref().map_or(0, |part| part.len() + 1);
            put(&u32::try_from(length)
                .map_err(io::Error::other)?
                .to_be_bytes())?;
            put(part.as_deref().unwrap_or_default())?;
        }
    }
    file.into_inner()?.sync_all()?;
    Ok(hasher.finalize())
}

fn next(file: &mut impl Read) -> io::Result<Option<Change>> {
    let mut first = [0];
    if file.read(&mut first)? == 0 {
        return Ok(None);
    }
    let key = part(&mut first.chain(&mut *file))?;
    Ok(Some((key.unwrap_or_default(), part(file)?)))
}

fn part(file: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let Some(length) = usize::try_from(u32::from_be_bytes(length))
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or(ErrorKind::InvalidData)?
        .checked_sub(1)
    else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
