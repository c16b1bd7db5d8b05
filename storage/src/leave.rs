//! Whether files may leave, by the stage of their order: a no says what is so, and what to do.

use crate::order::{Order, Stage};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Kind, SessionRow};
use crate::vault::Vault;

impl Vault {
    /// Whether files of this session may be downloaded now.
    ///
    /// # Errors
    /// [`RefusalKind::Gone`] with the date and what to do.
    pub fn check_may_leave(&self, order: &Order, row: &SessionRow) -> Result<(), Refusal> {
        if order.stage == Stage::Releasing && row.kind != Kind::Delivery {
            return Err(being_deleted(order));
        }
        let open = match order.stage {
            Stage::Recalled { until } => self.clock.now() < until,
            Stage::Released => row.kind == Kind::Delivery,
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
}

/// While the working files go, they are neither here nor deleted.
fn being_deleted(order: &Order) -> Refusal {
    let message = match order.in_doubt("read") {
        Some(doubt) => format!(
            "the release of order {} has stopped half way, and its working files cannot be read: {}",
            order.number, doubt.message
        ),
        None => format!(
            "the working files of order {} are being deleted at this moment; in a few minutes they are in the archive alone, and the studio can recall them (`stemvault recall {}`)",
            order.number, order.number
        ),
    };
    Refusal::new(RefusalKind::Gone, message).of_order(&order.number)
}
