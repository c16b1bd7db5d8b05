//! The audit log of an order: one entry for every decision, chained by hashes, and the way it is read.
//!
//! What an entry is stands in the model.

mod back;
mod log;
mod said;
mod span;

#[cfg(test)]
mod tests;

pub use stemvault_model::audit::{Actor, Entry, Head, Said, What};

pub(crate) use back::OldLog;
pub use log::AuditLog;
pub use said::Logged;
pub use span::{LostEntries, Span};

use crate::tables::Record;

impl Record for Entry {
    const WHAT: &'static str = "entry of an audit log";
}
