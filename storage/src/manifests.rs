//! Reading what is written once: manifests and archive indexes, each opened and checked once and
//! remembered while it is in use.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;

use crate::block::{Logical, open, seal_copy};
use crate::core::Core;
use crate::error::{Damage, Result};
use crate::ids::{AttemptId, OrderId, SessionId};
use crate::index::Index;
use crate::order::Order;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Manifest, Receipt, SessionRow};
use crate::store::{Lease, Store};
use crate::tables::{self, Record, load};

/// The longest manifest or index that is read, in bytes: 200 GB in small files need a tenth of it.
pub(crate) const DOCUMENT_MAX: usize = 512 << 20;

/// Documents remembered of each kind: an engineer works on few sessions at a time.
const REMEMBERED: usize = 8;

impl Record for Manifest {
    const WHAT: &'static str = "manifest";
}

/// What was read lately.
#[derive(Debug, Default)]
pub(crate) struct Known {
    manifests: Recent<SessionId, Manifest>,
    indexes: Recent<AttemptId, Index>,
}

#[derive(Debug)]
struct Recent<K, T>(Mutex<VecDeque<(K, Arc<T>)>>);

impl<K, T> Default for Recent<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, T> Recent<K, T> {
    fn get(&self, key: &K) -> Option<Arc<T>> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| Arc::clone(value))
    }

    fn put(&self, key: K, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(REMEMBERED - 1);
        recent.push_front((key, Arc::clone(&value)));
        value
    }

    fn forget(&self, keep: impl Fn(&T) -> bool) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(_, value)| keep(value));
    }
}

/// Where a sealed document lies and what to call it.
struct Document<'a> {
    store: &'a Store,
    path: Path,
    logical: Logical,
    what: &'static str,
}

/// Manifests and archive indexes, as they are stored.
#[derive(Clone, Debug)]
pub struct Manifests {
    pub(crate) core: Arc<Core>,
    pub(crate) known: Arc<Known>,
}

impl Manifests {
    /// The row of a session.
    ///
    /// # Errors
    /// [`NotFound`](crate::refusal::RefusalKind::NotFound).
    pub async fn session_row(&self, order: OrderId, session: SessionId) -> Result<SessionRow> {
        match load::<SessionRow>(&*self.core.catalog, &tables::session(order, session)).await? {
            Some((row, _)) => Ok(row),
            None => Err(no_session(&self.core.order(order).await?, session).into()),
        }
    }

    /// A session's row and manifest.
    ///
    /// # Errors
    /// Not found, or the manifest is damaged.
    pub async fn receipt(&self, order: OrderId, session: SessionId) -> Result<Receipt> {
        let row = self.session_row(order, session).await?;
        self.core.order(order).await?.check_lives()?;
        Ok(Receipt {
            row,
            manifest: self.manifest(order, session).await?,
        })
    }

    /// A manifest, checked against its name.
    ///
    /// # Errors
    /// [`Damaged`](crate::error::Error::Damaged).
    pub async fn manifest(&self, order: OrderId, session: SessionId) -> Result<Arc<Manifest>> {
        if let Some(known) = self.known.manifests.get(&session) {
            return Ok(known);
        }
        let manifest = self.read_manifest(order, session).await?;
        Ok(self.known.manifests.put(session, manifest))
    }

    /// A manifest, from the store and not from memory.
    pub(crate) async fn read_manifest(
        &self,
        order: OrderId,
        session: SessionId,
    ) -> Result<Manifest> {
        tables::decode(&self.manifest_bytes(order, session).await?)
    }

    /// The exact bytes of a manifest as they are stored, checked against its name: what whoever
    /// gets the session reckons its id from.
    ///
    /// # Errors
    /// [`Damaged`](crate::error::Error::Damaged).
    pub async fn manifest_bytes(&self, order: OrderId, session: SessionId) -> Result<Bytes> {
        let document = self.manifest_document(order, session);
        let plain = self.read_document(order, &document).await?;
        if blake3::hash(&plain) != *session.as_bytes() {
            return Err(document
                .damage(order, "its content has another hash".into())
                .into());
        }
        Ok(plain)
    }

    /// Stores a manifest under the hash of its bytes.
    pub(crate) async fn put_manifest(
        &self,
        order: OrderId,
        bytes: &[u8],
        lease: &Lease,
    ) -> Result<SessionId> {
        let session = SessionId(*blake3::hash(bytes).as_bytes());
        let keys = self.core.keys.order(order).await?;
        let document = self.manifest_document(order, session);
        let sealed = seal_copy(&keys, order, &document.logical, bytes);
        self.core.working.prepare(&paths::sessions(order)).await?;
        self.core.working.put(&document.path, sealed, lease).await?;
        Ok(session)
    }

    /// The index of an archive attempt.
    ///
    /// # Errors
    /// [`Damaged`](crate::error::Error::Damaged).
    pub async fn index(&self, order: OrderId, attempt: AttemptId) -> Result<Arc<Index>> {
        if let Some(known) = self.known.indexes.get(&attempt) {
            return Ok(known);
        }
        let index = self.read_index(order, attempt).await?;
        Ok(self.known.indexes.put(attempt, index))
    }

    /// The index of an archive attempt, from the store and not from memory.
    pub(crate) async fn read_index(&self, order: OrderId, attempt: AttemptId) -> Result<Index> {
        let document = self.index_document(order, attempt);
        let plain = self.read_document(order, &document).await?;
        let index: Index = tables::decode(&plain)?;
        if (index.order, index.attempt) != (order, attempt) {
            return Err(document
                .damage(order, "it is another attempt's".into())
                .into());
        }
        Ok(index)
    }

    pub(crate) async fn put_index(&self, index: &Index, lease: &Lease) -> Result<u64> {
        let order = index.order;
        let keys = self.core.keys.order(order).await?;
        let document = self.index_document(order, index.attempt);
        let sealed = seal_copy(&keys, order, &document.logical, &tables::encode(index));
        let length = sealed.len() as u64;
        self.core.archive.put(&document.path, sealed, lease).await?;
        Ok(length)
    }

    /// Forgets everything of an order: it is being purged.
    pub(crate) fn forget_documents(&self, order: OrderId) {
        self.known
            .manifests
            .forget(|manifest| manifest.order != order);
        self.known.indexes.forget(|index| index.order != order);
    }

    fn manifest_document(&self, order: OrderId, session: SessionId) -> Document<'_> {
        Document {
            store: &self.core.working,
            path: paths::manifest(order, session),
            logical: Logical::Manifest(session),
            what: "the manifest",
        }
    }

    fn index_document(&self, order: OrderId, attempt: AttemptId) -> Document<'_> {
        Document {
            store: &self.core.archive,
            path: paths::index(order, attempt),
            logical: Logical::Index(attempt),
            what: "the archive index",
        }
    }

    async fn read_document(&self, order: OrderId, document: &Document<'_>) -> Result<Bytes> {
        let keys = self.core.keys.order(order).await?;
        let sealed = document.store.get_opt(&document.path).await?;
        let sealed = sealed.ok_or_else(|| document.damage(order, "it is missing".into()))?;
        Ok(open(&keys, order, &document.logical, sealed, DOCUMENT_MAX)
            .map_err(|error| document.damage(order, error.to_string()))?)
    }
}

impl Document<'_> {
    fn damage(&self, order: OrderId, detail: String) -> Damage {
        Damage {
            order,
            file: None,
            what: self.what.to_owned(),
            store: self.store.name(),
            object: self.path.to_string(),
            detail,
        }
    }
}

pub(crate) fn no_session(order: &Order, session: SessionId) -> Refusal {
    let message = format!(
        "order {} has no session {session}: `stemvault session list` shows them",
        order.number
    );
    Refusal::new(RefusalKind::NotFound, message).of_order(&order.number)
}
