//! How long a file is: said at its creation, or later, once.
//!
//! A length that was declared is durable before anything is done because of it, so that it is
//! known even if the request that declared it dies. Until then a file may grow as far as the
//! limits let it.

use std::sync::Arc;

use super::begin::Appends;
use crate::error::Result;
use crate::ids::{OrderId, UploadId};
use crate::upload::Upload;

impl Appends {
    /// Says how long an upload is that was begun without a length, taking over from whoever
    /// writes to it. Finishes it if all of it is there. Saying the same again changes nothing.
    ///
    /// # Errors
    /// As [`Writer::declare_length`](super::Writer::declare_length) and [`begin_append`](Self::begin_append).
    pub async fn declare_length(
        self: &Arc<Self>,
        order: OrderId,
        id: UploadId,
        length: u64,
    ) -> Result<Upload> {
        let offset = self.uploads.upload_settled(order, id).await?.offset;
        let mut writer = self.begin_append(order, id, offset).await?;
        writer.declare_length(length).await?;
        Ok(writer.upload().clone())
    }
}
