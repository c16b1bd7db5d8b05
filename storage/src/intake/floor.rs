//! The floor of free disk while bytes come in: what was promised to an upload is its own, but not when
//! something else fills the disk, and the catalog with it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounds::{Bound, Disk, Over};
use super::limits::{Quota, STEP};
use super::no::Asked;
use super::writer::Writer;
use crate::error::Result;
use crate::refusal::Refusal;

/// So long the disk is as it was when it was last looked at.
const RECENT: Duration = Duration::from_secs(1);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Quota {
    /// The disk of the working store, asked not much more often than it changes.
    async fn recent_disk(&self) -> Result<Option<Disk>> {
        let now = self.core.clock.monotonic();
        let known = *locked(&self.intake.disk);
        if let Some((at, disk)) = known
            && now.saturating_sub(at) < RECENT
        {
            return Ok(Some(disk));
        }
        let disk = self.disk().await?;
        *locked(&self.intake.disk) = disk.map(|disk| (now, disk));
        Ok(disk)
    }
}

impl Writer {
    /// Why nothing more may come although it was promised: something else fills the disk. Looked at
    /// once for each [`STEP`], so that the catalog always has room.
    pub(super) async fn below_the_floor(&self, wanted: usize) -> Result<Option<Refusal>> {
        let end = self.received + wanted as u64;
        if self.received / STEP == end / STEP {
            return Ok(None);
        }
        let Some(Disk { free, floor }) = self.appends.quota.recent_disk().await? else {
            return Ok(None);
        };
        if free >= floor {
            return Ok(None);
        }
        let over = Over {
            bound: Bound::Floor,
            value: floor,
            taken: 0,
        };
        let safe = self.received;
        Ok(Some(self.refusal(over, Asked::More { safe }).await?))
    }
}
