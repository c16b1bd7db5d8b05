//! The mirror: a second bucket and a second key store.

use super::Store;

/// The two stores of the mirror.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The copy of working and archive store.
    pub bucket: Store,
    /// The copy of the key store.
    pub keys: Store,
}

impl Mirror {
    /// Both.
    pub(crate) fn places(&self) -> [&Store; 2] {
        [&self.bucket, &self.keys]
    }
}
