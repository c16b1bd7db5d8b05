//! Putting keys back from a backup of the key store.
//!
//! Only what is missing or damaged is put back, wrapped by the current master key. A key that opens
//! is never touched, and neither is one that is wrapped by a master key which is not at hand: it is
//! newer than the backup. No key comes back whose order has a tombstone or is being purged, by what
//! the catalog says or the order's newest record. A backup that has ended is no source, unless
//! somebody insists; even then only of keys whose order the bucket still holds.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::KeyRotation;
use super::backup::Backup;
use super::notes::BackupNotes;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::keys::{KeyError, MasterKeys, Owner, SealingKeys, place, whose};
use crate::order::{Order, Stage};
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::{Lease, Store};

/// What came of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Whose keys were put back.
    pub restored: Vec<String>,
    /// Keys that are there and open: they were left alone.
    pub here: u64,
    /// Whose keys were not put back, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// What could not be done, in sentences.
    pub problems: Vec<String>,
}

/// What became of one key.
pub(super) enum Outcome {
    Restored,
    Here,
    LeftOut(&'static str),
}

/// What the bucket says of an order.
enum Evidence {
    Living,
    Purged,
    Nothing,
}

/// Puts back the records key, without which no key store opens, if it is missing or damaged.
///
/// # Errors
/// When it does not open with these master keys, or the store fails.
pub async fn restore_records(store: &Store, masters: &MasterKeys, backup: &Backup) -> Result<bool> {
    if !needs_records(store, masters).await? {
        return Ok(false);
    }
    let found = backup.keys.iter().find(|(owner, _)| owner.is_none());
    let (_, wrapped) = found.ok_or_else(|| KeyError::Missing { whose: whose(None) })?;
    let secret = masters.unwrap(wrapped, &whose(None))?;
    // By the master key that wrapped it: which one is current only the catalog says.
    place::put(store, masters, &wrapped.master, &secret, None, None).await?;
    Ok(true)
}

/// Whether the records key is missing or damaged.
pub(super) async fn needs_records(store: &Store, masters: &MasterKeys) -> Result<bool> {
    match place::read(store, masters, None).await {
        Ok(None) | Err(Error::Key(KeyError::Damaged { .. })) => Ok(true),
        Ok(Some(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Brings keys back.
#[derive(Clone, Debug)]
pub struct KeyRestore {
    pub(crate) core: Arc<Core>,
    pub(crate) rotation: Arc<KeyRotation>,
    pub(crate) notes: Arc<BackupNotes>,
}

impl KeyRestore {
    /// Puts back what is missing or damaged.
    ///
    /// # Errors
    /// A refusal for a backup that has ended, unless `although_ended`; those of the stores and the
    /// catalog.
    pub async fn restore_keys(&self, backup: &Backup, although_ended: bool) -> Result<Restored> {
        let ended = backup.has_ended(self.core.clock.now(), although_ended)?;
        // Also of the others: a purge has to know of every backup that may hold a key.
        let known = self.notes.backups().await?;
        for note in backup.others.iter().chain([&backup.note]) {
            if !known.iter().any(|it| it.name == note.name) {
                self.notes.note_backup(note).await?;
            }
        }
        let unproven = ended.then_some(
            "the backup has ended, and the bucket holds nothing of it that the key opens",
        );
        let mut restored = Restored::default();
        for (owner, wrapped) in &backup.keys {
            let name = whose(*owner);
            let secret = self.core.keys.masters().unwrap(wrapped, &name);
            match self.restore(*owner, secret, unproven).await {
                Ok(Outcome::Restored) => restored.restored.push(name),
                Ok(Outcome::Here) => restored.here += 1,
                Ok(Outcome::LeftOut(why)) => restored.left_out.push((name, why.to_owned())),
                Err(Error::Key(error)) => restored.problems.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(restored)
    }

    /// Puts one key back if it is needed and may be. With `unproven` only one that opens a record of
    /// its order, and else that is why it is left out.
    pub(super) async fn restore(
        &self,
        owner: Owner,
        secret: Result<[u8; 32], KeyError>,
        unproven: Option<&'static str>,
    ) -> Result<Outcome> {
        let lease = Lease::new(&self.core.clock, &whose(owner));
        let current = self.rotation.current_master().await?;
        if let Some(order) = owner {
            if self.tombstone_is_there(order).await? {
                return Ok(Outcome::LeftOut("it was purged"));
            }
            if self.rotation.is_being_purged(order).await? {
                return Ok(Outcome::LeftOut("it is being purged"));
            }
        }
        match self.core.keys.secret(owner).await {
            Ok(Some(_)) => return Ok(Outcome::Here),
            Ok(None) | Err(Error::Key(KeyError::Damaged { .. })) => {}
            Err(Error::Key(KeyError::UnknownMaster { .. } | KeyError::RetiredMaster { .. })) => {
                let why = "the one that is there is wrapped by a master key that is not at hand";
                return Ok(Outcome::LeftOut(why));
            }
            Err(error) => return Err(error),
        }
        let secret = secret?;
        if let Some(order) = owner {
            match (self.evidence(order, &secret).await?, unproven) {
                (Evidence::Purged, _) => return Ok(Outcome::LeftOut("it is being purged")),
                (Evidence::Nothing, Some(why)) => return Ok(Outcome::LeftOut(why)),
                _ => {}
            }
        }
        self.core
            .keys
            .put(&current.id, &secret, owner, &lease)
            .await?;
        Ok(Outcome::Restored)
    }

    async fn tombstone_is_there(&self, order: OrderId) -> Result<bool> {
        Ok(self
            .core
            .working
            .get_opt(&paths::tombstone(order))
            .await?
            .is_some())
    }

    /// What the newest record says that this key opens.
    async fn evidence(&self, order: OrderId, secret: &[u8; 32]) -> Result<Evidence> {
        let keys = SealingKeys::derive(secret);
        let found = self.core.working.list(&paths::records(order)).await?;
        let mut versions: Vec<u64> = found
            .iter()
            .filter_map(|(path, _)| path.filename()?.parse().ok())
            .collect();
        versions.sort_unstable();
        for version in versions.into_iter().rev() {
            match self.core.open_record(&keys, order, version).await {
                Ok(record) => return Ok(stage(&record.order)),
                Err(error @ Error::Store { .. }) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Evidence::Nothing)
    }
}

impl Backup {
    /// Whether it should have been destroyed by now.
    ///
    /// # Errors
    /// [`RefusalKind::Gone`] if so, unless somebody insists.
    pub fn has_ended(&self, now: DateTime<Utc>, although_ended: bool) -> Result<bool, Refusal> {
        let ended = now > self.note.ends_at;
        if !ended || although_ended {
            return Ok(ended);
        }
        let message = format!(
            "this backup was made on {} and had to be destroyed on {}: take a newer one. If there is none, --although-ended restores the keys of the orders that the bucket still holds",
            self.note.made_at.format("%F"),
            self.note.ends_at.format("%F")
        );
        Err(Refusal::new(RefusalKind::Gone, message))
    }
}

fn stage(order: &Order) -> Evidence {
    match order.stage() {
        Stage::Purging | Stage::Purged => Evidence::Purged,
        _ => Evidence::Living,
    }
}
