//! Backups of the key store: one file with every wrapped key, and no master key.
//!
//! A backup must be destroyed after [`KEPT`]: until then a purged order's key may be in it. So the
//! key store itself notes every backup, before the first key is read for it; a purge reads those
//! notes, and its tombstone says when the last backup ends that may hold the order's key. A key whose
//! order is being purged goes into no backup.
//!
//! The file is lines of JSON: what it is and when it ends; one line a key; then how many keys there
//! are and the BLAKE3 of everything before that last line.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::KeyRotation;
use super::notes::{BackupNote, BackupNotes, KEPT};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::ids::random;
use crate::keys::master::Wrapped;
use crate::keys::place::path_of;
use crate::keys::{KeyError, Owner};
use crate::paths;

/// Keys that are read at once.
const AT_ONCE: usize = 8;

/// What the first line says it is.
const WHAT: &str = "backup of the key store";

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    stemvault: String,
    /// For people: the day on which it has to be destroyed.
    destroy_by: String,
    #[serde(flatten)]
    note: BackupNote,
    /// Other backups that had not ended: whoever restores this one has to know of them too.
    others: Vec<BackupNote>,
}

/// A line in between.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    wrapped: Wrapped,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct End {
    keys: u64,
    /// Keys that could not be opened, and so are not in it; in sentences.
    #[serde(default)]
    problems: Vec<String>,
    blake3: String,
}

/// A backup that was read.
#[derive(Clone, Debug)]
pub struct Backup {
    /// What is known of it.
    pub note: BackupNote,
    pub(super) others: Vec<BackupNote>,
    pub(super) keys: Vec<(Owner, Wrapped)>,
    /// Keys that could not be opened when it was made, and so are not in it; in sentences.
    pub problems: Vec<String>,
}

/// Backs up the keys.
#[derive(Clone, Debug)]
pub struct KeyBackup {
    pub(crate) core: Arc<Core>,
    pub(crate) rotation: Arc<KeyRotation>,
    pub(crate) notes: Arc<BackupNotes>,
}

impl KeyBackup {
    /// Makes a backup of the key store: what is known of it, and the file.
    ///
    /// # Errors
    /// When a store or the catalog fails. A key that does not open is named in the backup's
    /// problems.
    pub async fn back_up_keys(&self) -> Result<(BackupNote, Bytes)> {
        let now = self.core.clock.now();
        let others = self.notes.forget_backups(now).await?;
        let made = now.format("%Y%m%dT%H%M%SZ");
        let mut note = BackupNote {
            v: 1,
            name: format!("{made}-{}", hex::encode(random::<4>())),
            made_at: now,
            ends_at: now + KEPT,
            keys: None,
            hash: None,
        };
        self.notes.note_backup(&note).await?;
        let head = Head {
            stemvault: WHAT.to_owned(),
            destroy_by: note.ends_at.format("%F").to_string(),
            note: note.clone(),
            others,
        };
        let mut file = line(&head);
        let (mut keys, mut problems) = (0, Vec::new());
        let mut found = futures::stream::iter(self.core.keys.owners().await?)
            .map(|owner| async move { (owner, self.kept_key(owner).await) })
            .buffered(AT_ONCE);
        while let Some((owner, kept)) = found.next().await {
            let wrapped = match kept {
                Ok(Some(wrapped)) => wrapped,
                Ok(None) => continue,
                Err(Error::Key(error)) => {
                    problems.push(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            let key = path_of(owner).to_string();
            file.extend(line(&Line { key, wrapped }));
            keys += 1;
        }
        let blake3 = blake3::hash(&file).to_hex().to_string();
        note.keys = Some(keys);
        note.hash = Some(blake3.clone());
        self.notes.note_backup(&note).await?;
        file.extend(line(&End {
            keys,
            problems,
            blake3,
        }));
        Ok((note, file.into()))
    }

    /// A key that belongs into a backup: it opens, and its order is not being purged. That is
    /// asked after it was read, so a purge that is decided later knows of this backup.
    async fn kept_key(&self, owner: Owner) -> Result<Option<Wrapped>> {
        let Some(wrapped) = self.core.keys.wrapped(owner).await? else {
            return Ok(None);
        };
        if self.core.keys.secret(owner).await?.is_none() {
            return Ok(None);
        }
        match owner {
            Some(order) if self.rotation.is_being_purged(order).await? => Ok(None),
            _ => Ok(Some(wrapped)),
        }
    }
}

impl Backup {
    /// How many keys it holds.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "the records key is in every backup"
    )]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Reads the file of a backup and checks that it is whole.
    ///
    /// # Errors
    /// [`KeyError::BadBackup`].
    pub fn parse(file: &[u8]) -> Result<Self, KeyError> {
        let body = file.strip_suffix(b"\n").unwrap_or(file);
        let end = body.iter().rposition(|byte| *byte == b'\n');
        let (before, last) = match end {
            Some(at) => (&body[..=at], &body[at + 1..]),
            None => return Err(bad("it has no end")),
        };
        let end: End = serde_json::from_slice(last).map_err(|_| bad("its end is missing"))?;
        if line(&end).strip_suffix(b"\n") != Some(last) {
            return Err(bad("its end is not as it was written"));
        }
        if blake3::hash(before).to_hex().as_str() != end.blake3 {
            return Err(bad("its hash is another than its last line says"));
        }
        let mut lines = before.split(|byte| *byte == b'\n');
        let head: Head = parse(lines.next().unwrap_or_default())?;
        if head.stemvault != WHAT || head.note.v != 1 {
            return Err(bad("it is of another kind or version"));
        }
        let mut keys = Vec::new();
        for found in lines.filter(|line| !line.is_empty()) {
            let Line { key, wrapped } = parse(found)?;
            keys.push((owner(&key)?, wrapped));
        }
        if keys.len() as u64 != end.keys {
            return Err(bad("it holds another number of keys than it says"));
        }
        Ok(Self {
            note: head.note,
            others: head.others,
            keys,
            problems: end.problems,
        })
    }
}

fn owner(key: &str) -> Result<Owner, KeyError> {
    if key == paths::records_key().as_ref() {
        return Ok(None);
    }
    let order = Path::from(key)
        .filename()
        .and_then(|name| name.parse().ok());
    let order = order.filter(|&order| path_of(Some(order)).as_ref() == key);
    order
        .map(Some)
        .ok_or_else(|| bad(format!("{key:?} is the name of no key")))
}

fn parse<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, KeyError> {
    serde_json::from_slice(line).map_err(|error| bad(error.to_string()))
}

fn line(record: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("plain data");
    line.push(b'\n');
    line
}

pub(super) fn bad(detail: impl Into<String>) -> KeyError {
    KeyError::BadBackup {
        detail: detail.into(),
    }
}
