//! Taking a snapshot, and removing old ones. Memory is bounded by one page and the longest order.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use futures::{StreamExt, stream};
use object_store::path::Path;

use super::Snapshots;
use super::{
    NO_ORDER, Page, PlainRow, SealedSection, Section, SnapshotIndex, SnapshotName, Unsubmitted,
};
use crate::block::{Logical, seal_copy};
use crate::catalog::{Key, KeyRange};
use crate::core::TRIES;
use crate::core::record::OrderRecord;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::keys::KeyError;
use crate::link::ApiToken;
use crate::paths;
use crate::tables::{self, load_all};
use crate::upload::UploadState;

/// How long a snapshot is kept: as long as copies of the key store may be. The last of each day;
/// the newest always, and never one that a wrong clock called so.
pub const KEPT_DAYS: i64 = 30;

/// What has no index after so long was given up by whoever wrote it.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(1);

/// Until then a put of its index that was given up, or sent twice, may still land (decisions/0004):
/// an index that comes back without its pages would look whole.
const SETTLED_AFTER: TimeDelta = TimeDelta::hours(1);

/// A page is written when it has so many bytes.
const PAGE_BYTES: usize = 1 << 20;

/// Rows read at a time; a scan holds up commits.
const ROWS_AT_ONCE: usize = 100;

/// Orders read at once: hides the round trips to the key store.
const ORDERS_AT_ONCE: usize = 8;

/// What a snapshot holds.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its name.
    pub name: SnapshotName,
    /// How many orders are in it.
    pub orders: u64,
    /// How many bytes it takes in the store.
    pub bytes: u64,
    /// Which orders are not, and why.
    pub problems: Vec<String>,
}

/// A snapshot in the making.
struct Writing<'a> {
    snapshots: &'a Snapshots,
    page: Page,
    /// How long the page is, roughly.
    length: usize,
    index: SnapshotIndex,
    taken: Taken,
}

impl Snapshots {
    /// Writes a snapshot of the catalog as it is now.
    ///
    /// # Errors
    /// Those of the stores and the catalog; then there is none. An order that cannot be read is
    /// named in [`Taken::problems`], and the others are in it.
    pub async fn take(&self) -> Result<Taken> {
        self.core.marks.expect_store(&self.core.working).await?;
        let now = self.core.clock.now();
        let name = SnapshotName::new(now);
        self.core.working.prepare(&paths::snapshot(&name)).await?;
        let before = self.newest_snapshot(&mut Vec::new()).await?;
        let tokens = load_all::<ApiToken>(&*self.core.catalog, &tables::tokens()).await?;
        let mut writing = Writing {
            snapshots: self,
            page: Page::default(),
            length: 0,
            index: SnapshotIndex {
                taken_at: now,
                sequence: before.map_or(0, |before| before.index.sequence) + 1,
                pages: 0,
                orders: 0,
                rows: 0,
                tokens: tokens.into_iter().map(|(_, row, _)| row.name).collect(),
            },
            taken: Taken {
                name,
                orders: 0,
                bytes: 0,
                problems: Vec::new(),
            },
        };
        writing.orders().await?;
        writing.rows(&tables::runs()).await?;
        writing.rows(&tables::runs_notes()).await?;
        writing.end().await
    }

    /// Removes snapshots that are too old, all but the last of each day once they are an hour old, and
    /// what killed takings left. Returns how many went.
    ///
    /// # Errors
    /// Those of the store; the next time goes on.
    pub async fn remove_old_snapshots(&self) -> Result<u64> {
        if self.core.time.doubt().is_some() {
            return Ok(0);
        }
        self.core.marks.expect_stores().await?;
        let now = self.core.clock.now();
        let indexes = self.snapshot_indexes().await?.into_iter();
        // One that does not open is there all the same.
        let counted = indexes.map(|(name, index)| (name, index.map_or(0, |it| it.sequence)));
        let counted: HashMap<_, _> = counted.collect();
        let newest = counted.iter().map(|(name, nth)| (*nth, *name)).max();
        let newest = newest.map(|(_, name)| name);
        let mut names = self.snapshots().await?;
        names.sort_by_key(|name| (name.begun_at, counted.get(name).copied()));
        let settled = |age: TimeDelta| age > SETTLED_AFTER;
        let (mut removed, mut days) = (0, HashSet::new());
        for name in names.into_iter().rev() {
            let age = now - name.begun_at;
            let index = paths::snapshot_index(&name);
            let stays = match counted.get(&name) {
                // Taken while the clock was ahead.
                Some(_) if settled(-age) => newest == Some(name),
                Some(_) => {
                    let last_of_its_day = days.insert(name.begun_at.date_naive());
                    let kept = last_of_its_day && age <= TimeDelta::days(KEPT_DAYS);
                    newest == Some(name) || kept || !settled(age)
                }
                None => age.abs() <= GIVEN_UP_AFTER,
            };
            if !stays {
                // What is half deleted must not look whole.
                self.core.working.delete(&index).await?;
                let folder = paths::snapshot(&name);
                self.core.working.settle(&folder).await?;
                self.core.working.empty(&folder).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The order as it is now, between two decisions; `None` once a purge was decided.
    async fn section(&self, id: OrderId) -> Result<Option<Section>> {
        for _ in 0..TRIES {
            let at = self.core.settled(id).await?;
            if at.order.is_gone() {
                return Ok(None);
            }
            let mut uploads = self.rows.all_uploads(id).await?;
            uploads.retain(|it| !matches!(it.state, UploadState::Sealed { .. }));
            let section = Section {
                record: OrderRecord {
                    order: at.order.clone(),
                    sessions: self.core.sessions(id).await?,
                    links: self.core.links(id).await?,
                },
                audit: self.audit.entries(id).await?,
                draft: self.drafts.draft(id).await?,
                proven: self.proofs.last_proven(&at.order).await?,
                uploads: uploads
                    .into_iter()
                    .map(|it| Unsubmitted {
                        upload: it.id,
                        path: it.path.as_str().to_owned(),
                        role: it.role,
                        kind: it.kind,
                        offset: it.offset,
                    })
                    .collect(),
            };
            // Sessions, links and the audit log change only with the order's row, and a decision whose record is
            // owed is not made yet for anybody.
            let owed = self.core.catalog.get(&tables::outbox(id)).await?.is_some();
            if !owed && self.core.is_still(&at).await? {
                return Ok(Some(section));
            }
        }
        Err(Error::Busy { order: id })
    }

    async fn sealed_section(
        &self,
        id: OrderId,
        name: &SnapshotName,
    ) -> Result<Option<SealedSection>> {
        let Some(section) = self.section(id).await? else {
            return Ok(None);
        };
        let keys = self.core.keys.order(id).await?;
        let plain = tables::encode(&section);
        let what = Logical::Snapshot(name.to_string());
        Ok(Some(SealedSection {
            order: id,
            sealed: seal_copy(&keys, id, &what, &plain),
        }))
    }
}

impl Writing<'_> {
    async fn orders(&mut self) -> Result<()> {
        let (snapshots, name) = (self.snapshots, self.taken.name);
        let mut range = KeyRange::prefix(&tables::orders());
        loop {
            let found = snapshots
                .core
                .catalog
                .scan(range.clone(), ROWS_AT_ONCE)
                .await?;
            let ids = found.iter().filter_map(|(key, _)| tables::order_of(key));
            let mut sections = stream::iter(ids.collect::<Vec<_>>())
                .map(|id| async move { (id, snapshots.sealed_section(id, &name).await) })
                .buffered(ORDERS_AT_ONCE);
            while let Some((id, section)) = sections.next().await {
                match section {
                    Ok(None) => {}
                    Ok(Some(section)) => self.order(section).await?,
                    Err(error @ (Error::Catalog(_) | Error::Store { .. })) => return Err(error),
                    Err(error) => self.without(id, error).await?,
                }
            }
            match found.last() {
                Some((last, _)) if found.len() == ROWS_AT_ONCE => range = range.after(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn order(&mut self, section: SealedSection) -> Result<()> {
        self.taken.orders += 1;
        self.length += section.sealed.len() * 4 / 3;
        self.page.orders.push(section);
        self.turn_if_full().await
    }

    /// An order that cannot be read; unless its key has just been destroyed by a purge.
    async fn without(&mut self, id: OrderId, error: Error) -> Result<()> {
        let order = self.snapshots.core.order(id).await?;
        if !order.is_gone() || !matches!(error, Error::Key(KeyError::Missing { .. })) {
            let problem = format!("order {} is not in it: {error}", order.number);
            self.taken.problems.push(problem);
        }
        Ok(())
    }

    /// All rows of a table that belong to no order.
    async fn rows(&mut self, table: &Key) -> Result<()> {
        let mut range = KeyRange::prefix(table);
        loop {
            let found = self
                .snapshots
                .core
                .catalog
                .scan(range.clone(), ROWS_AT_ONCE)
                .await?;
            for (key, row) in &found {
                let value = serde_json::from_slice(&row.value).map_err(|error| {
                    let detail = error.to_string();
                    Error::BadRecord {
                        what: "row",
                        detail,
                    }
                })?;
                self.index.rows += 1;
                self.length += 2 * key.0.len() + row.value.len();
                let key = key.0.clone().into();
                self.page.rows.push(PlainRow { key, value });
                self.turn_if_full().await?;
            }
            match found.last() {
                Some((last, _)) if found.len() == ROWS_AT_ONCE => range = range.after(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn turn_if_full(&mut self) -> Result<()> {
        if self.length >= PAGE_BYTES {
            self.turn().await?;
        }
        Ok(())
    }

    /// Stores the page and begins the next.
    async fn turn(&mut self) -> Result<()> {
        let page = std::mem::take(&mut self.page);
        self.length = 0;
        let (name, nth) = (self.taken.name, self.index.pages);
        let part = format!("{name}/{nth}");
        self.put(
            paths::snapshot_page(&name, nth),
            part,
            &tables::encode(&page),
        )
        .await?;
        self.index.pages += 1;
        Ok(())
    }

    async fn end(mut self) -> Result<Taken> {
        if self.length > 0 {
            self.turn().await?;
        }
        self.index.orders = self.taken.orders;
        let name = self.taken.name;
        let (part, index) = (format!("{name}/index"), tables::encode(&self.index));
        self.put(paths::snapshot_index(&name), part, &index).await?;
        Ok(self.taken)
    }

    async fn put(&mut self, path: Path, part: String, plain: &[u8]) -> Result<()> {
        let keys = self.snapshots.core.keys.records();
        let sealed = seal_copy(keys, NO_ORDER, &Logical::Snapshot(part), plain);
        self.taken.bytes += sealed.len() as u64;
        self.snapshots.core.working.put_now(&path, sealed).await
    }
}
