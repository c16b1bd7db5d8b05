//! What an order must hold: its records, manifests, index, and every block of every file in each
//! tier where it still lives.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use object_store::path::Path;

use crate::block::{Logical, open};
use crate::core::record::OrderRecord;
use crate::core::{Core, OrderAt};
use crate::error::{Damage, Error, Result};
use crate::ids::{AttemptId, SessionId};
use crate::manifests::{DOCUMENT_MAX, Manifests};
use crate::mirrored::MirrorRows;
use crate::order::{Order, Stage};
use crate::paths;
use crate::source::Source;
use crate::source::flaw::{Flaw, Part, Tier, found};
use crate::tables::all_orders;

/// A file of a session in one of the tiers.
#[derive(Clone, Debug)]
pub struct Held {
    /// Of which session.
    pub session: SessionId,
    /// Where it lies.
    pub source: Source,
}

/// What the stores hold.
#[derive(Clone, Debug)]
pub struct Holdings {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) mirrored: Arc<MirrorRows>,
}

impl Holdings {
    /// Every file that must be in a tier; what of the documents that say so does not open is added
    /// to `flaws`. In the mirror that is what is in the others, and was when it was last copied.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn held_in(
        &self,
        at: &OrderAt,
        tier: Tier,
        flaws: &mut Vec<Flaw>,
    ) -> Result<Vec<Held>> {
        let mut held = Vec::new();
        if matches!(tier, Tier::Working | Tier::Mirror) {
            held.extend(self.held_working(at, flaws).await?);
        }
        if matches!(tier, Tier::Archive | Tier::Mirror) {
            held.extend(self.held_archive(at, flaws).await?);
        }
        let (Tier::Mirror, Some(mirror)) = (tier, &self.core.mirror) else {
            return Ok(held);
        };
        let Some(copied) = self.mirrored.as_mirrored(at).await? else {
            return Ok(Vec::new());
        };
        held.retain(|file| {
            let attempt = file.source.attempt();
            has_session(&copied, file.session)
                && (attempt.is_none() || attempt == attempt_of(&copied.order))
        });
        for file in &mut held {
            file.source = file.source.clone().in_store(&mirror.bucket);
        }
        Ok(held)
    }

    async fn held_working(&self, at: &OrderAt, flaws: &mut Vec<Flaw>) -> Result<Vec<Held>> {
        let id = at.order.id;
        let mut held = Vec::new();
        if at.order.stage() == Stage::Releasing {
            return Ok(held);
        }
        for row in self.core.sessions(id).await? {
            let session = row.session;
            let manifest = self.manifests.read_manifest(id, session).await;
            let part = || Part::Manifest(session);
            let Some(manifest) = found(flaws, Tier::Working, part, manifest)? else {
                continue;
            };
            if row.released {
                continue;
            }
            let manifest = Arc::new(manifest);
            for file in 0..manifest.files.len() {
                let source =
                    Source::in_working(&self.core, id, Arc::clone(&manifest), file).await?;
                held.push(Held { session, source });
            }
        }
        Ok(held)
    }

    async fn held_archive(&self, at: &OrderAt, flaws: &mut Vec<Flaw>) -> Result<Vec<Held>> {
        let id = at.order.id;
        let mut held = Vec::new();
        let Some(proof) = at.order.proof() else {
            return Ok(held);
        };
        let attempt = proof.attempt;
        let index = self.manifests.read_index(id, attempt).await;
        let part = || Part::Index(attempt);
        let Some(index) = found(flaws, Tier::Archive, part, index)? else {
            return Ok(held);
        };
        let index = Arc::new(index);
        let mut rows = self.core.sessions(id).await?;
        rows.retain(|row| proof.covers(row));
        for session in rows.into_iter().map(|row| row.session) {
            let manifest = self.manifests.read_manifest(id, session).await;
            let part = || Part::Manifest(session);
            let Some(manifest) = found(flaws, Tier::Archive, part, manifest)? else {
                continue;
            };
            let manifest = Arc::new(manifest);
            for file in 0..manifest.files.len() {
                let (manifest, index) = (Arc::clone(&manifest), Arc::clone(&index));
                let source = Source::in_attempt(&self.core, id, manifest, file, index).await;
                if let Some(source) = found(flaws, Tier::Archive, || Part::File, source)? {
                    held.push(Held { session, source });
                }
            }
        }
        Ok(held)
    }

    /// The records that are there, and the newest, which must be.
    pub(crate) async fn known_records(&self, at: &OrderAt) -> Result<BTreeSet<u64>> {
        let mut versions = self.core.record_versions(at.order.id).await?;
        versions.insert(at.order.version);
        versions.retain(|version| *version <= at.order.version);
        Ok(versions)
    }

    /// Opens every record of an order.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn examine_records(&self, at: &OrderAt, flaws: &mut Vec<Flaw>) -> Result<()> {
        for version in self.known_records(at).await? {
            let record = self.core.read_record(at.order.id, version).await;
            found(flaws, Tier::Working, || Part::Record(version), record)?;
        }
        Ok(())
    }

    /// Opens the documents of an order in the mirror, as far as it is.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn examine_mirrored(&self, at: &OrderAt, flaws: &mut Vec<Flaw>) -> Result<()> {
        let id = at.order.id;
        let Some(copied) = self.mirrored.as_mirrored(at).await? else {
            return Ok(());
        };
        let versions = self.known_records(at).await?;
        for version in versions.into_iter().rev() {
            if version > copied.order.version {
                continue;
            }
            let (path, logical) = (paths::record(id, version), Logical::Record(version));
            let part = Part::Record(version);
            flaws.extend(self.in_mirror(at, path, logical, part).await?);
        }
        for row in self.core.sessions(id).await? {
            let session = row.session;
            if !has_session(&copied, session) {
                continue;
            }
            let (path, logical) = (paths::manifest(id, session), Logical::Manifest(session));
            let part = Part::Manifest(session);
            flaws.extend(self.in_mirror(at, path, logical, part).await?);
        }
        let attempt = attempt_of(&at.order);
        if let Some(attempt) = attempt.filter(|_| attempt == attempt_of(&copied.order)) {
            let (path, logical) = (paths::index(id, attempt), Logical::Index(attempt));
            let part = Part::Index(attempt);
            flaws.extend(self.in_mirror(at, path, logical, part).await?);
        }
        Ok(())
    }

    async fn in_mirror(
        &self,
        at: &OrderAt,
        path: Path,
        logical: Logical,
        part: Part,
    ) -> Result<Option<Flaw>> {
        let Some(mirror) = &self.core.mirror else {
            return Ok(None);
        };
        let keys = self.core.keys.order(at.order.id).await?;
        let detail = match mirror.bucket.get_opt(&path).await? {
            None => "it is missing".to_owned(),
            Some(sealed) => match open(&keys, at.order.id, &logical, sealed, DOCUMENT_MAX) {
                Ok(_) => return Ok(None),
                Err(error) => error.to_string(),
            },
        };
        let damage = Damage {
            order: at.order.id,
            file: None,
            what: "a document".to_owned(),
            store: mirror.bucket.name(),
            object: path.to_string(),
            detail,
        };
        Ok(Some(Flaw {
            tier: Tier::Mirror,
            part,
            damage,
        }))
    }

    /// Reads one block of a file; what is wrong with it, if anything.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn examine_block(&self, held: &Held, at: usize) -> Result<Result<u64, Flaw>> {
        match held.source.block(at).await {
            Ok(plain) => Ok(Ok(plain.len() as u64)),
            Err(Error::Damaged(damage)) => Ok(Err(Flaw {
                tier: held.source.tier(),
                part: Part::Block {
                    session: held.session,
                    source: held.source.clone(),
                    at,
                },
                damage: *damage,
            })),
            Err(error) => Err(error),
        }
    }

    /// Folders of orders that the catalog does not know.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn unknown_orders(&self) -> Result<Vec<String>> {
        let known = all_orders(&*self.core.catalog).await?;
        let known: HashSet<_> = known.iter().map(|order| order.id.to_string()).collect();
        let mut unknown = BTreeSet::new();
        for store in [&self.core.working, &self.core.archive] {
            unknown.extend(store.folders(&Path::from("orders")).await?);
        }
        unknown.retain(|name| !known.contains(name));
        Ok(unknown.into_iter().collect())
    }
}

fn has_session(record: &OrderRecord, session: SessionId) -> bool {
    record.sessions.iter().any(|row| row.session == session)
}

fn attempt_of(order: &Order) -> Option<AttemptId> {
    order.proof().map(|proof| proof.attempt)
}
