//! Reading a log, and looking whether it holds. From the last entry backwards, because what an entry
//! names is certain as soon as the entry is.
//!
//! The last one is named by the order, and that by its newest record in the bucket, or its tombstone.
//! Where something is missing, the record of the decision before it vouches for what is left.

use std::sync::Arc;

use super::{Entry, Head, LostEntries, Span, What};
use crate::catalog::{Key, Row};
use crate::core::{Core, TRIES};
use crate::error::{Error, Result};
use crate::ids::{EntryHash, OrderId};
use crate::order::{Order, Stage};
use crate::tables::{self, decode, load};

/// The log of an order, and what is to be said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditLog {
    /// Where it ends.
    pub head: Head,
    /// The entries that are there and can be read, with their hashes; oldest first.
    pub entries: Vec<(Entry, EntryHash)>,
    /// What does not hold, in sentences that name the entry. Empty: the chain holds.
    pub problems: Vec<String>,
    /// What is to be known of it beside, in sentences: what was lost with a catalog.
    pub remarks: Vec<String>,
}

/// A log while it is read.
struct Reading<'a> {
    audit: &'a Audit,
    order: &'a Order,
    /// What a sealed object outside the catalog says of the end of the log.
    sworn: Option<Head>,
    lost: LostEntries,
    log: AuditLog,
}

/// The entry that comes next on the way back, and its hash if that is known.
struct Next {
    sequence: u64,
    hash: Option<EntryHash>,
}

/// The audit logs of orders.
#[derive(Clone, Debug)]
pub struct Audit {
    pub(crate) core: Arc<Core>,
}

impl Audit {
    /// The last decision on an order, if it is known.
    ///
    /// # Errors
    /// Those of the catalog.
    pub(crate) async fn last_entry(&self, order: &Order) -> Result<Option<Entry>> {
        let key = tables::entry(order.id, order.audit.sequence);
        Ok(load::<Entry>(&*self.core.catalog, &key)
            .await?
            .map(|row| row.0))
    }

    /// The audit log of an order, and whether it holds.
    ///
    /// # Errors
    /// Those of the catalog and the stores, and [`Error::Busy`]. What is wrong with the log is none:
    /// it stands in [`AuditLog::problems`].
    pub async fn log(&self, id: OrderId) -> Result<AuditLog> {
        for _ in 0..TRIES {
            let at = self.core.settled(id).await?;
            let rows = self.core.catalog.scan_prefix(&tables::entries(id)).await?;
            let lost = load::<LostEntries>(&*self.core.catalog, &tables::lost_entries(id)).await?;
            let mut reading = Reading {
                audit: self,
                order: &at.order,
                sworn: self.sworn(&at.order).await?,
                lost: lost.map(|(lost, _)| lost).unwrap_or_default(),
                log: AuditLog {
                    head: at.order.audit,
                    ..AuditLog::default()
                },
            };
            reading.look_at_the_end();
            reading.walk_back(rows).await?;
            let mut log = reading.log;
            log.entries.reverse();
            log.problems.reverse();
            log.remarks.reverse();
            if self.core.is_still(&at).await? {
                return Ok(log);
            }
        }
        Err(Error::Busy { order: id })
    }

    /// The end of a log as its order's record or tombstone says; `None` where neither can be read.
    async fn sworn(&self, order: &Order) -> Result<Option<Head>> {
        if order.is_gone() {
            let tombstone = known(self.core.tombstone(order.id).await)?.flatten();
            if let Some(tombstone) = tombstone {
                return Ok(Some(tombstone.audit));
            }
        }
        let record = known(self.core.read_record(order.id, order.version).await)?;
        Ok(record.map(|record| record.order.audit))
    }

    /// The hash of an entry, as the record of its decision says. Versions and entries are counted
    /// together, so the distance from the last one is the same in both.
    async fn vouched(&self, order: &Order, sequence: u64) -> Result<Option<EntryHash>> {
        let back = order.audit.sequence - sequence;
        let Some(version) = order.version.checked_sub(back) else {
            return Ok(None);
        };
        let record = known(self.core.read_record(order.id, version).await)?;
        let head = record.map(|record| record.order.audit);
        Ok(head.filter(|it| it.sequence == sequence).map(|it| it.hash))
    }
}

impl Reading<'_> {
    fn look_at_the_end(&mut self) {
        let head = self.order.audit;
        if head.is_empty() {
            self.remark("no decision was logged yet: the order is older than the audit log, and its next decision begins it".to_owned());
        }
        let Some(sworn) = self.sworn else {
            self.remark("nothing outside the catalog says where this log ends: neither the newest order record nor a tombstone can be read".to_owned());
            return;
        };
        // The last step of a purge comes after its tombstone.
        let ahead = head.sequence.checked_sub(sworn.sequence);
        let is_end = ahead == Some(0) || ahead == Some(1) && self.order.stage() == Stage::Purged;
        if !is_end {
            self.problem(format!(
                "the log ends with entry {} in the catalog and with entry {} in the order's record: one of the two was changed",
                head.sequence, sworn.sequence
            ));
        }
    }

    async fn walk_back(&mut self, rows: Vec<(Key, Row)>) -> Result<()> {
        let head = self.order.audit;
        let mut next = self.arrive(head.sequence, Some(head.hash));
        for (key, row) in rows.into_iter().rev() {
            let sequence = tables::sequence_of(&key).unwrap_or_default();
            if sequence == 0 || sequence > head.sequence {
                self.problem(format!(
                    "entry {sequence} was never decided: the log ends with entry {}",
                    head.sequence
                ));
                continue;
            }
            if let Some(missing) = Span::between(sequence, next.sequence.saturating_add(1)) {
                self.missing(missing);
                next.hash = None;
            }
            let expected = match next.hash {
                Some(hash) => Some(hash),
                None => self.vouched(sequence).await?,
            };
            next = self.entry(sequence, expected, decode(&row.value));
        }
        if let Some(missing) = Span::between(0, next.sequence.saturating_add(1)) {
            self.missing(missing);
        }
        Ok(())
    }

    /// Where the way back goes on; an entry that is sworn has no other hash than that.
    fn arrive(&mut self, sequence: u64, hash: Option<EntryHash>) -> Next {
        let sworn = match sequence {
            0 => Some(Head::default()),
            _ => self.sworn.filter(|it| it.sequence == sequence),
        };
        if let (Some(hash), Some(sworn)) = (hash, sworn)
            && hash != sworn.hash
        {
            let after = self.named_by(sequence);
            self.problem(match sequence {
                0 => format!("{after} says that another came before the first"),
                _ => format!(
                    "{after} gives entry {sequence} the hash {hash}, and the order's record gives it {}: the log was written anew",
                    sworn.hash
                ),
            });
        }
        Next {
            sequence,
            hash: sworn.map(|it| it.hash).or(hash),
        }
    }

    async fn vouched(&mut self, sequence: u64) -> Result<Option<EntryHash>> {
        let hash = self.audit.vouched(self.order, sequence).await?;
        if hash.is_none() {
            self.remark(format!(
                "nothing vouches for entry {sequence} and those before it: what came after is not there, and neither is the order record of that decision"
            ));
        }
        Ok(hash)
    }

    /// Looks at one entry, and says which comes next.
    fn entry(&mut self, sequence: u64, expected: Option<EntryHash>, row: Result<Entry>) -> Next {
        let entry = match row {
            Ok(entry) if entry.sequence == sequence => entry,
            Ok(entry) => {
                self.problem(format!(
                    "entry {sequence} bears the number {}: entries were swapped or moved",
                    entry.sequence
                ));
                return self.arrive(sequence - 1, None);
            }
            Err(error) => {
                self.problem(format!("entry {sequence} cannot be read: {error}"));
                return self.arrive(sequence - 1, None);
            }
        };
        let hash = entry.hash(self.order.id);
        let is_sound = expected.is_none_or(|expected| expected == hash);
        if let Some(expected) = expected.filter(|_| !is_sound) {
            self.problem(format!(
                "entry {sequence} is not what was decided: its hash is {hash}, and {} names {expected}",
                self.named_by(sequence)
            ));
        }
        if sequence == 1 && entry.what != What::Created {
            self.remark(
                "the order is older than its log: what was decided before entry 1 was not logged"
                    .to_owned(),
            );
        }
        let previous = is_sound.then_some(entry.previous);
        self.log.entries.push((entry, hash));
        self.arrive(sequence - 1, previous)
    }

    fn missing(&mut self, missing: Span) {
        let (lost, removed) = self.lost.part(missing);
        for span in removed {
            self.problem(if span.is_one() {
                format!("{span} is missing: it was removed from the catalog")
            } else {
                format!("{span} are missing: they were removed from the catalog")
            });
        }
        for span in lost {
            self.remark(if span.is_one() {
                format!("{span} is lost with the catalog; the chain goes on from its hash")
            } else {
                format!("{span} are lost with the catalog; the chain goes on from their hash")
            });
        }
    }

    /// What names the hash of an entry.
    fn named_by(&self, sequence: u64) -> String {
        if sequence == self.order.audit.sequence {
            "the order".to_owned()
        } else {
            format!("entry {}", sequence + 1)
        }
    }

    fn problem(&mut self, words: String) {
        self.log.problems.push(words);
    }

    fn remark(&mut self, words: String) {
        self.log.remarks.push(words);
    }
}

/// What can be read; what is damaged, missing or has no key any more vouches for nothing.
fn known<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ (Error::Catalog(_) | Error::Store { .. })) => Err(error),
        Err(_) => Ok(None),
    }
}
