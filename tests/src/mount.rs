//! File systems of a test's own: small ones, and ones that turn read-only. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// A tmpfs, unmounted when it is dropped.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts an empty tmpfs of `size` (as mount takes it, "48m") on `path`; none, with a line that
    /// says so, where mounting is not allowed.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn tmpfs(path: &Path, size: &str) -> Result<Option<Self>> {
        std::fs::create_dir_all(path)?;
        let options = format!("size={size},mode=0700");
        match mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], path) {
            Ok(()) => Ok(Some(Self {
                path: path.to_path_buf(),
            })),
            Err(error) => {
                eprintln!("SKIPPED: this test needs to mount a tmpfs: {error}");
                Ok(None)
            }
        }
    }

    /// Turns it read-only, or writable again.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn read_only(&self, yes: bool) -> Result<()> {
        let word = if yes { "remount,ro" } else { "remount,rw" };
        // Refused while a file is open for writing; whoever has one is about to close it.
        let mut last = Ok(());
        for _ in 0..200 {
            last = mount(&["-o", word], &self.path);
            if last.is_ok() {
                break;
            }
        }
        last
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazy: a server of a failed test may still be in there for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

fn mount(words: &[&str], path: &Path) -> Result<()> {
    let ran = Command::new("mount").args(words).arg(path).output()?;
    ensure!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr).trim()
    );
    Ok(())
}
