//! The memory that large blocks are gathered and sealed in: whole pages, used again and again.
//!
//! A page that the system hands out anew costs more than all that is done to its bytes, so a buffer
//! comes back here once its object is durable. What that may hold is bounded: at most [`WARM`]
//! buffers have been used before, in use or at rest. All others hold no more pages than bytes were
//! written to them, and go back to the system as soon as they are dropped, which freed memory of
//! this size does not. They begin on a page, as writes past the page cache want.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::MmapMut;

use super::{BLOCK_MAX, Overhead};

/// Smaller blocks are quick to get from the allocator, and it uses their memory again.
const SMALLEST: usize = 1 << 20;

/// Room for the largest sealed block, in whole pages.
const CAPACITY: usize = (BLOCK_MAX + Overhead::BYTES).next_multiple_of(4096);

/// Buffers that were used before: what is put at once, and as many that are gathered.
const WARM: usize = 16;

/// As many stay when nobody sends any more.
const WARM_AT_REST: usize = 2;

/// Where buffers come from and go back to.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    resting: Vec<MmapMut>,
    /// Used before: those at rest, and those that were taken from there.
    warm: usize,
}

impl Buffers {
    /// A buffer for a block of so many bytes; `None` where the allocator serves as well.
    pub(crate) fn take(&self, expected: usize) -> Option<Buffer> {
        if expected < SMALLEST {
            return None;
        }
        let resting = locked(&self.0).resting.pop();
        let warm = resting.is_some();
        let pages = resting.or_else(|| MmapMut::map_anon(CAPACITY).ok())?;
        Some(Buffer {
            pages: Some(pages),
            len: 0,
            warm,
            shelf: Arc::clone(&self.0),
        })
    }

    /// Nobody sends any more: most of what is at rest goes back to the system.
    pub(crate) fn let_go(&self) {
        let mut shelf = locked(&self.0);
        let kept = shelf.resting.len().min(WARM_AT_REST);
        let gone = shelf.resting.split_off(kept);
        shelf.warm -= gone.len();
        drop(shelf);
        drop(gone);
    }
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are added at the end, up to [`CAPACITY`].
#[derive(Debug)]
pub(crate) struct Buffer {
    /// There until it is dropped.
    pages: Option<MmapMut>,
    len: usize,
    warm: bool,
    shelf: Arc<Mutex<Shelf>>,
}

impl Buffer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        let pages = self.pages.as_mut().expect("gone only in drop");
        pages[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.pages.as_ref().expect("gone only in drop")[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.pages.as_mut().expect("gone only in drop")[..self.len]
    }
}

/// For `Bytes::from_owner`.
impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut shelf = locked(&self.shelf);
        if !self.warm && shelf.warm < WARM {
            shelf.warm += 1;
            self.warm = true;
        }
        if self.warm {
            shelf.resting.extend(self.pages.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(buffers: &Buffers) -> (usize, usize) {
        let shelf = locked(&buffers.0);
        (shelf.resting.len(), shelf.warm)
    }

    #[test]
    fn bytes_are_added_and_the_buffer_comes_back_empty() {
        let buffers = Buffers::default();
        assert!(buffers.take(SMALLEST - 1).is_none());
        let mut buffer = buffers.take(BLOCK_MAX).unwrap();
        let at = buffer.as_ptr();
        assert_eq!(at.align_offset(4096), 0);
        buffer.push(b"ab");
        buffer.push(b"c");
        buffer[1] = b'x';
        assert_eq!(&*buffer, b"axc");
        drop(bytes::Bytes::from_owner(buffer));
        let again = buffers.take(BLOCK_MAX).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
    }

    #[test]
    fn only_so_many_are_used_again_and_few_stay() {
        let buffers = Buffers::default();
        let all: Vec<_> = (0..3 * WARM).map(|_| buffers.take(BLOCK_MAX)).collect();
        assert_eq!(state(&buffers), (0, 0));
        drop(all);
        assert_eq!(state(&buffers), (WARM, WARM));
        let some = (buffers.take(BLOCK_MAX), buffers.take(BLOCK_MAX));
        buffers.let_go();
        assert_eq!(state(&buffers), (WARM_AT_REST, WARM_AT_REST + 2));
        drop(some);
        assert_eq!(state(&buffers), (WARM_AT_REST + 2, WARM_AT_REST + 2));
    }
}
