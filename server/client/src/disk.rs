//! Files that are written whole or not at all, and in words what a disk refused: the cause, and what
//! to do about it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::part::folder_of;

/// The cause and what to do about it.
#[must_use]
pub fn in_words(problem: &io::Error) -> String {
    match problem.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => refused(
            "the disk is full, or a quota on it",
            "make room there, or name another place",
        ),
        ErrorKind::ReadOnlyFilesystem => refused(
            "its disk is read-only",
            "make it writable, or name another place",
        ),
        ErrorKind::PermissionDenied => refused(
            "this account may not write there",
            "allow it, or name another place",
        ),
        _ => problem.to_string(),
    }
}

fn refused(cause: &str, advice: &str) -> String {
    format!("{cause}: {advice}, and run the same command again")
}

/// Makes a folder, and those above it.
///
/// # Errors
/// When the system does not let it; names the folder, the cause, and what to do.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).map_err(|problem| {
        anyhow!(
            "cannot make the folder {}: {}",
            path.display(),
            in_words(&problem)
        )
    })
}

/// A file that is written under another name and gets its own when it is whole. One that does not get
/// there goes.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    named: bool,
}

impl WholeFile {
    /// Begins it; nothing is under its name yet.
    ///
    /// # Errors
    /// When the system does not let it; names the file, the cause, and what to do.
    pub fn begin(path: &Path, mode: u32) -> anyhow::Result<Self> {
        let unfinished = path.with_extension("unfinished");
        let open = || {
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&unfinished)
        };
        let file = open().map_err(|problem| unwritten(path, &problem))?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            file,
            named: false,
        })
    }

    /// Takes room on the disk before anything is known that has to go there.
    ///
    /// # Errors
    /// When there is none; names the file, the cause, and what to do.
    pub fn reserve(&mut self, bytes: u64) -> anyhow::Result<()> {
        let mut write = || {
            io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut self.file)?;
            self.file.sync_all()?;
            self.file.rewind()
        };
        write().map_err(|problem| unwritten(&self.path, &problem))
    }

    /// Writes it, syncs it, gives it its name and syncs the folder. It keeps the owner of the one that
    /// it replaces: a server must be able to read what root changed.
    ///
    /// # Errors
    /// When the system does not let it; names the file, the cause, and what to do.
    pub fn end(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(bytes)
            .map_err(|problem| unwritten(&self.path, &problem))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = &mut self.file;
        file.write_all(bytes)?;
        let length = file.stream_position()?;
        file.set_len(length)?;
        if let (Ok(old), new) = (self.path.metadata(), file.metadata()?)
            && (old.uid(), old.gid()) != (new.uid(), new.gid())
        {
            fchown(&*file, Some(old.uid()), Some(old.gid()))?;
        }
        file.sync_all()?;
        fs::rename(&self.unfinished, &self.path)?;
        self.named = true;
        File::open(folder_of(&self.path))?.sync_all()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.named {
            // A full disk is emptied again.
            drop(fs::remove_file(&self.unfinished));
        }
    }
}

fn unwritten(path: &Path, problem: &io::Error) -> anyhow::Error {
    anyhow!("cannot write {}: {}", path.display(), in_words(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ended_leaves_nothing_and_no_room_stays_behind_in_what_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys.jsonl");
        let mut given_up = WholeFile::begin(&path, 0o600).unwrap();
        given_up.reserve(5000).unwrap();
        drop(given_up);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let mut file = WholeFile::begin(&path, 0o600).unwrap();
        file.reserve(5000).unwrap();
        assert!(!path.exists());
        file.end(b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (kind, cause) in [
            (ErrorKind::StorageFull, "full"),
            (ErrorKind::QuotaExceeded, "quota"),
            (ErrorKind::ReadOnlyFilesystem, "read-only"),
            (ErrorKind::PermissionDenied, "account"),
        ] {
            let said = in_words(&kind.into());
            assert!(said.contains(cause) && said.contains("again"), "{said}");
        }
    }
}
