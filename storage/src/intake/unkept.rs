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

use super::commit::Durable;
use crate::error::{Error, Result};
use crate::ids::{BlockHash, OrderId, UploadId};
use crate::paths;
use crate::session::BlockRef;
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

    pub(super) async fn delete(&self, durable: &Durable) -> Result<()> {
        let mut put = std::mem::take(&mut *self.put.lock().unwrap_or_else(PoisonError::into_inner));
        if put.is_empty() {
            return Ok(());
        }
        let (order, id) = (durable.upload.order, durable.upload.id);
        // An equal block may be one that counts.
        let rows =
            load_all::<BlockRef>(&*durable.appends.core.catalog, &tables::blocks(id)).await?;
        for (_, block, _) in rows {
            put.remove(&block.hash);
        }
        let folder = paths::upload(order, id);
        for hash in put {
            let path = folder.clone().join(durable.keys.object_name(hash));
            durable.appends.core.working.delete(&path).await?;
        }
        Ok(())
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        self.pending.uploads().remove(&self.upload);
    }
}
