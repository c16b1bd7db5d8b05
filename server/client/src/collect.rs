//! From what was named on the command line to the files that will be sent.
//!
//! A folder is taken whole, in sorted order; the paths of its files begin with the folder's own
//! name, as a browser's folder upload has it (`My Session/Drums/Kick.wav`). Whatever is left out
//! is named with its reason: nothing disappears silently.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta};
use stemvault_model::names::is_junk;

use super::names::composed;

/// A file that will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it lies on this machine.
    pub disk: PathBuf,
    /// Its path in the session, with `/`.
    pub path: String,
    /// Bytes, when it was found.
    pub length: u64,
    /// When it was last changed, when it was found.
    pub changed: SystemTime,
}

impl LocalFile {
    /// The time of the last change as the server is told it: RFC 3339, UTC, milliseconds.
    /// None if that lies beyond the years that it can name: some file systems hold such times.
    #[must_use]
    pub fn modified(&self) -> Option<String> {
        let at = match self.changed.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::from_std(since).ok()?),
            Err(before) => {
                let before = TimeDelta::from_std(before.duration()).ok()?;
                DateTime::UNIX_EPOCH.checked_sub_signed(before)
            }
        };
        let at = at.filter(|at| (0..=9999).contains(&at.year()))?;
        Some(at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    /// The same file as it is now.
    ///
    /// # Errors
    /// If it cannot be looked at any more.
    pub fn looked_at(&self) -> std::io::Result<Self> {
        let now = fs::metadata(&self.disk)?;
        Ok(Self {
            length: now.len(),
            changed: now.modified()?,
            ..self.clone()
        })
    }

    /// Whether length and time of change are still what they were.
    ///
    /// # Errors
    /// If the file cannot be looked at any more.
    pub fn is_unchanged(&self) -> std::io::Result<bool> {
        Ok(self.looked_at()? == *self)
    }
}

/// Something that is not sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// Where it lies.
    pub path: String,
    /// Why it stays here.
    pub reason: &'static str,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Sorted by session path.
    pub files: Vec<LocalFile>,
    /// In the order in which it was met.
    pub skipped: Vec<Skipped>,
}

/// Walks over the named files and folders.
///
/// # Errors
/// If something named does not exist, cannot be read, has a name that is not UTF-8, if two files
/// would get the same path, or if there is nothing to send.
pub fn collect(named: &[PathBuf]) -> anyhow::Result<Collected> {
    let mut collected = Collected::default();
    for path in named {
        let shown = path.display();
        let real = path
            .canonicalize()
            .with_context(|| format!("cannot find {shown}"))?;
        // The name as it was typed, so that a link to a folder keeps the name of the link; `.`
        // and `..` have none of their own.
        let name = name_of(if path.file_name().is_some() {
            path
        } else {
            &real
        })?;
        let metadata = fs::metadata(&real).with_context(|| format!("cannot read {shown}"))?;
        if metadata.is_dir() {
            let walk = Walk { root: &real };
            walk.folder(path, &name, &mut collected)?;
        } else if metadata.is_file() {
            collected.files.push(local(path.clone(), name, &metadata)?);
        } else {
            bail!("{shown} is neither a file nor a folder");
        }
    }
    collected.files.sort_by(|a, b| a.path.cmp(&b.path));
    refuse_doubles(&collected.files)?;
    if collected.files.is_empty() {
        bail!("there is nothing to send in what was named");
    }
    Ok(collected)
}

struct Walk<'a> {
    root: &'a Path,
}

impl Walk<'_> {
    fn folder(&self, disk: &Path, path: &str, into: &mut Collected) -> anyhow::Result<()> {
        let unreadable = || format!("cannot read the folder {}", disk.display());
        let mut entries = fs::read_dir(disk)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let disk = entry.path();
            let mut skip = |reason| {
                let path = disk.display().to_string();
                into.skipped.push(Skipped { path, reason });
            };
            let raw = entry.file_name();
            if is_junk(&raw.to_string_lossy()) {
                skip("made by the system, not part of a session");
                continue;
            }
            let mut kind = entry.file_type().with_context(unreadable)?;
            if kind.is_symlink() {
                let Ok(target) = disk.canonicalize() else {
                    skip("a symbolic link that leads nowhere");
                    continue;
                };
                if !target.starts_with(self.root) {
                    skip("a symbolic link that leads out of the folder");
                    continue;
                }
                kind = fs::metadata(&target).with_context(unreadable)?.file_type();
                if kind.is_dir() {
                    skip("a symbolic link to a folder, which is sent from where it lies");
                    continue;
                }
            }
            if !kind.is_dir() && !kind.is_file() {
                skip("neither a file nor a folder");
                continue;
            }
            let path = format!("{path}/{}", name_of(&disk)?);
            if kind.is_dir() {
                self.folder(&disk, &path, into)?;
            } else {
                let metadata = fs::metadata(&disk)
                    .with_context(|| format!("cannot read {}", disk.display()))?;
                into.files.push(local(disk, path, &metadata)?);
            }
        }
        Ok(())
    }
}

fn local(disk: PathBuf, path: String, metadata: &Metadata) -> anyhow::Result<LocalFile> {
    let changed = metadata
        .modified()
        .with_context(|| format!("{} has no time of change", disk.display()))?;
    Ok(LocalFile {
        disk,
        path,
        length: metadata.len(),
        changed,
    })
}

fn name_of(path: &Path) -> anyhow::Result<String> {
    let name = path
        .file_name()
        .with_context(|| format!("{} has no name; name a folder in it", path.display()))?;
    name.to_str().map(str::to_owned).with_context(|| {
        format!(
            "the name of {} is not valid UTF-8; rename it and push again",
            path.display()
        )
    })
}

fn refuse_doubles(files: &[LocalFile]) -> anyhow::Result<()> {
    let mut seen = BTreeMap::new();
    for file in files {
        if let Some(first) = seen.insert(composed(&file.path), &file.disk) {
            bail!(
                "{} and {} would both become {:?}; push them one after the other, or rename one",
                first.display(),
                file.disk.display(),
                file.path
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn paths(collected: &Collected) -> Vec<&str> {
        collected
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect()
    }

    #[test]
    fn paths_begin_with_the_folder_and_junk_stays_here() {
        let folder = tree(&[
            "My Session/b.wav",
            "My Session/Drums/Kick.wav",
            "My Session/.DS_Store",
            "My Session/Drums/._Kick.wav",
            "My Session/Thumbs.db",
            "one.wav",
        ]);
        let named = [
            folder.path().join("My Session/"),
            folder.path().join("one.wav"),
        ];
        let collected = collect(&named).unwrap();
        assert_eq!(
            paths(&collected),
            ["My Session/Drums/Kick.wav", "My Session/b.wav", "one.wav"]
        );
        assert_eq!(collected.skipped.len(), 3);
        assert_eq!(collected.files[0].length, 25);
        assert!(collected.files[0].is_unchanged().unwrap());
        let dotted = collect(&[folder.path().join("My Session/Drums/..")]).unwrap();
        assert!(paths(&dotted).contains(&"My Session/b.wav"));
    }

    #[test]
    fn a_change_is_noticed() {
        let folder = tree(&["a.wav"]);
        let file = collect(&[folder.path().join("a.wav")])
            .unwrap()
            .files
            .remove(0);
        fs::write(folder.path().join("a.wav"), "longer than before").unwrap();
        assert!(!file.is_unchanged().unwrap());
    }

    #[test]
    fn a_time_beyond_the_calendar_is_not_said() {
        let at = |changed| LocalFile {
            disk: "x".into(),
            path: "x".into(),
            length: 1,
            changed,
        };
        let (epoch, second) = (SystemTime::UNIX_EPOCH, std::time::Duration::from_secs(1));
        for far in [
            epoch + second * u32::MAX * 3600,
            epoch - second * u32::MAX * 30,
        ] {
            assert_eq!(at(far).modified(), None);
        }
        if let Some(last) = epoch.checked_add(std::time::Duration::from_secs(1 << 62)) {
            assert_eq!(at(last).modified(), None);
        }
        assert_eq!(
            at(epoch - second / 2).modified().as_deref(),
            Some("1969-12-31T23:59:59.500Z")
        );
    }

    #[test]
    fn doubles_and_empty_folders_are_refused() {
        let folder = tree(&["a/S/x.wav", "b/S/x.wav", "empty/.DS_Store"]);
        let at = |path: &str| folder.path().join(path);
        let said = collect(&[at("a/S"), at("b/S")]).unwrap_err().to_string();
        assert!(said.contains("would both become \"S/x.wav\""), "{said}");
        assert!(collect(&[at("empty")]).is_err());
        assert!(collect(&[at("missing")]).is_err());
        let spelled = tree(&["S/o\u{308}.wav", "S/\u{f6}.wav"]);
        assert!(collect(&[spelled.path().join("S")]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_only() {
        use std::os::unix::fs::symlink;
        let folder = tree(&["S/a.wav", "S/d/b.wav", "secret"]);
        let inside = folder.path().join("S");
        symlink(folder.path().join("secret"), inside.join("out")).unwrap();
        symlink(inside.join("a.wav"), inside.join("in.wav")).unwrap();
        symlink(&inside, inside.join("d/loop")).unwrap();
        symlink(inside.join("gone"), inside.join("dangling")).unwrap();
        let collected = collect(&[inside]).unwrap();
        assert_eq!(paths(&collected), ["S/a.wav", "S/d/b.wav", "S/in.wav"]);
        assert_eq!(collected.skipped.len(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tree(&["S/a.wav"]);
        let name = std::ffi::OsStr::from_bytes(b"K\xf6rper.wav");
        fs::write(folder.path().join("S").join(name), "x").unwrap();
        let said = collect(&[folder.path().join("S")]).unwrap_err().to_string();
        assert!(said.contains("rper.wav is not valid UTF-8"), "{said}");
    }
}
