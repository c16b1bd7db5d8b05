//! Stores, keys and a clock in memory, over which catalogs come and go: what tests of snapshots,
//! rebuilds and imports stand on.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::catalog::{KeyRange, MemoryCatalog};
use crate::clock::{MovableClock, SharedClock, StoppedClock};
use crate::ids::{OrderId, SessionId, UploadId};
use crate::intake::NewUpload;
use crate::keys::{KeyStore, MasterKey, MasterKeys};
use crate::limits::Limits;
use crate::order::{Client, Policy};
use crate::path::SessionPath;
use crate::rebuild::Rebuilt;
use crate::session::{Form, Kind, Rules};
use crate::store::Store;
use crate::tables;
use crate::upload::Role;
use crate::vault::Vault;

pub(crate) const AT_ONCE: Policy = Policy {
    working_days: 0,
    archive_months: 0,
    time_zone: chrono_tz::Tz::UTC,
};

pub(crate) struct World {
    pub(crate) bucket: Arc<InMemory>,
    pub(crate) key_store: Arc<InMemory>,
    pub(crate) clock: Arc<MovableClock>,
    masters: MasterKeys,
    /// The vault over the catalog that there is now.
    pub(crate) vault: Arc<Vault>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let start = StoppedClock::new("2026-01-05T09:00:00Z".parse().unwrap());
        let (bucket, key_store): (Arc<InMemory>, Arc<InMemory>) = Default::default();
        let clock = Arc::new(MovableClock::new(Arc::new(start)));
        let masters = MasterKeys::from(MasterKey::random());
        let vault = over(&bucket, &key_store, &masters, &clock).await;
        Self {
            bucket,
            key_store,
            clock,
            masters,
            vault,
        }
    }

    /// The same stores under an empty catalog.
    pub(crate) async fn without_catalog(&self) -> Arc<Vault> {
        over(&self.bucket, &self.key_store, &self.masters, &self.clock).await
    }

    /// The catalog is lost and rebuilt.
    pub(crate) async fn rebuilt(&self) -> (Arc<Vault>, Rebuilt) {
        let vault = self.without_catalog().await;
        let rebuilt = vault.rebuild.rebuild_now().await.unwrap();
        (vault, rebuilt)
    }

    /// The same after a restart: only what is stored is known.
    pub(crate) fn restarted(&self) -> Vault {
        let vault = &self.vault;
        Vault::new(
            Arc::clone(vault.core.catalog()),
            vault.core.working().clone(),
            vault.core.archive().clone(),
            Arc::clone(&vault.core.keys),
            Arc::clone(&self.clock) as SharedClock,
            vault.core.limits,
        )
    }

    pub(crate) async fn order(&self, number: &str) -> OrderId {
        let client = Client {
            name: "The Band".into(),
            ..Client::default()
        };
        let number = number.to_owned().try_into().unwrap();
        self.vault.orders.create(number, client).await.unwrap().id
    }

    pub(crate) async fn upload(&self, order: OrderId, path: &str, content: &[u8]) -> UploadId {
        let new = NewUpload {
            id: UploadId::random(),
            link: None,
            kind: Kind::Material,
            path: SessionPath::parse(path).unwrap(),
            metadata: [].into(),
            length: Some(content.len() as u64),
            role: Role::File,
            sum: None,
            at_once: false,
        };
        let id = self.vault.uploads.create(order, new).await.unwrap().id;
        let mut writer = Box::pin(self.vault.appends.begin_append(order, id, 0))
            .await
            .unwrap();
        writer.push(content).await.unwrap();
        writer.flush().await.unwrap();
        id
    }

    pub(crate) async fn submit(&self, order: OrderId) -> SessionId {
        let submit = self
            .vault
            .sessions
            .submit(order, Kind::Material, Form::new(), Rules::new());
        submit.await.unwrap().row.session
    }

    /// Completes an order of nothing and purges it to the end.
    pub(crate) async fn purge(&self, order: OrderId) {
        let vault = &self.vault;
        vault.orders.complete(order, AT_ONCE).await.unwrap();
        let now = self.vault.core.clock().now();
        let purging = vault
            .core
            .change(order, |order| order.purging(now, false))
            .await;
        vault.deletion.destroy(&purging.unwrap()).await.unwrap();
        let at = vault.core.settled(order).await.unwrap();
        vault.deletion.close_purge(&at).await.unwrap().unwrap();
    }

    pub(crate) fn days(&self, days: u64) {
        self.clock
            .advance(TimeDelta::days(days as i64).to_std().unwrap());
    }

    pub(crate) async fn objects(&self, below: &str) -> Vec<Path> {
        let found = self.vault.core.working().list(&below.into()).await.unwrap();
        let mut paths: Vec<_> = found.into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths
    }

    pub(crate) async fn damage(&self, path: &Path) {
        let mut bytes = self.read(path).await;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        self.bucket.put(path, bytes.into()).await.unwrap();
    }

    pub(crate) async fn read(&self, path: &Path) -> Vec<u8> {
        let read = self.bucket.get(path).await.unwrap();
        read.bytes().await.unwrap().to_vec()
    }

    pub(crate) async fn remove(&self, path: &Path) {
        self.bucket.delete(path).await.unwrap();
    }
}

async fn over(
    bucket: &Arc<InMemory>,
    key_store: &Arc<InMemory>,
    masters: &MasterKeys,
    clock: &Arc<MovableClock>,
) -> Arc<Vault> {
    let of =
        |name, store: &Arc<InMemory>| Store::of(name, Arc::clone(store) as Arc<dyn ObjectStore>);
    let keys = KeyStore::open(of("keys", key_store), masters.clone()).await;
    let limits = Limits {
        floor_bytes: 0,
        floor_percent: 0,
        ..Limits::default()
    };
    Arc::new(Vault::new(
        Arc::new(MemoryCatalog::new()),
        of("working", bucket),
        of("archive", bucket),
        keys.unwrap(),
        Arc::clone(clock) as SharedClock,
        limits,
    ))
}

/// Every row of a catalog but those of `without`, by the bytes of its table.
pub(crate) async fn rows(vault: &Vault, without: &[u8]) -> BTreeMap<Vec<u8>, String> {
    let all = KeyRange::prefix(&crate::catalog::Key(Vec::new()));
    let all = vault.core.catalog().scan(all, usize::MAX).await.unwrap();
    all.into_iter()
        .filter(|(key, _)| !without.contains(&key.0[0]))
        .map(|(key, row)| {
            // The order of a record's fields says nothing.
            let json = serde_json::from_slice::<serde_json::Value>(&row.value);
            let text = |_| String::from_utf8_lossy(&row.value).into_owned();
            (key.0, json.map_or_else(text, |json| json.to_string()))
        })
        .collect()
}

/// The reason why an order is held, if it is.
pub(crate) async fn held(vault: &Vault, order: OrderId) -> Option<String> {
    let order: (crate::order::Order, _) =
        tables::load(&**vault.core.catalog(), &tables::order(order))
            .await
            .unwrap()
            .unwrap();
    order.0.hold.map(|hold| hold.reason)
}
