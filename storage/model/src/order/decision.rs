//! Which decision leads from an order to the next one, for the audit log.

use crate::audit::What;
use crate::order::{Order, Stage, State};

/// What leads from an order to the next one.
#[must_use]
pub fn decision(before: &Order, after: &Order) -> What {
    let moved = match (&before.state, &after.state) {
        (State::Recalled { until: before, .. }, State::Recalled { until: after, .. }) => {
            before != after
        }
        _ => before.stage() != after.stage(),
    };
    if moved {
        return match &after.state {
            State::Open { .. } => What::Reopened,
            State::Completed { .. } if before.stage() == Stage::Archived => What::ArchivedAgain,
            State::Completed { .. } => What::Completed,
            State::Archived(kept) => What::Archived(kept.archive.proof.attempt),
            State::Releasing(_) => What::Releasing,
            State::Released(_) if before.stage() == Stage::Releasing => What::Released,
            State::Released(_) => What::RecallEnded,
            State::Recalled { .. } => What::Recalled,
            State::Purging { .. } => What::Purging,
            State::Purged(_) => What::Purged,
            State::Sealing { .. } => What::Changed,
        };
    }
    match (&before.hold, &after.hold) {
        (None, Some(_)) => return What::Held,
        (Some(_), None) => return What::HoldLifted,
        _ => {}
    }
    match (before.unproven(), after.unproven()) {
        (Some(before), None) => What::ProvenAgain(before.attempt),
        (before, Some(now)) if before != Some(now) => What::Doubted(now.attempt),
        _ => What::Changed,
    }
}
