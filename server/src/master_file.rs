//! The master key file, changed on the machine that it lies on: a new key in front, an old one out.
//!
//! Written whole and durably under its owner's name; two commands at once wait for each other. A
//! key is in the file before anything is wrapped with it, and goes only after nothing is.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use stemvault_storage::keys::{MasterKey, MasterKeys};

use crate::first_start::write_durably;

/// The file, locked against other commands.
#[derive(Debug)]
pub struct MasterFile {
    path: PathBuf,
    text: String,
    _lock: File,
}

/// What stands in a file for a key.
#[must_use]
pub fn lines(key: &MasterKey) -> String {
    format!(
        "# Stemvault master key {}. Without it nothing in the bucket can be read: keep a copy in a safe\n# place, apart from the bucket.\n{}",
        key.id(),
        key.reveal()
    )
}

impl MasterFile {
    /// Opens and locks it.
    ///
    /// # Errors
    /// When it cannot be read, or another command holds it for too long.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let at = || format!("the master key file {}", path.display());
        // Where it really lies: a link stays a link.
        let path = path.canonicalize().with_context(at)?;
        let folder = path.parent().context("a file lies in a folder")?;
        let lock = File::open(folder).with_context(at)?;
        lock.lock().with_context(at)?;
        let text = std::fs::read_to_string(&path).with_context(at)?;
        Ok(Self {
            path,
            text,
            _lock: lock,
        })
    }

    /// The ids of its keys; the first is meant to wrap new keys.
    ///
    /// # Errors
    /// When the file makes no sense.
    pub fn ids(&self) -> anyhow::Result<Vec<String>> {
        let keys = MasterKeys::parse(&self.text, &self.path.display().to_string())?;
        Ok(keys.ids().map(str::to_owned).collect())
    }

    /// Puts a new key in front of the others; returns its id.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_new_in_front(&mut self) -> anyhow::Result<String> {
        let key = MasterKey::random();
        self.write(&format!("{}{}", lines(&key), self.text))?;
        if self.ids()?.first().map(String::as_str) != Some(key.id()) {
            bail!(
                "{} does not hold the new key, although it was written",
                self.path.display()
            );
        }
        Ok(key.id().to_owned())
    }

    /// Takes a key out, and the lines of comment that name it.
    ///
    /// # Errors
    /// When it is the only one, or the file cannot be written.
    pub fn take_out(&mut self, id: &str) -> anyhow::Result<bool> {
        let ids = self.ids()?;
        if !ids.iter().any(|known| known == id) {
            return Ok(false);
        }
        if ids.len() == 1 {
            bail!(
                "{} holds no other key than {id}: it stays",
                self.path.display()
            );
        }
        let place = self.path.display().to_string();
        let is_it = |line: &str| {
            let key = MasterKeys::parse(line, &place);
            key.is_ok_and(|key| key.first().id() == id)
                || (line.trim_start().starts_with('#') && line.contains(id))
        };
        let kept = self.text.lines().filter(|line| !is_it(line));
        let text: String = kept.flat_map(|line| [line, "\n"]).collect();
        self.write(&text)?;
        Ok(true)
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        write_durably(&self.path, text.as_bytes(), 0o600)?;
        self.text = std::fs::read_to_string(&self.path)?;
        if self.text != text {
            bail!("{} is not what was written to it", self.path.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_come_in_front_and_go_one_by_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("master.key");
        let first = MasterKey::random();
        std::fs::write(&path, format!("# mine\n{}", lines(&first))).unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = MasterFile::open(&link).unwrap();
        let second = file.put_new_in_front().unwrap();
        assert_eq!(file.ids().unwrap(), [second.as_str(), first.id()]);
        assert!(file.take_out(first.id()).unwrap());
        assert!(!file.take_out(first.id()).unwrap());
        assert!(file.take_out(&second).is_err());
        drop(file);
        let text = std::fs::read_to_string(&link).unwrap();
        assert!(
            text.contains("# mine") && !text.contains(first.id()),
            "{text}"
        );
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(MasterFile::open(&path).unwrap().ids().unwrap(), [second]);
    }
}
