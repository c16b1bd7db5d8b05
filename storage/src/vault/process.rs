//! What stays in a process.

use std::sync::Arc;

use crate::archive::Sights;
use crate::block::Background;
use crate::clock::SharedClock;
use crate::flaw::Noticed;
use crate::intake::Intake;
use crate::limits::Limits;
use crate::manifests::Known;
use crate::outflow::Outflow;
use crate::pace::Pace;
use crate::rows::Listings;

/// What stays in a process. It only paces or caches: another node knows nothing of it.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) intake: Arc<Intake>,
    pub(super) listings: Arc<Listings>,
    pub(super) known: Arc<Known>,
    pub(super) sights: Arc<Sights>,
    /// Where the work of jobs on blocks is done ...
    pub(super) background: Arc<Background>,
    /// ... and how fast the archive job may be.
    pub(super) pace: Arc<Pace>,
    pub(super) noticed: Arc<Noticed>,
    pub(super) outflow: Arc<Outflow>,
}

impl Process {
    pub(super) fn new(limits: &Limits, clock: &SharedClock) -> Self {
        Self {
            intake: Arc::new(Intake::new(limits)),
            listings: Arc::default(),
            known: Arc::default(),
            sights: Arc::default(),
            background: Arc::new(Background::new(limits.archive_threads)),
            pace: Arc::new(Pace::new(Arc::clone(clock), limits.archive_bandwidth)),
            noticed: Arc::default(),
            outflow: Arc::new(Outflow::new(limits.outflow)),
        }
    }
}
