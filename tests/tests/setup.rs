//! `tests/setup`, which the README's two commands begin with: another program that installs packages is
//! waited for, since a fresh Debian updates itself, and any other failure is told at once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::Result;
use tempfile::TempDir;

/// What apt-get says while the automatic updates have its lock.
const LOCKED: &str =
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 412 (apt-get)";

/// Asks for one package that is missing, of an apt-get that runs `script` before it succeeds.
fn install(script: &str) -> Result<(TempDir, Output)> {
    let home = tempfile::tempdir()?;
    for (name, text) in [("apt-get", script), ("dpkg-query", "exit 1")] {
        let program = home.path().join(name);
        fs::write(&program, format!("#!/bin/sh\n{text}\n"))?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    }
    fs::create_dir(home.path().join(".cache"))?;
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup");
    let path = std::env::var("PATH")?;
    let ran = Command::new("bash")
        .args(["-c", ". \"$0\"; as_root() { \"$@\"; }; debian hello=greets"])
        .arg(setup)
        .env("PATH", format!("{}:{path}", home.path().display()))
        .current_dir(home.path())
        .output()?;
    Ok((home, ran))
}

#[test]
fn another_program_that_installs_packages_is_waited_for() -> Result<()> {
    let script = format!("[ -e tried ] || {{ touch tried; echo '{LOCKED}' >&2; exit 100; }}");
    let (_home, ran) = install(&script)?;
    let told = String::from_utf8(ran.stdout)?;
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("waiting for it"), "{told}");
    assert!(told.contains("process 412 (apt-get)"), "{told}");
    Ok(())
}

#[test]
fn any_other_failure_is_told_at_once() -> Result<()> {
    let (_home, ran) = install("echo 'E: Unable to locate package hello' >&2; exit 100")?;
    let told = String::from_utf8(ran.stdout)?;
    assert!(!ran.status.success(), "{told}");
    assert!(told.contains("Unable to locate package hello"), "{told}");
    assert!(!told.contains("waiting"), "{told}");
    Ok(())
}
