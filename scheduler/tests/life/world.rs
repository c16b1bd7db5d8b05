//! The world of one run: the stores and the catalog as they really are, what is still in the air,
//! what outsiders were told, time, chance, and the trace of everything that happened.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use stemvault_storage::catalog::{Batch, Catalog, Key, MemoryCatalog, Version};
use stemvault_storage::clock::Clock;
use stemvault_storage::ids::OrderId;
use stemvault_storage::keys::{MasterKey, MasterKeys};
use stemvault_storage::order::Order;
use stemvault_storage::tables::{self, Record};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::late::Seen;
use crate::names::Names;
use crate::told::{OrderTold, Told};

/// A run that makes more calls than this goes round for ever.
const CALLS_MAX: u64 = 400_000;

/// How a write lands whose node slept.
pub const WOKEN: &str = "woken";

/// Which of the three stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    Working,
    Archive,
    Keys,
}

/// How often a call goes wrong, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub error: u64,
    pub late: u64,
    pub slow: u64,
    pub rot: u64,
    /// How often a node falls asleep in the middle of a write.
    pub sleeps: u64,
    /// At most so many turns of others around a call.
    pub turns: u64,
}

impl Weather {
    pub fn of(chance: &mut Chance) -> Self {
        Self {
            error: chance.pick(&[0, 2, 10, 30]),
            late: chance.pick(&[0, 10, 40, 100]),
            slow: chance.pick(&[0, 3, 15, 40]),
            rot: chance.pick(&[0, 0, 30, 150]),
            sleeps: chance.pick(&[0, 0, 10, 30]),
            turns: chance.pick(&[1, 3, 6]),
        }
    }
}

/// A write that was asked for and has not landed, or lands once more.
#[derive(Clone, Debug)]
pub struct Late {
    pub tier: Tier,
    pub path: Path,
    /// `None` deletes.
    pub bytes: Option<Bytes>,
}

/// Wall and monotonic time of all nodes: the virtual time of the runtime, so that waits, timeouts
/// and late requests live in the same time as the product. Asking takes a microsecond, so that no
/// two things happen at once.
#[derive(Debug)]
pub struct VirtualClock {
    began: Instant,
    start: DateTime<Utc>,
    asked: Mutex<i64>,
}

impl VirtualClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time, which a test moves"
    )]
    fn elapsed(&self) -> Duration {
        Instant::now() - self.began
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        let passed = TimeDelta::from_std(self.elapsed()).unwrap();
        self.start + passed + TimeDelta::microseconds(*asked)
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }
}

#[derive(Debug)]
pub struct State {
    pub chance: Chance,
    pub weather: Weather,
    pub names: Names,
    pub told: Told,
    pub air: BTreeMap<u64, Late>,
    pub log: Vec<String>,
    pub broken: Option<String>,
    pub over: bool,
    next_air: u64,
    calls: u64,
    trace: DefaultHasher,
}

#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    pub clock: Arc<VirtualClock>,
    pub bucket: Arc<InMemory>,
    pub archive: Arc<InMemory>,
    pub keys: Arc<InMemory>,
    catalog: Mutex<Arc<MemoryCatalog>>,
    pub masters: MasterKeys,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time, which a test moves"
    )]
    pub fn new(seed: u64) -> Arc<Self> {
        let mut chance = Chance::new(seed);
        let bucket = Arc::new(InMemory::new());
        // Both tiers in one bucket is the default; two is what a larger studio does.
        let archive = if chance.in_1000(700) {
            Arc::clone(&bucket)
        } else {
            Arc::new(InMemory::new())
        };
        let clock = VirtualClock {
            began: Instant::now(),
            start: "2026-01-05T09:00:00Z".parse().unwrap(),
            asked: Mutex::new(0),
        };
        let state = State {
            chance,
            weather: Weather::default(),
            names: Names::default(),
            told: Told::default(),
            air: BTreeMap::new(),
            log: Vec::new(),
            broken: None,
            over: false,
            next_air: 0,
            calls: 0,
            trace: DefaultHasher::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            clock: Arc::new(clock),
            bucket,
            archive,
            keys: Arc::new(InMemory::new()),
            catalog: Mutex::default(),
            masters: MasterKeys::from(MasterKey::random()),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn catalog(&self) -> Arc<MemoryCatalog> {
        Arc::clone(&self.catalog.lock().unwrap())
    }

    /// The catalog is gone.
    pub fn lose_catalog(&self) {
        *self.catalog.lock().unwrap() = Arc::default();
    }

    pub fn store(&self, tier: Tier) -> &Arc<InMemory> {
        match tier {
            Tier::Working => &self.bucket,
            Tier::Archive => &self.archive,
            Tier::Keys => &self.keys,
        }
    }

    /// The order as the catalog has it, whoever looks.
    pub fn order(&self, id: OrderId) -> Option<Order> {
        self.row(&tables::order(id)).map(|(order, _)| order)
    }

    pub fn row<T: Record>(&self, key: &Key) -> Option<(T, Version)> {
        let catalog = self.catalog();
        let load = tables::load(&*catalog, key).now_or_never();
        load.expect("memory answers at once").expect("it decodes")
    }

    /// Something that must never happen.
    pub fn broken(&self, why: impl Into<String>) {
        let why = why.into();
        self.log(format!("BROKEN: {why}"));
        self.state().broken.get_or_insert(why);
    }

    pub fn is_broken(&self) -> bool {
        self.state().broken.is_some()
    }

    /// A line of the story, for whoever reads a failure.
    pub fn log(&self, line: impl Into<String>) {
        let line = line.into();
        self.note(&line);
        let at = self.clock.monotonic().as_millis();
        self.state().log.push(format!("{at:>12} {line}"));
    }

    /// Adds to the trace.
    pub fn note(&self, what: impl Hash) {
        what.hash(&mut self.state().trace);
    }

    pub fn trace(&self) -> u64 {
        self.state().trace.finish()
    }

    /// Counts a call and notes it; false when there were too many.
    pub fn count(&self, who: usize, verb: &str, what: &str) -> bool {
        let calls = {
            let mut state = self.state();
            (who, verb, what).hash(&mut state.trace);
            state.calls += 1;
            state.calls
        };
        if calls == CALLS_MAX {
            self.broken("I5 something goes round for ever");
        }
        calls < CALLS_MAX
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets a write land at some moment from now on, within `longest` after it began.
    pub fn later(self: &Arc<Self>, late: Late, began: Duration, longest: Duration) {
        let left = longest.saturating_sub(self.clock.monotonic().saturating_sub(began));
        let (number, wait) = {
            let mut state = self.state();
            if state.over || tokio::runtime::Handle::try_current().is_err() {
                return;
            }
            let millis = u64::try_from(left.as_millis()).unwrap();
            let wait = Duration::from_millis(state.chance.below(millis + 1));
            let number = state.next_air;
            state.next_air += 1;
            state.air.insert(number, late.clone());
            (number, wait)
        };
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            world.state().air.remove(&number);
            world.land(&late, "late");
        });
    }

    /// A write takes effect.
    pub fn land(&self, late: &Late, how: &str) {
        let Late { tier, path, bytes } = late;
        let store = self.store(*tier);
        let name = self.state().names.path(path);
        self.note((how, bytes.is_some(), &name));
        let there = store.head(path).now_or_never().unwrap().is_ok();
        let seen = Seen {
            tier: *tier,
            path,
            there,
        };
        let broken = if bytes.is_some() {
            self.state().told.landed(&seen, how == WOKEN)
        } else {
            self.state().told.deleted(&seen)
        };
        match bytes {
            Some(bytes) => {
                let put = store.put(path, PutPayload::from_bytes(bytes.clone()));
                drop(put.now_or_never().unwrap().expect("memory takes it"));
            }
            None => drop(store.delete(path).now_or_never().unwrap()),
        }
        if let Some(why) = broken {
            self.broken(format!("{why} ({how} {name})"));
        }
    }

    /// After a batch: were the stages that it changed allowed to change so?
    pub fn committed(&self) {
        let orders: Vec<_> = {
            let told = &self.state().told;
            let row = |it: &OrderTold| it.last.as_ref().map(|(_, row)| *row);
            told.orders.iter().map(|it| (it.id, row(it))).collect()
        };
        for (at, (id, known)) in orders.into_iter().enumerate() {
            let row = self.catalog().get(&tables::order(id)).now_or_never();
            let row = row.expect("memory answers at once").expect("it answers");
            if row.map(|row| row.version) == known {
                continue;
            }
            let Some((order, version)) = self.row::<Order>(&tables::order(id)) else {
                continue;
            };
            let now = self.clock.now();
            let broken = self.state().told.changed(at, &order, version, now);
            if let Some(why) = broken {
                self.broken(why);
            }
        }
    }

    /// A batch of a dead node, or of a request that nobody waits for, arrives after all.
    pub fn commit_later(self: &Arc<Self>, catalog: Arc<MemoryCatalog>, batch: Batch) {
        let wait = {
            let mut state = self.state();
            if state.over || tokio::runtime::Handle::try_current().is_err() {
                return;
            }
            Duration::from_millis(state.chance.below(5000))
        };
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            drop(catalog.commit(batch).await);
            world.note("late batch");
            world.committed();
        });
    }
}
