//! Who is writing to which upload in this process, and how many bytes all of them may hold.
//!
//! There is no lock that a dead client could keep: whoever comes later takes over. The running
//! append is asked to stop, has [`GRACE`] to commit what it holds, and is then fenced off: its next
//! commit is refused here, before the catalog would refuse it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::bounds::Disk;
use super::join::Joins;
use super::ledger::Ledger;
use super::turns::Turns;
use super::unkept::Pending;
use crate::block::{BLOCK_MAX, Buffers};
use crate::ids::{LinkId, OrderId, UploadId};
use crate::limits::Limits;
use crate::rate::Rate;

/// How long an append that was asked to stop may take to commit what it holds.
pub const GRACE: Duration = Duration::from_millis(500);

const MINUTE: Duration = Duration::from_secs(60);

/// How long a commit that runs when the grace is over may take to end. Whoever took over does not
/// wait longer: should it still land, the compare-and-swap sorts the two out.
const LAST_COMMIT: Duration = Duration::from_millis(400);

/// How many puts run at once: enough for the disk's journal to join their syncs, few enough to
/// bound the sealed bytes in memory.
const PUTS_AT_ONCE: usize = 6;

/// The appends of this process and the memory they share.
#[derive(Debug)]
pub struct Intake {
    budget: Arc<Semaphore>,
    /// How many appends wait for memory.
    waiting: AtomicUsize,
    pub(super) puts: Arc<Semaphore>,
    pub(super) buffers: Buffers,
    appends: Mutex<HashMap<UploadId, Arc<Running>>>,
    /// Counts blocks begun, so that the oldest is known.
    begun: AtomicU64,
    ledger: Mutex<Ledger>,
    /// Uploads begun by each link.
    begun_by_link: Mutex<Rate<LinkId>>,
    /// Held while an order's rows are read into the ledger; true once all orders were.
    pub(super) reading: tokio::sync::Mutex<bool>,
    pub(super) joins: Joins,
    /// Turns of appends that hold a block until its sum is known: half of the budget at most.
    pub(super) checked: Turns,
    /// Held while a removal is decided and logged: the decisions on an order form a chain, and many at
    /// once would only meet each other. It paces: between nodes the catalog decides.
    pub(super) removing: tokio::sync::Mutex<()>,
    /// Uploads whose blocks may still be deleted.
    pub(super) unkept: Arc<Pending>,
    /// The disk as it was when it was last looked at, and when that was.
    pub(super) disk: Mutex<Option<(Duration, Disk)>>,
}

/// One running append.
#[derive(Debug)]
pub(super) struct Running {
    upload: UploadId,
    stop: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    /// Held during a commit, and not while a store is waited for.
    pub(super) committing: tokio::sync::Mutex<()>,
    /// True once the append has been taken over: no commit begins any more.
    fenced: AtomicBool,
    pressed: Notify,
    /// When its block in the making was begun; `u64::MAX` if it holds nothing.
    since: AtomicU64,
}

/// Why a running append should look up from its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Another request takes over: commit and end.
    Stop,
    /// Memory is short and this append holds the oldest block: write it down and go on.
    Pressure,
    /// A block has been at the store for a while: commit it and go on.
    Landed,
}

impl Intake {
    /// Appends that together hold at most `limits.memory` bytes; less than a few blocks is of no
    /// use.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let (memory, per_minute) = (limits.memory, limits.max_new_per_minute);
        Self {
            budget: Arc::new(Semaphore::new(
                memory.clamp(4 * BLOCK_MAX, Semaphore::MAX_PERMITS),
            )),
            waiting: AtomicUsize::new(0),
            puts: Arc::new(Semaphore::new(PUTS_AT_ONCE)),
            buffers: Buffers::default(),
            appends: Mutex::default(),
            begun: AtomicU64::new(0),
            ledger: Mutex::default(),
            begun_by_link: Mutex::new(Rate::new(per_minute, MINUTE)),
            reading: tokio::sync::Mutex::new(false),
            joins: Joins::default(),
            checked: Turns::new(memory / 2 / BLOCK_MAX),
            removing: tokio::sync::Mutex::new(()),
            unkept: Arc::default(),
            disk: Mutex::default(),
        }
    }

    fn appends(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Running>>> {
        self.appends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an upload that a link begins; `Err` with how long to wait if there were too many.
    pub(super) fn note_new(&self, link: LinkId, now: Duration) -> Result<(), Duration> {
        let rate = self.begun_by_link.lock();
        rate.unwrap_or_else(PoisonError::into_inner)
            .count(link, now)
    }

    /// The order's uploads changed otherwise than one by one: count again.
    pub(crate) fn forget_usage(&self, order: OrderId) {
        self.ledger().forget(order);
    }

    /// How many appends run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.appends().len()
    }

    /// Whether an append to this upload runs.
    #[must_use]
    pub fn is_running(&self, upload: UploadId) -> bool {
        self.appends().contains_key(&upload)
    }

    /// Asks every append to commit what it holds and end, as on shutdown.
    pub fn stop_all(&self) {
        for running in self.appends().values() {
            running.stop.send_replace(true);
        }
    }

    /// Ends the running append of an upload, if there is one: when this returns, in under a second
    /// whatever the store does, it has committed what it could, and begins no further commit.
    pub(crate) async fn take_over(&self, upload: UploadId) {
        let Some(running) = self.appends().get(&upload).cloned() else {
            return;
        };
        running.stop.send_replace(true);
        let mut ended = running.ended.subscribe();
        if tokio::time::timeout(GRACE, ended.wait_for(|ended| *ended))
            .await
            .is_err()
        {
            running.fenced.store(true, Ordering::SeqCst);
            // Between the two a commit may have begun. It is short, unless the disk hangs.
            drop(tokio::time::timeout(LAST_COMMIT, running.committing.lock()).await);
        }
        self.forget(&running);
    }

    /// Registers a new append, after ending the one before it.
    pub(super) async fn begin(&self, upload: UploadId) -> Arc<Running> {
        loop {
            self.take_over(upload).await;
            let mut appends = self.appends();
            if appends.contains_key(&upload) {
                continue;
            }
            let running = Arc::new(Running {
                upload,
                stop: watch::Sender::new(false),
                ended: watch::Sender::new(false),
                committing: tokio::sync::Mutex::new(()),
                fenced: AtomicBool::new(false),
                pressed: Notify::new(),
                since: AtomicU64::new(u64::MAX),
            });
            appends.insert(upload, Arc::clone(&running));
            return running;
        }
    }

    pub(super) fn end(&self, running: &Arc<Running>) {
        running.ended.send_replace(true);
        self.forget(running);
        if self.running() == 0 {
            self.buffers.let_go();
        }
    }

    /// Whether nobody has taken over from this append.
    pub(super) fn is_current(&self, running: &Arc<Running>) -> bool {
        let appends = self.appends();
        let current = appends.get(&running.upload);
        current.is_some_and(|current| Arc::ptr_eq(current, running))
    }

    fn forget(&self, running: &Arc<Running>) {
        let mut appends = self.appends();
        if appends
            .get(&running.upload)
            .is_some_and(|known| Arc::ptr_eq(known, running))
        {
            appends.remove(&running.upload);
        }
    }

    /// Notes that `running` begins a block.
    pub(super) fn note_begun(&self, running: &Running) {
        running.since.store(
            self.begun.fetch_add(1, Ordering::Relaxed),
            Ordering::Relaxed,
        );
    }

    /// Notes that `running` holds nothing, and passes pressure on if others still wait.
    pub(super) fn note_empty(&self, running: &Running) {
        running.since.store(u64::MAX, Ordering::Relaxed);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.press_oldest();
        }
    }

    /// Memory for `bytes` more, if there is some now.
    pub(super) fn try_memory(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.budget).try_acquire_many_owned(bytes).ok()
    }

    /// Waits for memory; meanwhile the oldest unfinished block, wherever it is, is asked to be
    /// written down, so that slow clients starve nobody.
    pub(super) async fn memory(&self, bytes: u32) -> OwnedSemaphorePermit {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.press_oldest();
        Arc::clone(&self.budget)
            .acquire_many_owned(bytes)
            .await
            .expect("the budget is never closed")
    }

    /// Where appends wait for memory and for their puts.
    pub(crate) fn queue(&self) -> Queue {
        Queue([Arc::clone(&self.budget), Arc::clone(&self.puts)])
    }

    fn press_oldest(&self) {
        let appends = self.appends();
        let oldest = appends
            .values()
            .filter(|running| running.since.load(Ordering::Relaxed) != u64::MAX)
            .min_by_key(|running| running.since.load(Ordering::Relaxed));
        if let Some(oldest) = oldest {
            oldest.pressed.notify_one();
        }
    }
}

/// The queue of appends, for whatever can wait.
#[derive(Clone, Debug)]
pub(crate) struct Queue([Arc<Semaphore>; 2]);

impl Queue {
    /// Waits behind every append that waits now; not at all if none does.
    pub(crate) async fn after(&self) {
        for turn in &self.0 {
            drop(turn.acquire().await.expect("never closed"));
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Running {
    /// Whether it has been taken over.
    pub(super) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::SeqCst)
    }

    /// Waits until this append should look up. Cancel-safe.
    pub(super) async fn signal(&self) -> Signal {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Signal::Stop,
            () = self.pressed.notified() => Signal::Pressure,
        }
    }
}
