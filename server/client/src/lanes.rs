//! How many files that are not small are on their way at once, each on a connection of its own: as many
//! large ones as was asked for, and more where they are so short that the line would be idle while their
//! answers come.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::records::Uploads;
use super::send::AT_ONCE;

/// All lanes together, in megabytes of what is on them.
const WIDTH: u32 = 64;

/// The narrowest lane.
const LEAST: u32 = 2;

/// See the module.
#[derive(Debug)]
pub struct Lanes {
    width: Semaphore,
    widest: u32,
}

impl Lanes {
    /// So many files are on their way at most.
    pub const MOST: usize = (WIDTH / LEAST) as usize;

    /// `parallel` large files, or as many as the server lets this link begin.
    #[must_use]
    pub fn new(parallel: u8, uploads: &Uploads) -> Self {
        let most = uploads.limits.as_ref().and_then(|limits| limits.max_open);
        let most = most.and_then(|most| u32::try_from(most).ok());
        let parallel = u32::from(parallel).min(most.unwrap_or(u32::MAX)).max(1);
        Self {
            width: Semaphore::new(WIDTH as usize),
            widest: (WIDTH / parallel).max(LEAST),
        }
    }

    /// Waits for a lane for a file.
    ///
    /// # Panics
    /// Never in practice.
    pub async fn one(&self, length: u64) -> SemaphorePermit<'_> {
        let width = self.width_of(length);
        let lane = self.width.acquire_many(width).await;
        lane.expect("the lanes are never closed")
    }

    fn width_of(&self, length: u64) -> u32 {
        // One that does not come in one request is unfinished meanwhile, and those are counted.
        if length >= AT_ONCE {
            return self.widest;
        }
        let megabytes = u32::try_from(length.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        megabytes.clamp(LEAST, self.widest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(parallel: u8, max_open: Option<u64>) -> Lanes {
        let uploads = serde_json::json!({
            "uploads": [],
            "limits": {"max_file": 1, "max_order": 1, "max_files": 1, "used_bytes": 0,
                "used_files": 0, "max_open": max_open},
        });
        Lanes::new(parallel, &serde_json::from_value(uploads).unwrap())
    }

    #[test]
    fn large_files_are_as_many_as_was_said_and_short_ones_are_more() {
        let at_once = |lanes: &Lanes, length: u64| WIDTH / lanes.width_of(length);
        let four = lanes(4, Some(16));
        assert_eq!(at_once(&four, 900 << 20), 4);
        assert_eq!(at_once(&four, AT_ONCE), 4);
        assert_eq!(at_once(&four, 4 << 20), 16);
        assert_eq!(at_once(&four, 1 << 20), 32);
        assert_eq!(at_once(&lanes(1, None), 900 << 20), 1);
        assert_eq!(at_once(&lanes(32, None), 900 << 20), 32);
        let few = lanes(4, Some(2));
        assert_eq!(at_once(&few, 900 << 20), 2);
        assert_eq!(at_once(&few, 4 << 20), 16, "these are not unfinished");
    }
}
