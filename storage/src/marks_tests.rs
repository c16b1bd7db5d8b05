//! Stores that are empty, another's, swapped, or of before there were marks.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;
use crate::catalog::{Catalog, MemoryCatalog};
use crate::clock::StoppedClock;
use crate::ids::AttemptId;
use crate::keys::{KeyStore, MasterKey, MasterKeys};
use crate::limits::Limits;
use crate::order::{Client, Policy, Proof};
use crate::vault::Vault;

/// Three stores of their own, a catalog, and what holds them together.
struct Place {
    working: Arc<InMemory>,
    archive: Arc<InMemory>,
    keys: Arc<InMemory>,
    catalog: Arc<MemoryCatalog>,
    masters: MasterKeys,
}

impl Place {
    fn new() -> Self {
        Self {
            working: Arc::default(),
            archive: Arc::default(),
            keys: Arc::default(),
            catalog: Arc::default(),
            masters: MasterKeys::from(MasterKey::random()),
        }
    }

    /// A process over them.
    async fn vault(&self) -> Vault {
        let store =
            |name, of: &Arc<InMemory>| Store::of(name, Arc::clone(of) as Arc<dyn ObjectStore>);
        let keys = KeyStore::open(store("keys", &self.keys), self.masters.clone());
        let start = "2026-01-05T09:00:00Z".parse().unwrap();
        Vault::new(
            Arc::clone(&self.catalog) as Arc<dyn Catalog>,
            store("working", &self.working),
            store("archive", &self.archive),
            keys.await.unwrap(),
            Arc::new(StoppedClock::new(start)),
            Limits::default(),
        )
    }

    /// An order, archived: its index lies in the archive.
    async fn archived(&self, number: &str) -> OrderId {
        let vault = self.vault().await;
        let number = number.to_owned().try_into().unwrap();
        let order = vault
            .orders
            .create(number, Client::default())
            .await
            .unwrap();
        let attempt = AttemptId([1; 16]);
        let policy = Policy {
            working_days: 90,
            archive_months: 24,
            time_zone: chrono_tz::Tz::UTC,
        };
        let now = vault.core.clock().now();
        let proof = Proof {
            attempt,
            proven_at: now,
            sessions: Vec::new(),
            files: 0,
            bytes: 0,
            stored_bytes: 0,
        };
        let index = paths::index(order.id, attempt);
        self.archive.put(&index, "index".into()).await.unwrap();
        vault
            .core
            .change(order.id, |order| order.complete(now, policy))
            .await
            .unwrap();
        let archived = vault
            .core
            .change(order.id, |order| order.archived(proof.clone()));
        archived.await.unwrap().id
    }

    /// As a version without marks left it.
    async fn unmark(&self) {
        for (name, store) in [
            ("working", &self.working),
            ("archive", &self.archive),
            ("keys", &self.keys),
        ] {
            // One that has none is as it should be.
            drop(store.delete(&paths::mark(name)).await);
            let batch = Batch::new().delete(tables::marked(name));
            self.catalog.commit(batch).await.unwrap();
        }
    }

    async fn away(&self) -> Vec<&'static str> {
        let away = self.vault().await.core.marks.stores_away().await.unwrap();
        away.into_iter().map(|away| away.store).collect()
    }
}

async fn bears(store: &InMemory, name: &str) -> bool {
    store.get(&paths::mark(name)).await.is_ok()
}

#[tokio::test]
async fn a_first_start_marks_all_three_and_what_is_emptied_then_is_named() {
    let mut place = Place::new();
    assert!(place.away().await.is_empty());
    assert!(bears(&place.working, "working").await);
    assert!(bears(&place.archive, "archive").await);
    assert!(bears(&place.keys, "keys").await);
    let archive = std::mem::take(&mut place.archive);
    assert_eq!(place.away().await, ["archive"]);
    let refused = place
        .vault()
        .await
        .core
        .marks
        .expect_stores()
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Away { .. }), "{refused}");
    let said = refused.to_string();
    for word in ["archive store", "mounted", "store mark archive"] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    // It does not get a mark by itself, however often it is looked at.
    assert!(!bears(&place.archive, "archive").await);
    place.archive = archive;
    assert!(place.away().await.is_empty());
}

#[tokio::test]
async fn swapped_or_foreign_stores_are_named_and_never_taken_over() {
    let mut place = Place::new();
    assert!(place.away().await.is_empty());
    std::mem::swap(&mut place.working, &mut place.archive);
    assert_eq!(place.away().await, ["working", "archive"]);
    std::mem::swap(&mut place.working, &mut place.archive);
    let other = Place::new();
    assert!(other.away().await.is_empty());
    place.archive = Arc::clone(&other.archive);
    assert_eq!(place.away().await, ["archive"]);
    let taken = place.vault().await.core.marks.mark_store("archive").await;
    assert!(
        taken
            .unwrap_err()
            .to_string()
            .contains("another installation")
    );
    assert!(other.away().await.is_empty());
}

#[tokio::test]
async fn a_garbled_mark_is_not_ours_until_somebody_says_so() {
    let place = Place::new();
    assert!(place.away().await.is_empty());
    let mark = paths::mark("working");
    place.working.put(&mark, "{".into()).await.unwrap();
    assert_eq!(place.away().await, ["working"]);
    place
        .vault()
        .await
        .core
        .marks
        .mark_store("working")
        .await
        .unwrap();
    assert!(place.away().await.is_empty());
}

#[tokio::test]
async fn a_house_without_marks_gets_them_where_the_store_holds_its_orders() {
    let place = Place::new();
    place.archived("2026-0117").await;
    place.unmark().await;
    assert!(place.away().await.is_empty());
    assert!(bears(&place.archive, "archive").await);
}

#[tokio::test]
async fn an_empty_archive_under_archived_orders_is_not_marked() {
    let mut place = Place::new();
    place.archived("2026-0117").await;
    place.unmark().await;
    let full = std::mem::take(&mut place.archive);
    let away = place.vault().await.core.marks.stores_away().await.unwrap();
    let [archive] = &away[..] else {
        panic!("{away:?}");
    };
    assert_eq!(archive.store, "archive");
    assert!(archive.says.contains("2026-0117"), "{}", archive.says);
    assert!(!bears(&place.archive, "archive").await);
    // Nor one that holds other orders than the catalog knows.
    let strange = paths::index(OrderId([9; 16]), AttemptId([9; 16]));
    place.archive.put(&strange, "x".into()).await.unwrap();
    assert_eq!(place.away().await, ["archive"]);
    // Somebody says that it is meant; or the right one is back.
    place
        .vault()
        .await
        .core
        .marks
        .mark_store("archive")
        .await
        .unwrap();
    assert!(place.away().await.is_empty());
    place.archive = full;
    assert_eq!(place.away().await, ["archive"]);
}

#[tokio::test]
async fn an_empty_archive_of_a_studio_that_has_archived_nothing_is_its_own() {
    let place = Place::new();
    let number = "2026-0117".to_owned().try_into().unwrap();
    let vault = place.vault().await;
    vault
        .orders
        .create(number, Client::default())
        .await
        .unwrap();
    place.unmark().await;
    assert!(place.away().await.is_empty());
}

#[tokio::test]
async fn another_key_store_with_the_same_master_key_is_named() {
    let mut place = Place::new();
    place.archived("2026-0117").await;
    assert!(place.away().await.is_empty());
    place.keys = Arc::default();
    assert_eq!(place.away().await, ["working", "archive", "keys"]);
}

#[tokio::test]
async fn what_vanishes_while_it_runs_is_seen_by_the_next_deletion() {
    let place = Place::new();
    let order = place.archived("2026-0117").await;
    let vault = place.vault().await;
    vault.core.marks.expect_stores().await.unwrap();
    place.archive.delete(&paths::mark("archive")).await.unwrap();
    let swept = vault.sweep.sweep(order).await;
    assert!(matches!(swept, Err(Error::Away { .. })), "{swept:?}");
    let order = vault.core.order(order).await.unwrap();
    let released = vault.deletion.delete_released(&order).await;
    assert!(matches!(released, Err(Error::Away { .. })), "{released:?}");
    let gone = vault.deletion.destroy(&order).await;
    assert!(matches!(gone, Err(Error::Away { .. })), "{gone:?}");
    let key = paths::order_key(order.id);
    assert!(place.keys.get(&key).await.is_ok(), "its key is destroyed");
}
