//! The ledger: what every upload counts for, in memory, so that a limit costs the same for the
//! first file of an order as for the last.
//!
//! Pure. An upload has one entry, and whoever changes its row changes the entry; doing it twice is
//! once, so the sums are those of the rows whatever the order of events. A new upload enters
//! *before* its row is committed: of many that begin at once exactly as many get in as there is
//! room for. Orders are read from the catalog one by one, while others go on ([`Ledger::begin`]).

use std::collections::{HashMap, HashSet};

use super::bounds::{Bounds, Over};
use crate::ids::{LinkId, OrderId, UploadId};
use crate::upload::Upload;
pub(super) use entry::Entry;

mod entry;

/// What uploads take of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Files, in any state.
    pub files: u64,
    /// Parts of files that are made of parts.
    pub parts: u64,
    /// Their bytes: the length of those that said it, what is there of the others. A file made of
    /// parts has theirs.
    pub bytes: u64,
    /// Uploads that are not finished, without those that their first request brings whole.
    pub open: u64,
    /// Uploads that their first request brings whole, while it runs.
    pub at_once: u64,
}

/// What all unfinished uploads of all orders take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many there are.
    pub open: u64,
    /// Their bytes, as in [`Use::bytes`].
    pub bytes: u64,
    /// Of these, the bytes that are still to come.
    pub promised: u64,
}

/// All entries and their sums.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    books: HashMap<OrderId, Book>,
    total: Total,
}

/// The entries of an order.
#[derive(Debug, Default)]
struct Book {
    entries: HashMap<UploadId, Entry>,
    order: Use,
    links: HashMap<LinkId, Use>,
    /// Whether finished files are in it too; those that are not finished always are.
    whole: bool,
    /// What changed since reading began; `None` while nobody reads.
    changed: Option<HashSet<UploadId>>,
}

impl Ledger {
    /// What all unfinished uploads take.
    pub(super) fn total(&self) -> Total {
        self.total
    }

    /// Whether all of an order was read.
    pub(super) fn is_whole(&self, order: OrderId) -> bool {
        self.books.get(&order).is_some_and(|book| book.whole)
    }

    /// What an order takes, and what of it came by a link. Only of an order that was read.
    pub(super) fn of(&self, order: OrderId, link: Option<LinkId>) -> (Use, Use) {
        let Some(book) = self.books.get(&order) else {
            return Default::default();
        };
        let by_link = link.and_then(|link| book.links.get(&link));
        (book.order, by_link.copied().unwrap_or_default())
    }

    /// Lets a new upload in, if every bound has room for it.
    pub(super) fn enter(
        &mut self,
        order: OrderId,
        id: UploadId,
        entry: Entry,
        bounds: &Bounds,
    ) -> Result<(), Over> {
        let (of_order, of_link) = self.of(order, entry.link);
        bounds.admit(&entry, of_order, of_link, self.total)?;
        self.set(order, id, Some(entry));
        Ok(())
    }

    /// The row of an upload that was let in is committed.
    pub(super) fn confirm(&mut self, order: OrderId, id: UploadId) {
        self.change(order, id, |entry| Entry {
            pending: false,
            ..entry
        });
    }

    /// An upload counts for this from now on; or for nothing: it is gone.
    pub(super) fn set(&mut self, order: OrderId, id: UploadId, entry: Option<Entry>) {
        let book = self.books.entry(order).or_default();
        if let Some(changed) = &mut book.changed {
            changed.insert(id);
        }
        let all = book.whole || book.changed.is_some();
        let wanted = entry.filter(|entry| all || entry.open || entry.pending);
        let before = match wanted {
            Some(entry) => book.entries.insert(id, entry),
            None => book.entries.remove(&id),
        };
        for (entry, sign) in [(before, Sign::Minus), (wanted, Sign::Plus)] {
            let Some(entry) = entry else { continue };
            let link = entry.link.map(|link| book.links.entry(link).or_default());
            for sum in [Some(&mut book.order), link].into_iter().flatten() {
                let part = entry.role.is_part();
                sign.apply(&mut sum.files, u64::from(!part));
                sign.apply(&mut sum.parts, u64::from(part));
                sign.apply(&mut sum.bytes, entry.counted());
                sign.apply(&mut sum.open, u64::from(entry.open && !entry.at_once));
                sign.apply(&mut sum.at_once, u64::from(entry.open && entry.at_once));
            }
            if entry.open {
                sign.apply(&mut self.total.open, 1);
                sign.apply(&mut self.total.bytes, entry.bytes);
                sign.apply(&mut self.total.promised, entry.promised);
            }
        }
        book.links.retain(|_, sum| sum.files + sum.parts > 0);
    }

    /// Changes an entry that is there; one that is gone stays gone.
    fn change(&mut self, order: OrderId, id: UploadId, make: impl FnOnce(Entry) -> Entry) {
        let entry = self
            .books
            .get(&order)
            .and_then(|book| book.entries.get(&id));
        if let Some(&entry) = entry {
            self.set(order, id, Some(make(entry)));
        }
    }

    /// Lets an upload whose length nobody knows grow behind `end`: by `most` bytes, or as many as
    /// there is room for. Returns up to where it may go, and the bound that it meets there.
    pub(super) fn grow(
        &mut self,
        order: OrderId,
        id: UploadId,
        end: u64,
        most: u64,
        bounds: &Bounds,
    ) -> (u64, Option<Over>) {
        let book = self.books.get(&order);
        let entry = book.and_then(|book| book.entries.get(&id));
        let Some(&entry) = entry else {
            // It is gone, and its next commit will say so.
            return (end.saturating_add(most), None);
        };
        let held = entry.bytes.saturating_sub(end);
        let (of_order, of_link) = self.of(order, entry.link);
        let (room, met) = bounds.room(end, held, most, (of_order, of_link, self.total));
        self.change(order, id, |entry| {
            let bytes = entry.bytes.max(end + room);
            let promised = entry.promised + (bytes - entry.bytes);
            Entry {
                bytes,
                promised,
                ..entry
            }
        });
        (end + room, met)
    }

    /// Lets an upload have the length that is now known, if there is room for it.
    pub(super) fn declare(
        &mut self,
        order: OrderId,
        id: UploadId,
        length: u64,
        bounds: &Bounds,
    ) -> Result<(), Over> {
        let book = self.books.get(&order);
        let Some(&entry) = book.and_then(|book| book.entries.get(&id)) else {
            return Ok(());
        };
        let (of_order, of_link) = self.of(order, entry.link);
        let sums = (of_order, of_link, self.total);
        // What will never fit is said before what does not fit at this moment.
        let for_ever = Bounds {
            disk: None,
            ..*bounds
        };
        let met = |bounds: &Bounds| bounds.room(0, entry.bytes, length, sums).1;
        if let Some(met) = met(&for_ever).or_else(|| met(bounds)) {
            let taken = met.taken.saturating_sub(entry.bytes);
            return Err(Over { taken, ..met });
        }
        self.change(order, id, |entry| Entry {
            bytes: length,
            promised: (length + entry.promised).saturating_sub(entry.bytes),
            ..entry
        });
        Ok(())
    }

    /// An upload has committed; `granted` is up to where one of unknown length may go.
    pub(super) fn commit(&mut self, upload: &Upload, granted: u64) {
        let entry = self.books.get(&upload.order);
        let entry = entry.and_then(|book| book.entries.get(&upload.id));
        let mut now = Entry {
            claimed: entry.is_some_and(|entry| entry.claimed),
            at_once: entry.is_some_and(|entry| entry.at_once),
            ..Entry::of(upload)
        };
        if upload.length.is_none() && now.open {
            now.bytes = now.bytes.max(granted);
            now.promised = now.bytes - upload.offset;
        }
        let Some(book) = self.books.get(&upload.order) else {
            return;
        };
        let changed = book.changed.as_ref();
        let known = match book.entries.get(&upload.id) {
            // Finished is for good, even if an older commit is noted later.
            Some(entry) => entry.open || !now.open,
            // Still to be read; or it was removed meanwhile, and stays so.
            None => changed.is_some_and(|changed| !changed.contains(&upload.id)),
        };
        if known {
            self.set(upload.order, upload.id, Some(now));
        }
    }

    /// An append has ended: what it was granted and has not used is free again.
    pub(super) fn release(&mut self, upload: &Upload) {
        self.change(upload.order, upload.id, |entry| Entry {
            claimed: entry.claimed,
            ..Entry::of(upload)
        });
    }

    /// The request that created an upload, and was to bring all of it, has ended.
    pub(super) fn settle(&mut self, order: OrderId, id: UploadId) {
        self.change(order, id, |entry| Entry {
            at_once: false,
            ..entry
        });
    }

    /// Whether the bytes of these parts are those of a file; returns the ones for which that is
    /// new.
    pub(super) fn claim(
        &mut self,
        order: OrderId,
        parts: &[UploadId],
        claimed: bool,
    ) -> Vec<UploadId> {
        let Some(book) = self.books.get(&order) else {
            return Vec::new();
        };
        let other = |id: &&UploadId| book.entries.get(id).is_some_and(|it| it.claimed != claimed);
        let parts: Vec<_> = parts.iter().filter(other).copied().collect();
        for &id in &parts {
            self.change(order, id, |entry| Entry { claimed, ..entry });
        }
        parts
    }

    /// Begins to read an order; until [`end`](Self::end) every change is noted.
    pub(super) fn begin(&mut self, order: OrderId) {
        self.books.entry(order).or_default().changed = Some(HashSet::new());
    }

    /// Takes over all rows of an order. What changed since [`begin`](Self::begin) is known better
    /// here; if too much did, they are to be read again (`false`).
    pub(super) fn end(
        &mut self,
        order: OrderId,
        uploads: &[Upload],
        claimed: &HashSet<UploadId>,
    ) -> bool {
        let book = self.books.entry(order).or_default();
        let Some(changed) = book.changed.take() else {
            return false;
        };
        book.whole = true;
        let read: HashSet<_> = uploads.iter().map(|upload| upload.id).collect();
        let known = |id: &UploadId| read.contains(id) || changed.contains(id);
        let running: HashSet<_> = book
            .entries
            .iter()
            .filter_map(|(id, entry)| entry.at_once.then_some(*id))
            .collect();
        let entries = book.entries.iter();
        let lost = entries.filter(|(id, entry)| !entry.pending && !known(id));
        let lost: Vec<_> = lost.map(|(id, _)| *id).collect();
        for id in lost {
            self.set(order, id, None);
        }
        let unchanged = uploads
            .iter()
            .filter(|upload| !changed.contains(&upload.id));
        for upload in unchanged {
            let entry = Entry {
                claimed: claimed.contains(&upload.id),
                at_once: running.contains(&upload.id),
                ..Entry::of(upload)
            };
            self.set(order, upload.id, Some(entry));
        }
        true
    }

    /// Forgets the finished files of an order: it is read again when the next one is created.
    pub(super) fn forget(&mut self, order: OrderId) {
        let Some(book) = self.books.get_mut(&order) else {
            return;
        };
        book.whole = false;
        // Whoever reads it has to begin again.
        book.changed = None;
        let finished: Vec<_> = book
            .entries
            .iter()
            .filter(|(_, entry)| !entry.open && !entry.pending)
            .map(|(id, _)| *id)
            .collect();
        for id in finished {
            self.set(order, id, None);
        }
        if self
            .books
            .get(&order)
            .is_some_and(|book| book.entries.is_empty())
        {
            self.books.remove(&order);
        }
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn apply(self, sum: &mut u64, by: u64) {
        *sum = match self {
            Self::Plus => sum.saturating_add(by),
            Self::Minus => sum.saturating_sub(by),
        };
    }
}

#[cfg(test)]
pub(super) mod tests;
