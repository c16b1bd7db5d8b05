//! Where a file is cut into blocks: cut version 2.
//!
//! **A format promise.** The boundaries are a pure function of the file's bytes; they decide which
//! blocks of a re-exported stem are equal to the ones already stored, so a change of any rule here,
//! or of what [`HeaderReader`] takes for samples, is a new version. The rules:
//!
//! 0. A file that is said to be at most [`SMALL`] long when it is begun is one block: what a second
//!    export of it could share is less than what a second object costs. (New in version 2.)
//! 1. No block is longer than [`BLOCK_MAX`] and none is empty.
//! 2. Where the samples lie is known once the head of their chunk was read; it is never revised.
//!    The header (all before the samples) and the tail (all after) are blocks of their own.
//! 3. Samples are cut every [`BLOCK_MAX`] rounded down to whole sample frames, counted from the first
//!    sample; every [`BLOCK_MAX`] if the frame's size is not known by then, or is larger than a block.
//! 4. Everything else is cut every [`BLOCK_MAX`]: files without samples from their start, headers and
//!    tails from theirs.
//!
//! Garbage, lies and headers of gigabytes move boundaries; they never lose a byte.

use serde::{Deserialize, Serialize};

use crate::checks::facts::FileFacts;
use stemvault_codec::audio::{Data, HeaderReader};

/// Most bytes in a block: 4 MiB.
pub const BLOCK_MAX: usize = 4 << 20;
/// Up to so many bytes a file is one block: less than a second of stereo at 48 kHz and 24 bits.
pub const SMALL: u64 = 256 << 10;
/// The version of the rules, recorded wherever boundaries are.
pub const CUT_VERSION: u32 = 2;

/// The cut of one file, so far; feed it every byte once, from the first on.
///
/// Its serialised state is under 1 kB as JSON, carries its version, and may be stored and restored
/// between any two bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Cut {
    /// Where the open block begins.
    start: u64,
    /// Whether the file is one block.
    small: bool,
    header: HeaderReader,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    start: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    small: bool,
    header: HeaderReader,
}

impl From<Cut> for Stored {
    fn from(cut: Cut) -> Self {
        Self {
            version: CUT_VERSION,
            start: cut.start,
            small: cut.small,
            header: cut.header,
        }
    }
}

impl TryFrom<Stored> for Cut {
    type Error = String;
    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored {
            version,
            start,
            small,
            header,
        } = stored;
        // A file that was begun under version 1 is not small in this sense, and goes on.
        if !(1..=CUT_VERSION).contains(&version) {
            return Err(format!(
                "cut version {version}: this program knows {CUT_VERSION}"
            ));
        }
        let cut = Self {
            start,
            small,
            header,
        };
        // Holds for every state that was ever stored, and is all that `next_end` relies on.
        if (start..cut.end()).contains(&cut.offset()) {
            Ok(cut)
        } else {
            Err(format!(
                "damaged cut: offset {} outside its block",
                cut.offset()
            ))
        }
    }
}

impl Default for Cut {
    fn default() -> Self {
        Self::new()
    }
}

impl Cut {
    /// At the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: 0,
            small: false,
            header: HeaderReader::new(),
        }
    }

    /// At the start of a file of this length, if that is known.
    #[must_use]
    pub fn of(length: Option<u64>) -> Self {
        Self {
            small: length.is_some_and(|length| length <= SMALL),
            ..Self::new()
        }
    }

    /// Takes the next bytes of the file, up to the end of the open block if it is among them.
    ///
    /// `Some(n)`: the block ends with the first `n` of them (at least one), only those were taken, and
    /// the next block is open; call again with the rest. `None`: all belong to the block, it goes on.
    ///
    /// At the end of the file the open block, if it has any bytes, is the last one.
    pub fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut taken = 0;
        while let rest = &bytes[taken..]
            && !rest.is_empty()
        {
            let room = self.end() - self.offset();
            let most = usize::try_from(room).map_or(rest.len(), |room| room.min(rest.len()));
            // Stops early when it has learned where the samples are: the end may come nearer.
            taken += self.header.push(&rest[..most]);
            if self.offset() >= self.end() {
                self.start = self.offset();
                return Some(taken);
            }
        }
        None
    }

    /// Offset in the file at which the open block begins.
    #[must_use]
    pub fn block_start(&self) -> u64 {
        self.start
    }

    /// Offset of the next byte to come: how many were taken.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.header.offset()
    }

    /// Bytes in the open block: less than [`BLOCK_MAX`], 0 if none is open.
    #[must_use]
    pub fn block_len(&self) -> usize {
        usize::try_from(self.offset() - self.start).expect("a block is at most BLOCK_MAX long")
    }

    /// What is known of the file by now; final once every byte was taken.
    #[must_use]
    pub fn facts(&self) -> FileFacts {
        FileFacts::of(&self.header)
    }

    /// Where the open block ends at the latest, as far as is known.
    fn end(&self) -> u64 {
        let full = self.start.saturating_add(BLOCK_MAX as u64);
        match self.header.data() {
            _ if self.small => full,
            None => full,
            Some(data) if self.start < data.offset => full.min(data.offset),
            Some(data) => match data.end() {
                Some(end) if self.start >= end => full,
                end => self
                    .start
                    .saturating_add(stride(&data))
                    .min(end.unwrap_or(u64::MAX)),
            },
        }
    }
}

/// Bytes of samples in a full block.
fn stride(data: &Data) -> u64 {
    let frame = u64::from(data.frame);
    let most = BLOCK_MAX as u64;
    if (1..=most).contains(&frame) {
        most - most % frame
    } else {
        most
    }
}

#[cfg(test)]
mod tests;
