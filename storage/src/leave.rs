//! Whether files may leave, by the stage of their order, and whether a deletion that was begun goes
//! on: a no says what is so, and what to do.

use std::sync::Arc;

use crate::core::Core;
use crate::order::{Order, Stage, State};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Kind, SessionRow};

/// What may leave.
#[derive(Clone, Debug)]
pub struct Leave {
    pub(crate) core: Arc<Core>,
}

impl Leave {
    /// Whether files of this session may be downloaded now.
    ///
    /// # Errors
    /// [`RefusalKind::Gone`] with the date and what to do.
    pub async fn check_may_leave(&self, order: &Order, row: &SessionRow) -> Result<(), Refusal> {
        if order.stage() == Stage::Releasing && row.kind != Kind::Delivery {
            let stands = self.stands_still(order).await.is_some();
            return Err(being_deleted(order, stands));
        }
        let open = match &order.state {
            State::Recalled { until, .. } => self.core.clock.now() < *until,
            State::Released(_) => row.kind == Kind::Delivery,
            _ => true,
        };
        if open {
            return Ok(());
        }
        let when = order.release_due().map_or(String::new(), |due| {
            format!(" (they were due on {})", due.format("%F"))
        });
        let until = order
            .purge_due()
            .map_or(String::new(), |due| format!(" until {}", due.format("%F")));
        let message = format!(
            "the working files of order {} were deleted{when}; they are in the archive{until}: ask the studio for a recall (`stemvault recall {}`)",
            order.number, order.number
        );
        Err(Refusal::new(RefusalKind::Gone, message).of_order(&order.number))
    }

    /// Why a release or a purge that was begun does not go on for now, if it does not. It names
    /// disks and the reasons of holds, and so is for staff alone.
    pub async fn stands_still(&self, order: &Order) -> Option<String> {
        let refused = match order.stage() {
            Stage::Releasing => order.may_be_released_on(),
            Stage::Purging => order.may_be_purged_on(),
            _ => return None,
        };
        if let Err(refusal) = refused {
            return Some(refusal.message);
        }
        if let Some(doubt) = self.core.time().doubt() {
            return Some(doubt);
        }
        let stores = self.core.marks.expect_stores().await;
        stores.err().map(|error| error.to_string())
    }
}

/// While the working files go, they are neither here nor deleted. Clients read this as well: why a
/// release stands still is the studio's business.
fn being_deleted(order: &Order, stands_still: bool) -> Refusal {
    let number = &order.number;
    let message = if stands_still {
        format!(
            "the release of order {number} has stopped half way: its files can be read again when it has come to its end and the studio has recalled them; what keeps it from going on, `stemvault order show {number}` says"
        )
    } else {
        format!(
            "the working files of order {number} are being deleted at this moment; in a few minutes they are in the archive alone, and the studio can recall them (`stemvault recall {number}`)"
        )
    };
    Refusal::new(RefusalKind::Gone, message).of_order(&order.number)
}
