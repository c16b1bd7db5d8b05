//! Power cuts: nothing that was acknowledged is lost, and the rules that see to it are needed.
//!
//! A writer works on an ext4 file system whose disk is a file. When it is stopped, that file holds
//! what a real disk would hold if the power failed at that moment (a disk's own cache is not
//! modelled: real life is worse); the rest is in the kernel's memory. A copy of the file is
//! mounted and looked at. sled as it ships, with nothing but its own flush, loses acknowledged
//! commits here; our catalog must not.
//!
//! Needs root and loop devices; without them it says so and passes. It runs in a mount namespace
//! of its own: when its last process ends, however it ends, the mounts and loop devices are gone.

mod victim;

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use victim::{Acknowledged, Victim, check, last_key, number, writes};

const MIB: u64 = 1024 * 1024;
const IN_NAMESPACE: &str = "STEMVAULT_TEST_NAMESPACE";

#[test]
#[ignore = "the program that the test stops"]
fn victim() {
    victim::serve(victim::write);
}

#[test]
#[ignore = "the program that the test stops, without our rules"]
fn plain_sled_victim() {
    victim::serve(write_to_plain_sled);
}

#[test]
fn acknowledged_commits_survive_power_cuts() {
    run_in_namespace("ours_loses_nothing");
}

#[test]
fn plain_sled_does_not_survive_power_cuts() {
    run_in_namespace("plain_sled_loses_commits");
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    run_in_namespace("ours_on_a_full_disk");
}

/// Runs an ignored test of this file where its mounts are its own.
fn run_in_namespace(name: &str) {
    if let Err(missing) = can_mount() {
        // Past the test harness, which hides what a passing test prints.
        let line = format!("SKIPPED {name}: power cuts were not tried, because {missing}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env(IN_NAMESPACE, "1")
        .status();
    assert!(status.unwrap().success(), "{name} failed: see above");
}

fn can_mount() -> Result<(), String> {
    let id = Command::new("id")
        .arg("-u")
        .output()
        .map_err(|error| format!("id: {error}"))?;
    if id.stdout != b"0\n" {
        return Err("only root may mount".into());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("there are no loop devices".into());
    }
    for tool in ["unshare", "mount", "mkfs.ext4"] {
        let found = Command::new(tool).arg("--version").output();
        found.map_err(|error| format!("{tool} does not run: {error}"))?;
    }
    // A container may say that it is root and still not be allowed to.
    let mut trial = Command::new("unshare");
    match trial
        .args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output()
    {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("mounting is not permitted here".into()),
    }
}

#[tokio::test]
#[ignore = "started by acknowledged_commits_survive_power_cuts"]
async fn ours_loses_nothing() {
    if std::env::var_os(IN_NAMESPACE).is_none() {
        return;
    }
    let mut random = StdRng::seed_from_u64(6);
    let (mut cuts, mut commits) = (0, 0);
    for _ in 0..3 {
        // The first cut comes soon after the catalog was made, the others one after the other.
        let mut rig = Rig::new(192 * MIB);
        let mut held = Acknowledged::new();
        for _ in 0..5 {
            let mut victim = Victim::start("victim", &rig.catalog());
            victim.acknowledged = held;
            victim.wait_for(random.random_range(1..600));
            victim.kill();
            assert_eq!(victim.failure, None);
            rig.cut_power();
            held = check(&rig.catalog(), &victim.acknowledged).await;
        }
        cuts += rig.cuts;
        commits += held.values().sum::<u32>();
    }
    println!("our catalog: {cuts} power cuts, {commits} commits, none lost");
}

#[test]
#[ignore = "started by plain_sled_does_not_survive_power_cuts"]
fn plain_sled_loses_commits() {
    if std::env::var_os(IN_NAMESPACE).is_none() {
        return;
    }
    let mut random = StdRng::seed_from_u64(7);
    let mut rounds_with_loss = 0;
    for _ in 0..5 {
        let mut rig = Rig::new(192 * MIB);
        // So that it is not the making of the database that is lost.
        drop(plain_sled(&rig.catalog()).unwrap());
        run(Command::new("sync").arg("--file-system").arg(rig.mount()));

        let mut victim = Victim::start("plain_sled_victim", &rig.catalog());
        victim.wait_for(random.random_range(300..800));
        victim.kill();
        let promised = victim.acknowledged[&0];
        rig.cut_power();
        let left = catch_unwind(AssertUnwindSafe(|| commits_in_plain_sled(&rig.catalog())));
        let lost = promised.saturating_sub(left.ok().flatten().unwrap_or(0));
        println!("plain sled: {lost} of {promised} acknowledged commits lost");
        rounds_with_loss += u32::from(lost > 0);
    }
    assert!(
        rounds_with_loss > 0,
        "plain sled lost nothing: is this rig still a power cut?"
    );
}

#[tokio::test]
#[ignore = "started by a_full_disk_is_said_and_loses_nothing"]
async fn ours_on_a_full_disk() {
    if std::env::var_os(IN_NAMESPACE).is_none() {
        return;
    }
    let mut rig = Rig::new(64 * MIB);
    // Less is left than the writer ends up with, so the end comes in the middle of its work.
    let disk = rustix::fs::statvfs(rig.mount()).unwrap();
    let ballast = disk.f_bfree * disk.f_frsize - 7 * MIB;
    let mut fill = Command::new("fallocate");
    run(fill
        .args(["--length", &ballast.to_string()])
        .arg(rig.mount().join("ballast")));
    let mut victim = Victim::start("victim", &rig.catalog());
    victim.wait_for(5000);
    victim.kill();
    let failure = victim
        .failure
        .as_deref()
        .expect("the disk is full at some time");
    assert!(
        failure.starts_with("no space is left for the catalog in /"),
        "{failure}"
    );

    rig.cut_power();
    fs::remove_file(rig.mount().join("ballast")).unwrap();
    let held = check(&rig.catalog(), &victim.acknowledged).await;
    println!("full disk after {held:?} commits, none lost");
}

/// A file system on a disk that can lose its power.
struct Rig {
    directory: TempDir,
    cuts: u32,
}

impl Rig {
    fn new(size: u64) -> Self {
        // Beside the build, which is on a disk; the usual place for such things may be memory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let rig = Self { directory, cuts: 0 };
        fs::File::create(rig.disk()).unwrap().set_len(size).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(rig.disk()));
        fs::create_dir(rig.mount()).unwrap();
        rig.power_on();
        rig
    }

    fn disk(&self) -> PathBuf {
        self.directory.path().join(format!("disk{}", self.cuts))
    }

    fn mount(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    fn catalog(&self) -> PathBuf {
        self.mount().join("data/catalog")
    }

    fn power_on(&self) {
        // A long commit interval: nothing gets to the disk by luck. The loop device goes with
        // the mount.
        let mut mount = Command::new("mount");
        run(mount
            .args(["-o", "loop,commit=600"])
            .arg(self.disk())
            .arg(self.mount()));
    }

    /// Goes on with what the disk holds at this moment, and forgets the rest.
    fn cut_power(&mut self) {
        let old = self.disk();
        self.cuts += 1;
        run(Command::new("cp")
            .arg("--sparse=always")
            .arg(&old)
            .arg(self.disk()));
        run(Command::new("umount").arg(self.mount()));
        fs::remove_file(old).unwrap();
        self.power_on();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Also with files open in it, after a failure.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.mount())
            .status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn plain_sled(directory: &Path) -> sled::Result<sled::Db> {
    sled::Config::new()
        .path(directory)
        .flush_every_ms(None)
        .open()
}

/// What a program does that trusts `flush`.
fn write_to_plain_sled(directory: &Path) {
    let db = plain_sled(directory).unwrap();
    println!("open");
    for n in 1.. {
        let mut batch = sled::Batch::default();
        for (key, value) in writes(0, n) {
            match value {
                Some(value) => batch.insert(key.0, value),
                None => batch.remove(key.0),
            }
        }
        db.apply_batch(batch).unwrap();
        db.flush().unwrap();
        println!("ack 0 {n}");
    }
}

/// How many commits are left; nothing if it does not open.
fn commits_in_plain_sled(directory: &Path) -> Option<u32> {
    let db = plain_sled(directory).ok()?;
    db.get(last_key(0).0).ok()?.map(|value| number(&value))
}
