//! A vault in memory with an order and an upload link.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;

use super::super::*;
use super::refusal;
use crate::catalog::MemoryCatalog;
use crate::clock::{MovableClock, StoppedClock};
use crate::core::Core;
use crate::ids::Token;
use crate::intake::{AtOnce, Use};
use crate::keys::{KeyStore, MasterKey};
use crate::limits::Limits;
use crate::link::Scope;
use crate::order::Client;
use crate::path::SessionPath;
use crate::session::Kind;
use crate::store::Store;
use crate::upload::Upload;
use crate::vault::Vault;

pub(super) struct Studio {
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<MovableClock>,
    pub(super) order: Order,
    pub(super) link: Link,
}

impl Studio {
    pub(super) async fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let start = StoppedClock::new("2026-01-05T09:00:00Z".parse().unwrap());
        let clock = Arc::new(MovableClock::new(Arc::new(start)));
        let bucket = Arc::new(InMemory::new());
        let store = |name| Store::of(name, Arc::<InMemory>::clone(&bucket));
        let keys = Store::of("keys", Arc::new(InMemory::new()));
        let keys = KeyStore::open(keys, MasterKey::random().into()).await;
        let vault = Vault::new(
            Arc::new(MemoryCatalog::new()),
            store("working"),
            store("archive"),
            keys.unwrap(),
            Arc::<MovableClock>::clone(&clock),
            limits,
        );
        let number = "2026-0117".to_owned().try_into().unwrap();
        let order = vault
            .orders
            .create(number, Client::default())
            .await
            .unwrap();
        let link = vault.access.create_link(order.id, Scope::Upload, None);
        let (link, _): (Link, Token) = link.await.unwrap();
        Self {
            vault: Arc::new(vault),
            clock,
            order,
            link,
        }
    }

    /// The same stores and catalog with nothing in memory.
    pub(super) fn restarted(self) -> Self {
        let vault = Arc::into_inner(self.vault).unwrap();
        let Core {
            catalog,
            working,
            archive,
            keys,
            clock,
            limits,
            ..
        } = (*vault.core).clone();
        let vault = Vault::new(catalog, working, archive, keys, clock, limits);
        Self {
            vault: Arc::new(vault),
            ..self
        }
    }

    pub(super) async fn create(&self, length: Option<u64>) -> Result<Upload> {
        let new = self.announced(length);
        self.vault.uploads.create(self.order.id, new).await
    }

    pub(super) fn announced(&self, length: Option<u64>) -> NewUpload {
        let id = UploadId::random();
        NewUpload {
            id,
            link: Some(ByLink::from(&self.link)),
            kind: Kind::Material,
            path: SessionPath::parse(&format!("{id}.bin")).unwrap(),
            metadata: BTreeMap::new(),
            length,
            role: Role::File,
            sum: None,
            at_once: false,
        }
    }

    /// One that its first request brings whole.
    pub(super) async fn at_once(&self, length: u64) -> Result<(Upload, AtOnce)> {
        let new = NewUpload {
            at_once: true,
            ..self.announced(Some(length))
        };
        let upload = self.vault.uploads.create(self.order.id, new).await?;
        let at_once = self.vault.appends.at_once(&upload);
        Ok((upload, at_once))
    }

    pub(super) async fn no(&self, length: Option<u64>) -> Refusal {
        refusal(self.create(length).await)
    }

    pub(super) async fn fill(&self, upload: &Upload, bytes: &[u8]) -> Result<Upload> {
        let begun = self
            .vault
            .appends
            .begin_append(upload.order, upload.id, upload.offset);
        let mut writer = begun.await?;
        let pushed = writer.push(bytes).await;
        writer.flush().await?;
        pushed.map(|()| writer.upload().clone())
    }

    pub(super) async fn whole(&self, bytes: &[u8]) -> Upload {
        let upload = self.create(Some(bytes.len() as u64)).await.unwrap();
        self.fill(&upload, bytes).await.unwrap()
    }

    pub(super) async fn used(&self) -> Use {
        let room = self.vault.quota.room(self.order.id, Some(&self.link));
        let room = room.await.unwrap();
        let link = Some(self.link.id);
        let (all, by_link) = self.vault.intake().ledger().of(self.order.id, link);
        assert_eq!(by_link, all);
        assert_eq!((room.used_bytes, room.used_files), (all.bytes, all.files));
        all
    }
}
