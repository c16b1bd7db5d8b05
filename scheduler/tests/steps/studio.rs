//! A vault, its jobs, and an order.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use stemvault_config::Settings;
use stemvault_scheduler::{Jobs, Run, RunRequest};
use stemvault_storage::catalog::{Catalog, MemoryCatalog};
use stemvault_storage::clock::{MovableClock, SharedClock, StoppedClock};
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::intake::NewUpload;
use stemvault_storage::keys::{KeyStore, MasterKey, MasterKeys};
use stemvault_storage::mirror::Mirror;
use stemvault_storage::order::{Client, Stage};
use stemvault_storage::path::SessionPath;
use stemvault_storage::session::{Form, Kind, Rules};
use stemvault_storage::store::Store;
use stemvault_storage::upload::Role;
use stemvault_storage::{Limits, Vault};

use crate::AT_ONCE;

/// A vault and its jobs; `working` is all that differs.
pub(crate) struct Studio {
    pub(crate) vault: Arc<Vault>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) clock: Arc<MovableClock>,
    pub(crate) keys: Arc<KeyStore>,
    /// The objects of the key store.
    pub(crate) key_objects: Arc<InMemory>,
    pub(crate) order: OrderId,
}

impl Studio {
    pub(crate) async fn over(working: Store, archive: Store, catalog: Arc<dyn Catalog>) -> Self {
        let start = "2026-01-05T09:00:00Z".parse().unwrap();
        let clock = Arc::new(MovableClock::new(Arc::new(StoppedClock::new(start))));
        let key_store = Arc::new(InMemory::new());
        let keys = Store::of("keys", Arc::clone(&key_store) as Arc<dyn ObjectStore>);
        let keys = KeyStore::open(keys, MasterKeys::from(MasterKey::random()))
            .await
            .unwrap();
        let limits = Limits {
            floor_bytes: 0,
            floor_percent: 0,
            ..Limits::default()
        };
        let shared = Arc::clone(&clock) as SharedClock;
        let keys = Arc::new(keys);
        let of_vault = Arc::clone(&keys);
        let vault = Vault::new(catalog, working, archive, of_vault, shared, limits);
        let vault = Arc::new(vault);
        let settings = Settings::defaults("/nowhere".as_ref()).unwrap();
        let jobs = Arc::new(Jobs::new(Arc::clone(&vault), &settings));
        // As a start does it.
        assert_eq!(vault.core.marks.stores_away().await.unwrap(), []);
        let number = "2026-0117".to_owned().try_into().unwrap();
        let order = vault
            .orders
            .create(number, Client::default())
            .await
            .unwrap()
            .id;
        Self {
            vault,
            jobs,
            clock,
            keys,
            key_objects: key_store,
            order,
        }
    }

    /// The next process over the same stores and the same catalog.
    pub(crate) async fn restarted(self) -> Self {
        let mirror = self.vault.mirroring.mirror().cloned();
        self.restarted_with(mirror).await
    }

    pub(crate) async fn restarted_with(self, mirror: Option<Mirror>) -> Self {
        let vault = Vault::new(
            Arc::clone(self.vault.core.catalog()),
            self.vault.core.working().clone(),
            self.vault.core.archive().clone(),
            Arc::clone(&self.keys),
            Arc::clone(&self.clock) as SharedClock,
            Limits {
                floor_bytes: 0,
                floor_percent: 0,
                ..Limits::default()
            },
        );
        let vault = Arc::new(vault.with_mirror(mirror));
        vault.recover().await.unwrap();
        let settings = Settings::defaults("/nowhere".as_ref()).unwrap();
        let jobs = Arc::new(Jobs::new(Arc::clone(&vault), &settings));
        Self {
            vault,
            jobs,
            ..self
        }
    }

    pub(crate) async fn in_memory() -> (Self, Arc<InMemory>) {
        let bucket = Arc::new(InMemory::new());
        let store = |name| Store::of(name, Arc::clone(&bucket) as Arc<dyn ObjectStore>);
        let catalog = Arc::new(MemoryCatalog::new());
        (
            Self::over(store("working"), store("archive"), catalog).await,
            bucket,
        )
    }

    pub(crate) async fn create(&self, length: u64) -> UploadId {
        self.create_named("kick.wav", length).await
    }

    pub(crate) async fn create_named(&self, path: &str, length: u64) -> UploadId {
        let new = NewUpload {
            id: UploadId::random(),
            link: None,
            kind: Kind::Material,
            path: SessionPath::parse(path).unwrap(),
            metadata: [].into(),
            length: Some(length),
            role: Role::File,
            sum: None,
            at_once: false,
        };
        self.vault.uploads.create(self.order, new).await.unwrap().id
    }

    pub(crate) async fn upload(&self, content: &[u8]) -> UploadId {
        let upload = self.create(content.len() as u64).await;
        let writer = self.vault.appends.begin_append(self.order, upload, 0);
        let mut writer = Box::pin(writer).await.unwrap();
        writer.push(content).await.unwrap();
        writer.flush().await.unwrap();
        upload
    }

    pub(crate) async fn submit_and_complete(&self) {
        let (kind, form, rules) = (Kind::Material, Form::new(), Rules::new());
        self.vault
            .sessions
            .submit(self.order, kind, form, rules)
            .await
            .unwrap();
        self.vault
            .orders
            .complete(self.order, AT_ONCE)
            .await
            .unwrap();
    }

    pub(crate) async fn run(&self) -> Vec<Run> {
        let request = RunRequest {
            allow_many: true,
            ..RunRequest::default()
        };
        self.jobs.run(request).await.unwrap()
    }

    pub(crate) async fn stage(&self) -> Stage {
        self.vault.core.order(self.order).await.unwrap().stage()
    }
}
