//! Bounds: how much of everything there may be, and which of them a file meets first. Pure.

use super::ledger::{Entry, Total, Use};

/// Of one link, so many files that come whole in the request that creates them may be on their way: more than
/// any line holds. Whoever breaks all of them off leaves no more than these unfinished.
const AT_ONCE: u64 = 2048;

/// The bounds that hold for one upload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Of one file, in bytes.
    pub(super) file: u64,
    /// Of its order.
    pub(super) order: Most,
    /// Of the link that it comes by, if it comes by one.
    pub(super) link: Option<LinkMost>,
    /// Unfinished uploads of all orders ...
    pub(super) open_total: u64,
    /// ... and their bytes.
    pub(super) unfinished: u64,
    /// The disk, if there is one to fill.
    pub(super) disk: Option<Disk>,
}

/// The most files and bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The most of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkMost {
    pub(super) most: Most,
    /// Uploads that are not finished.
    pub(super) open: u64,
}

/// A disk as it was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub(super) free: u64,
    /// What uploads must leave of it.
    pub(super) floor: u64,
}

/// Which bound was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    File,
    OrderFiles,
    OrderParts,
    OrderBytes,
    LinkFiles,
    LinkBytes,
    LinkOpen,
    OpenTotal,
    Unfinished,
    Floor,
}

/// A bound that was met: its value, and what there was already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) bound: Bound,
    pub(super) value: u64,
    pub(super) taken: u64,
}

impl Bounds {
    /// Whether there is room for one more upload beside what there is of its order, of its link
    /// and in all.
    pub(super) fn admit(
        &self,
        new: &Entry,
        order: Use,
        link: Use,
        total: Total,
    ) -> Result<(), Over> {
        let open = u64::from(new.open);
        let check = |bound, taken: u64, more: u64, value| {
            let over = taken.checked_add(more).is_none_or(|sum| sum > value);
            let met = Over {
                bound,
                value,
                taken,
            };
            if over { Err(met) } else { Ok(()) }
        };
        check(Bound::File, 0, new.bytes, self.file)?;
        let file = u64::from(!new.role.is_part());
        check(Bound::OrderFiles, order.files, file, self.order.files)?;
        let part = 1 - file;
        check(Bound::OrderParts, order.parts, part, self.order.files)?;
        check(Bound::OrderBytes, order.bytes, new.bytes, self.order.bytes)?;
        if let Some(LinkMost { most, open: many }) = self.link {
            check(Bound::LinkFiles, link.files, file, most.files)?;
            check(Bound::LinkBytes, link.bytes, new.bytes, most.bytes)?;
            let most = many.max(AT_ONCE);
            let whole = new.at_once && link.open.saturating_add(link.at_once) < most;
            if !whole {
                check(Bound::LinkOpen, link.open, open, many)?;
            }
        }
        check(Bound::OpenTotal, total.open, open, self.open_total)?;
        let unfinished = if new.open { new.bytes } else { 0 };
        check(Bound::Unfinished, total.bytes, unfinished, self.unfinished)?;
        self.check_disk(total.promised, new.promised)
    }

    /// How many more bytes the server takes beside what all unfinished uploads have and were promised.
    pub(super) fn space(&self, total: Total) -> u64 {
        let unfinished = self.unfinished.saturating_sub(total.bytes);
        let disk = self.disk.map_or(u64::MAX, |Disk { free, floor }| {
            free.saturating_sub(floor).saturating_sub(total.promised)
        });
        unfinished.min(disk)
    }

    /// Whether the disk holds so many bytes beside those that were promised to others.
    fn check_disk(&self, promised: u64, more: u64) -> Result<(), Over> {
        let Some(Disk { free, floor }) = self.disk else {
            return Ok(());
        };
        let needed = floor.checked_add(promised);
        let needed = needed.and_then(|sum| sum.checked_add(more));
        if needed.is_none_or(|needed| free < needed) {
            return Err(Over {
                bound: Bound::Floor,
                value: floor,
                taken: promised,
            });
        }
        Ok(())
    }

    /// How many bytes behind `end` a file of unknown length may still get, when it holds room for
    /// `held` of them already: `most`, or fewer and the bound that it meets then.
    pub(super) fn room(
        &self,
        end: u64,
        held: u64,
        most: u64,
        (order, link, total): (Use, Use, Total),
    ) -> (u64, Option<Over>) {
        let (mut room, mut met) = (most, None);
        let mut narrow = |bound, value: u64, taken: u64, left: u64| {
            if left < room {
                room = left;
                met = Some(Over {
                    bound,
                    value,
                    taken,
                });
            }
        };
        let left = |value: u64, taken: u64| value.saturating_sub(taken).saturating_add(held);
        narrow(Bound::File, self.file, end, self.file.saturating_sub(end));
        let (most, taken) = (self.order.bytes, order.bytes);
        narrow(Bound::OrderBytes, most, taken, left(most, taken));
        if let Some(LinkMost { most, .. }) = self.link {
            let (most, taken) = (most.bytes, link.bytes);
            narrow(Bound::LinkBytes, most, taken, left(most, taken));
        }
        let (most, taken) = (self.unfinished, total.bytes);
        narrow(Bound::Unfinished, most, taken, left(most, taken));
        if let Some(Disk { free, floor }) = self.disk {
            let (above, taken) = (free.saturating_sub(floor), total.promised);
            narrow(Bound::Floor, floor, taken, left(above, taken));
        }
        (room, met)
    }
}
