//! An object store as the network shows it: slow, failing, done although it said no, and done once
//! more long after it answered. Never later than the longest put after it began, though, unless its
//! node slept in between.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use stemvault_storage::clock::Clock;
use stemvault_storage::store::PUT_LONGEST;

use crate::node::{ANY, Life, WRITE};
use crate::world::{Late, Tier};

/// One store as one node sees it.
#[derive(Clone, Debug)]
pub struct SimStore {
    life: Arc<Life>,
    tier: Tier,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Done,
    /// Done, and once more later.
    Again,
    /// Nothing happens, and the caller is told so.
    Failed,
    /// Done, and the caller is told that it failed.
    Unsure,
    /// It fails and lands later.
    Late,
    /// It takes longer than anyone waits.
    Hangs,
    /// The node falls asleep before the request leaves, for hours, and goes on with it when it wakes.
    Sleeps,
}

/// A write on its way. If nobody waits for it any more, it may land all the same.
struct Flight {
    life: Arc<Life>,
    late: Late,
    began: Duration,
    open: bool,
}

impl Flight {
    fn land(&mut self) {
        self.open = false;
        self.life.world.land(&self.late, "");
    }

    fn later(&mut self) {
        self.open = false;
        self.life
            .world
            .later(self.late.clone(), self.began, PUT_LONGEST);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.open && self.life.world.state().chance.in_1000(500) {
            self.later();
        }
    }
}

impl SimStore {
    pub fn new(life: &Arc<Life>, tier: Tier) -> Self {
        let life = Arc::clone(life);
        Self { life, tier }
    }

    fn fate(&self) -> Fate {
        let mut state = self.life.world.state();
        let weather = state.weather;
        if state.chance.in_1000(weather.error) {
            state.chance.pick(&[
                Fate::Failed,
                Fate::Failed,
                Fate::Unsure,
                Fate::Late,
                Fate::Hangs,
            ])
        } else if state.chance.in_1000(weather.sleeps) {
            Fate::Sleeps
        } else if state.chance.in_1000(weather.late) {
            Fate::Again
        } else {
            Fate::Done
        }
    }

    /// Only what goes into the archive goes bad: nothing else is read back before it is needed.
    fn rotten(&self, path: &Path, bytes: Bytes) -> Bytes {
        let mut state = self.life.world.state();
        let weather = state.weather;
        let archived = path
            .parts()
            .nth(2)
            .is_some_and(|part| part.as_ref() == "archive");
        if !archived || bytes.is_empty() || !state.chance.in_1000(weather.rot) {
            return bytes;
        }
        let at = state.chance.index(bytes.len());
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << state.chance.below(8);
        bytes.into()
    }

    async fn write(&self, verb: &str, path: Path, bytes: Option<Bytes>) -> Result<()> {
        let name = self.life.world.state().names.path(&path);
        self.life.call(verb, &name).await;
        let late = Late {
            tier: self.tier,
            path,
            bytes,
        };
        let mut flight = Flight {
            life: Arc::clone(&self.life),
            late,
            began: self.life.world.clock.monotonic(),
            open: true,
        };
        let fate = self.fate();
        if fate == Fate::Hangs {
            tokio::time::sleep(PUT_LONGEST * 2).await;
        }
        if fate == Fate::Sleeps {
            flight.open = false;
            let wakes = self.life.fall_asleep(flight.late.clone());
            tokio::time::sleep(wakes).await;
            return Err(failed());
        }
        if !self.life.pause(WRITE).await {
            drop(flight);
            return std::future::pending().await;
        }
        match fate {
            Fate::Done | Fate::Unsure | Fate::Again => {
                let good = flight.late.clone();
                let bytes = flight.late.bytes.take();
                flight.late.bytes = bytes.map(|bytes| self.rotten(&good.path, bytes));
                flight.land();
                flight.late = good;
                if fate == Fate::Again {
                    flight.later();
                }
            }
            Fate::Late => flight.later(),
            Fate::Failed | Fate::Hangs | Fate::Sleeps => flight.open = false,
        }
        if !self.life.pause(WRITE).await {
            return std::future::pending().await;
        }
        match fate {
            Fate::Done | Fate::Again => Ok(()),
            _ => Err(failed()),
        }
    }

    async fn ask(&self, verb: &str, path: &Path) -> Result<()> {
        let name = self.life.world.state().names.path(path);
        self.life.call(verb, &name).await;
        if !self.life.pause(ANY).await {
            return std::future::pending().await;
        }
        let mut state = self.life.world.state();
        let weather = state.weather;
        if state.chance.in_1000(weather.error) {
            return Err(failed());
        }
        Ok(())
    }

    fn inner(&self) -> &dyn ObjectStore {
        &**self.life.world.store(self.tier)
    }

    fn name(&self, path: &Path) -> String {
        self.life.world.state().names.path(path)
    }

    async fn sorted(&self, prefix: Path) -> Result<Vec<ObjectMeta>> {
        self.ask("list", &prefix).await?;
        let mut found: Vec<_> = self.inner().list(Some(&prefix)).try_collect().await?;
        found.sort_by_cached_key(|meta| self.name(&meta.location));
        Ok(found)
    }
}

fn failed() -> Error {
    Error::Generic {
        store: "simulation",
        source: "the network is bad today".into(),
    }
}

impl fmt::Display for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[async_trait]
impl ObjectStore for SimStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
        self.write("put", path.clone(), Some(payload.into()))
            .await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
            extensions: object_store::Extensions::default(),
        })
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner().put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.ask("get", path).await?;
        self.inner().get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |path: Result<Path>| {
            let store = store.clone();
            async move {
                let path = path?;
                store.write("delete", path.clone(), None).await?;
                Ok(path)
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let found = async move { store.sorted(prefix).await };
        stream::once(found)
            .map_ok(|found| stream::iter(found).map(Ok))
            .try_flatten()
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        self.ask("folders", &prefix).await?;
        let mut found = self.inner().list_with_delimiter(Some(&prefix)).await?;
        found
            .common_prefixes
            .sort_by_cached_key(|path| self.name(path));
        Ok(found)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner().copy_opts(from, to, options).await
    }
}
