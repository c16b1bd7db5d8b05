//! The hash of a whole file, resumable between any two bytes: what `b3sum FILE` prints.
//!
//! BLAKE3 is a tree over chunks of 1,024 bytes. A [`Frontier`] keeps the chaining values of the
//! complete subtrees so far, which are the binary digits of the number of chunks, and the last 1 to
//! 1,024 bytes. At least one byte is always kept back, because only the end of the file may be the
//! root: a subtree is closed when it is certain that more follows.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::ids::FileHash;

const CHUNK: usize = blake3::CHUNK_LEN;
const VALUE: usize = blake3::OUT_LEN;
const VERSION: u8 = 1;
/// Version and number of bytes.
const HEAD: usize = 1 + 8;
/// Longest file that can be restored; far beyond any disk, far below the end of `u64`.
const LONGEST: u64 = 1 << 60;

/// See the module. Its state for a file of n bytes is at most 1,033 bytes and 32 for each binary 1 of
/// n / 1,024: under 1.7 kB up to 1 GiB, under 1.9 kB up to 128 GiB.
#[derive(Clone, PartialEq, Eq)]
pub struct Frontier {
    /// Bytes in `subtrees`: a multiple of [`CHUNK`].
    closed: u64,
    /// Chaining values of the closed subtrees, from left to right, largest first.
    subtrees: Vec<ChainingValue>,
    /// The bytes since: 1 to [`CHUNK`], none only at the very start.
    open: Vec<u8>,
}

/// Bytes that are not the state of a [`Frontier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrontier {
    /// Written by another version of this code.
    #[error("the hash state of an upload has version {0}, this program knows version {VERSION}")]
    Version(u8),
    /// Too short, too long, or a length that cannot be.
    #[error("the hash state of an upload is damaged: {0} bytes do not fit what it says of itself")]
    Length(usize),
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Frontier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frontier({} bytes)", self.len())
    }
}

impl Frontier {
    /// Of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            closed: 0,
            subtrees: Vec::new(),
            open: Vec::new(),
        }
    }

    /// How many bytes were pushed.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.closed + self.open.len() as u64
    }

    /// Whether nothing was pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next bytes of the file. Any size will do; pieces of a megabyte and more are fastest.
    pub fn push(&mut self, mut bytes: &[u8]) {
        if !self.open.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if bytes.is_empty() {
                return;
            }
            let mut open = std::mem::take(&mut self.open);
            self.close(&open);
            open.clear();
            self.open = open;
        }
        while bytes.len() > CHUNK {
            // The largest subtree that may begin here and leaves a byte over.
            let fits = 1 << (bytes.len() - 1).ilog2();
            let len = match blake3::hazmat::max_subtree_len(self.closed) {
                Some(most) => usize::try_from(most).map_or(fits, |most| most.min(fits)),
                None => fits,
            };
            let (now, later) = bytes.split_at(len);
            self.close(now);
            bytes = later;
        }
        self.open.extend_from_slice(bytes);
    }

    /// The hash of all bytes pushed so far; more may follow.
    #[must_use]
    pub fn finish(&self) -> FileHash {
        let Some((first, later)) = self.subtrees.split_first() else {
            return FileHash(*blake3::hash(&self.open).as_bytes());
        };
        let right = later
            .iter()
            .rev()
            .fold(value(self.closed, &self.open), |right, left| {
                merge_subtrees_non_root(left, &right, Mode::Hash)
            });
        FileHash(*merge_subtrees_root(first, &right, Mode::Hash).as_bytes())
    }

    /// The state, to be stored. Version 1: a byte 1, the number of bytes pushed (u64, little-endian),
    /// 32 bytes for each closed subtree from left to right, the open bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = HEAD + self.subtrees.len() * VALUE + self.open.len();
        let mut bytes = Vec::with_capacity(size);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.len().to_le_bytes());
        bytes.extend(self.subtrees.iter().flatten());
        bytes.extend_from_slice(&self.open);
        bytes
    }

    /// The state from [`to_bytes`](Self::to_bytes). Never panics, whatever the bytes are.
    ///
    /// # Errors
    /// If the bytes have another version or another length than their own count demands.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadFrontier> {
        let damaged = BadFrontier::Length(bytes.len());
        let (version, rest) = bytes.split_first().ok_or(damaged)?;
        if *version != VERSION {
            return Err(BadFrontier::Version(*version));
        }
        let (len, rest) = rest.split_first_chunk().ok_or(damaged)?;
        let len = u64::from_le_bytes(*len);
        if len > LONGEST {
            return Err(damaged);
        }
        let chunks = len.saturating_sub(1) / CHUNK as u64;
        let closed = chunks * CHUNK as u64;
        let (values, open) = rest
            .split_at_checked(chunks.count_ones() as usize * VALUE)
            .ok_or(damaged)?;
        if open.len() as u64 != len - closed {
            return Err(damaged);
        }
        let (subtrees, _) = values.as_chunks::<VALUE>();
        Ok(Self {
            closed,
            subtrees: subtrees.to_vec(),
            open: open.to_vec(),
        })
    }

    /// Closes the subtree over `bytes`: a power of two of chunks, aligned to its size, with more to
    /// follow.
    fn close(&mut self, bytes: &[u8]) {
        let mut right = value(self.closed, bytes);
        // Adding in binary: every 1 that carries is a left neighbour of the same size.
        let mut size = bytes.len() as u64;
        while self.closed & size != 0 {
            let left = self
                .subtrees
                .pop()
                .expect("one subtree for each binary 1 of the chunks");
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            size <<= 1;
        }
        self.subtrees.push(right);
        self.closed += bytes.len() as u64;
    }
}

/// The chaining value of the subtree over `bytes`, which begin at `offset` of the file.
fn value(offset: u64, bytes: &[u8]) -> ChainingValue {
    blake3::Hasher::new()
        .set_input_offset(offset)
        .update(bytes)
        .finalize_non_root()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, RngExt, SeedableRng};

    use super::*;

    fn bytes(rng: &mut StdRng, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    }

    fn hash(bytes: &[u8]) -> FileHash {
        FileHash(*blake3::hash(bytes).as_bytes())
    }

    #[test]
    fn it_is_the_hash_of_the_whole_for_any_length_and_any_pieces() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut lengths = vec![
            0,
            1,
            1023,
            1024,
            1025,
            2047,
            2048,
            2049,
            (8 << 20) + 1,
            8 << 20,
        ];
        lengths
            .extend((11..=22).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]));
        while lengths.len() < 400 {
            let power = rng.random_range(1..20);
            lengths.push(rng.random_range(0..1 << power));
        }
        let all = bytes(&mut rng, (8 << 20) + 1);
        for len in lengths {
            let file = &all[..len];
            let mut frontier = Frontier::new();
            let mut rest = file;
            let most = [1, 7, 1024, 5000, 100_000, 5 << 20][rng.random_range(0..6)];
            let most = most.max(len / 2000);
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rng.random_range(1..=most).min(rest.len()));
                frontier.push(now);
                rest = later;
                if rng.random_range(0..8) == 0 {
                    let stored = frontier.to_bytes();
                    assert!(stored.len() <= 1700, "{} bytes at {len}", stored.len());
                    assert_eq!(Frontier::from_bytes(&stored), Ok(frontier.clone()));
                    frontier = Frontier::from_bytes(&stored).unwrap();
                }
            }
            assert_eq!(frontier.len(), len as u64);
            assert_eq!(
                frontier.finish(),
                hash(file),
                "length {len}, pieces up to {most}"
            );
        }
    }

    #[test]
    fn it_can_be_asked_in_between() {
        let mut rng = StdRng::seed_from_u64(2);
        let file = bytes(&mut rng, 40_000);
        let mut frontier = Frontier::new();
        assert!(frontier.is_empty());
        assert_eq!(frontier.finish(), hash(b""));
        for (at, piece) in file.chunks(1000).enumerate() {
            frontier.push(piece);
            frontier.push(b"");
            assert_eq!(frontier.finish(), hash(&file[..at * 1000 + piece.len()]));
        }
    }

    /// A format promise: states in upload records outlive the program that wrote them.
    #[test]
    fn version_1_of_the_state_does_not_change() {
        let mut frontier = Frontier::new();
        frontier.push(&[9; 3 * 1024 + 5]);
        let stored = frontier.to_bytes();
        assert_eq!(stored.len(), 9 + 2 * 32 + 5);
        assert_eq!(stored[..9], [1, 5, 12, 0, 0, 0, 0, 0, 0]);
        assert_eq!(stored[73..], [9; 5]);
        assert_eq!(
            hash(&stored).to_string(),
            "44cde528e8957c8973b9cbbb89a5a496dc3e2b8e45c380c48f0818083466d111"
        );
    }

    #[test]
    fn damaged_states_are_errors() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut frontier = Frontier::new();
        frontier.push(&bytes(&mut rng, 77_777));
        let good = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(b""), Err(BadFrontier::Length(0)));
        for len in 1..good.len() {
            assert_eq!(
                Frontier::from_bytes(&good[..len]),
                Err(BadFrontier::Length(len))
            );
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(
            Frontier::from_bytes(&longer),
            Err(BadFrontier::Length(longer.len()))
        );
        let mut other = good.clone();
        other[0] = 2;
        assert_eq!(Frontier::from_bytes(&other), Err(BadFrontier::Version(2)));
        for _ in 0..20_000 {
            let mut bad = good.clone();
            bad.truncate(rng.random_range(1..=good.len()));
            for _ in 0..rng.random_range(0..4) {
                let at = rng.random_range(0..bad.len().min(9));
                bad[at] = rng.random();
            }
            if let Ok(mut taken) = Frontier::from_bytes(&bad) {
                taken.push(&[1; 5000]);
                let _ = taken.finish();
            }
        }
        let mut huge = vec![1];
        huge.extend(u64::MAX.to_le_bytes());
        huge.extend([0; 64 * 32 + 1024]);
        assert!(Frontier::from_bytes(&huge).is_err());
    }
}
