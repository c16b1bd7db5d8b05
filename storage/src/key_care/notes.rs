//! What is known of the backups of the key store: when each was made, and when it must be destroyed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::backup::bad;
use crate::error::Result;
use crate::keys::KeyStore;
use crate::paths;

/// How long a backup of the key store may be kept.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// What is known of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupNote {
    /// The version of this format.
    pub(super) v: u32,
    /// Its name.
    pub name: String,
    /// When it was begun: keys that were destroyed before are not in it.
    pub made_at: DateTime<Utc>,
    /// When it has to be destroyed.
    pub ends_at: DateTime<Utc>,
    /// How many keys it holds; none if it was not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// The BLAKE3 that its last line names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// The notes, beside the keys.
#[derive(Clone, Debug)]
pub struct BackupNotes {
    pub(crate) keys: Arc<KeyStore>,
}

impl BackupNotes {
    /// What is known of all backups, oldest first.
    ///
    /// # Errors
    /// When the store fails; [`KeyError::BadBackup`](crate::keys::KeyError::BadBackup) for a note that cannot be read.
    pub async fn backups(&self) -> Result<Vec<BackupNote>> {
        let mut notes = Vec::new();
        for (path, _) in self.keys.store.list(&paths::key_backups()).await? {
            let Some(bytes) = self.keys.store.get_opt(&path).await? else {
                continue;
            };
            let note = serde_json::from_slice(&bytes);
            let bad = |error| bad(format!("{path} in the key store cannot be read ({error})"));
            notes.push(note.map_err(bad)?);
        }
        notes.sort_by(|a: &BackupNote, b| (a.made_at, &a.name).cmp(&(b.made_at, &b.name)));
        Ok(notes)
    }

    /// When the last backup ends that may hold a key which is in the store, or was until now; none
    /// if no backup does.
    ///
    /// # Errors
    /// Those of [`backups`](Self::backups).
    pub async fn last_backup_ends(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let notes = self.backups().await?.into_iter();
        Ok(notes
            .map(|note| note.ends_at)
            .filter(|end| *end > now)
            .max())
    }

    /// When the newest backup was made that was finished.
    ///
    /// # Errors
    /// Those of [`backups`](Self::backups).
    pub async fn last_backup(&self) -> Result<Option<DateTime<Utc>>> {
        let finished = self.backups().await?.into_iter();
        let finished = finished.filter(|note| note.keys.is_some());
        Ok(finished.map(|note| note.made_at).max())
    }

    pub(super) async fn note_backup(&self, note: &BackupNote) -> Result<()> {
        let bytes = serde_json::to_vec(note).expect("plain data");
        self.keys.store.prepare(&paths::key_backups()).await?;
        let path = paths::key_backup(&note.name);
        self.keys.store.put_now(&path, bytes.into()).await
    }

    /// Forgets backups that ended so long ago that nobody asks any more.
    pub(super) async fn forget_backups(&self, now: DateTime<Utc>) -> Result<Vec<BackupNote>> {
        let mut known = Vec::new();
        for note in self.backups().await? {
            if note.ends_at + KEPT < now {
                self.keys
                    .store
                    .delete(&paths::key_backup(&note.name))
                    .await?;
            } else if note.ends_at > now {
                known.push(note);
            }
        }
        Ok(known)
    }
}
