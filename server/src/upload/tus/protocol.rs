//! The protocol core's view of one request: its storage and state store.
//!
//! The crate keeps offset and bytes apart and expects a lock around both. Here they are one record
//! of the catalog, changed by compare-and-swap only: a state that the crate sets is never stored,
//! except that of a new upload; an upload that is missing is an error and never an empty one; and
//! what a request does not name it cannot see. The lock does nothing: who comes later takes over.
//! Expiry is judged by our clock before the crate is asked, so it is never told of one.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use stemvault_storage::Vault;
use stemvault_storage::ids::{OrderId, UploadId};
use stemvault_storage::intake::{NewUpload, Writer};
use stemvault_storage::upload::Upload;
use tokio::sync::Mutex;
use tus_protocol::async_trait::async_trait;
use tus_protocol::{
    AppendRequest, ChunkStream, ConcatRequest, Config, Error, Extension, NoopHookExecutor,
    NoopLocker, Protocol, Result, StateStore, Storage, StorageHandle, UploadState, WriteMode,
};

use crate::app::App;
use crate::upload::checksum::Checksum;
use crate::upload::receive::{End, Noted, Patience, receive};

/// What we offer.
pub(super) fn config(app: &App) -> Config {
    Config::new()
        .with_extension(Extension::CreationDeferLength)
        .with_extension(Extension::CreationWithUpload)
        .with_extension(Extension::Concatenation)
        .with_extension(Extension::Expiration)
        .with_max_size(app.settings.uploads.max_file)
}

/// The protocol over what one request may touch.
pub(super) fn protocol<'a, T: Storage + StateStore>(
    config: &'a Config,
    one: &'a T,
) -> Protocol<'a, T, T, NoopLocker, NoopHookExecutor> {
    Protocol::new(config, one, one, &NoopLocker, &NoopHookExecutor)
}

/// The record as the crate wants to see it.
fn state(upload: &Upload) -> Result<UploadState> {
    let id = upload.id.to_string();
    // The crate lets nobody set an offset, except by reading a state.
    let state = serde_json::json!({
        "id": id,
        "offset": upload.offset,
        "length": upload.length,
        "storage_key": id,
        "created_at": upload.created_at,
        "expires_at": null,
        "is_partial": false,
        "is_final": false,
        "parts": null,
        "metadata": {},
    });
    serde_json::from_value(state).map_err(|error| Error::Internal(error.to_string()))
}

fn never<T>(what: &str) -> Result<T> {
    Err(Error::Internal(format!(
        "{what} is not part of this request"
    )))
}

/// A creation: the only request that may bring a record into being.
#[derive(Debug)]
pub(super) struct Creating<'a> {
    pub(super) vault: &'a Vault,
    pub(super) order: OrderId,
    /// All but the id and the length.
    pub(super) new: NewUpload,
    /// What was created.
    pub(super) created: OnceLock<Upload>,
}

#[async_trait]
impl Storage for Creating<'_> {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn create(&self, upload: &str) -> Result<StorageHandle> {
        Ok(StorageHandle::new(upload))
    }

    async fn append(&self, _: AppendRequest) -> Result<StorageHandle> {
        never("an append")
    }

    async fn concat(&self, _: ConcatRequest) -> Result<StorageHandle> {
        never("concatenation")
    }

    /// Asked for when the record could not be made; then there is nothing to delete.
    async fn delete(&self, _: &StorageHandle) -> Result<()> {
        Ok(())
    }

    async fn size(&self, _: &StorageHandle) -> Result<Option<u64>> {
        never("a size")
    }
}

#[async_trait]
impl StateStore for Creating<'_> {
    fn name(&self) -> &'static str {
        "catalog"
    }

    async fn set(&self, state: &UploadState, mode: WriteMode) -> Result<()> {
        if mode != WriteMode::CreateNew {
            return never("an update");
        }
        let id = uuid::Uuid::parse_str(state.id())
            .map_err(|error| Error::InvalidUploadId(error.to_string()))?;
        let new = NewUpload {
            id: UploadId(id.into_bytes()),
            length: state.length(),
            ..self.new.clone()
        };
        let created = self.vault.uploads.create(self.order, new).await;
        let created = created.map_err(Error::state_store)?;
        drop(self.created.set(created));
        Ok(())
    }

    async fn get(&self, _: &str) -> Result<Option<UploadState>> {
        Ok(None)
    }

    async fn delete(&self, _: &str) -> Result<()> {
        never("a removal")
    }

    async fn list_expired(&self, _: DateTime<Utc>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// An append that has begun: the record that it began from, and the writer.
#[derive(Debug)]
pub(super) struct Appending {
    /// As it was when the append began.
    pub(super) upload: Upload,
    pub(super) writer: Mutex<Writer>,
    pub(super) noted: Noted,
    pub(super) patience: Patience,
    /// What the body is said to sum up to.
    pub(super) checksum: Mutex<Option<Checksum>>,
    /// How it ended. Once this is set the answer follows from it alone: the crate knows of bytes
    /// only that all came or none did.
    pub(super) end: OnceLock<End>,
}

#[async_trait]
impl Storage for Appending {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn create(&self, _: &str) -> Result<StorageHandle> {
        never("a creation")
    }

    async fn append(&self, request: AppendRequest) -> Result<StorageHandle> {
        let AppendRequest { handle, data, .. } = request;
        let mut bytes = match data {
            ChunkStream::Stream(bytes) => bytes,
            ChunkStream::Buffered(_) => return never("a buffered body"),
        };
        let mut writer = self.writer.lock().await;
        let checksum = self.checksum.lock().await.take();
        let patience = self.patience.clone();
        let end = receive(&mut writer, &mut bytes, &self.noted, patience, checksum).await;
        let whole = matches!(end, End::Body);
        drop(self.end.set(end));
        if whole {
            Ok(handle)
        } else {
            Err(Error::Internal("the body ended early".to_owned()))
        }
    }

    async fn concat(&self, _: ConcatRequest) -> Result<StorageHandle> {
        never("concatenation")
    }

    async fn delete(&self, _: &StorageHandle) -> Result<()> {
        never("a removal")
    }

    async fn size(&self, _: &StorageHandle) -> Result<Option<u64>> {
        Ok(Some(self.upload.offset))
    }
}

#[async_trait]
impl StateStore for Appending {
    fn name(&self) -> &'static str {
        "catalog"
    }

    /// The append itself committed the record.
    async fn set(&self, _: &UploadState, mode: WriteMode) -> Result<()> {
        match mode {
            WriteMode::Update => Ok(()),
            _ => never("a creation"),
        }
    }

    async fn get(&self, _: &str) -> Result<Option<UploadState>> {
        state(&self.upload).map(Some)
    }

    async fn delete(&self, _: &str) -> Result<()> {
        never("a removal")
    }

    async fn list_expired(&self, _: DateTime<Utc>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// A termination.
#[derive(Debug)]
pub(super) struct Removing<'a> {
    pub(super) vault: &'a Vault,
    pub(super) order: OrderId,
    pub(super) id: UploadId,
}

#[async_trait]
impl Storage for Removing<'_> {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn create(&self, _: &str) -> Result<StorageHandle> {
        never("a creation")
    }

    async fn append(&self, _: AppendRequest) -> Result<StorageHandle> {
        never("an append")
    }

    async fn concat(&self, _: ConcatRequest) -> Result<StorageHandle> {
        never("concatenation")
    }

    /// Removes the record and the bytes.
    async fn delete(&self, _: &StorageHandle) -> Result<()> {
        let removed = self.vault.uploads.terminate(self.order, self.id).await;
        removed.map_err(Error::storage)
    }

    async fn size(&self, _: &StorageHandle) -> Result<Option<u64>> {
        never("a size")
    }
}

#[async_trait]
impl StateStore for Removing<'_> {
    fn name(&self) -> &'static str {
        "catalog"
    }

    async fn set(&self, _: &UploadState, _: WriteMode) -> Result<()> {
        never("an update")
    }

    async fn get(&self, _: &str) -> Result<Option<UploadState>> {
        let upload = self.vault.rows.upload(self.order, self.id).await;
        state(&upload.map_err(Error::state_store)?).map(Some)
    }

    /// Gone with the bytes.
    async fn delete(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn list_expired(&self, _: DateTime<Utc>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
