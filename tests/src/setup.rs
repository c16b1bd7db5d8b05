//! What a studio of a test starts with.

use std::path::PathBuf;

use crate::cloud::Stores;

/// What to start; [`Studio::start`](crate::studio::Studio::start) is enough for most tests.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    /// Lines of the configuration file after those of every test.
    pub settings: String,
    /// Environment of the server on top of the test's own.
    pub env: Vec<(String, String)>,
    /// An existing place for the data directory, instead of a fresh one that goes with the test.
    pub data_dir: Option<PathBuf>,
    /// As a newcomer starts it: no configuration file, no data directory named, no demo clock.
    pub bare: bool,
    /// Whether jobs run by themselves, every full minute of the wall. A test asks for the runs it
    /// wants; another one in the middle would decide what it meets.
    pub beats: bool,
    /// Where bytes are kept.
    pub stores: Stores,
}
