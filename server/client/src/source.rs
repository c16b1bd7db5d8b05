//! Reading a file that is being sent, hashing it on the way.
//!
//! A file is hashed while it is sent, never before: the first byte leaves at once. The state of
//! the hash is kept every 64 MiB, so that after a broken connection only the stretch from the
//! last such point to the server's offset is read again; a new process reads the whole prefix.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use stemvault_model::ids::FileHash;
use tokio::sync::mpsc;

use super::collect::LocalFile;

/// How much is read, hashed and handed over at once.
const PIECE: usize = 256 << 10;
/// Pieces that may wait for the network.
const AHEAD: usize = 4;
/// Distance of the kept hash states, in bytes.
const CHECKPOINT: u64 = 64 << 20;

/// A local file and what is known of its hash. Clones share what they learn.
#[derive(Debug, Clone)]
pub struct Source {
    file: Arc<LocalFile>,
    checkpoints: Arc<Mutex<BTreeMap<u64, blake3::Hasher>>>,
}

impl Source {
    /// A file of which nothing has been read yet.
    #[must_use]
    pub fn new(file: LocalFile) -> Self {
        let start = BTreeMap::from([(0, blake3::Hasher::new())]);
        Self {
            file: Arc::new(file),
            checkpoints: Arc::new(Mutex::new(start)),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &LocalFile {
        &self.file
    }

    /// Makes sure that the hash of the first `offset` bytes is known; reads only what is missing.
    ///
    /// # Errors
    /// If the file cannot be read that far.
    pub async fn reach(&self, offset: u64) -> io::Result<()> {
        if self.states().contains_key(&offset) {
            return Ok(());
        }
        let source = self.clone();
        blocking(move || source.read(offset, |_| true)).await
    }

    /// The hash of the whole file.
    ///
    /// # Errors
    /// If the file cannot be read to its end.
    pub async fn hash(&self) -> io::Result<FileHash> {
        self.reach(self.file.length).await?;
        let states = self.states();
        let hasher = states.get(&self.file.length).expect("just reached");
        Ok(FileHash(*hasher.finalize().as_bytes()))
    }

    /// The whole file, for one that is small.
    ///
    /// # Errors
    /// If the file cannot be read to its end.
    pub async fn whole(&self) -> io::Result<Bytes> {
        let source = self.clone();
        blocking(move || {
            let mut all = Vec::new();
            source.read_from(0, source.file.length, |piece| {
                all.extend_from_slice(&piece);
                true
            })?;
            Ok(Bytes::from(all))
        })
        .await
    }

    /// The bytes from `offset`, which must have been [reached](Self::reach), to the end. Reading
    /// stops when the receiver is dropped.
    #[must_use]
    pub fn pieces(&self, offset: u64) -> mpsc::Receiver<io::Result<Bytes>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let source = self.clone();
        tokio::task::spawn_blocking(move || {
            let end = source.file.length;
            let read =
                source.read_from(offset, end, |piece| sender.blocking_send(Ok(piece)).is_ok());
            if let Err(problem) = read {
                // The receiver may be gone: then nobody waits for the reason either.
                drop(sender.blocking_send(Err(problem)));
            }
        });
        receiver
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<u64, blake3::Hasher>> {
        self.checkpoints
            .lock()
            .expect("no panic while the states are held")
    }

    /// Reads from the nearest kept state up to `end`.
    fn read(&self, end: u64, take: impl FnMut(Bytes) -> bool) -> io::Result<()> {
        let from = *self
            .states()
            .range(..=end)
            .next_back()
            .expect("0 is kept")
            .0;
        self.read_from(from, end, take)
    }

    /// Reads `from..end` until `take` says no, and keeps hash states on the way.
    fn read_from(
        &self,
        from: u64,
        end: u64,
        mut take: impl FnMut(Bytes) -> bool,
    ) -> io::Result<()> {
        let Some(mut hasher) = self.states().get(&from).cloned() else {
            return Err(io::Error::other("the start of the file was not hashed"));
        };
        let mut file = File::open(&self.file.disk)?;
        file.seek(SeekFrom::Start(from))?;
        let mut at = from;
        while at < end {
            let next = (at / CHECKPOINT + 1) * CHECKPOINT;
            let wanted = (end.min(next) - at).min(PIECE as u64);
            let mut piece = vec![0; usize::try_from(wanted).expect("at most PIECE")];
            file.read_exact(&mut piece).map_err(|problem| {
                if problem.kind() == io::ErrorKind::UnexpectedEof {
                    return io::Error::new(problem.kind(), "the file became shorter");
                }
                problem
            })?;
            hasher.update(&piece);
            at += wanted;
            if at == end || at == next {
                self.states().insert(at, hasher.clone());
            }
            if !take(Bytes::from(piece)) {
                return Ok(());
            }
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn source(length: usize) -> (tempfile::TempDir, Source, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("a");
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
        std::fs::write(&disk, &bytes).unwrap();
        let file = LocalFile {
            disk,
            path: "a".into(),
            length: length as u64,
            changed: SystemTime::UNIX_EPOCH,
        };
        (folder, Source::new(file), bytes)
    }

    #[tokio::test]
    async fn a_stream_that_breaks_and_goes_on_gives_the_hash_of_the_whole() {
        let length = CHECKPOINT as usize + 3 * PIECE + 17;
        let (_folder, source, bytes) = source(length);
        let mut pieces = source.pieces(0);
        let mut got = Vec::new();
        while got.len() < CHECKPOINT as usize + PIECE {
            got.extend(pieces.recv().await.unwrap().unwrap());
        }
        drop(pieces);
        // The server kept less than we sent, at an odd place.
        let offset = CHECKPOINT + 1001;
        source.reach(offset).await.unwrap();
        got.truncate(offset as usize);
        let mut pieces = source.pieces(offset);
        while let Some(piece) = pieces.recv().await {
            got.extend(piece.unwrap());
        }
        assert!(got == bytes);
        let expected = FileHash(*blake3::hash(&bytes).as_bytes());
        assert_eq!(source.hash().await.unwrap(), expected);
    }

    #[tokio::test]
    async fn small_and_empty_files() {
        for length in [0, 1, PIECE, PIECE + 1] {
            let (_folder, source, bytes) = source(length);
            assert!(source.whole().await.unwrap() == bytes);
            let expected = FileHash(*blake3::hash(&bytes).as_bytes());
            assert_eq!(source.hash().await.unwrap(), expected, "{length}");
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error() {
        let (folder, source, bytes) = source(1000);
        std::fs::write(folder.path().join("a"), &bytes[..999]).unwrap();
        let said = source.hash().await.unwrap_err().to_string();
        assert_eq!(said, "the file became shorter");
        let mut pieces = source.pieces(0);
        assert!(pieces.recv().await.unwrap().is_err());
    }
}
