//! The vault: the core and the parts that stand on it.

use std::sync::Arc;

use crate::archive::Sights;
use crate::audit::Actor;
use crate::block::Background;
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::core::{Core, Moved};
use crate::error::Result;
use crate::flaw::Noticed;
use crate::intake::Intake;
use crate::keys::KeyStore;
use crate::limits::Limits;
use crate::manifests::Manifests;
use crate::marks::Marks;
use crate::mirror::Mirror;
use crate::outflow::Outflow;
use crate::pace::Pace;
use crate::store::Store;
use crate::trust::TrustedClock;

/// Everything that keeps sessions. Shared by all requests and jobs of a process; each may hold it in
/// its own name ([`by`](Vault::by)).
#[derive(Clone, Debug)]
pub struct Vault {
    /// What the parts stand on.
    pub core: Arc<Core>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) sights: Arc<Sights>,
    /// Where the work of jobs on blocks is done ...
    pub(crate) background: Arc<Background>,
    /// ... and how fast the archive job may be.
    pub(crate) pace: Arc<Pace>,
    pub(crate) noticed: Arc<Noticed>,
    pub(crate) outflow: Arc<Outflow>,
}

impl Vault {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        working: Store,
        archive: Store,
        keys: impl Into<Arc<KeyStore>>,
        clock: SharedClock,
        limits: Limits,
    ) -> Self {
        let time = Arc::new(TrustedClock::new(clock));
        let clock = Arc::clone(&time) as SharedClock;
        let intake = Arc::new(Intake::new(&limits));
        let keys = keys.into();
        let stores = [working.clone(), archive.clone()];
        let marks = Marks::new(
            Arc::clone(&catalog),
            stores,
            Arc::clone(&keys),
            Arc::clone(&clock),
        );
        let ledger = Arc::clone(&intake);
        let background = Arc::new(Background::new(limits.archive_threads));
        let pace = Arc::new(Pace::new(Arc::clone(&clock), limits.archive_bandwidth));
        let core = Core {
            catalog,
            working,
            archive,
            mirror: None,
            keys,
            time,
            clock,
            limits,
            marks,
            moved: Moved(Arc::new(move |order| ledger.forget_usage(order))),
            who: Actor::default(),
        };
        Self {
            intake,
            manifests: Arc::default(),
            sights: Arc::default(),
            background,
            pace,
            noticed: Arc::default(),
            outflow: Arc::new(Outflow::new(core.limits.outflow)),
            core: Arc::new(core),
        }
    }

    /// The same vault in the hands of somebody: their name is in the log of what they decide.
    #[must_use]
    pub fn by(&self, who: Actor) -> Arc<Self> {
        let core = Core {
            who,
            ..(*self.core).clone()
        };
        Arc::new(self.on(core))
    }

    /// The same with a mirror, or without one.
    #[must_use]
    pub fn with_mirror(self, mirror: Option<Mirror>) -> Self {
        let core = Core {
            mirror,
            ..(*self.core).clone()
        };
        self.on(core)
    }

    fn on(&self, core: Core) -> Self {
        Self {
            core: Arc::new(core),
            ..self.clone()
        }
    }

    /// The memory of what leaves.
    #[must_use]
    pub fn outflow(&self) -> &Outflow {
        &self.outflow
    }

    /// The appends of this process.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// What a start does before anything else writes: looks whether the clock can be believed, removes what killed puts left, stores the
    /// records that are still owed, and counts what was promised to unfinished uploads.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn recover(&self) -> Result<()> {
        self.recover_time().await?;
        let swept = self.core.working.sweep_killed_puts().await?
            + self.core.archive.sweep_killed_puts().await?;
        let owed = self.core.drain_all().await?;
        if swept + owed as u64 > 0 {
            tracing::info!(
                killed_puts = swept,
                records = owed,
                "cleaned up after a crash"
            );
        }
        // Which master key is current, and since when this process knows.
        self.current_master().await?;
        self.count_all().await
    }
}
