//! Why something was decided, in somebody's words.
//!
//! A person wrote it and it may name others, so it is sealed with the order's key: it can be read as
//! long as the order lives, and a purge ends every copy of it, while the hash of its entry stays what
//! it was.

use super::Audit;
use super::Entry;
use crate::block::{Logical, open};
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::limits::TEXT_MAX;

/// The longest text that is read, in bytes: several reasons, one a line.
const SAID_MAX: usize = 2 * TEXT_MAX;

impl Audit {
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
