//! A folder of this machine as an object store that writes large objects past the page cache.
//!
//! Through the cache every byte is copied once more, into pages that a virtual machine often has
//! to get from its host first, and a session of 50 GB pushes out everything else before anybody
//! reads it again. What lies in memory on a page boundary (blocks do) is written from where it
//! is. In all else this is the crate's own put: the same name while it is written, synced before it
//! gets its own name, and the folder synced after that. Whatever goes wrong on this way, a file
//! system that does not know it included, the crate's way is tried from the start, and its error is
//! the one that counts.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload, PutResult};
use rustix::fs::{Advice, OFlags, fadvise, fcntl_setfl};

use super::passes_on::passes_on;

/// From so many bytes on an object does not stay in the page cache.
const LARGE: usize = 1 << 20;

/// What memory, length and place in the file have to be multiples of, on any disk.
const PAGE: usize = 4096;

#[derive(Debug)]
pub(super) struct Direct {
    inner: Arc<LocalFileSystem>,
}

impl Direct {
    pub(super) fn new(inner: LocalFileSystem) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether it was written past the cache.
    async fn put_direct(&self, location: &Path, bytes: Bytes) -> bool {
        let Ok(path) = self.inner.path_to_filesystem(location) else {
            return false;
        };
        let written = tokio::task::spawn_blocking(move || put_direct(&path, &bytes));
        matches!(written.await, Ok(Ok(())))
    }

    /// Lets the system forget a file that is on the disk.
    fn uncache(&self, location: &Path) {
        let Ok(path) = self.inner.path_to_filesystem(location) else {
            return;
        };
        tokio::task::spawn_blocking(move || {
            // A hint: whoever has removed the file meanwhile has done as much.
            if let Ok(file) = File::open(path) {
                let _ = fadvise(&file, 0, None, Advice::DontNeed);
            }
        });
    }
}

fn put_direct(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, staged) = stage(path)?;
    let put = write_direct(&mut file, bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&staged, path));
    if put.is_err() {
        // What is left is swept at the next start, as after a kill.
        let _ = fs::remove_file(&staged);
        return put;
    }
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    File::open(folder)?.sync_all()
}

/// A new file beside `path`, under a name that no object has and `list` hides.
fn stage(path: &std::path::Path) -> io::Result<(File, PathBuf)> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    let mut number = 1;
    loop {
        let mut staged = path.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        let staged = PathBuf::from(staged);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).custom_flags(flags);
        match options.open(&staged) {
            Ok(file) => return Ok((file, staged)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => {
                // Some file systems make the file and then refuse to open it in this way.
                if error.kind() == ErrorKind::InvalidInput {
                    let _ = fs::remove_file(&staged);
                }
                return Err(error);
            }
        }
    }
}

/// Whole pages past the cache, and the rest through it.
fn write_direct(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let (pages, rest) = bytes.split_at(bytes.len() / PAGE * PAGE);
    file.write_all(pages)?;
    fcntl_setfl(&*file, OFlags::empty())?;
    file.write_all(rest)
}

impl fmt::Display for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Direct {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let length = payload.content_length();
        if length < LARGE {
            return self.inner.put_opts(location, payload, options).await;
        }
        if let ([bytes], PutMode::Overwrite) = (payload.as_ref(), &options.mode)
            && bytes.as_ptr().align_offset(PAGE) == 0
            && self.put_direct(location, bytes.clone()).await
        {
            return Ok(PutResult {
                e_tag: None,
                version: None,
                extensions: object_store::Extensions::default(),
            });
        }
        let put = self.inner.put_opts(location, payload, options).await?;
        self.uncache(location);
        Ok(put)
    }

    passes_on!(inner: put_multipart_opts, get_opts, delete_stream, list, list_with_delimiter, copy_opts);
}

#[cfg(test)]
mod tests {
    use memmap2::MmapMut;
    use object_store::ObjectStoreExt;

    use super::*;

    fn in_pages(length: usize, byte: u8) -> Bytes {
        let mut pages = MmapMut::map_anon(length).unwrap();
        pages.fill(byte);
        Bytes::from_owner(pages)
    }

    #[tokio::test]
    async fn objects_of_any_length_and_place_in_memory_are_whole() {
        let root = tempfile::tempdir().unwrap();
        let inner = LocalFileSystem::new_with_prefix(root.path()).unwrap();
        let store = Direct::new(inner.with_fsync(true));
        for length in [1, LARGE - 1, LARGE, LARGE + 52, 4 * LARGE + 4095] {
            let bytes = in_pages(length + 1, 1);
            // Twice: the second replaces the first. Then one byte off the boundary.
            for bytes in [in_pages(length, 2), bytes.slice(..length), bytes.slice(1..)] {
                let at = Path::from("a/b/c");
                store.put(&at, bytes.clone().into()).await.unwrap();
                let read = store.get(&at).await.unwrap().bytes().await.unwrap();
                assert!(read == bytes, "{length}");
            }
        }
        let left = fs::read_dir(root.path().join("a/b")).unwrap().count();
        assert_eq!(left, 1, "nothing but the object");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said_by_the_crate() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/in the way")).unwrap();
        let inner = LocalFileSystem::new_with_prefix(root.path()).unwrap();
        let store = Direct::new(inner.with_fsync(true));
        let at = Path::from("a");
        store.put(&at, in_pages(LARGE, 1).into()).await.unwrap_err();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
