//! Mending a wrapped key from the mirror, and the mirror's copy of it from the key store.
//!
//! What opens in the key store counts, and is what the mirror gets: a key that does not open is never
//! copied over one that does. A key that is missing or damaged comes back from the mirror by the
//! way of a restore: it has to open a record of its order, and none comes back whose order
//! has a tombstone or is being purged. What opens in neither place stays as it is, and is named.

use std::sync::Arc;

use super::KeyRestore;
use super::restore::{Outcome, needs_records};
use crate::core::{Core, OrderAt};
use crate::error::{Error, Result};
use crate::heal::Healer;
use crate::keys::place::{opened, path_of, put};
use crate::keys::{KeyError, KeyStore, MasterKeys, Owner, whose};
use crate::mirror::{Mirror, copy};
use crate::store::Store;

/// How a key was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFound {
    /// It opens.
    Sound,
    /// It was missing or damaged, and came back from the mirror.
    Mended,
    /// It opens; its copy in the mirror was missing or damaged, and was put anew.
    CopyMended,
    /// It opens nowhere; in a sentence, with what to do.
    Bad(String),
}

/// Puts back the records key from a mirror's key store, if it is missing beside others, or
/// damaged: without it no server starts.
///
/// # Errors
/// Those of the stores; what is wrong with the copy.
pub async fn mend_records(store: &Store, copy: &Store, masters: &MasterKeys) -> Result<bool> {
    if !KeyStore::holds_keys(store).await? || !needs_records(store, masters).await? {
        return Ok(false);
    }
    let Some(bytes) = copy.get_opt(&path_of(None)).await? else {
        return Ok(false);
    };
    let (secret, master) = opened(&bytes, masters, None)?;
    put(store, masters, &master, &secret, None, None).await?;
    told(None, store, copy);
    Ok(true)
}

/// Looks after every copy of a key.
#[derive(Clone, Debug)]
pub struct KeyCare {
    pub(crate) core: Arc<Core>,
    pub(crate) healer: Arc<Healer>,
    pub(crate) restore: Arc<KeyRestore>,
}

impl KeyCare {
    /// Mends the key of an order, and with `copied` also its copy in the mirror.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn look_after_key(&self, at: &OrderAt, copied: bool) -> Result<KeyFound> {
        let owner = Some(at.order.id);
        let found = self.mend_key(owner).await?;
        match &self.core.mirror {
            Some(mirror) if copied => self.mend_copy(mirror, owner, Some(at), found).await,
            _ => Ok(found),
        }
    }

    /// The same with the records key, which belongs to no order.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn look_after_records_key(&self, copied: bool) -> Result<KeyFound> {
        let found = self.mend_key(None).await?;
        match &self.core.mirror {
            Some(mirror) if copied => self.mend_copy(mirror, None, None, found).await,
            _ => Ok(found),
        }
    }

    async fn mend_key(&self, owner: Owner) -> Result<KeyFound> {
        let problem = match self.core.keys.secret(owner).await {
            Ok(Some(_)) => return Ok(KeyFound::Sound),
            Ok(None) => KeyError::Missing {
                whose: whose(owner),
            },
            Err(Error::Key(error)) => error,
            Err(error) => return Err(error),
        };
        let bad = |why: &str| Ok(KeyFound::Bad(format!("{problem}; {why}")));
        let Some(mirror) = &self.core.mirror else {
            return bad("there is no mirror that may have a copy");
        };
        let Some(bytes) = mirror.keys.get_opt(&path_of(owner)).await? else {
            return bad("its copy in the mirror is missing too");
        };
        let Ok((secret, _)) = opened(&bytes, &self.core.keys.masters(), owner) else {
            return bad("its copy in the mirror does not open either");
        };
        let unproven = "the copy in the mirror opens no record of the order";
        match self
            .restore
            .restore(owner, Ok(secret), Some(unproven))
            .await?
        {
            Outcome::Restored => {
                told(owner, &self.core.keys.store, &mirror.keys);
                Ok(KeyFound::Mended)
            }
            Outcome::Here => Ok(KeyFound::Sound),
            Outcome::LeftOut(why) => bad(why),
        }
    }

    async fn mend_copy(
        &self,
        mirror: &Mirror,
        owner: Owner,
        at: Option<&OrderAt>,
        found: KeyFound,
    ) -> Result<KeyFound> {
        let (path, masters) = (path_of(owner), self.core.keys.masters());
        let Some(wrapped) = self.core.keys.wrapped_bytes(&path).await? else {
            return Ok(found);
        };
        // Also where a rotation was cut off and the key opens from beside: the next one finishes that.
        if opened(&wrapped, &masters, owner).is_err() {
            return Ok(found);
        }
        let there = mirror.keys.get_opt(&path).await?;
        if there.as_ref() == Some(&wrapped) {
            return Ok(found);
        }
        match at {
            Some(at) => {
                self.healer
                    .put_compared(at, &mirror.keys, &path, wrapped)
                    .await?;
            }
            None => copy(&mirror.keys, &path, wrapped).await?,
        }
        // One that another master key wraps is an older one, and no flaw.
        let was_bad = there.is_none_or(|bytes| is_damaged(&bytes, &masters, owner));
        if was_bad && found == KeyFound::Sound {
            return Ok(KeyFound::CopyMended);
        }
        Ok(found)
    }
}

fn is_damaged(bytes: &[u8], masters: &MasterKeys, owner: Owner) -> bool {
    matches!(opened(bytes, masters, owner), Err(KeyError::Damaged { .. }))
}

fn told(owner: Owner, store: &Store, from: &Store) {
    metrics::counter!("stemvault_mended_total", "store" => store.name(), "from" => from.name())
        .increment(1);
    tracing::warn!(
        whose = whose(owner),
        "a key that was missing or damaged came back from the mirror: look at the disk of the key store"
    );
}
