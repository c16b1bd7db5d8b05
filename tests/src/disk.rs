//! A disk that loses its power, or is full: ext4 on a file. What was not synced when the power goes is
//! gone; a disk's own cache is not modelled. Needs root and loop devices.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
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
        File::create(disk.file())?.set_len(size)?;
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

    /// Fills it to the last byte, but for about so many. What else lies there stays.
    ///
    /// # Errors
    /// If it fails otherwise than for being full.
    pub fn fill(&self, but: u64) -> Result<()> {
        let mut ballast = File::options()
            .append(true)
            .create(true)
            .open(self.ballast())?;
        // A sync may find that less was taken than was set aside for it.
        loop {
            let before = ballast.metadata()?.len();
            let mut piece = vec![0xa5; 1 << 20];
            while !piece.is_empty() {
                match ballast.write(&piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => {
                        piece.truncate(piece.len() / 2);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            ballast.sync_all()?;
            if ballast.metadata()?.len() == before {
                break;
            }
        }
        let length = ballast.metadata()?.len();
        ensure!(length > but, "a disk with room for {length} bytes");
        ballast.set_len(length - but)?;
        Ok(ballast.sync_all()?)
    }

    /// Makes room again.
    ///
    /// # Errors
    /// If it was not filled.
    pub fn make_room(&self) -> Result<()> {
        fs::remove_file(self.ballast())?;
        Ok(File::open(self.mount())?.sync_all()?)
    }

    fn ballast(&self) -> PathBuf {
        // Beside everything that a test looks at.
        self.mount().join("lost+found/ballast")
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
