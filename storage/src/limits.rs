//! What a studio takes at most, and what its server may use.

use crate::refusal::{Refusal, RefusalKind};

/// What protects a studio from its clients, and its disk from both.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest file, in bytes.
    pub max_file: u64,
    /// The most bytes of one order.
    pub max_order: u64,
    /// The most files of one order.
    pub max_files: u64,
    /// The most bytes that come by one link.
    pub max_link: u64,
    /// The most files that come by one link.
    pub max_link_files: u64,
    /// The most unfinished uploads of one link.
    pub max_open: u64,
    /// The most unfinished uploads of all orders.
    pub max_open_total: u64,
    /// The most bytes of unfinished uploads of all orders.
    pub max_unfinished: u64,
    /// The most uploads that one link may begin in a minute.
    pub max_new_per_minute: u64,
    /// How long an unfinished upload is kept after its last byte.
    pub expire_after: chrono::TimeDelta,
    /// Bytes of bodies held in memory at once.
    pub memory: usize,
    /// Bytes of blocks that were read for downloads and are not taken yet, at once.
    pub outflow: usize,
    /// Free bytes of the disk that uploads may not touch: at least this many ...
    pub floor_bytes: u64,
    /// ... and at least this share of it.
    pub floor_percent: u64,
    /// Blocks that the archive compresses or decodes at once.
    pub archive_threads: usize,
    /// Bytes a second that the archive job reads and writes, at most.
    pub archive_bandwidth: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file: 100_000_000_000,
            max_order: 200_000_000_000,
            max_files: 20_000,
            max_link: u64::MAX,
            max_link_files: u64::MAX,
            max_open: 16,
            max_open_total: 20_000,
            max_unfinished: 20_000_000_000_000,
            max_new_per_minute: 60_000,
            expire_after: chrono::TimeDelta::days(14),
            memory: 256 << 20,
            outflow: 256 << 20,
            floor_bytes: 20_000_000_000,
            floor_percent: 5,
            archive_threads: 1,
            archive_bandwidth: None,
        }
    }
}

/// The longest text that a person may attach to an order, in bytes.
pub const TEXT_MAX: usize = 2000;

pub(crate) fn check_text(what: &str, text: &str) -> Result<(), Refusal> {
    if text.len() > TEXT_MAX {
        let message = format!(
            "the {what} has {} bytes, at most {TEXT_MAX} fit: shorten it",
            text.len()
        );
        return Err(Refusal::new(RefusalKind::BadRequest, message));
    }
    Ok(())
}
