//! Where an order stands, with the facts that belong to it there: what cannot be, cannot be written
//! down. An archived order has a clock and a proof; one without is none.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::terms::{Policy, Proof, Unproven};
use crate::audit::Actor;
use crate::session::{Form, Kind, Rules};

/// The name of where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Material, deliveries and stems may be uploaded and submitted.
    Open,
    /// A submit is being written down; uploads wait for it.
    Sealing,
    /// The work is done; both retention clocks run.
    Completed,
    /// Every session was read back from the archive and compared.
    Archived,
    /// The working files are being deleted.
    Releasing,
    /// Only the archive is left.
    Released,
    /// Released, and the archive may be downloaded for some time.
    Recalled,
    /// Key and objects are being destroyed.
    Purging,
    /// Nothing is left but the tombstone.
    Purged,
}

impl Stage {
    /// The stage's name, the same in the command line, HTTP and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealing => "sealing",
            Self::Completed => "completed",
            Self::Archived => "archived",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Recalled => "recalled",
            Self::Purging => "purging",
            Self::Purged => "purged",
        }
    }
}

/// Where an order stands, with its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// See [`Stage::Open`].
    Open {
        /// What was proven before it was reopened; counts until the next proof.
        earlier: Option<Archive>,
    },
    /// See [`Stage::Sealing`].
    Sealing {
        /// What the submit decided.
        sealing: Sealing,
        /// As of an open order.
        earlier: Option<Archive>,
    },
    /// See [`Stage::Completed`].
    Completed {
        /// Both run.
        clock: RetentionClock,
        /// As of an open order.
        earlier: Option<Archive>,
    },
    /// See [`Stage::Archived`].
    Archived(Kept),
    /// See [`Stage::Releasing`].
    Releasing(Kept),
    /// See [`Stage::Released`].
    Released(Kept),
    /// See [`Stage::Recalled`].
    Recalled {
        /// What is left.
        kept: Kept,
        /// When the permission ends.
        until: DateTime<Utc>,
    },
    /// See [`Stage::Purging`].
    Purging {
        /// When it was completed.
        ended: Ended,
        /// What is being destroyed.
        archive: Option<Archive>,
    },
    /// See [`Stage::Purged`].
    Purged(Ended),
}

/// Both retention clocks: from when on they run, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionClock {
    /// When the order was completed, last.
    pub completed_at: DateTime<Utc>,
    /// The policy of that completion.
    pub policy: Policy,
}

/// A proven archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What was read back and compared.
    pub proof: Proof,
    /// What of it did not come back when it was read again. Working files stay.
    pub doubt: Option<Unproven>,
}

/// What an order from *archived* on has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Both run.
    pub clock: RetentionClock,
    /// Everything is in it.
    pub archive: Archive,
}

/// What is known of the clocks of an order that goes: a tombstone tells only when it was completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// The policy of that completion.
    pub policy: Option<Policy>,
}

impl From<RetentionClock> for Ended {
    fn from(clock: RetentionClock) -> Self {
        Self {
            completed_at: Some(clock.completed_at),
            policy: Some(clock.policy),
        }
    }
}

/// What a submit decided; fixes the manifest's bytes, so that whoever resumes writes the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealing {
    /// What is being sealed.
    pub kind: Kind,
    /// The time that the manifest bears.
    pub sealed_at: DateTime<Utc>,
    /// The client's form.
    pub form: Form,
    /// The intake rules in force.
    pub rules: Rules,
    /// Who submitted it.
    #[serde(default)]
    pub who: Actor,
}

impl State {
    /// Its name.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Open { .. } => Stage::Open,
            Self::Sealing { .. } => Stage::Sealing,
            Self::Completed { .. } => Stage::Completed,
            Self::Archived(_) => Stage::Archived,
            Self::Releasing(_) => Stage::Releasing,
            Self::Released(_) => Stage::Released,
            Self::Recalled { .. } => Stage::Recalled,
            Self::Purging { .. } => Stage::Purging,
            Self::Purged(_) => Stage::Purged,
        }
    }

    /// The archive that counts, if there is one.
    #[must_use]
    pub fn archive(&self) -> Option<&Archive> {
        match self {
            Self::Open { earlier }
            | Self::Sealing { earlier, .. }
            | Self::Completed { earlier, .. } => earlier.as_ref(),
            Self::Archived(kept)
            | Self::Releasing(kept)
            | Self::Released(kept)
            | Self::Recalled { kept, .. } => Some(&kept.archive),
            Self::Purging { archive, .. } => archive.as_ref(),
            Self::Purged(_) => None,
        }
    }

    /// The same, to be doubted or proven again.
    pub(super) fn archive_mut(&mut self) -> Option<&mut Archive> {
        match self {
            Self::Open { earlier }
            | Self::Sealing { earlier, .. }
            | Self::Completed { earlier, .. } => earlier.as_mut(),
            Self::Archived(kept)
            | Self::Releasing(kept)
            | Self::Released(kept)
            | Self::Recalled { kept, .. } => Some(&mut kept.archive),
            Self::Purging { archive, .. } => archive.as_mut(),
            Self::Purged(_) => None,
        }
    }

    /// What is known of the clocks: nothing while they stand.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match self {
            Self::Open { .. } | Self::Sealing { .. } => Ended::default(),
            Self::Completed { clock, .. } => (*clock).into(),
            Self::Archived(kept)
            | Self::Releasing(kept)
            | Self::Released(kept)
            | Self::Recalled { kept, .. } => kept.clock.into(),
            Self::Purging { ended, .. } | Self::Purged(ended) => *ended,
        }
    }
}
