//! Why something was decided, in somebody's words.
//!
//! A person wrote it and it may name others, so it is sealed with the order's key: it can be read as
//! long as the order lives, and a purge ends every copy of it, while the hash of its entry stays what
//! it was.

use super::{Actor, Entry, What};
use crate::block::{Logical, open};
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::orders::TEXT_MAX;
use crate::vault::Vault;

/// The longest text that is read, in bytes: several reasons, one a line.
const SAID_MAX: usize = 2 * TEXT_MAX;

/// A decision, as it goes into the log.
#[derive(Clone, Debug)]
pub struct Logged<'a> {
    /// What.
    pub what: What,
    /// Who decides it.
    pub who: &'a Actor,
    /// Why, in their words; of an upload that goes, which file it was.
    pub why: Option<String>,
}

impl<'a> From<(What, &'a Actor)> for Logged<'a> {
    fn from((what, who): (What, &'a Actor)) -> Self {
        let why = None;
        Self { what, who, why }
    }
}

impl Vault {
    /// Why something was decided, in the words of whoever did. None if nobody said, or the order's key
    /// is destroyed.
    ///
    /// # Errors
    /// Those of the key store; [`Error::BadRecord`] when the words do not open.
    pub async fn why(&self, order: OrderId, entry: &Entry) -> Result<Option<String>> {
        let Some(said) = &entry.said else {
            return Ok(None);
        };
        if self.core.order(order).await?.is_gone() {
            return Ok(None);
        }
        let keys = self.core.keys.order(order).await?;
        let bad = |detail: String| Error::BadRecord {
            what: "words of an audit log",
            detail,
        };
        let plain = open(
            &keys,
            order,
            &Logical::Said,
            said.as_bytes().clone(),
            SAID_MAX,
        );
        let plain = plain.map_err(|error| bad(error.to_string()))?;
        let words = String::from_utf8(plain.to_vec()).map_err(|error| bad(error.to_string()))?;
        Ok(Some(words))
    }
}
