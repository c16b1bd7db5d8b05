//! How much more an order may hold, in numbers that preflight can tell before the first byte.

use super::Severity;
use super::preflight::Together;

/// How much the disk under the working store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that uploads must leave free.
    pub floor: u64,
}

/// How much an order may hold, and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes in one file, at most.
    pub max_file: u64,
    /// Bytes in all files, at most.
    pub max_order: u64,
    /// Files, at most.
    pub max_files: u64,
    /// Bytes of all uploads, as announced.
    pub used_bytes: u64,
    /// Uploads.
    pub used_files: u64,
    /// Uploads that are not finished, at most at once; where nobody asks through a link, any number.
    pub max_open: Option<u64>,
    /// Bytes for which the server has room at this moment, if it has less than the order may still
    /// take.
    pub space: Option<u64>,
}

impl Room {
    /// Why one file is too long.
    #[must_use]
    pub fn too_long(&self, file: &str, length: u64) -> String {
        format!(
            "{file:?} has {length} bytes, the studio takes files of up to {}: split it, or ask the studio",
            self.max_file
        )
    }

    /// Without one file of so many bytes, which has its place already.
    pub fn free(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
        self.used_files = self.used_files.saturating_sub(1);
        self.space = self.space.map(|space| space.saturating_add(bytes));
    }

    /// Why so many more files do not fit.
    pub(super) fn too_much(&self, files: u64, bytes: u64) -> Vec<Together> {
        let mut said = Vec::new();
        let mut say = |message| {
            said.push(Together {
                rule: "limit",
                severity: Severity::Refuse,
                files: Vec::new(),
                message,
            });
        };
        if let Some(space) = self.space.filter(|space| bytes > *space) {
            say(format!(
                "these are {bytes} bytes, and at this moment the studio's server has room for {space}: nothing is lost, tell the studio, or send the most important files first"
            ));
        }
        let (files, bytes) = (
            self.used_files.saturating_add(files),
            self.used_bytes.saturating_add(bytes),
        );
        if files > self.max_files {
            say(format!(
                "with these the order would have {files} files, the studio takes up to {}: pack small files together, or ask the studio",
                self.max_files
            ));
        }
        if bytes > self.max_order {
            say(format!(
                "with these the order would have {bytes} bytes, the studio takes up to {}: ask the studio",
                self.max_order
            ));
        }
        said
    }
}
