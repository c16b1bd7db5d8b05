//! The audit log of an order: one entry for every decision, chained by hashes, and the way it is read.
//!
//! What an entry is stands in the model.

mod back;
mod log;
mod said;
mod span;

pub use log::Audit;

#[cfg(test)]
mod tests;

pub use stemvault_model::audit::{Actor, Entry, Head, Said, What};

pub use crate::core::Logged;
pub(crate) use back::{LogBack, OldLog};
pub use log::AuditLog;
pub use span::{LostEntries, Span};

use crate::tables::Record;

impl Record for Entry {
    const WHAT: &'static str = "entry of an audit log";
}
