//! What a folder of this machine needs beyond the object store's interface: folders made durable,
//! deletes made durable, and the leftovers of killed puts (`name#1`), which `list` hides.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
}

impl Local {
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        sync(&root)?;
        if let Some(parent) = root.parent() {
            sync(parent)?;
        }
        Ok(Self { root })
    }

    /// Makes the folder and syncs it and every folder up to the root.
    pub(super) fn prepare(&self, folder: &str) -> io::Result<()> {
        let mut at = self.root.join(folder);
        fs::create_dir_all(&at)?;
        while at.starts_with(&self.root) {
            sync(&at)?;
            if !at.pop() {
                break;
            }
        }
        Ok(())
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
            sweep(&at, true)?;
            remove_if_empty(&at)?;
        }
        self.settle(folder)
    }

    pub(super) fn sweep_killed_puts(&self) -> io::Result<u64> {
        sweep(&self.root, false)
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

fn sweep(folder: &Path, prune: bool) -> io::Result<u64> {
    let mut swept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            swept += sweep(&path, prune)?;
            if prune {
                remove_if_empty(&path)?;
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

fn remove_if_empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
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
