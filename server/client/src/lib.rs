//! The other side of the wire: what `push` and `pull` need to move files to and from a server.
//!
//! Nothing here keeps state of its own on this machine. What has arrived is asked from the server
//! (uploads) or read from the file that is being written (downloads), so that any process can go
//! on where a killed one stopped. Every byte is hashed with BLAKE3 on its way, and a file counts
//! as moved only when both sides name the same hash.

// A line that cannot be written ends nothing: terminal.rs.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod answer;
pub mod attachment;
pub mod certificate;
pub mod collect;
pub mod connection;
pub mod disk;
pub mod disposition;
pub mod flow;
pub mod lanes;
pub mod matching;
pub mod names;
pub mod part;
pub mod patience;
pub mod progress;
pub mod proof;
mod proxy;
pub mod ranges;
pub mod records;
pub mod rows;
pub mod send;
pub mod several;
mod shared;
pub mod shown;
pub mod source;
pub mod target;
pub mod terminal;
mod trust;
pub mod tus;
mod why;
