//! What may be done with an order, by its stage, and what to say where it may not.

use crate::order::{Order, Stage};
use crate::refusal::{Refusal, RefusalKind};

impl Order {
    /// Whether files may come in.
    ///
    /// # Errors
    /// [`RefusalKind::WrongStage`] once it is completed.
    pub fn check_takes_files(&self) -> Result<(), Refusal> {
        let number = &self.number;
        let message = match self.stage() {
            Stage::Open | Stage::Sealing => return Ok(()),
            Stage::Purging | Stage::Purged => {
                format!(
                    "order {number} is over and its files are gone: ask the studio for a new order"
                )
            }
            _ => format!(
                "order {number} is completed and takes no more files: ask the studio to reopen it"
            ),
        };
        Err(Refusal::new(RefusalKind::WrongStage, message).of_order(number))
    }

    /// Whether there is still something of it: its key and its record.
    ///
    /// # Errors
    /// [`RefusalKind::Gone`] once a purge was decided.
    pub fn check_lives(&self) -> Result<(), Refusal> {
        if !self.is_gone() {
            return Ok(());
        }
        let number = &self.number;
        let message = format!("order {number} is purged: its files and its key are gone for good");
        Err(Refusal::new(RefusalKind::Gone, message).of_order(number))
    }
}
