//! What the tests share: a studio that runs the real binary, clients to knock on its door with,
//! and a session of real recordings.
//!
//! Nothing here calls into the server's crates: what a test knows, it knows through HTTPS, the
//! command line, and a look at the disk.

pub mod browser;
pub mod bucket;
pub mod care;
pub mod clients;
pub mod cloud;
pub mod disk;
pub mod door;
pub mod faulty;
pub mod fixtures;
pub mod line;
pub mod mount;
pub mod odd;
pub mod order;
pub mod parts;
pub mod patience;
pub mod process;
pub mod proxy;
pub mod recordings;
pub mod s3;
pub mod scenes;
pub mod sender;
pub mod setup;
pub mod studio;
pub mod tus;
pub mod victim;
pub mod wav;
