//! What a body with a sum has put and may not count: deleted as soon as it is known not to.
//!
//! Blocks are named by their content, so a body that is sent again puts the same names. Whoever
//! begins to write to the upload therefore waits until what did not count is gone; a delete of
//! which nobody knows whether it still lands holds them up until it cannot any more. Only this
//! process knows of it: what a crash leaves is swept once the upload is closed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::writer::{InFlight, Writer};
use crate::error::{Error, Result};
use crate::ids::{BlockHash, OrderId, UploadId};
use crate::paths;
use crate::session::BlockRef;
use crate::store::{QUIET_AFTER, hurried};
use crate::tables::{self, load_all};

/// How long the next append to an upload waits for what the one before has to remove.
const PATIENCE: Duration = Duration::from_secs(20);

/// The uploads whose blocks may still go.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<HashMap<UploadId, watch::Sender<()>>>);

/// One of them; it is as long as this lives.
#[derive(Debug)]
pub(super) struct Unkept {
    pending: Arc<Pending>,
    upload: UploadId,
    /// What was put, or was about to be.
    put: Arc<Mutex<HashSet<BlockHash>>>,
}

impl Pending {
    fn uploads(&self) -> MutexGuard<'_, HashMap<UploadId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing of this upload may go.
    ///
    /// # Errors
    /// [`Error::Busy`] when that takes too long.
    pub(super) async fn over(&self, order: OrderId, upload: UploadId) -> Result<()> {
        let over = async {
            loop {
                let Some(mut gone) = self.uploads().get(&upload).map(watch::Sender::subscribe)
                else {
                    return;
                };
                // It ends with an error: there is nothing to tell.
                let _ = gone.changed().await;
            }
        };
        let over = tokio::time::timeout(PATIENCE, over).await;
        over.map_err(|_| Error::Busy { order })
    }

    /// From now on blocks of this upload may have to go.
    pub(super) fn begin(self: &Arc<Self>, upload: UploadId) -> Unkept {
        self.uploads().insert(upload, watch::Sender::new(()));
        Unkept {
            pending: Arc::clone(self),
            upload,
            put: Arc::default(),
        }
    }
}

impl Unkept {
    /// Where to note what is put.
    pub(super) fn noted(&self) -> Arc<Mutex<HashSet<BlockHash>>> {
        Arc::clone(&self.put)
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        self.pending.uploads().remove(&self.upload);
    }
}

impl Writer {
    /// Ends an append whose bytes were held back: what of them is at the store and is named by
    /// nothing is deleted. Nothing to do where everything was kept.
    pub async fn discard(&mut self) {
        let Some(unkept) = self.unkept.take() else {
            return;
        };
        self.broken = true;
        if let Some(held) = self.held.take() {
            // Nothing of it counts, nor is it said to.
            self.upload = held.durable;
        }
        self.gathering = None;
        while let Some(InFlight { put, .. }) = self.in_flight.pop_front() {
            // However it ended: it is noted.
            let _ = put.await;
        }
        if let Err(error) = self.delete(&unkept).await {
            tracing::warn!(upload = %self.upload.id, %error, "what did not count of a body with a checksum is left for the sweep");
            if !self.appends.core.working.is_local() {
                // Perhaps it still lands.
                tokio::spawn(async move {
                    tokio::time::sleep(hurried(QUIET_AFTER)).await;
                    drop(unkept);
                });
            }
        }
    }

    async fn delete(&self, unkept: &Unkept) -> Result<()> {
        let mut put =
            std::mem::take(&mut *unkept.put.lock().unwrap_or_else(PoisonError::into_inner));
        if put.is_empty() {
            return Ok(());
        }
        let (order, id) = (self.upload.order, self.upload.id);
        // An equal block may be one that counts.
        let rows = load_all::<BlockRef>(&*self.appends.core.catalog, &tables::blocks(id)).await?;
        for (_, block, _) in rows {
            put.remove(&block.hash);
        }
        let folder = paths::upload(order, id);
        for hash in put {
            let path = folder.clone().join(self.keys.object_name(hash));
            self.appends.core.working.delete(&path).await?;
        }
        Ok(())
    }
}
