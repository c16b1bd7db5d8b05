//! Reading back: what makes an attempt a proof.
//!
//! Manifests and index come from the stores again, every block is opened and decoded, and every
//! file is compared by length, BLAKE3 and SHA-256. Several blocks at once, in the background.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use futures::StreamExt;

use super::Archiver;
use super::attempt::{Claim, Ground};
use super::progress::FileAt;
use super::steps::{Step, steps};
use super::write::Written;
use crate::error::{Error, Result};
use crate::order::{Order, Proof};
use crate::source::Source;

/// Blocks that are read while others are decoded.
const READ_AHEAD: usize = 2;

impl Archiver {
    /// Reads an attempt back from the store and compares everything. Returns the proof of it, or
    /// the first thing that is wrong, by name; the files in which something was wrong are written
    /// again by the next run.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub async fn read_back(
        &self,
        order: &Order,
        claim: &Claim,
        written: &Written,
    ) -> Result<Proof> {
        let ground = Ground::new(&self.core, claim);
        let index = Arc::new(self.manifests.read_index(order.id, claim.attempt).await?);
        let (mut files, mut sources, mut sessions) = (Vec::<FileAt>::new(), Vec::new(), Vec::new());
        for row in self.core.sessions(order.id).await? {
            let manifest = Arc::new(self.manifests.read_manifest(order.id, row.session).await?);
            for at in 0..manifest.files.len() {
                let (manifest, index) = (Arc::clone(&manifest), Arc::clone(&index));
                let source = Source::in_attempt(&self.core, order.id, manifest, at, index).await?;
                sources.push(source.in_background(&self.background));
                files.push((row.session, u32::try_from(at).expect("fewer files")));
            }
            sessions.push(row.session);
        }
        let mut wrong = self.compare(&sources, &ground).await?;
        if !wrong.is_empty() {
            let damaged: Vec<_> = wrong.iter().map(|(nth, _)| files[*nth]).collect();
            self.progress.forget_files(claim, &damaged).await?;
            return Err(wrong.swap_remove(0).1);
        }
        Ok(Proof {
            attempt: claim.attempt,
            proven_at: self.core.clock.now(),
            sessions,
            files: sources.len() as u64,
            bytes: sources.iter().map(|source| source.entry().length).sum(),
            stored_bytes: written.stored_bytes,
        })
    }

    /// Reads whole files and compares each with its manifest and, in an archive, its index. Returns
    /// those that are not what they should be, by their place in `sources`, and why.
    async fn compare(&self, sources: &[Source], ground: &Ground) -> Result<Vec<(usize, Error)>> {
        let numbered = sources.iter().cloned().enumerate().collect();
        let mut read = steps(self, numbered, self.background.threads() + READ_AHEAD);
        let (mut wrong, mut sum) = (Vec::<(usize, Error)>::new(), Sum::new());
        while let Some(Step { nth, block, last }) = read.next().await {
            ground.lease().await?;
            let known = wrong.last().is_some_and(|(known, _)| *known == nth);
            match block {
                Ok(Some((_, plain))) if !known => {
                    let length = plain.len();
                    let work = move || sum.add(&plain);
                    sum = self.background.run(length, work).await;
                }
                Ok(_) => {}
                Err(error @ Error::Damaged(_)) if !known => wrong.push((nth, error)),
                Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
            if last {
                let ended = std::mem::replace(&mut sum, Sum::new());
                let known = wrong.last().is_some_and(|(known, _)| *known == nth);
                if let Some(detail) = ended.differs(&sources[nth]).filter(|_| !known) {
                    let damage = sources[nth].damage("the file", String::new(), detail);
                    wrong.push((nth, damage.into()));
                }
            }
        }
        Ok(wrong)
    }
}

/// What a file comes to.
struct Sum {
    hash: blake3::Hasher,
    sha256: Context,
    length: u64,
}

impl Sum {
    fn new() -> Self {
        Self {
            hash: blake3::Hasher::new(),
            sha256: Context::new(&SHA256),
            length: 0,
        }
    }

    fn add(mut self, plain: &[u8]) -> Self {
        self.hash.update(plain);
        self.sha256.update(plain);
        self.length += plain.len() as u64;
        self
    }

    fn differs(self, source: &Source) -> Option<String> {
        let entry = source.entry();
        let sha256 = hex::encode(self.sha256.finish());
        if self.length != entry.length {
            Some(format!(
                "it has {} bytes instead of {}",
                self.length, entry.length
            ))
        } else if self.hash.finalize() != *entry.hash.as_bytes() {
            Some("its BLAKE3 is another".to_owned())
        } else if source.sha256().is_some_and(|known| known != sha256) {
            Some("its SHA-256 is another".to_owned())
        } else {
            None
        }
    }
}
