//! What a store is asked about itself: whether it answers, what time it has, how much room.

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::Store;
use crate::error::Result;

impl Store {
    /// Asks whether the store is there and lets us read. An object that is not there says less than
    /// it seems: a bucket that is missing answers the same.
    ///
    /// # Errors
    /// [`Store`](crate::error::Error::Store).
    pub async fn answers(&self) -> Result<()> {
        if self.get_opt(&crate::paths::readme()).await?.is_none() {
            self.folders(&Path::default()).await?;
        }
        Ok(())
    }

    /// What time it is by the store's own clock: the date that it gives an object just put.
    ///
    /// # Errors
    /// [`Store`](crate::error::Error::Store).
    pub async fn time(&self) -> Result<chrono::DateTime<chrono::Utc>> {
        let path = Path::from("what-time-is-it");
        self.put_now(&path, Bytes::from_static(b"?")).await?;
        let head = self.inner.head(&path).await;
        let time = self.told("head", &path, head)?.last_modified;
        self.delete(&path).await?;
        Ok(time)
    }

    /// Free and total bytes of the disk, for a local folder.
    ///
    /// # Errors
    /// [`Store`](crate::error::Error::Store).
    pub async fn space(&self) -> Result<Option<(u64, u64)>> {
        let Some(local) = self.local.clone() else {
            return Ok(None);
        };
        self.blocking("measure", &Path::default(), move || local.space())
            .await
            .map(Some)
    }
}
