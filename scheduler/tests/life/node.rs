//! A node: a vault and its jobs over the world's stores, until it dies.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use stemvault_config::Settings;
use stemvault_scheduler::Jobs;
use stemvault_storage::clock::{Clock, SharedClock};
use stemvault_storage::error::Result;
use stemvault_storage::ids::Chance;
use stemvault_storage::keys::KeyStore;
use stemvault_storage::store::Store;
use stemvault_storage::{Limits, Vault};

use crate::catalog::SimCatalog;
use crate::store::SimStore;
use crate::world::{Late, Tier, WOKEN, World};

/// Milliseconds that a write takes at most, and anything else.
pub const WRITE: u64 = 50_000;
pub const ANY: u64 = 1_000_000;

/// Seconds that a node sleeps at most.
pub const LONGEST_SLEEP: u64 = 12 * 3600;

/// What all calls of a node share; when it is dead, none of them ever returns.
#[derive(Debug)]
pub struct Life {
    pub world: Arc<World>,
    pub node: usize,
    dead: AtomicBool,
    /// Milliseconds of the world's time.
    asleep_until: AtomicU64,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub number: usize,
    pub life: Arc<Life>,
    pub vault: Arc<Vault>,
    pub jobs: Arc<Jobs>,
}

impl Life {
    pub fn new(world: &Arc<World>, node: usize) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            node,
            dead: AtomicBool::new(false),
            asleep_until: AtomicU64::new(0),
        })
    }

    pub fn end(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Lets others have their turn, and sometimes time pass: a write ends in time, everything else
    /// may take as long as all the waits together. False: the node died meanwhile.
    pub async fn pause(&self, longest: u64) -> bool {
        let (turns, slow) = {
            let mut state = self.world.state();
            let weather = state.weather;
            let turns = state.chance.below(weather.turns + 1);
            let slow = state.chance.in_1000(weather.slow);
            let most = state.chance.pick(&[500, 5_000, 50_000, longest]);
            (turns, slow.then(|| state.chance.below(most)))
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        if let Some(millis) = slow {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        !self.is_dead()
    }

    /// The whole node sleeps for hours, and then goes on with this write, unless it dies before.
    pub fn fall_asleep(self: &Arc<Self>, late: Late) -> Duration {
        let wakes = {
            let mut state = self.world.state();
            Duration::from_secs(state.chance.between(600, LONGEST_SLEEP))
        };
        let until = self.now() + u64::try_from(wakes.as_millis()).unwrap();
        self.asleep_until.fetch_max(until, Ordering::Relaxed);
        self.world.log(format!("node {} falls asleep", self.node));
        let life = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(wakes).await;
            if !life.is_dead() && !life.world.state().over {
                life.world.land(&late, WOKEN);
            }
        });
        wakes
    }

    fn now(&self) -> u64 {
        u64::try_from(self.world.clock.monotonic().as_millis()).unwrap()
    }

    pub fn is_asleep(&self) -> bool {
        self.asleep_until.load(Ordering::Relaxed) > self.now()
    }

    async fn awake(&self) {
        loop {
            let until = self.asleep_until.load(Ordering::Relaxed);
            let left = until.saturating_sub(self.now());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
    }

    /// Counts a call; a dead node's never return, and one that sleeps makes none.
    pub async fn call(&self, verb: &str, what: &str) {
        self.awake().await;
        if self.is_dead() || !self.world.count(self.node, verb, what) {
            std::future::pending::<()>().await;
        }
    }
}

impl Node {
    /// Starts a node.
    pub async fn start(world: &Arc<World>, number: usize) -> Result<Self> {
        let life = Life::new(world, number);
        let store = |name, tier| Store::of(name, Arc::new(SimStore::new(&life, tier)));
        let keys = KeyStore::open(store("keys", Tier::Keys), world.masters.clone()).await?;
        let vault = Arc::new(Vault::new(
            Arc::new(SimCatalog::new(&life)),
            store("working", Tier::Working),
            store("archive", Tier::Archive),
            keys,
            Arc::clone(&world.clock) as SharedClock,
            limits(),
        ));
        let jobs = Jobs::new(Arc::clone(&vault), settings());
        let jobs = jobs.with_chance(Chance::seeded(number as u64));
        Ok(Self {
            number,
            life,
            vault,
            jobs: Arc::new(jobs),
        })
    }
}

pub fn limits() -> Limits {
    Limits {
        expire_after: TimeDelta::days(14),
        ..Limits::default()
    }
}

fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| Settings::defaults("/nowhere".as_ref()).expect("they are sound"))
}
