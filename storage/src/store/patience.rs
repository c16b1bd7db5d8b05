//! A folder of this machine may be a mount that hangs: a call into it then returns in a day, or never,
//! and takes its thread along. Here nobody waits for ever, and hanging calls are few: whoever asks in
//! vain learns which store it is, and all other work has threads left.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use tokio::sync::Semaphore;

use super::generic;

/// So many calls are in a folder at once at most; the runtime has 512 threads for such calls.
const CALLS: usize = 96;

/// How long a call may take: far above what a busy disk needs.
const LONGEST: Duration = Duration::from_secs(60);

/// The same of one that goes through a whole folder.
const LONGEST_LIST: Duration = Duration::from_secs(900);

#[derive(Debug, thiserror::Error)]
#[error(
    "it did not answer within {seconds} seconds: its disk or mount hangs; look at `dmesg` and at the mount"
)]
struct Hangs {
    seconds: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    calls: Arc<Semaphore>,
    longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            calls: Arc::new(Semaphore::new(CALLS)),
            longest: LONGEST,
        }
    }
}

impl Patience {
    /// The outcome of a call, if it comes in time. The call itself goes on, and keeps its place.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        call: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        self.wait_for(self.longest, call).await
    }

    /// The same of a call that goes through a whole folder.
    pub(super) async fn wait_long<T: Send + 'static>(
        &self,
        call: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        self.wait_for(self.longest.max(LONGEST_LIST), call).await
    }

    async fn wait_for<T: Send + 'static>(
        &self,
        longest: Duration,
        call: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        let hangs = |longest: Duration| {
            generic(Hangs {
                seconds: longest.as_secs(),
            })
        };
        let place = Arc::clone(&self.calls).acquire_owned();
        let place = tokio::time::timeout(self.longest, place).await;
        let place = place.map_err(|_| hangs(self.longest))?;
        let place = place.expect("nobody closes it");
        let called = tokio::spawn(async move {
            let _place = place;
            call.await
        });
        match tokio::time::timeout(longest, called).await {
            Ok(done) => done.map_err(generic)?,
            Err(_) => Err(hangs(longest)),
        }
    }
}

/// A local store of which every call is waited for with [`Patience`].
#[derive(Debug)]
pub(super) struct Patient {
    inner: Arc<dyn ObjectStore>,
    patience: Patience,
}

impl Patient {
    pub(super) fn new(inner: impl ObjectStore, patience: Patience) -> Self {
        Self {
            inner: Arc::new(inner),
            patience,
        }
    }
}

impl fmt::Display for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Patient {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let (inner, at) = (Arc::clone(&self.inner), location.clone());
        let put = async move { inner.put_opts(&at, payload, options).await };
        self.patience.wait(put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    /// The whole object, read before it is answered: a file that was opened may hang as well.
    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        let (inner, at) = (Arc::clone(&self.inner), location.clone());
        let get = async move {
            let head = options.head;
            let found = inner.get_opts(&at, options).await?;
            if head {
                return Ok(found);
            }
            let (meta, range) = (found.meta.clone(), found.range.clone());
            let (attributes, extensions) = (found.attributes.clone(), found.extensions.clone());
            let bytes = found.bytes().await?;
            Ok(GetResult {
                payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
                meta,
                range,
                attributes,
                extensions,
            })
        };
        self.patience.wait(get).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (inner, patience) = (Arc::clone(&self.inner), self.patience.clone());
        let delete = async move {
            let delete =
                async move { Ok(inner.delete_stream(locations).collect::<Vec<_>>().await) };
            patience.wait(delete).await
        };
        all(delete)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let (inner, patience) = (Arc::clone(&self.inner), self.patience.clone());
        let prefix = prefix.cloned();
        let list = async move {
            let list = async move { Ok(inner.list(prefix.as_ref()).collect::<Vec<_>>().await) };
            patience.wait_long(list).await
        };
        all(list)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
        let list = async move { inner.list_with_delimiter(prefix.as_ref()).await };
        self.patience.wait_long(list).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What a call answered, one after the other.
fn all<T: Send + 'static>(
    call: impl Future<Output = object_store::Result<Vec<object_store::Result<T>>>> + Send + 'static,
) -> BoxStream<'static, object_store::Result<T>> {
    let found = call.map(|found| stream::iter(found.unwrap_or_else(|error| vec![Err(error)])));
    stream::once(found).flatten().boxed()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use object_store::ObjectStoreExt;
    use object_store::local::LocalFileSystem;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// Opening a pipe that nobody writes to takes as long as a mount that hangs: until somebody does.
    #[tokio::test]
    async fn a_call_that_hangs_is_given_up_and_others_go_on() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("hangs");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let patience = Patience {
            calls: Arc::new(Semaphore::new(2)),
            longest: Duration::from_millis(500),
        };
        let local = LocalFileSystem::new_with_prefix(root.path()).unwrap();
        let store = Patient::new(local, patience);
        let at = Path::from("there");
        store.put(&at, "boom".into()).await.unwrap();
        let hangs = Path::from("hangs");
        let error = store.get(&hangs).await.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        // One thread hangs; there is a place left.
        let read = store.get(&at).await.unwrap().bytes().await.unwrap();
        assert_eq!(&*read, b"boom");
        assert_eq!(store.list(None).count().await, 1);
        store.get(&hangs).await.unwrap_err();
        // Both places are taken: no third thread is lost.
        let error = store.get(&at).await.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        // It comes back, and all is well.
        drop(OpenOptions::new().write(true).open(&pipe).unwrap());
        while store.get(&at).await.is_err() {
            drop(OpenOptions::new().write(true).open(&pipe));
        }
        store.delete(&at).await.unwrap();
    }
}
