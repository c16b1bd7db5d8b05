//! The vault: the core and the parts that stand on it.

mod parts;
mod process;

use std::sync::Arc;

use process::Process;

use crate::access::Access;
use crate::archive::Archiver;
use crate::audit::{Actor, Audit};
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::core::{Core, Moved};
use crate::deletion::Deletion;
use crate::downloads::Downloads;
use crate::draft::Drafts;
use crate::error::Result;
use crate::heal::Healer;
use crate::holdings::Holdings;
use crate::intake::{Appends, Intake, Quota, Uploads};
use crate::key_care::{BackupNotes, KeyBackup, KeyCare, KeyRestore, KeyRotation};
use crate::keys::KeyStore;
use crate::late::LatePuts;
use crate::leave::Leave;
use crate::limits::Limits;
use crate::manifests::Manifests;
use crate::marks::Marks;
use crate::mirror::{Mirror, Mirroring};
use crate::mirrored::MirrorRows;
use crate::orders::Orders;
use crate::outflow::Outflow;
use crate::outlet::Outlet;
use crate::proof::Proofs;
use crate::rebuild::{Drill, Import, Rebuild};
use crate::rows::UploadRows;
use crate::sessions::Sessions;
use crate::snapshot::Snapshots;
use crate::source::flaw::Noticed;
use crate::store::Store;
use crate::submits::Submits;
use crate::sweep::Sweep;
use crate::trust::Timekeeper;
use crate::trusted::TrustedClock;

/// Everything that keeps sessions. Shared by all requests and jobs of a process; each may hold it in
/// its own name ([`by`](Vault::by)).
#[derive(Clone, Debug)]
pub struct Vault {
    /// What the parts stand on.
    pub core: Arc<Core>,
    /// Manifests and indexes.
    pub manifests: Arc<Manifests>,
    /// The rows of uploads.
    pub rows: Arc<UploadRows>,
    /// What is still taken.
    pub quota: Arc<Quota>,
    /// Sessions in the making.
    pub submits: Arc<Submits>,
    /// Uploads.
    pub uploads: Arc<Uploads>,
    /// Appending to them.
    pub appends: Arc<Appends>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Drafts of forms.
    pub drafts: Arc<Drafts>,
    /// Audit logs.
    pub audit: Arc<Audit>,
    /// Changing the master key.
    pub rotation: Arc<KeyRotation>,
    /// Orders.
    pub orders: Arc<Orders>,
    /// Links.
    pub access: Arc<Access>,
    /// Who got what.
    pub downloads: Arc<Downloads>,
    /// What may leave.
    pub leave: Arc<Leave>,
    /// Files as they are read.
    pub outlet: Arc<Outlet>,
    /// Archives.
    pub archiver: Arc<Archiver>,
    /// Archives read again.
    pub proofs: Arc<Proofs>,
    /// What is damaged, brought back.
    pub healer: Arc<Healer>,
    /// What the mirror has.
    pub mirrored: Arc<MirrorRows>,
    /// What the stores hold.
    pub holdings: Arc<Holdings>,
    /// The mirror.
    pub mirroring: Arc<Mirroring>,
    /// What may land late.
    pub late: Arc<LatePuts>,
    /// Deleting what is due.
    pub deletion: Arc<Deletion>,
    /// Removing what nothing names.
    pub sweep: Arc<Sweep>,
    /// What is known of backups of the keys.
    pub backups: Arc<BackupNotes>,
    /// Backups of the keys.
    pub key_backup: Arc<KeyBackup>,
    /// Bringing keys back.
    pub key_restore: Arc<KeyRestore>,
    /// Every copy of a key.
    pub key_care: Arc<KeyCare>,
    /// Snapshots of the catalog.
    pub snapshots: Arc<Snapshots>,
    /// What is known of the time.
    pub timekeeper: Arc<Timekeeper>,
    /// A catalog from the stores.
    pub rebuild: Arc<Rebuild>,
    /// Trying that.
    pub drill: Arc<Drill>,
    /// A catalog from elsewhere.
    pub import: Arc<Import>,
    process: Process,
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
        let process = Process::new(&limits, &clock);
        let keys = keys.into();
        let stores = [working.clone(), archive.clone()];
        let marks = Marks::new(
            Arc::clone(&catalog),
            stores,
            Arc::clone(&keys),
            Arc::clone(&clock),
        );
        let ledger = Arc::clone(&process.intake);
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
        Self::of(core, process)
    }

    /// The same vault in the hands of somebody: their name is in the log of what they decide.
    #[must_use]
    pub fn by(&self, who: Actor) -> Arc<Self> {
        let core = Core {
            who,
            ..(*self.core).clone()
        };
        Arc::new(Self::of(core, self.process.clone()))
    }

    /// The same with a mirror, or without one.
    #[must_use]
    pub fn with_mirror(self, mirror: Option<Mirror>) -> Self {
        let core = Core {
            mirror,
            ..(*self.core).clone()
        };
        Self::of(core, self.process)
    }

    /// The memory of what leaves.
    #[must_use]
    pub fn outflow(&self) -> &Outflow {
        &self.process.outflow
    }

    /// Flaws that readers met.
    #[must_use]
    pub fn noticed(&self) -> &Noticed {
        &self.process.noticed
    }

    /// The appends of this process.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.process.intake
    }

    /// What a start does before anything else writes: looks whether the clock can be believed, removes
    /// what killed puts left, stores the records that are still owed, and counts what was promised to
    /// unfinished uploads.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn recover(&self) -> Result<()> {
        self.timekeeper.recover_time().await?;
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
        self.rotation.current_master().await?;
        self.quota.count_all().await
    }
}
