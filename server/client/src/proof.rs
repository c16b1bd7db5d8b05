//! Whether what is on this disk now is what the server has.
//!
//! While a file is sent, another program may write into it, and keep its length and its time of
//! change: then a mixture arrives, and only reading the file once more shows it. So every file is
//! read again after it was sent, beside the sending of others.

use std::fs::File;
use std::io;
use std::time::Duration;

use stemvault_model::ids::FileHash;
use tokio::sync::Semaphore;

use super::collect::LocalFile;
use super::part::hash_into;

/// Files that are read at once: the disk is also read by what is still being sent.
const AT_ONCE: usize = 2;

/// How often a file that is being written is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often at most: then the program that writes it will not be done soon.
const LOOKS: u32 = 60;

/// The comparing of one push.
#[derive(Debug)]
pub struct Proof(Semaphore);

impl Default for Proof {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Proof {
    /// The file as it is now, if its bytes are those of `theirs`; none if they are others, or change
    /// while they are read.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn compare(
        &self,
        file: &LocalFile,
        theirs: FileHash,
    ) -> io::Result<Option<LocalFile>> {
        let turn = self.0.acquire().await.map_err(io::Error::other)?;
        let file = file.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let now = file.looked_at()?;
            if now.length != file.length {
                return Ok(None);
            }
            let mut hasher = blake3::Hasher::new();
            hash_into(&mut File::open(&now.disk)?, &mut hasher)?;
            let same = *hasher.finalize().as_bytes() == *theirs.as_bytes() && now.is_unchanged()?;
            Ok(same.then_some(now))
        });
        let compared = compared.await.map_err(io::Error::other)?;
        drop(turn);
        compared
    }
}

/// The file once nobody writes it any more: two looks in a row find the same. None if that does not
/// come to pass.
///
/// # Errors
/// If the file is gone, or cannot be looked at.
pub async fn at_rest(file: &LocalFile) -> io::Result<Option<LocalFile>> {
    let mut known = file.looked_at()?;
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = known.looked_at()?;
        if now == known {
            return Ok(Some(now));
        }
        known = now;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::collect;

    #[tokio::test]
    async fn only_the_bytes_decide() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Bass.wav");
        std::fs::write(&path, "first take").unwrap();
        let file = collect(std::slice::from_ref(&path))
            .unwrap()
            .files
            .remove(0);
        let theirs = FileHash(*blake3::hash(b"first take").as_bytes());
        let proof = Proof::default();
        let same = proof.compare(&file, theirs).await.unwrap();
        assert_eq!(same.as_ref(), Some(&file));
        // As a sync does: other bytes, the same length, the same time of change.
        std::fs::write(&path, "other take").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(file.changed)
            .unwrap();
        assert!(file.is_unchanged().unwrap());
        assert_eq!(proof.compare(&file, theirs).await.unwrap(), None);
        // Another time alone says nothing.
        std::fs::write(&path, "first take").unwrap();
        assert!(proof.compare(&file, theirs).await.unwrap().is_some());
        // Grown.
        std::fs::write(&path, "first take, and more").unwrap();
        assert_eq!(proof.compare(&file, theirs).await.unwrap(), None);
        assert_eq!(at_rest(&file).await.unwrap().unwrap().length, 20);
        std::fs::remove_file(&path).unwrap();
        assert!(proof.compare(&file, theirs).await.is_err());
    }
}
