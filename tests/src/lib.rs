//! What the tests share: a studio that runs the real binary, clients to knock on its door with,
//! and a session of real recordings.
//!
//! Nothing here calls into the server's crates: what a test knows, it knows through HTTPS and the
//! command line.

pub mod fixtures;
pub mod recordings;
pub mod wav;
