//! The marks of the stores: a small object in each of working, archive and keys that says whose store
//! it is.
//!
//! A disk that is not mounted leaves an empty folder, and an empty folder looks like a store that has
//! lost everything, or like one in which all is deleted. So every store bears a mark, and where it is
//! missing or another installation's, nothing is deleted and nothing is written. A store without a mark
//! gets one only where it shows that it belongs to this catalog: it is the first start, or it holds the
//! orders that it ought to hold. Whose it is, the id of the records key says, which outlives the catalog
//! and changes with no master key. What stays in this process only saves asking again for a moment.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::catalog::{Batch, Catalog};
use crate::clock::SharedClock;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::keys::KeyStore;
use crate::order::Order;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::Store;
use crate::tables::{self, Marked, Record, all_orders, load, put};

/// So long a store that was ours is taken for ours by who only writes. Who deletes asks.
const FRESH: Duration = Duration::from_secs(5);

/// The mark itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The id of the records key.
    pub(crate) installation: String,
    /// Since when.
    pub(crate) begun_at: DateTime<Utc>,
}

impl Record for Mark {
    const WHAT: &'static str = "mark of a store";
}

/// Whose mark a store bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Nobodys,
    Anothers,
    /// It is damaged: nobody knows.
    Unreadable,
}

/// A store that is not the one it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// Which: working, archive or keys.
    pub store: &'static str,
    /// What is wrong with it, and what to do.
    pub says: String,
}

/// When each store was last seen to be ours.
#[derive(Debug, Default)]
struct Seen(Mutex<HashMap<&'static str, Duration>>);

impl Seen {
    fn is_fresh(&self, store: &Store, now: Duration) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(store.name())
            .is_some_and(|at| now.saturating_sub(*at) < FRESH)
    }

    fn note(&self, store: &Store, ours: bool, now: Duration) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ours {
            seen.insert(store.name(), now);
        } else {
            seen.remove(store.name());
        }
    }
}

/// Whose the stores are, as their marks say.
#[derive(Clone, Debug)]
pub struct Marks {
    catalog: Arc<dyn Catalog>,
    working: Store,
    archive: Store,
    keys: Arc<KeyStore>,
    clock: SharedClock,
    seen: Arc<Seen>,
}

impl Marks {
    pub(crate) fn new(
        catalog: Arc<dyn Catalog>,
        [working, archive]: [Store; 2],
        keys: Arc<KeyStore>,
        clock: SharedClock,
    ) -> Self {
        Self {
            catalog,
            working,
            archive,
            keys,
            clock,
            seen: Arc::default(),
        }
    }

    /// Asks all three stores whose they are; marks one that shows that it is ours and bears no mark
    /// yet. Those that are not the ones they should be, with what to do.
    ///
    /// # Errors
    /// Those of the catalog, and of a store that does not answer.
    pub async fn stores_away(&self) -> Result<Vec<Away>> {
        let mut away = Vec::new();
        for store in self.stores() {
            away.extend(self.away(store).await?);
        }
        #[expect(clippy::cast_precision_loss, reason = "there are three")]
        metrics::gauge!("stemvault_stores_away").set(away.len() as f64);
        Ok(away)
    }

    /// Goes on only if all three stores are the ones they should be: nothing is deleted otherwise.
    ///
    /// # Errors
    /// [`Error::Away`] with what to look at; those of [`stores_away`](Self::stores_away).
    pub async fn expect_stores(&self) -> Result<()> {
        match self.stores_away().await? {
            away if away.is_empty() => Ok(()),
            away => {
                let says: Vec<_> = away.into_iter().map(|away| away.says).collect();
                Err(Error::Away {
                    says: says.join("; "),
                })
            }
        }
    }

    /// Goes on only if this store is the one it should be, or was a moment ago: what is written into
    /// another one is lost when the right one comes back.
    ///
    /// # Errors
    /// As [`expect_stores`](Self::expect_stores).
    pub(crate) async fn expect_store(&self, store: &Store) -> Result<()> {
        if self.seen.is_fresh(store, self.clock.monotonic()) {
            return Ok(());
        }
        match self.away(store).await? {
            None => Ok(()),
            Some(Away { says, .. }) => Err(Error::Away { says }),
        }
    }

    /// Takes a store for ours that bears no mark: somebody put another disk there on purpose.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`] for one that bears another installation's mark, and
    /// [`RefusalKind::NotFound`] for a store of another name; those of the stores.
    pub async fn mark_store(&self, name: &str) -> Result<()> {
        let store = self.stores().into_iter().find(|it| it.name() == name);
        let store = store.ok_or_else(|| {
            let message = format!("there is no store {name:?}: it is working, archive or keys");
            Refusal::new(RefusalKind::NotFound, message)
        })?;
        match self.whose(store, &mark_of(store)).await? {
            Whose::Anothers => Err(anothers(store).into()),
            Whose::Ours => self.note_marked(store).await,
            Whose::Nobodys | Whose::Unreadable => self.put_mark(store).await,
        }
    }

    pub(crate) fn stores(&self) -> [&Store; 3] {
        [&self.working, &self.archive, self.keys.store()]
    }

    async fn away(&self, store: &Store) -> Result<Option<Away>> {
        let marked = load::<Marked>(&*self.catalog, &tables::marked(store.name())).await?;
        let refusal = match self.whose(store, &mark_of(store)).await? {
            // Another key store has another records key, and so would make the others' marks foreign.
            _ if marked
                .as_ref()
                .is_some_and(|(row, _)| row.installation != self.installation()) =>
            {
                Some(anothers(store))
            }
            whose @ (Whose::Anothers | Whose::Unreadable) => Some(not_ours(store, whose)),
            Whose::Ours if marked.is_some() => None,
            Whose::Ours => {
                self.note_marked(store).await?;
                None
            }
            // A key store that was restored from its backup has no mark; its records key says whose it is.
            Whose::Nobodys if marked.is_some() && store.name() != self.keys.store().name() => {
                Some(missing(store))
            }
            Whose::Nobodys => match self.lacks(store).await? {
                Some(lacks) => Some(unknown(store, &lacks)),
                None => {
                    self.put_mark(store).await?;
                    None
                }
            },
        };
        self.seen
            .note(store, refusal.is_none(), self.clock.monotonic());
        Ok(refusal.map(|refusal| Away {
            store: store.name(),
            says: refusal.message,
        }))
    }

    pub(crate) async fn whose(&self, store: &Store, mark: &Path) -> Result<Whose> {
        let Some(bytes) = store.get_opt(mark).await? else {
            return Ok(Whose::Nobodys);
        };
        Ok(match tables::decode::<Mark>(&bytes) {
            Ok(mark) if mark.installation == self.installation() => Whose::Ours,
            Ok(_) => Whose::Anothers,
            Err(_) => Whose::Unreadable,
        })
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            installation: self.installation(),
            begun_at: self.clock.now(),
        }
    }

    fn installation(&self) -> String {
        hex::encode(self.keys.records().id())
    }

    async fn put_mark(&self, store: &Store) -> Result<()> {
        let bytes = Bytes::from(tables::encode(&self.mark()));
        store.prepare(&paths::marks()).await?;
        store.put_now(&mark_of(store), bytes).await?;
        self.note_marked(store).await
    }

    async fn note_marked(&self, store: &Store) -> Result<()> {
        let row = Marked {
            installation: self.installation(),
            at: self.clock.now(),
        };
        let batch = put(Batch::new(), tables::marked(store.name()), &row);
        Ok(self.catalog.commit(batch).await?)
    }

    /// What a store without a mark lacks of what this catalog says it holds; `None` if it is ours.
    async fn lacks(&self, store: &Store) -> Result<Option<String>> {
        let orders = all_orders(&*self.catalog).await?;
        let there = self.orders_in(store).await?;
        let expected = self.expected_in(store, &orders).await?;
        let found: Vec<_> = expected
            .iter()
            .filter(|order| there.contains(&order.id))
            .collect();
        if let Some(order) = expected.first() {
            // A few may be damaged; of most there has to be something.
            let enough = found.len() * 2 >= expected.len();
            if enough && self.holds_any(store, &found).await? {
                return Ok(None);
            }
            return Ok(Some(format!(
                "{} orders ought to be in it, order {} for one, and {} are",
                expected.len(),
                order.number,
                if enough { 0 } else { found.len() }
            )));
        }
        let known = orders.iter().any(|order| there.contains(&order.id));
        Ok((!known && !there.is_empty()).then(|| {
            format!(
                "it holds {} orders that this catalog does not know",
                there.len()
            )
        }))
    }

    async fn orders_in(&self, store: &Store) -> Result<HashSet<OrderId>> {
        let orders = Path::from("orders");
        if store.name() == self.keys.store().name() {
            let listed = store.list(&orders).await?;
            let names = listed.iter().filter_map(|(path, _)| path.filename());
            return Ok(names.filter_map(|name| name.parse().ok()).collect());
        }
        let names = store.folders(&orders).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The orders of which a store ought to hold something.
    async fn expected_in<'a>(&self, store: &Store, orders: &'a [Order]) -> Result<Vec<&'a Order>> {
        let owed = self.catalog.scan_prefix(&tables::outboxes()).await?;
        let owed: HashSet<_> = owed.into_iter().map(|(key, _)| key).collect();
        let in_archive = store.name() == self.archive.name();
        let expected = orders.iter().filter(|order| {
            let archived = !in_archive || order.proof().is_some();
            // Of a new one whose first record is still owed nothing is there yet.
            let begun = order.version > 1 || !owed.contains(&tables::outbox(order.id));
            !order.is_gone() && archived && begun
        });
        Ok(expected.collect())
    }

    /// Whether of any of these there is more than a folder, which a tier may share with the other.
    async fn holds_any(&self, store: &Store, found: &[&&Order]) -> Result<bool> {
        if store.name() != self.archive.name() {
            return Ok(!found.is_empty());
        }
        for order in found {
            if let Some(proof) = order.proof()
                && let index = paths::index(order.id, proof.attempt)
                && store.get_opt(&index).await?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(crate) fn mark_of(store: &Store) -> Path {
    paths::mark(store.name())
}

/// What to say of a store that should bear our mark, and bears this one.
pub(crate) fn not_ours(store: &Store, whose: Whose) -> Refusal {
    match whose {
        Whose::Anothers => anothers(store),
        Whose::Unreadable => stopped(store, "bears a mark that cannot be read."),
        Whose::Ours | Whose::Nobodys => missing(store),
    }
}

fn missing(store: &Store) -> Refusal {
    stopped(
        store,
        "is empty or another one: its mark is missing. Is its disk mounted?",
    )
}

fn unknown(store: &Store, lacks: &str) -> Refusal {
    let what = format!(
        "bears no mark and is not known to be this installation's ({lacks}). Is its disk mounted?"
    );
    stopped(store, &what)
}

fn stopped(store: &Store, what: &str) -> Refusal {
    let (name, place) = (store.name(), store.place());
    let message = format!(
        "the {name} store at {place} {what} Until it is back nothing is deleted, and nothing written there. If another disk stands in its place on purpose: `stemvault store mark {name}`"
    );
    Refusal::new(RefusalKind::Stopped, message)
}

fn anothers(store: &Store) -> Refusal {
    let (name, place) = (store.name(), store.place());
    let message = format!(
        "the {name} store at {place} belongs to another installation: look at what is mounted there and at stores.{name} in the settings. Until the right one is back nothing is deleted, and nothing written there"
    );
    Refusal::new(RefusalKind::Stopped, message)
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
