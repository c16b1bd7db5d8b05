//! A file that is still arriving: `<name>.part`, its hash, and its last step to the real name.
//!
//! One thread writes and hashes; whoever receives bytes hands them over through a short queue. A
//! part that an earlier run left is read back first, so its hash covers what is on the disk. A
//! part is locked while it is written: two pulls into one folder do not mix.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use chrono::DateTime;
use stemvault_model::ids::FileHash;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

const AHEAD: usize = 16;
const BUFFER: usize = 1 << 20;

/// A part that is being written.
#[derive(Debug)]
pub struct Part {
    pieces: mpsc::Sender<Piece>,
    writer: JoinHandle<io::Result<Option<FileHash>>>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    Restart,
    End,
}

impl Part {
    /// Opens or creates the part, and says how many bytes it holds. One that holds more than
    /// `length` is emptied.
    ///
    /// # Errors
    /// If it cannot be opened, is no ordinary file, or another process is writing it.
    pub async fn open(path: PathBuf, length: Option<u64>) -> io::Result<(Self, u64)> {
        let (pieces, queue) = mpsc::channel(AHEAD);
        let (opened, held) = oneshot::channel();
        let writer = tokio::task::spawn_blocking(move || {
            let mut file = lock(&path)?;
            let mut hasher = blake3::Hasher::new();
            let held = read_back(&mut file, &mut hasher, length)?;
            // Nobody waits any more if the pull was stopped: then the queue is closed as well.
            let _ = opened.send(held);
            write(file, hasher, queue)
        });
        match held.await {
            Ok(held) => Ok((Self { pieces, writer }, held)),
            Err(_) => Err(failed(writer).await),
        }
    }

    /// Appends.
    ///
    /// # Errors
    /// What went wrong on the disk, now or with an earlier piece.
    pub async fn append(&mut self, bytes: Bytes) -> io::Result<()> {
        self.hand_over(Piece::Bytes(bytes)).await
    }

    /// Forgets everything that was written.
    ///
    /// # Errors
    /// What went wrong on the disk.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.hand_over(Piece::Restart).await
    }

    /// Brings all bytes onto the disk and returns their hash.
    ///
    /// # Errors
    /// What went wrong on the disk.
    pub async fn finish(mut self) -> io::Result<FileHash> {
        self.hand_over(Piece::End).await?;
        self.writer
            .await
            .map_err(io::Error::other)??
            .ok_or_else(|| io::Error::other("the writer stopped early"))
    }

    async fn hand_over(&mut self, piece: Piece) -> io::Result<()> {
        if self.pieces.send(piece).await.is_ok() {
            return Ok(());
        }
        Err(failed(&mut self.writer).await)
    }
}

/// The reason why the writer ended.
async fn failed(
    writer: impl Future<Output = Result<io::Result<Option<FileHash>>, tokio::task::JoinError>>,
) -> io::Error {
    match writer.await {
        Ok(Err(problem)) => problem,
        Ok(Ok(_)) => io::Error::other("the writer stopped early"),
        Err(problem) => io::Error::other(problem),
    }
}

fn lock(path: &Path) -> io::Result<File> {
    // A link in the place of the part would let the bytes land elsewhere.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other(format!(
            "{} is not an ordinary file",
            path.display()
        )));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other(format!(
            "another pull is writing {}",
            path.display()
        ))),
        // Some network file systems know no locks; the hash still finds a mixture.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn read_back(file: &mut File, hasher: &mut blake3::Hasher, length: Option<u64>) -> io::Result<u64> {
    let held = file.metadata()?.len();
    if length.is_some_and(|length| held > length) {
        file.set_len(0)?;
        return Ok(0);
    }
    hash_into(file, hasher)?;
    file.stream_position()
}

pub(super) fn hash_into(file: &mut File, hasher: &mut blake3::Hasher) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => hasher.update(&buffer[..read]),
        };
    }
}

fn write(
    mut file: File,
    mut hasher: blake3::Hasher,
    mut queue: mpsc::Receiver<Piece>,
) -> io::Result<Option<FileHash>> {
    while let Some(piece) = queue.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => {
                file.write_all(&bytes)?;
                hasher.update(&bytes);
            }
            Piece::Restart => {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                hasher.reset();
            }
            Piece::End => {
                file.sync_all()?;
                return Ok(Some(FileHash(*hasher.finalize().as_bytes())));
            }
        }
    }
    Ok(None)
}

/// The hash of a file that is on the disk.
///
/// # Errors
/// If it cannot be read.
pub async fn hash_of(path: PathBuf) -> io::Result<FileHash> {
    tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        hash_into(&mut File::open(path)?, &mut hasher)?;
        Ok(FileHash(*hasher.finalize().as_bytes()))
    })
    .await
    .map_err(io::Error::other)?
}

/// Creates the folders of `place` below `folder`, and none of them through a link.
///
/// # Errors
/// If a folder cannot be made, or a link or a file lies where one should be.
pub fn make_room(folder: &Path, place: &Path) -> io::Result<()> {
    let mut at = folder.to_path_buf();
    for name in place.parent().into_iter().flat_map(Path::components) {
        at.push(name);
        match fs::create_dir(&at) {
            Ok(()) => {}
            Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&at)?.is_dir() {
                    return Err(io::Error::other(format!(
                        "{} is not a folder (or a link to one, which is not followed)",
                        at.display()
                    )));
                }
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(())
}

/// Gives a finished part its name, durably, and never takes the name from another file. It gets the
/// time of change that is given, where the file system can hold it.
///
/// # Errors
/// If something has that name already, or the disk fails.
pub fn settle(part: &Path, name: &Path, modified: Option<SystemTime>) -> io::Result<()> {
    if fs::symlink_metadata(name).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if let Some(modified) = modified {
        let file = File::options().write(true).open(part)?;
        // A file with another time is the file all the same.
        drop(file.set_modified(modified));
    }
    fs::rename(part, name)?;
    if cfg!(unix) {
        File::open(folder_of(name))?.sync_all()?;
    }
    Ok(())
}

/// The folder that a name lies in; that of a bare name is the current one.
#[must_use]
pub fn folder_of(name: &Path) -> &Path {
    let folder = name.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A time of change as its sender said it: RFC 3339. None if it is none, or no file can have it.
#[must_use]
pub fn moment(said: &str) -> Option<SystemTime> {
    let at = DateTime::parse_from_rfc3339(said).ok()?;
    let since = at.signed_duration_since(DateTime::UNIX_EPOCH);
    match since.to_std() {
        Ok(after) => SystemTime::UNIX_EPOCH.checked_add(after),
        Err(_) => SystemTime::UNIX_EPOCH.checked_sub((-since).to_std().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> FileHash {
        FileHash(*blake3::hash(bytes).as_bytes())
    }

    #[tokio::test]
    async fn a_part_goes_on_where_another_process_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        fs::write(&path, "hello ").unwrap();
        let (mut part, held) = Part::open(path.clone(), Some(11)).await.unwrap();
        assert_eq!(held, 6);
        let busy = Part::open(path.clone(), None).await.unwrap_err();
        assert!(busy.to_string().contains("another pull"), "{busy}");
        part.append(Bytes::from_static(b"world")).await.unwrap();
        assert_eq!(part.finish().await.unwrap(), hash(b"hello world"));
        let name = folder.path().join("a");
        let then = moment("2019-03-01T12:00:00.5+01:00").unwrap();
        settle(&path, &name, Some(then)).unwrap();
        assert_eq!(fs::metadata(&name).unwrap().modified().unwrap(), then);
        assert_eq!(fs::read(&name).unwrap(), b"hello world");
        assert_eq!(hash_of(name).await.unwrap(), hash(b"hello world"));
    }

    #[tokio::test]
    async fn a_restart_forgets_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        fs::write(&path, "too long for the file").unwrap();
        let (mut part, held) = Part::open(path.clone(), Some(3)).await.unwrap();
        assert_eq!(held, 0);
        part.append(Bytes::from_static(b"xxxx")).await.unwrap();
        part.restart().await.unwrap();
        part.append(Bytes::from_static(b"abc")).await.unwrap();
        assert_eq!(part.finish().await.unwrap(), hash(b"abc"));
        assert_eq!(fs::read(path).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn a_taken_name_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (part, name) = (folder.path().join("a.part"), folder.path().join("a"));
        fs::write(&part, "new").unwrap();
        fs::write(&name, "mine").unwrap();
        assert!(settle(&part, &name, None).is_err());
        assert_eq!(fs::read(name).unwrap(), b"mine");
    }

    #[test]
    fn a_bare_name_lies_in_the_current_folder() {
        for (name, folder) in [
            ("bag.zip", "."),
            ("./bag.zip", "."),
            ("a/b", "a"),
            ("/b", "/"),
        ] {
            assert_eq!(folder_of(Path::new(name)), Path::new(folder));
        }
        assert!(moment("1903-01-01T00:00:00Z").unwrap() < SystemTime::UNIX_EPOCH);
        assert_eq!(moment("yesterday"), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_do_not_lead_bytes_out_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("d")).unwrap();
        assert!(make_room(folder.path(), Path::new("d/a.wav")).is_err());
        make_room(folder.path(), Path::new("e/f/a.wav")).unwrap();
        make_room(folder.path(), Path::new("e/f/b.wav")).unwrap();
        let target = outside.path().join("x");
        let link = folder.path().join("b.part");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Part::open(link, None).await.is_err());
        assert!(!target.exists());
    }
}
