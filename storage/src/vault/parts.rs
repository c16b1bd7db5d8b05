//! How the parts are put together: each is given the parts that it needs, and no other.

use std::sync::Arc;

use super::Vault;
use super::process::Process;
use crate::access::Access;
use crate::archive::{Archiver, ProgressRows};
use crate::audit::Audit;
use crate::core::Core;
use crate::deletion::Deletion;
use crate::downloads::Downloads;
use crate::draft::Drafts;
use crate::heal::Healer;
use crate::holdings::Holdings;
use crate::intake::{Appends, Quota, Uploads};
use crate::key_care::{BackupNotes, KeyBackup, KeyCare, KeyRestore, KeyRotation};
use crate::late::LatePuts;
use crate::leave::Leave;
use crate::manifests::Manifests;
use crate::mirror::Mirroring;
use crate::mirrored::MirrorRows;
use crate::orders::Orders;
use crate::outlet::Outlet;
use crate::proof::Proofs;
use crate::rebuild::{Drill, Import, Rebuild};
use crate::rows::UploadRows;
use crate::sessions::Sessions;
use crate::snapshot::Snapshots;
use crate::submits::Submits;
use crate::sweep::Sweep;
use crate::trust::Timekeeper;

impl Vault {
    pub(super) fn of(core: Core, process: Process) -> Self {
        let core = Arc::new(core);
        let manifests = Arc::new(Manifests {
            core: Arc::clone(&core),
            known: Arc::clone(&process.known),
        });
        let rows = Arc::new(UploadRows {
            core: Arc::clone(&core),
            listings: Arc::clone(&process.listings),
        });
        let quota = Arc::new(Quota {
            core: Arc::clone(&core),
            intake: Arc::clone(&process.intake),
            rows: Arc::clone(&rows),
        });
        let submits = Arc::new(Submits {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            rows: Arc::clone(&rows),
        });
        let uploads = Arc::new(Uploads {
            core: Arc::clone(&core),
            intake: Arc::clone(&process.intake),
            manifests: Arc::clone(&manifests),
            rows: Arc::clone(&rows),
            quota: Arc::clone(&quota),
            submits: Arc::clone(&submits),
        });
        let appends = Arc::new(Appends {
            core: Arc::clone(&core),
            intake: Arc::clone(&process.intake),
            rows: Arc::clone(&rows),
            quota: Arc::clone(&quota),
            submits: Arc::clone(&submits),
            uploads: Arc::clone(&uploads),
        });
        let sessions = Arc::new(Sessions {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            rows: Arc::clone(&rows),
            submits: Arc::clone(&submits),
            appends: Arc::clone(&appends),
        });
        let drafts = Arc::new(Drafts {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            submits: Arc::clone(&submits),
        });
        let audit = Arc::new(Audit {
            core: Arc::clone(&core),
        });
        let rotation = Arc::new(KeyRotation {
            core: Arc::clone(&core),
        });
        let orders = Arc::new(Orders {
            core: Arc::clone(&core),
            intake: Arc::clone(&process.intake),
            rows: Arc::clone(&rows),
            audit: Arc::clone(&audit),
            rotation: Arc::clone(&rotation),
        });
        let access = Arc::new(Access {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
        });
        let downloads = Arc::new(Downloads {
            core: Arc::clone(&core),
        });
        let leave = Arc::new(Leave {
            core: Arc::clone(&core),
        });
        let outlet = Arc::new(Outlet {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            leave: Arc::clone(&leave),
            noticed: Arc::clone(&process.noticed),
        });
        let progress = Arc::new(ProgressRows {
            core: Arc::clone(&core),
        });
        let archiver = Arc::new(Archiver {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            outlet: Arc::clone(&outlet),
            progress: Arc::clone(&progress),
            background: Arc::clone(&process.background),
            intake: Arc::clone(&process.intake),
            pace: Arc::clone(&process.pace),
            sights: Arc::clone(&process.sights),
        });
        let proofs = Arc::new(Proofs {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            background: Arc::clone(&process.background),
        });
        let healer = Arc::new(Healer {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
        });
        let mirrored = Arc::new(MirrorRows {
            core: Arc::clone(&core),
        });
        let holdings = Arc::new(Holdings {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            mirrored: Arc::clone(&mirrored),
        });
        let mirroring = Arc::new(Mirroring {
            core: Arc::clone(&core),
            healer: Arc::clone(&healer),
            holdings: Arc::clone(&holdings),
        });
        let late = Arc::new(LatePuts {
            core: Arc::clone(&core),
            mirroring: Arc::clone(&mirroring),
        });
        let backups = Arc::new(BackupNotes {
            keys: Arc::clone(&core.keys),
        });
        let deletion = Arc::new(Deletion {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            rows: Arc::clone(&rows),
            late: Arc::clone(&late),
            mirroring: Arc::clone(&mirroring),
            backups: Arc::clone(&backups),
        });
        let sweep = Arc::new(Sweep {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            archiver: Arc::clone(&archiver),
            progress: Arc::clone(&progress),
        });
        let key_backup = Arc::new(KeyBackup {
            core: Arc::clone(&core),
            rotation: Arc::clone(&rotation),
            notes: Arc::clone(&backups),
        });
        let key_restore = Arc::new(KeyRestore {
            core: Arc::clone(&core),
            rotation: Arc::clone(&rotation),
            notes: Arc::clone(&backups),
        });
        let key_care = Arc::new(KeyCare {
            core: Arc::clone(&core),
            healer: Arc::clone(&healer),
            restore: Arc::clone(&key_restore),
        });
        let snapshots = Arc::new(Snapshots {
            core: Arc::clone(&core),
            rows: Arc::clone(&rows),
            drafts: Arc::clone(&drafts),
            proofs: Arc::clone(&proofs),
            audit: Arc::clone(&audit),
        });
        let timekeeper = Arc::new(Timekeeper {
            core: Arc::clone(&core),
            audit: Arc::clone(&audit),
            snapshots: Arc::clone(&snapshots),
        });
        let rebuild = Arc::new(Rebuild {
            core: Arc::clone(&core),
            audit: Arc::clone(&audit),
            manifests: Arc::clone(&manifests),
            snapshots: Arc::clone(&snapshots),
        });
        let drill = Arc::new(Drill {
            core: Arc::clone(&core),
            manifests: Arc::clone(&manifests),
            outlet: Arc::clone(&outlet),
            rebuild: Arc::clone(&rebuild),
            deletion: Arc::clone(&deletion),
        });
        let import = Arc::new(Import {
            core: Arc::clone(&core),
            rows: Arc::clone(&rows),
            rebuild: Arc::clone(&rebuild),
            deletion: Arc::clone(&deletion),
        });
        Self {
            core,
            manifests,
            rows,
            quota,
            submits,
            uploads,
            appends,
            sessions,
            drafts,
            audit,
            rotation,
            orders,
            access,
            downloads,
            leave,
            outlet,
            archiver,
            proofs,
            healer,
            mirrored,
            holdings,
            mirroring,
            late,
            deletion,
            sweep,
            backups,
            key_backup,
            key_restore,
            key_care,
            snapshots,
            timekeeper,
            rebuild,
            drill,
            import,
            process,
        }
    }
}
