//! What a folder of this machine needs beyond the object store's interface: folders made durable,
//! deletes made durable, and the leftovers of killed puts (`name#1`), which `list` hides.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many folders are known at most; then all are forgotten.
const KNOWN: usize = 1024;

#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
    durable: Mutex<Durable>,
}

/// Folders that are known to be durable with all above them: a thousand files of a session go into
/// folders of one that need not be synced a thousand times.
#[derive(Debug, Default)]
struct Durable {
    folders: HashSet<PathBuf>,
    /// Counts folders that were removed: what was seen before that counts no more.
    removed: u64,
}

impl Local {
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        sync(&root)?;
        if let Some(parent) = root.parent() {
            sync(parent)?;
        }
        Ok(Self {
            root,
            durable: Mutex::default(),
        })
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the folder and makes it durable with every folder up to the root.
    pub(super) fn prepare(&self, folder: &str) -> io::Result<()> {
        let at = self.root.join(folder);
        if self.prepare_below_known(&at)? {
            return Ok(());
        }
        let removed = self.durable().removed;
        fs::create_dir_all(&at)?;
        let up = at.ancestors();
        let up: Vec<_> = up.take_while(|at| at.starts_with(&self.root)).collect();
        for at in &up {
            sync(at)?;
        }
        let mut durable = self.durable();
        if durable.removed == removed {
            if durable.folders.len() >= KNOWN {
                durable.folders.clear();
            }
            // The folder itself is the parent of none.
            let above = up.iter().skip(1).map(|at| at.to_path_buf());
            durable.folders.extend(above);
        }
        Ok(())
    }

    /// Makes a folder whose parent is known to be durable; says whether it was. The entry in the
    /// parent is what has to be synced: what the folder itself holds is synced with each put.
    fn prepare_below_known(&self, at: &Path) -> io::Result<bool> {
        let Some(parent) = at.parent() else {
            return Ok(false);
        };
        let removed = {
            let durable = self.durable();
            if !durable.folders.contains(parent) {
                return Ok(false);
            }
            durable.removed
        };
        match fs::create_dir(at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync(parent)?,
        }
        Ok(self.durable().removed == removed)
    }

    /// Syncs the folder, if it is there, and its parent.
    pub(super) fn settle(&self, folder: &str) -> io::Result<()> {
        let at = self.root.join(folder);
        for folder in [Some(at.as_path()), at.parent()].into_iter().flatten() {
            match sync(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes leftovers and empty folders below `folder`, and the folder itself if it is empty.
    pub(super) fn remove_leftovers(&self, folder: &str) -> io::Result<()> {
        let at = self.root.join(folder);
        if at.is_dir() {
            self.sweep(&at, true)?;
            self.remove_if_empty(&at)?;
        }
        self.settle(folder)
    }

    pub(super) fn sweep_killed_puts(&self) -> io::Result<u64> {
        self.sweep(&self.root, false)
    }

    fn sweep(&self, folder: &Path, prune: bool) -> io::Result<u64> {
        let mut swept = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                swept += self.sweep(&path, prune)?;
                if prune {
                    self.remove_if_empty(&path)?;
                }
            } else if is_leftover(&entry.file_name().to_string_lossy()) {
                fs::remove_file(&path)?;
                swept += 1;
            }
        }
        if swept > 0 {
            sync(folder)?;
        }
        Ok(swept)
    }

    fn remove_if_empty(&self, folder: &Path) -> io::Result<()> {
        // Forgotten before anybody can find it missing, and removed before anybody can learn of it
        // anew.
        let mut durable = self.durable();
        let known = durable.folders.remove(folder);
        let removed = fs::remove_dir(folder);
        match removed {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                if known {
                    durable.folders.insert(folder.to_owned());
                }
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                durable.removed += 1;
                Ok(())
            }
        }
    }

    pub(super) fn space(&self) -> io::Result<(u64, u64)> {
        let disk = rustix::fs::statvfs(&self.root)?;
        Ok((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether a put was killed while it wrote this file: our own names never hold `#`.
fn is_leftover(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_known_by_their_name() {
        assert!(is_leftover("0a1b#1") && is_leftover("index#12"));
        assert!(!is_leftover("0a1b") && !is_leftover("a#") && !is_leftover("a#b"));
    }

    #[test]
    fn a_folder_is_made_again_after_all_above_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let local = Local::open(root.path().to_owned()).unwrap();
        let there = |folder: &str| root.path().join(folder).is_dir();
        for upload in ["orders/a/working/x", "orders/a/working/y"] {
            local.prepare(upload).unwrap();
            assert!(there(upload));
        }
        let known = |folder: &str| local.durable().folders.contains(&root.path().join(folder));
        assert!(known("orders/a/working") && known("orders") && !known("orders/a/working/x"));
        local.remove_leftovers("orders/a").unwrap();
        assert!(!there("orders/a") && !known("orders/a/working") && known("orders"));
        local.prepare("orders/a/working/z").unwrap();
        assert!(there("orders/a/working/z") && known("orders/a/working"));
    }

    #[test]
    fn leftovers_go_and_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let local = Local::open(root.path().to_owned()).unwrap();
        local.prepare("orders/a/working").unwrap();
        fs::write(root.path().join("orders/a/working/x"), "x").unwrap();
        fs::write(root.path().join("orders/a/working/x#1"), "half").unwrap();
        assert_eq!(local.sweep_killed_puts().unwrap(), 1);
        assert!(root.path().join("orders/a/working/x").exists());
        fs::remove_file(root.path().join("orders/a/working/x")).unwrap();
        local.remove_leftovers("orders/a").unwrap();
        assert!(!root.path().join("orders/a").exists());
    }
}
