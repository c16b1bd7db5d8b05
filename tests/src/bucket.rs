//! Looking into the stores from outside, as someone does who has the disk but not the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder in which the tests' S3 server writes what is not an object yet.
const UNFINISHED: &str = ".sgwtmp";

/// Every file under `folder`, in order of path; nothing if the folder is not there.
///
/// # Errors
/// If something there cannot be read.
pub fn objects(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    Ok(crate::fixtures::files(folder)?
        .into_iter()
        .filter(|(name, _)| !name.starts_with(UNFINISHED))
        .map(|(_, path)| path)
        .collect())
}

/// Bytes of all files under `folder`.
///
/// # Errors
/// As [`objects`].
pub fn size(folder: &Path) -> Result<u64> {
    objects(folder)?
        .iter()
        .map(|path| Ok(path.metadata()?.len()))
        .sum()
}

/// How many objects of each shape there are: names, ids and numbers are taken out of the paths, so
/// that two studios which did the same work have the same shapes.
///
/// # Errors
/// As [`objects`].
pub fn shapes(folder: &Path) -> Result<BTreeMap<String, usize>> {
    let mut shapes = BTreeMap::new();
    for path in objects(folder)? {
        let inside = path.strip_prefix(folder)?.to_string_lossy().into_owned();
        let shape: Vec<_> = inside
            .split('/')
            .map(|part| {
                if part.chars().any(|c| c.is_ascii_digit()) {
                    "*"
                } else {
                    part
                }
            })
            .collect();
        *shapes.entry(shape.join("/")).or_default() += 1;
    }
    Ok(shapes)
}

/// The folder of the only order in a bucket.
///
/// # Errors
/// If there is none.
pub fn order_folder(bucket: &Path) -> Result<PathBuf> {
    let orders = bucket.join("orders");
    let first = fs::read_dir(&orders)
        .with_context(|| format!("reading {}", orders.display()))?
        .next()
        .context("a bucket without orders")?;
    Ok(first?.path())
}

/// Flips one bit of a file.
///
/// # Errors
/// If it cannot be changed, or has no byte `at`.
pub fn flip(path: &Path, at: usize, bit: u8) -> Result<()> {
    let mut bytes = fs::read(path)?;
    *bytes
        .get_mut(at)
        .with_context(|| format!("{} is short", path.display()))? ^= 1 << (bit % 8);
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Copies a folder with everything in it.
///
/// # Errors
/// If something cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for (name, path) in crate::fixtures::files(from)? {
        let target = to.join(name);
        fs::create_dir_all(target.parent().context("a path inside")?)?;
        fs::copy(path, target)?;
    }
    Ok(())
}
