//! What only this account may read: the data folder, with the keys that open everything, and the
//! master key's file. One that others can read is closed at start; one that is not ours to close is
//! refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};

use crate::first_start::make_private_folder;

/// What others are allowed, in a mode.
const OTHERS: u32 = 0o077;

/// Set on folders that everybody shares, such as /tmp.
const STICKY: u32 = 0o1000;

/// What only a data folder holds, also one that somebody has prepared or put back.
const OURS: [&str; 5] = ["bucket", "catalog", "keys", "master.key", "stemvault.toml"];

/// Makes the data folder, or closes to others the one that is there.
///
/// # Errors
/// Where others can read it and it is not ours to close: it holds something else too, or belongs to
/// another account. Names the folder and says what to do.
pub fn data_folder(folder: &Path) -> anyhow::Result<()> {
    make_private_folder(folder)?;
    let shown = folder.display();
    let mode = mode(folder)?;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if mode & STICKY != 0 || !is_ours(folder)? {
        bail!(
            "other accounts of this machine can look into the data folder {shown} (mode {:04o}), and it is not Stemvault's alone: name a folder of its own with --data-dir, or close this one with `chmod 700 {shown}`",
            mode & 0o7777
        );
    }
    close(folder, mode).with_context(|| {
        format!("other accounts of this machine can look into the data folder {shown}: `chmod 700 {shown}` as its owner")
    })?;
    tracing::warn!(
        folder = %shown,
        "other accounts of this machine could look into the data folder: it is closed to them now"
    );
    Ok(())
}

/// Closes the master key's file to others. What is mounted read-only, as secrets often are, stays as
/// it is, and is named.
pub fn master_key(file: &Path) {
    let Ok(mode) = mode(file) else {
        return;
    };
    if mode & OTHERS == 0 {
        return;
    }
    let shown = file.display();
    if close(file, mode).is_ok() {
        tracing::warn!(
            file = %shown,
            "other accounts of this machine could read the master key: they cannot any more; if one has read it, `stemvault keys rotate`"
        );
    } else {
        tracing::warn!(
            advice = format!("chmod 600 {shown}"),
            "other accounts of this machine can read the master key"
        );
    }
}

fn mode(path: &Path) -> anyhow::Result<u32> {
    let about = path.metadata();
    let about = about.with_context(|| format!("looking at {}", path.display()))?;
    Ok(about.permissions().mode())
}

fn close(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))
}

/// Whether something of a server lies in this folder, or nothing at all.
fn is_ours(folder: &Path) -> anyhow::Result<bool> {
    if OURS.iter().any(|name| folder.join(name).exists()) {
        return Ok(true);
    }
    let mut there =
        fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))?;
    Ok(there.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path, to: u32) {
        fs::set_permissions(path, Permissions::from_mode(to)).unwrap();
    }

    #[test]
    fn a_data_folder_is_closed_and_somebody_elses_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("data");
        data_folder(&folder).unwrap();
        for open in [0o755, 0o750, 0o2770] {
            opened(&folder, open);
            data_folder(&folder).unwrap();
            assert_eq!(mode(&folder).unwrap() & OTHERS, 0);
        }
        fs::write(folder.join("letter.txt"), "Dear ...").unwrap();
        data_folder(&folder).unwrap();
        for open in [0o755, 0o1777] {
            opened(&folder, open);
            let said = data_folder(&folder).unwrap_err().to_string();
            assert!(said.contains(&format!("chmod 700 {}", folder.display())));
            assert_eq!(mode(&folder).unwrap() & 0o7777, open, "left as it is");
        }
        // A server has worked here before.
        fs::create_dir(folder.join("catalog")).unwrap();
        opened(&folder, 0o755);
        data_folder(&folder).unwrap();
        assert_eq!(mode(&folder).unwrap() & 0o7777, 0o700);
    }

    #[test]
    fn a_master_key_that_others_can_read_is_closed() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("master.key");
        fs::write(&file, "key").unwrap();
        opened(&file, 0o644);
        master_key(&file);
        assert_eq!(mode(&file).unwrap() & 0o777, 0o600);
    }
}
