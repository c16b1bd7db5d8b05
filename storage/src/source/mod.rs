//! A file as it is read: its blocks, one by one, each checked before anybody sees it.
//!
//! A block that does not open is a flaw ([`flaw`]), and is counted in `stemvault_damaged_blocks_total`.

pub mod flaw;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;

use crate::block::{BLOCK_MAX, Background, Logical, aside, open};
use crate::core::Core;
use crate::error::{Damage, Error, Result};
use crate::ids::{AttemptId, OrderId, SessionId};
use crate::index::{ArchivedFile, Index};
use crate::keys::SealingKeys;
use crate::outflow::Share;
use crate::paths;
use crate::session::{BlockRef, FileEntry, Manifest};
use crate::source::flaw::{Flaw, Noticed, Part, Tier};
use crate::store::Store;

/// One file, where it lies now. Holds what it needs: the vault may change meanwhile.
#[derive(Clone, Debug)]
pub struct Source {
    order: OrderId,
    keys: Arc<SealingKeys>,
    manifest: Arc<Manifest>,
    file: usize,
    store: Store,
    place: Place,
    /// Where blocks are opened, unless somebody waits for them.
    background: Option<Arc<Background>>,
    /// Where what is bad is noted, if it is read for somebody outside.
    notice: Option<(SessionId, Arc<Noticed>)>,
    /// Whose memory its blocks take on their way out.
    share: Option<Arc<Share>>,
}

#[derive(Clone, Debug)]
enum Place {
    Working,
    Archive { index: Arc<Index>, session: usize },
}

impl Source {
    pub(crate) async fn in_working(
        core: &Core,
        order: OrderId,
        manifest: Arc<Manifest>,
        file: usize,
    ) -> Result<Self> {
        Ok(Self {
            order,
            keys: core.keys.order(order).await?,
            manifest,
            file,
            store: core.working.clone(),
            place: Place::Working,
            background: None,
            notice: None,
            share: None,
        })
    }

    pub(crate) async fn in_attempt(
        core: &Core,
        order: OrderId,
        manifest: Arc<Manifest>,
        file: usize,
        index: Arc<Index>,
    ) -> Result<Self> {
        let path = manifest.files[file].path.as_str();
        let session = index.sessions.iter().position(|archived| {
            archived.files.get(file).is_some_and(|archived| {
                archived.path == path && archived.hash == manifest.files[file].hash
            })
        });
        let Some(session) = session else {
            let object = paths::index(order, index.attempt).to_string();
            let detail = "it does not list the file".to_owned();
            let what = "the archive index".to_owned();
            let file = Some(path.to_owned());
            return Err(Damage {
                order,
                file,
                what,
                store: core.archive.name(),
                object,
                detail,
            }
            .into());
        };
        Ok(Self {
            order,
            keys: core.keys.order(order).await?,
            file,
            store: core.archive.clone(),
            place: Place::Archive { index, session },
            manifest,
            background: None,
            notice: None,
            share: None,
        })
    }

    /// The same file for somebody outside: what is bad in it is noted.
    pub(crate) fn noticed_by(self, session: SessionId, noticed: &Arc<Noticed>) -> Self {
        Self {
            notice: Some((session, Arc::clone(noticed))),
            ..self
        }
    }

    /// The same file for a job: its blocks are opened when nobody else needs the machine.
    pub(crate) fn in_background(self, background: &Arc<Background>) -> Self {
        Self {
            background: Some(Arc::clone(background)),
            ..self
        }
    }

    /// The same file as another store holds it.
    pub(crate) fn in_store(self, store: &Store) -> Self {
        Self {
            store: store.clone(),
            ..self
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Its manifest, and which of its files it is.
    pub(crate) fn file(&self) -> (Arc<Manifest>, usize) {
        (Arc::clone(&self.manifest), self.file)
    }

    /// The attempt that it is read from, if it is read from the archive.
    pub(crate) fn attempt(&self) -> Option<AttemptId> {
        match &self.place {
            Place::Working => None,
            Place::Archive { index, .. } => Some(index.attempt),
        }
    }

    pub(crate) fn tier(&self) -> Tier {
        match (self.store.name(), &self.place) {
            ("mirror", _) => Tier::Mirror,
            (_, Place::Working) => Tier::Working,
            (_, Place::Archive { .. }) => Tier::Archive,
        }
    }

    /// What the manifest says of it.
    #[must_use]
    pub fn entry(&self) -> &FileEntry {
        &self.manifest.files[self.file]
    }

    /// Whether it is read from the archive.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        matches!(self.place, Place::Archive { .. })
    }

    pub(crate) fn sha256(&self) -> Option<&str> {
        self.archived().map(|file| file.sha256.as_str())
    }

    /// How many blocks it has where it lies.
    #[must_use]
    pub fn block_count(&self) -> usize {
        match self.archived() {
            None => self.entry().blocks.len(),
            Some(file) => file.blocks.len(),
        }
    }

    pub(crate) fn block_ref(&self, at: usize) -> BlockRef {
        match self.archived() {
            None => self.entry().blocks[at],
            Some(file) => file.blocks[at].plain(),
        }
    }

    /// Bytes of the object of a block, where the archive's index says so.
    pub(crate) fn stored(&self, at: usize) -> Option<u64> {
        Some(self.archived()?.blocks[at].stored?.into())
    }

    fn archived(&self) -> Option<&ArchivedFile> {
        match &self.place {
            Place::Working => None,
            Place::Archive { index, session } => Some(&index.sessions[*session].files[self.file]),
        }
    }

    /// A block, verified.
    pub(crate) async fn block(&self, at: usize) -> Result<Bytes> {
        let block = self.block_ref(at);
        let path = self.path(at);
        let what = format!("block {at}");
        let background = self.background.as_deref();
        let read = read_block(
            &self.store,
            &self.keys,
            self.order,
            &path,
            block,
            background,
        );
        let read = read.await?;
        let block: Result<Bytes> =
            read.map_err(|detail| self.damage(&what, path.to_string(), detail).into());
        if let Err(Error::Damaged(damage)) = &block {
            metrics::counter!("stemvault_damaged_blocks_total", "store" => self.store.name())
                .increment(1);
            tracing::error!(order.id = %self.order, order.number = %self.manifest.number, file = self.entry().path.as_str(), object = damage.object, detail = damage.detail, "damaged block; nothing of it was sent");
            if let Some((session, noticed)) = &self.notice {
                let part = Part::Block {
                    session: *session,
                    source: Self {
                        notice: None,
                        ..self.clone()
                    },
                    at,
                };
                noticed.push(Flaw {
                    tier: self.tier(),
                    part,
                    damage: (**damage).clone(),
                });
            }
        }
        block
    }

    pub(crate) fn path(&self, at: usize) -> Path {
        let block = self.block_ref(at);
        let folder = match &self.place {
            Place::Working => paths::upload(self.order, self.entry().folder_of(at)),
            Place::Archive { index, .. } => paths::attempt(self.order, index.attempt),
        };
        folder.join(self.keys.object_name(block.hash))
    }

    pub(crate) fn damage(&self, what: &str, object: String, detail: String) -> Damage {
        let file = Some(self.entry().path.as_str().to_owned());
        Damage {
            order: self.order,
            file,
            what: what.to_owned(),
            store: self.store.name(),
            object,
            detail,
        }
    }
}

/// Reads a block and checks it against its name. The inner error says what is wrong with it.
pub(crate) async fn read_block(
    store: &Store,
    keys: &Arc<SealingKeys>,
    order: OrderId,
    path: &Path,
    block: BlockRef,
    background: Option<&Background>,
) -> Result<Result<Bytes, String>> {
    let Some(sealed) = store.get_opt(path).await? else {
        return Ok(Err("it is missing".to_owned()));
    };
    let (keys, length) = (Arc::clone(keys), sealed.len());
    let work = move || verified(&keys, order, block, sealed);
    Ok(match background {
        None => aside(length, work).await,
        Some(background) => background.run(length, work).await,
    })
}

fn verified(
    keys: &SealingKeys,
    order: OrderId,
    block: BlockRef,
    sealed: Bytes,
) -> Result<Bytes, String> {
    let plain = open(keys, order, &Logical::Block(block.hash), sealed, BLOCK_MAX)
        .map_err(|error| error.to_string())?;
    if plain.len() != block.length as usize || blake3::hash(&plain) != *block.hash.as_bytes() {
        return Err("its content has another hash".to_owned());
    }
    Ok(plain)
}
