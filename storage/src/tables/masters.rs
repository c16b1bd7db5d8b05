//! The rows about master keys: which one wraps new keys, and which open nothing any more.

use serde::{Deserialize, Serialize};

use super::{Record, key};
use crate::catalog::Key;

/// The master key that wraps the keys of new orders, by its id. Whoever creates an order expects
/// this row, so that no order is made with a master key that is on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentMaster {
    /// Its id.
    pub id: String,
}

/// Master keys that open nothing any more, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredMasters {
    /// Their ids.
    pub ids: Vec<String>,
}

impl Record for CurrentMaster {
    const WHAT: &'static str = "current master key";
}

impl Record for RetiredMasters {
    const WHAT: &'static str = "list of retired master keys";
}

/// The [`CurrentMaster`].
#[must_use]
pub fn current_master() -> Key {
    key(b'm', &[b"current"])
}

/// The [`RetiredMasters`].
#[must_use]
pub fn retired_masters() -> Key {
    key(b'm', &[b"retired"])
}
