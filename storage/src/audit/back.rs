//! A log that comes back with a rebuilt order: what a snapshot knew of it, as far as that hangs
//! together, and a note of what is lost.

use std::collections::BTreeSet;

use super::Audit;
use super::{Entry, Head, LostEntries};
use crate::catalog::Batch;
use crate::error::Result;
use crate::ids::OrderId;
use crate::order::Order;
use crate::tables::{self, decode, put};

/// A log that comes back.
#[derive(Debug)]
pub(crate) struct LogBack {
    /// Its rows.
    pub(crate) batch: Batch,
    /// Entries that are there.
    pub(crate) entries: u64,
    /// Entries that are lost.
    pub(crate) lost: u64,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
}

/// A log as a snapshot knew it.
#[derive(Clone, Debug, Default)]
pub(crate) struct OldLog {
    /// Where it ended then.
    pub(crate) head: Head,
    /// Its entries, oldest first.
    pub(crate) entries: Vec<Entry>,
}

impl OldLog {
    /// The entries that belong to the log of an order, oldest first; and what is wrong with the first
    /// one, on the way back, that does not.
    fn of(self, order: &Order) -> (Vec<Entry>, Option<String>) {
        let id = order.id;
        let mut expected = if self.head.sequence == order.audit.sequence {
            order.audit
        } else {
            self.head
        };
        let (mut sound, mut wrong) = (Vec::new(), None);
        for entry in self.entries.into_iter().rev() {
            if entry.sequence < expected.sequence {
                // Lost with a catalog before the snapshot was taken. Whoever reads the log holds what
                // comes now against the order records.
                expected = entry.head(id);
            }
            if entry.head(id) != expected || entry.sequence > order.audit.sequence {
                wrong = Some(format!(
                    "order {}: entry {} of its audit log is not in the snapshot as it was decided; it and those before it stay out",
                    order.number, expected.sequence
                ));
                break;
            }
            expected = Head {
                sequence: entry.sequence - 1,
                hash: entry.previous,
            };
            sound.push(entry);
        }
        sound.reverse();
        (sound, wrong)
    }
}

impl Audit {
    /// The rows of a log that comes back. Those that an imported file brought stay, up to where the
    /// log ends.
    pub(crate) async fn entries_back(&self, order: &Order, old: OldLog) -> Result<LogBack> {
        let (id, end) = (order.id, order.audit.sequence);
        let (mut batch, mut there) = (Batch::new(), BTreeSet::new());
        for (key, _) in self.core.catalog.scan_prefix(&tables::entries(id)).await? {
            match tables::sequence_of(&key).filter(|&sequence| sequence <= end) {
                Some(sequence) => drop(there.insert(sequence)),
                None => batch = batch.delete(key),
            }
        }
        let (entries, wrong) = old.of(order);
        for entry in &entries {
            batch = put(batch, tables::entry(id, entry.sequence), entry);
            there.insert(entry.sequence);
        }
        let found = there.len() as u64;
        let lost = LostEntries::of(there, end);
        let key = tables::lost_entries(id);
        let batch = if lost.spans.is_empty() {
            batch.delete(key)
        } else {
            put(batch, key, &lost)
        };
        Ok(LogBack {
            batch,
            entries: found,
            lost: lost.count(),
            problem: wrong,
        })
    }

    /// The entries of an order's log that can be read, oldest first.
    pub(crate) async fn entries(&self, order: OrderId) -> Result<Vec<Entry>> {
        let rows = self
            .core
            .catalog
            .scan_prefix(&tables::entries(order))
            .await?;
        let entries = rows.iter().map(|(_, row)| decode::<Entry>(&row.value));
        Ok(entries.filter_map(Result::ok).collect())
    }
}
