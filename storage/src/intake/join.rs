//! Joining: the bytes of a file's parts are read once, in order, and checked on the way.
//!
//! The hash of the file and what its header says follow from its bytes in order, and parts arrive
//! side by side. So a task reads them back when they are whole: a block at a time, a few ahead; what
//! it has read is committed now and then, and whoever goes on, on whatever node, begins there. It
//! goes as far as parts are whole and begins again when the next one is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::begin::Appends;
use super::commit::Durable;
use super::running::Signal;
use crate::block::aside;
use crate::catalog::Batch;
use crate::error::{Damage, Error, Result};
use crate::ids::{OrderId, UploadId};
use crate::paths;
use crate::session::{BlockRef, Kind};
use crate::source::read_block;
use crate::tables::{self, OrderOf, load, load_all};
use crate::upload::cut::Cut;
use crate::upload::progress::{Progress, Sums};
use crate::upload::{Role, Upload, UploadState};

/// Files that are joined at once: each keeps a processor and the store busy.
const AT_ONCE: usize = 2;

/// Blocks read ahead, 4 MiB each.
const READ_AHEAD: usize = 2;

/// How long a submit waits for files that are being joined.
const PATIENCE: Duration = Duration::from_secs(20);

/// Blocks between two commits: what a restart reads again, 64 MiB at most.
const COMMIT_EVERY: u64 = 16;

/// The files that are being joined by this process.
#[derive(Debug)]
pub(super) struct Joins {
    running: Mutex<HashMap<UploadId, Joining>>,
    turns: Arc<Semaphore>,
    /// An order has one of them at most: it keeps nobody else's files waiting.
    orders: Mutex<HashMap<OrderId, Weak<Semaphore>>>,
}

/// Answers when a file has come as far as it can for now.
pub type Joined = oneshot::Receiver<()>;

#[derive(Debug, Default)]
struct Joining {
    /// Whoever waits for it, told in the order in which they came.
    waiting: Vec<oneshot::Sender<()>>,
    /// Something has changed since it looked.
    again: bool,
}

impl Default for Joins {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            orders: Mutex::default(),
        }
    }
}

impl Joins {
    /// Waits until it is this order's turn.
    async fn turn(&self, order: OrderId) -> [OwnedSemaphorePermit; 2] {
        let own = {
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            orders.retain(|_, own| own.strong_count() > 0);
            let own = orders.get(&order).and_then(Weak::upgrade);
            let own = own.unwrap_or_else(|| Arc::new(Semaphore::new(1)));
            orders.insert(order, Arc::downgrade(&own));
            own
        };
        let own = own.acquire_owned().await.expect("never closed");
        let turns = Arc::clone(&self.turns).acquire_owned().await;
        [own, turns.expect("never closed")]
    }

    /// What to wait for, and whether nobody works on it yet.
    fn begin(&self, id: UploadId) -> (Joined, bool) {
        let (done, joined) = oneshot::channel();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !running.contains_key(&id);
        let joining = running.entry(id).or_default();
        joining.again = !first;
        joining.waiting.push(done);
        (joined, first)
    }

    /// Whether that was all.
    fn end(&self, id: UploadId) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let again = running
            .get_mut(&id)
            .is_some_and(|joining| std::mem::take(&mut joining.again));
        if again {
            return false;
        }
        let waiting = running.remove(&id).map(|joining| joining.waiting);
        drop(running);
        for done in waiting.into_iter().flatten() {
            // Whoever does not wait any more needs no word.
            let _ = done.send(());
        }
        true
    }
}

impl Appends {
    /// Joins a file made of parts as far as they are whole, in a task of its own.
    pub fn begin_join(self: &Arc<Self>, order: OrderId, id: UploadId) -> Joined {
        let (joined, first) = self.intake.joins.begin(id);
        if first {
            let appends = Arc::clone(self);
            tokio::spawn(async move {
                loop {
                    if let Err(error) = appends.join(order, id).await {
                        tracing::warn!(order.id = %order, upload = %id, %error, "a file made of parts was not joined: it goes on when somebody asks for it");
                    }
                    if appends.intake.joins.end(id) {
                        break;
                    }
                }
            });
        }
        joined
    }

    /// Goes on with every file that is being made of parts, after a restart.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn resume_joins(self: &Arc<Self>) -> Result<()> {
        let mut before = None;
        for (key, _) in self.core.catalog.scan_prefix(&tables::all_parts()).await? {
            let id = tables::made_of_parts(&key);
            if id == before {
                continue;
            }
            before = id;
            let Some(id) = id else { continue };
            let of = load::<OrderOf>(&*self.core.catalog, &tables::order_of_upload(id)).await?;
            let Some((OrderOf { order }, _)) = of else {
                continue;
            };
            let row = load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?;
            if row.is_some_and(|(upload, _)| upload.state == UploadState::Open) {
                drop(self.begin_join(order, id));
            }
        }
        Ok(())
    }

    /// Lets files that are made of parts come as far as they can, if that does not take long.
    pub(crate) async fn wait_for_joins(self: &Arc<Self>, order: OrderId, kind: Kind) -> Result<()> {
        let uploads = self.rows.uploads(order).await?.into_iter();
        let open = uploads.filter(|it| {
            (it.role, it.kind) == (Role::Final, kind) && it.state == UploadState::Open
        });
        let running: Vec<_> = open.map(|it| self.begin_join(order, it.id)).collect();
        let all = async {
            for joined in running {
                drop(joined.await);
            }
        };
        // What is not ready by then is named in the refusal.
        drop(tokio::time::timeout(PATIENCE, all).await);
        Ok(())
    }

    /// A part is whole: files that are made of it may go on.
    pub(super) async fn part_is_whole(self: &Arc<Self>, order: OrderId, id: UploadId) {
        match self.rows.uses(id).await {
            Ok((uses, _)) => {
                for file in uses.finals {
                    drop(self.begin_join(order, file));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "files made of a part wait until somebody asks for them");
            }
        }
    }

    async fn join(self: &Arc<Self>, order: OrderId, id: UploadId) -> Result<()> {
        let _turn = self.intake.joins.turn(order).await;
        let Some((file, _)) =
            load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?
        else {
            return Ok(());
        };
        if file.role != Role::Final || file.state != UploadState::Open {
            return Ok(());
        }
        let mut making = Making::from(self.begin_writing(order, id, file.offset).await?);
        let mut end = 0;
        for of in self.rows.parts_of(id).await? {
            let part = load::<Upload>(&*self.core.catalog, &tables::upload(order, of.part)).await?;
            let Some((part, _)) = part.filter(|(it, _)| it.state != UploadState::Open) else {
                return making.joined().await;
            };
            let start = end;
            end += part.offset;
            if end > making.received && !making.join_part(&part, start).await? {
                return Ok(());
            }
        }
        if file.length.is_none() {
            making.durable.check_made(end).await?;
        }
        making.join_ends(end).await?;
        if file.length.is_none() {
            // From now on the bytes of the parts are its own.
            self.intake.forget_usage(order);
        }
        Ok(())
    }
}

/// A file made of parts while it is joined.
struct Making {
    durable: Durable,
    /// The cut after every byte joined, ahead of the record.
    cut: Cut,
    /// The file's hash there.
    sums: Sums,
    received: u64,
    /// How many blocks were joined.
    joined: u64,
}

impl From<Durable> for Making {
    fn from(durable: Durable) -> Self {
        let upload = &durable.upload;
        Self {
            cut: upload.progress.cut().clone(),
            sums: upload.progress.sums().clone(),
            received: upload.offset,
            joined: upload.blocks,
            durable,
        }
    }
}

impl Making {
    /// Takes the blocks of a whole part that begins at `start` of the file. False: someone wants
    /// this to stop.
    async fn join_part(&mut self, part: &Upload, start: u64) -> Result<bool> {
        let rows = load_all::<BlockRef>(
            &*self.durable.appends.core.catalog,
            &tables::blocks(part.id),
        )
        .await?;
        let (mut end, joined) = (start, self.received);
        let blocks = rows.into_iter().map(|(_, block, _)| block);
        let blocks: Vec<_> = blocks
            .filter(|block| {
                end += u64::from(block.length);
                end > joined
            })
            .collect();
        let (appends, keys) = (
            Arc::clone(&self.durable.appends),
            Arc::clone(&self.durable.keys),
        );
        let (order, folder) = (part.order, paths::upload(part.order, part.id));
        let mut read = stream::iter(blocks)
            .map(|block| {
                let (appends, keys, folder) = (Arc::clone(&appends), Arc::clone(&keys), &folder);
                async move {
                    let path = folder.clone().join(keys.object_name(block.hash));
                    let plain =
                        read_block(&appends.core.working, &keys, order, &path, block, None).await?;
                    plain.map_err(|detail| {
                        Error::from(Damage {
                            order,
                            file: None,
                            what: "a block of a part".to_owned(),
                            store: appends.core.working.name(),
                            object: path.to_string(),
                            detail,
                        })
                    })
                }
            })
            .buffered(READ_AHEAD);
        while let Some(plain) = read.next().await {
            let path = self.durable.upload.path.as_str();
            let plain = plain.map_err(|error| error.of_file(path))?;
            let (mut cut, mut sums) = (self.cut.clone(), self.sums.clone());
            let length = plain.len();
            (self.cut, self.sums) = aside(length, move || {
                let mut rest = &plain[..];
                while !rest.is_empty() {
                    rest = &rest[cut.next_end(rest).unwrap_or(rest.len())..];
                }
                sums.push(&plain);
                (cut, sums)
            })
            .await;
            self.received += length as u64;
            self.joined += 1;
            if self.joined >= self.durable.upload.blocks + COMMIT_EVERY {
                self.joined().await?;
            }
            let running = Arc::clone(&self.durable.running);
            tokio::select! {
                biased;
                signal = running.signal() => if signal == Signal::Stop {
                    self.joined().await?;
                    return Ok(false);
                },
                () = std::future::ready(()) => {}
            }
        }
        Ok(true)
    }

    /// Commits how far it has come.
    async fn joined(&mut self) -> Result<()> {
        if self.durable.upload.offset == self.received {
            return Ok(());
        }
        let upload = self.as_joined();
        self.durable.commit(upload, Batch::new(), Vec::new()).await
    }

    /// All parts are joined: the file is whole.
    async fn join_ends(&mut self, length: u64) -> Result<()> {
        let mut upload = self.as_joined();
        upload.length = Some(length);
        upload.state = self.durable.finished(&upload)?;
        self.durable.commit(upload, Batch::new(), Vec::new()).await
    }

    fn as_joined(&self) -> Upload {
        Upload {
            offset: self.received,
            blocks: self.joined,
            progress: Progress::new(self.cut.clone(), self.sums.clone()),
            ..self.durable.upload.clone()
        }
    }
}
