//! Limits: what a link, an order and the server take.
//!
//! Everything is checked before the first byte and reserved in the same moment, so that many
//! uploads that begin at once do not get in beside each other ([`ledger`](super::ledger)). A file
//! of unknown length reserves as it grows, a step at a time; where there is no more room it stops,
//! and what arrived stays. Bytes that were promised to an unfinished upload are its own: nobody
//! else's file fills the disk under it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounds::{self, Bounds, Disk, Most};
use super::create::{ByLink, NewUpload};
use super::ledger::{Entry, Total};
use super::no::{Asked, No};
use super::running::Intake;
use crate::checks::room::{DiskSpace, Room};
use crate::core::Core;
use crate::error::Result;
use crate::ids::{LinkId, OrderId, UploadId};
use crate::link::{Link, LinkMost};
use crate::order::{Order, Stage};
use crate::refusal::{Refusal, RefusalKind};
use crate::rows::UploadRows;
use crate::tables::{self, DigestOf, all_orders, load};
use crate::upload::{METADATA_MAX, Role, Upload};

/// A file of unknown length reserves so many bytes at a time: few enough to leave room to others,
/// enough to ask the disk rarely.
/// So long the disk is as it was when it was last looked at.
const RECENT: Duration = Duration::from_secs(1);

pub(super) const STEP: u64 = 4 << 20;

/// The place of a new upload; given up when it is dropped before the row is there.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    intake: &'a Intake,
    order: OrderId,
    id: UploadId,
    /// The parts whose bytes became its own.
    claimed: Vec<UploadId>,
    kept: bool,
}

impl Reserved<'_> {
    /// The row is committed.
    pub(super) fn keep(mut self) {
        self.kept = true;
        self.intake.ledger().confirm(self.order, self.id);
    }

    /// Whether the row is committed is not known: the order is read again.
    pub(super) fn unknown(self) {
        let (intake, order) = (self.intake, self.order);
        drop(self);
        intake.forget_usage(order);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let mut ledger = self.intake.ledger();
            ledger.set(self.order, self.id, None);
            ledger.claim(self.order, &self.claimed, false);
        }
    }
}

/// What a link, an order and the server still take.
#[derive(Clone, Debug)]
pub struct Quota {
    pub(crate) core: Arc<Core>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) rows: Arc<UploadRows>,
}

impl Quota {
    /// Whether this link may begin one more upload now.
    pub(super) fn check_pace(&self, order: &Order, new: &NewUpload) -> Result<(), Refusal> {
        let Some(ByLink { id, .. }) = new.link else {
            return Ok(());
        };
        let now = self.core.clock.monotonic();
        self.intake.note_new(id, now).map_err(|retry| {
            let (file, most) = (new.path.as_str(), self.core.limits.max_new_per_minute);
            let message = format!(
                "more than {most} files of order {} were begun by this upload link within a minute: begin {file:?} in {} s",
                order.number,
                seconds(retry)
            );
            Refusal::new(RefusalKind::TooMany { retry }, message)
                .of_order(&order.number)
                .of_file(file)
                .at_limit("max_new_per_minute", most)
        })
    }

    /// Checks every limit and takes the place; the bytes of `parts` become the new file's.
    pub(super) async fn reserve(
        &self,
        order: &Order,
        new: &NewUpload,
        parts: Vec<UploadId>,
    ) -> Result<Reserved<'_>> {
        check_metadata(order, new)?;
        let bounds = self.bounds(new.link, self.disk().await?);
        let mut entry = Entry::new(new.link.map(|link| link.id), new.length, new.role);
        entry.at_once = new.at_once;
        let (entered, claimed) = loop {
            self.counted(order.id).await?;
            let mut ledger = self.intake.ledger();
            // A submit may have come between.
            if ledger.is_whole(order.id) {
                let claimed = ledger.claim(order.id, &parts, true);
                let entered = ledger.enter(order.id, new.id, entry, &bounds);
                if entered.is_err() {
                    ledger.claim(order.id, &claimed, false);
                }
                break (entered, claimed);
            }
        };
        entered.map_err(|over| {
            let no = No {
                over,
                number: &order.number,
                file: new.path.as_str(),
                asked: Asked::New { length: new.length },
            };
            no.refusal()
        })?;
        Ok(Reserved {
            intake: &self.intake,
            order: order.id,
            id: new.id,
            claimed,
            kept: false,
        })
    }

    /// How much an order may hold, and holds; through one of its links, no more than that takes.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn room(&self, order: OrderId, link: Option<&Link>) -> Result<Room> {
        self.counted(order).await?;
        let link = link.map(ByLink::from);
        let bounds = self.bounds(link, self.disk().await?);
        let (of_order, of_link) = self.intake.ledger().of(order, link.map(|link| link.id));
        let space = bounds.space(self.unfinished());
        let mut room = Room {
            max_file: bounds.file,
            max_order: bounds.order.bytes,
            max_files: bounds.order.files,
            used_bytes: of_order.bytes,
            used_files: of_order.files,
            max_open: bounds.link.map(|link| link.open),
            space: None,
        };
        if let Some(bounds::LinkMost { most, .. }) = bounds.link {
            let end = |used: u64, most: u64, own| used.saturating_add(most.saturating_sub(own));
            room.max_file = room.max_file.min(most.bytes);
            let bytes = end(of_order.bytes, most.bytes, of_link.bytes);
            room.max_order = room.max_order.min(bytes);
            let files = end(of_order.files, most.files, of_link.files);
            room.max_files = room.max_files.min(files);
        }
        // How full the server is concerns nobody whom it does not hinder.
        let left = room.max_order.saturating_sub(room.used_bytes);
        room.space = Some(space).filter(|space| *space < left);
        Ok(room)
    }

    /// What all unfinished uploads take.
    #[must_use]
    pub fn unfinished(&self) -> Total {
        self.intake.ledger().total()
    }

    pub(super) fn bounds(&self, link: Option<ByLink>, disk: Option<Disk>) -> Bounds {
        let limits = &self.core.limits;
        let link = link.map(|ByLink { most, .. }| bounds::LinkMost {
            most: Most {
                files: most.max_files.unwrap_or(limits.max_link_files),
                bytes: most.max_bytes.unwrap_or(limits.max_link),
            },
            open: limits.max_open,
        });
        Bounds {
            file: limits.max_file,
            order: Most {
                files: limits.max_files,
                bytes: limits.max_order,
            },
            link,
            open_total: limits.max_open_total,
            unfinished: limits.max_unfinished,
            disk,
        }
    }

    /// The disk under the working store: what is free, and what has to stay so. None for a store that
    /// is no disk.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn disk_space(&self) -> Result<Option<DiskSpace>> {
        let disk = self.disk().await?;
        Ok(disk.map(|Disk { free, floor }| DiskSpace { free, floor }))
    }

    /// The disk of the working store as it is now. What others write between this and the check is
    /// promised to them until it is committed, so it counts once or twice, never not at all.
    pub(super) async fn disk(&self) -> Result<Option<Disk>> {
        let space = self.core.working.space().await?;
        Ok(space.map(|(free, total)| {
            let share = total / 100 * self.core.limits.floor_percent;
            let floor = self.core.limits.floor_bytes.max(share);
            Disk { free, floor }
        }))
    }

    /// Reads all unfinished uploads into the ledger once, and all of this order if they are not in
    /// it.
    pub(super) async fn counted(&self, order: OrderId) -> Result<()> {
        if self.intake.ledger().is_whole(order) {
            return Ok(());
        }
        self.count_all().await?;
        let _reading = self.intake.reading.lock().await;
        if self.intake.ledger().is_whole(order) {
            return Ok(());
        }
        self.count(order).await
    }

    /// Counts the unfinished uploads of all orders; once.
    pub(crate) async fn count_all(&self) -> Result<()> {
        let mut counted = self.intake.reading.lock().await;
        if *counted {
            return Ok(());
        }
        for order in all_orders(&*self.core.catalog).await? {
            // Only these can have uploads that are not finished.
            if matches!(order.stage(), Stage::Open | Stage::Sealing) {
                self.count(order.id).await?;
                self.intake.forget_usage(order.id);
            }
        }
        *counted = true;
        Ok(())
    }

    async fn count(&self, order: OrderId) -> Result<()> {
        loop {
            self.intake.ledger().begin(order);
            let uploads = self.rows.all_uploads(order).await?;
            let claimed = self.claimed(&uploads).await?;
            if self.intake.ledger().end(order, &uploads, &claimed) {
                return Ok(());
            }
        }
    }

    /// The parts whose bytes are those of a file that knows its length.
    async fn claimed(&self, uploads: &[Upload]) -> Result<HashSet<UploadId>> {
        let files = uploads.iter().filter(|upload| upload.role == Role::Final);
        let files: Vec<_> = files.filter(|file| file.length.is_some()).collect();
        let mut claimed = HashSet::new();
        for file in files {
            let parts = self.rows.parts_of(file.id).await?;
            claimed.extend(parts.into_iter().map(|of| of.part));
        }
        Ok(claimed)
    }

    /// A link of an order, for its limits.
    pub(super) async fn by_link(&self, order: OrderId, id: LinkId) -> Result<ByLink> {
        let none = LinkMost::default();
        let pointer = load::<DigestOf>(&*self.core.catalog, &tables::link_of(order, id)).await?;
        let Some((DigestOf { digest }, _)) = pointer else {
            return Ok(ByLink { id, most: none });
        };
        let link = load::<Link>(&*self.core.catalog, &tables::link(digest)).await?;
        let most = link.map_or(none, |(link, _)| link.most);
        Ok(ByLink { id, most })
    }

    /// The disk of the working store, asked not much more often than it changes.
    pub(super) async fn recent_disk(&self) -> Result<Option<Disk>> {
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

fn check_metadata(order: &Order, new: &NewUpload) -> Result<(), Refusal> {
    let said = new.metadata.iter();
    let said: usize = said.map(|(key, value)| key.len() + value.len()).sum();
    if said <= METADATA_MAX {
        return Ok(());
    }
    let file = new.path.as_str();
    let message = format!(
        "the metadata of {file:?} has {said} bytes, at most {METADATA_MAX} fit: shorten it"
    );
    Err(Refusal::new(RefusalKind::BadMetadata, message)
        .of_order(&order.number)
        .of_file(file))
}

/// Whole seconds, at least one.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0 || span.is_zero())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
