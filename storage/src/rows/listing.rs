//! All uploads of an order, as often as they are asked for.
//!
//! A page asks after every interruption, and a row that has not been written since it was asked for
//! last is not decoded again. The catalog decides, each time: every row is read, and one that was written
//! meanwhile, by whomever, has another version. What is remembered here only saves work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::UploadRows;
use crate::catalog::{Key, Row, Version};
use crate::error::Result;
use crate::ids::OrderId;
use crate::tables::{self, decode};
use crate::upload::Upload;

/// Uploads remembered, of all orders together: those of two that are full.
const REMEMBERED: usize = 40_000;

/// What orders had when they were asked for last; the newest question first.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<VecDeque<(OrderId, Arc<Listing>)>>);

/// The uploads of an order, parts among them.
#[derive(Debug, Default)]
struct Listing {
    /// As the catalog has them.
    rows: Vec<(Key, Version, Arc<Upload>)>,
    oldest_first: Vec<Arc<Upload>>,
}

impl Listings {
    fn known(&self) -> MutexGuard<'_, VecDeque<(OrderId, Arc<Listing>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, order: OrderId) -> Arc<Listing> {
        let known = self.known();
        let found = known.iter().find(|(of, _)| *of == order);
        found
            .map(|(_, listing)| Arc::clone(listing))
            .unwrap_or_default()
    }

    fn keep(&self, order: OrderId, listing: &Arc<Listing>) {
        let mut known = self.known();
        known.retain(|(of, _)| *of != order);
        known.push_front((order, Arc::clone(listing)));
        let mut room = REMEMBERED;
        known.retain(|(_, listing)| {
            let fits = listing.rows.len() <= room;
            room = room.saturating_sub(listing.rows.len());
            fits
        });
    }

    /// It is being purged.
    pub(super) fn forget(&self, order: OrderId) {
        self.known().retain(|(of, _)| *of != order);
    }
}

impl Listing {
    /// What the rows say now.
    fn renewed(self: Arc<Self>, rows: Vec<(Key, Row)>) -> Result<Arc<Self>> {
        let mut unchanged = self.rows.len() == rows.len();
        let mut before = self.rows.iter().peekable();
        let mut now = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            while before.next_if(|(known, ..)| *known < key).is_some() {}
            let same =
                before.next_if(|(known, version, _)| *known == key && *version == row.version);
            let upload = match same {
                Some((.., upload)) => Arc::clone(upload),
                None => {
                    unchanged = false;
                    Arc::new(decode(&row.value)?)
                }
            };
            now.push((key, row.version, upload));
        }
        if unchanged {
            return Ok(self);
        }
        let mut oldest_first: Vec<_> = now.iter().map(|(.., it)| Arc::clone(it)).collect();
        oldest_first.sort_by(|a: &Arc<Upload>, b| {
            (a.created_at, &a.path, a.id).cmp(&(b.created_at, &b.path, b.id))
        });
        Ok(Arc::new(Self {
            rows: now,
            oldest_first,
        }))
    }
}

impl UploadRows {
    /// The order is being purged: what its files are called is not remembered.
    pub(crate) fn forget_listing(&self, order: OrderId) {
        self.listings.forget(order);
    }

    /// The files that are uploaded to an order, finished or not, oldest first: [`uploads`](Self::uploads)
    /// for whoever only looks at them.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn listed(&self, order: OrderId) -> Result<Vec<Arc<Upload>>> {
        let rows = self
            .core
            .catalog
            .scan_prefix(&tables::uploads(order))
            .await?;
        let listings = &self.listings;
        let listing = listings.of(order).renewed(rows)?;
        listings.keep(order, &listing);
        let files = listing.oldest_first.iter();
        Ok(files.filter(|it| !it.role.is_part()).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::made::upload;

    fn row(version: u64, value: &str) -> Row {
        Row {
            version: Version(version),
            value: value.to_owned().into(),
        }
    }

    #[test]
    fn only_what_was_written_is_read_again() {
        let listings = Listings::default();
        let order = OrderId([7; 16]);
        let listing = Arc::new(Listing {
            rows: (0..3)
                .map(|at| {
                    (
                        Key(vec![at]),
                        Version(5),
                        Arc::new(upload(at, None, None, 0)),
                    )
                })
                .collect(),
            ..Listing::default()
        });
        listings.keep(order, &listing);
        // Values that cannot be decoded: those that are known need not be.
        let unread = |at: u8| (Key(vec![at]), row(5, "not read"));
        let same = listings.of(order).renewed((0..3).map(unread).collect());
        assert!(Arc::ptr_eq(&same.unwrap(), &listing));
        // One is gone.
        let fewer = listings
            .of(order)
            .renewed(vec![unread(0), unread(2)])
            .unwrap();
        let known: Vec<_> = fewer.oldest_first.iter().map(|it| it.id).collect();
        assert_eq!(known, [0, 2].map(|at| upload(at, None, None, 0).id));
        // One was written, or deleted and written again: it is read, whatever it was.
        for written in [row(6, "?"), row(4, "?")] {
            let rows = vec![unread(0), (Key(vec![1]), written), unread(2)];
            assert!(listings.of(order).renewed(rows).is_err());
        }
        // One is new.
        assert!(
            listings
                .of(order)
                .renewed((0..4).map(unread).collect())
                .is_err()
        );
        listings.forget(order);
        assert!(listings.of(order).rows.is_empty());
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let listings = Listings::default();
        let upload = Arc::new(upload(0, None, None, 0));
        let full = Arc::new(Listing {
            rows: vec![(Key(vec![0]), Version(1), upload); REMEMBERED / 2],
            ..Listing::default()
        });
        for order in 0..3 {
            listings.keep(OrderId([order; 16]), &full);
        }
        let known = (0..3).filter(|order| !listings.of(OrderId([*order; 16])).rows.is_empty());
        assert_eq!(known.collect::<Vec<_>>(), [1, 2]);
    }
}
