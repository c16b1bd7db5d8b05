//! Looking after an archive: which objects are its blocks, spoiling them, and what a job or a scrub
//! said of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bucket;
use crate::door::Door;
use crate::s3::S3;
use crate::studio::{PATIENCE, Studio};

/// Objects with the bytes that they should have.
pub type Good = Vec<(PathBuf, Vec<u8>)>;

/// The blocks of the only order in a tier, working or archive; without the archive's index.
///
/// # Errors
/// If there are none.
pub fn blocks(studio: &Studio, tier: &str) -> Result<Vec<PathBuf>> {
    let folder = bucket::order_folder(&studio.bucket())?.join(tier);
    let mut blocks = bucket::objects(&folder)?;
    blocks.retain(|path| !path.ends_with("index"));
    ensure!(!blocks.is_empty(), "no blocks in {}", folder.display());
    Ok(blocks)
}

/// Flips a bit of these objects; returns what they were.
///
/// # Errors
/// If one cannot be read or written.
pub fn spoil(blocks: &[PathBuf]) -> Result<Good> {
    let spoil = |path: &PathBuf| {
        let good = std::fs::read(path)?;
        bucket::flip(path, good.len() / 2, 3)?;
        Ok((path.clone(), good))
    };
    blocks.iter().map(spoil).collect()
}

/// Puts objects back as they were.
///
/// # Errors
/// If one cannot be written.
pub fn restore(good: &Good) -> Result<()> {
    let write = |(path, bytes): &(PathBuf, Vec<u8>)| Ok(std::fs::write(path, bytes)?);
    good.iter().try_for_each(write)
}

/// Runs one job now; its run.
///
/// # Errors
/// If it is refused.
pub async fn run(door: &Door, job: &str) -> Result<Value> {
    let told = door.post("retention/run", json!({"job": job})).await?;
    Ok(told["runs"][0].clone())
}

/// Scrubs everything, or watches the scrub that is under way, to its end.
///
/// # Errors
/// If there is no end in time.
pub async fn scrub(door: &Door) -> Result<Value> {
    let body = Some(json!({}));
    let begun = door.api(reqwest::Method::POST, "scrub", body).await?;
    ensure!(matches!(begun.status, 202 | 409), "{begun:?}");
    let ended = async {
        loop {
            let scrub = door.get("scrub").await?;
            if !scrub["ended_at"].is_null() {
                return Ok(scrub);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(scrub) => scrub,
        Err(_) => bail!("the scrub does not end"),
    }
}

/// What the status says of a part: its colour and its sentence.
///
/// # Errors
/// If it has no such part.
pub async fn status(door: &Door, what: &str) -> Result<(String, String)> {
    let status = door.get("status").await?;
    let parts = status["parts"].as_array().context("parts")?;
    let part = parts.iter().find(|part| part["what"] == what);
    let part = part.with_context(|| format!("no {what} in {status}"))?;
    let text = |key: &str| part[key].as_str().unwrap_or_default().to_owned();
    Ok((text("colour"), text("says")))
}

/// A disk goes, and the empty folder below its mount comes to light.
///
/// # Errors
/// If it was not there.
pub fn unmount(place: &Path) -> Result<()> {
    std::fs::rename(place, place.with_extension("away"))?;
    Ok(std::fs::create_dir(place)?)
}

/// And comes back.
///
/// # Errors
/// If it had not gone.
pub fn mount(place: &Path) -> Result<()> {
    std::fs::remove_dir_all(place)?;
    Ok(std::fs::rename(place.with_extension("away"), place)?)
}

/// Settings of an archive on a disk of its own, in the folder `disk` of `home`.
#[must_use]
pub fn archive_in(home: &Path) -> String {
    format!("[stores]\narchive = \"file:{}/disk\"\n", home.display())
}

/// Settings of a mirror in two folders of `home`, `mirror` and `mirror-keys`.
#[must_use]
pub fn mirror_in(home: &Path) -> String {
    format!(
        "[stores]\nmirror = \"file:{0}/mirror\"\nmirror_keys = \"file:{0}/mirror-keys\"\n",
        home.display()
    )
}

/// Settings of a mirror in two buckets; the secrets go into files in `home`.
///
/// # Errors
/// If they cannot be written.
pub fn mirror_settings(bucket: (&S3, &str), keys: (&S3, &str), home: &Path) -> Result<String> {
    let mut settings = format!(
        "[stores]\nmirror = \"s3://{}\"\nmirror_keys = \"s3://{}\"\n",
        bucket.1, keys.1
    );
    for (store, server) in [("mirror", bucket.0), ("mirror_keys", keys.0)] {
        settings += &format!("[stores.{store}_options]\n");
        for (key, value) in server.options(&server.address()) {
            settings += &if key == "secret_access_key" {
                let file = home.join(format!("{store}.secret"));
                std::fs::write(&file, value)?;
                format!("{key}_file = \"{}\"\n", file.display())
            } else {
                format!("{key} = \"{value}\"\n")
            };
        }
    }
    Ok(settings)
}
