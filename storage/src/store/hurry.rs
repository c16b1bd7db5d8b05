//! A wait for a store: as long as it is, but in tests that cannot wait for it.

use std::time::Duration;

/// A time, divided by `STEMVAULT_HURRY`: so that a store can be late in a second what takes it a
/// minute elsewhere.
#[cfg(feature = "torture")]
pub(crate) fn hurried(time: Duration) -> Duration {
    let times = std::env::var("STEMVAULT_HURRY").ok();
    let times = times.and_then(|text| text.trim().parse().ok());
    time / times.filter(|times| *times > 0).unwrap_or(1)
}

/// A time, as it is.
#[cfg(not(feature = "torture"))]
pub(crate) fn hurried(time: Duration) -> Duration {
    time
}
