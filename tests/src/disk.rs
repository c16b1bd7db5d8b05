//! A disk that loses its power: ext4 on a file. What was not synced when the power goes is gone; a
//! disk's own cache is not modelled. Needs root and loop devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// The disk, mounted; unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    cuts: u32,
}

impl Disk {
    /// An empty disk of `size` bytes, its file somewhere below `place`; none, with a line that says
    /// so, where mounting is not allowed.
    ///
    /// # Errors
    /// If there is no room.
    pub fn new(place: &Path, size: u64) -> Result<Option<Self>> {
        fs::create_dir_all(place)?;
        let folder = tempfile::tempdir_in(place)?;
        let disk = Self { folder, cuts: 0 };
        fs::File::create(disk.file())?.set_len(size)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(disk.file()))?;
        fs::create_dir(disk.mount())?;
        if let Err(error) = disk.power_on() {
            eprintln!("SKIPPED: this test needs to mount a loop device: {error}");
            return Ok(None);
        }
        Ok(Some(disk))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn mount(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    /// Goes on with what the disk holds at this moment, and forgets the rest. Whoever had files
    /// open must be gone.
    ///
    /// # Errors
    /// If it cannot be unmounted or mounted.
    pub fn cut_power(&mut self) -> Result<()> {
        let old = self.file();
        self.cuts += 1;
        let mut copy = Command::new("cp");
        run(copy.arg("--sparse=always").arg(&old).arg(self.file()))?;
        run(Command::new("umount").arg(self.mount()))?;
        fs::remove_file(old)?;
        self.power_on()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(format!("disk{}", self.cuts))
    }

    fn power_on(&self) -> Result<()> {
        // A long commit interval: nothing gets to the disk by luck. The loop device goes with the
        // mount.
        let mut mount = Command::new("mount");
        let mount = mount.args(["-o", "loop,commit=600"]).arg(self.file());
        run(mount.arg(self.mount()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazy: a server of a failed test may still be in there for a moment.
        let _ = Command::new("umount").arg("-l").arg(self.mount()).output();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let ran = command.output();
    let ran = ran.with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}
