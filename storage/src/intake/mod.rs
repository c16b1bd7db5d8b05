//! From a stream of bytes to durable blocks.
//!
//! Pure functions of the file's bytes: where blocks end ([`cut`](crate::upload::cut)), the hash of the whole file
//! ([`hash`](crate::upload::hash)), what the header says ([`facts`](crate::checks::facts)) and what is wrong with it ([`checks`](crate::checks)). Around
//! them: creating uploads, the running append, its fragments, and the memory that all appends
//! share.
mod admit;
mod at_once;
mod begin;
mod bounds;
mod checked;
mod commit;
mod create;
mod declare;
mod fragments;
mod gather;
mod held;
mod join;
mod ledger;
mod limits;
mod no;
mod parts;
mod put;
mod running;
mod turns;
mod unkept;
mod writer;

pub use at_once::AtOnce;
pub use begin::Appends;
pub use create::{ByLink, NewUpload, Uploads};
pub use ledger::{Total, Use};
pub use limits::Quota;
pub use parts::NamedPart;
pub use running::{GRACE, Intake, Signal};
pub use writer::Writer;
