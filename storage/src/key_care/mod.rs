//! Looking after keys: a master key is changed by wrapping every key again ([`rotate`]); the key store is
//! copied only as a [`backup`], which says when it must be destroyed; keys come back from one
//! ([`restore`]) or from the mirror ([`mend`]).

pub mod backup;
pub mod mend;
mod notes;
pub mod restore;
pub mod rotate;

pub use backup::KeyBackup;
pub use mend::{KeyCare, mend_records};
pub use notes::{BackupNote, BackupNotes, KEPT};
pub use restore::{KeyRestore, restore_records};
pub use rotate::KeyRotation;

#[cfg(test)]
mod tests;
