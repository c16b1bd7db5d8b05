//! Healing: a bad object is put anew, at the same name, from bytes that another copy has.
//!
//! Nothing is put that was not compared with its BLAKE3 (or opened, if it is no block) before, and
//! what was put is read back and compared. A put rests on the order's gate as it is now, with a
//! lease, and only where the tier still lives: so it cannot land behind a release or a purge. Whatever
//! lands late at such a name is the same content.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::path::Path;

use crate::block::{BLOCK_MAX, Logical, aside, open, seal_copy};
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::{Core, OrderAt};
use crate::error::{Damage, Error, Result};
use crate::ids::SessionId;
use crate::manifests::{DOCUMENT_MAX, Manifests};
use crate::order::{Order, Stage};
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{BlockRef, SessionRow};
use crate::source::Source;
use crate::source::flaw::{Flaw, Part, Tier};
use crate::store::{Lease, Store};
use crate::tables::{self, Gate, Outbox, load, put};

/// An object, and what must be in it.
struct Spot {
    store: Store,
    path: Path,
    logical: Logical,
    holds: Holds,
}

#[derive(Clone, Copy)]
enum Holds {
    Block(BlockRef),
    Manifest(SessionId),
    Document,
}

/// Brings back what is damaged, from another copy.
#[derive(Clone, Debug)]
pub struct Healer {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
}

impl Healer {
    /// Mends a flaw. Says where the good bytes came from; `None` if no copy has them.
    ///
    /// # Errors
    /// Those of the stores; [`RefusalKind::TakenOver`] if the order changes meanwhile.
    pub async fn heal(&self, at: &OrderAt, flaw: &Flaw) -> Result<Option<&'static str>> {
        let row = match &flaw.part {
            Part::Block { session, .. } => {
                let row = self.manifests.session_row(at.order.id, *session).await?;
                if !lives(&at.order, &row, &flaw.part) {
                    return Ok(Some("nowhere: it is needed no more"));
                }
                Some(row)
            }
            _ => None,
        };
        let Some(spot) = self.spot(at, flaw) else {
            return Ok(None);
        };
        if self.is_good_at(at, &spot, &spot.store).await?.is_some() {
            return Ok(Some("nowhere: it reads well now"));
        }
        if flaw.tier != Tier::Mirror {
            let other = match (&flaw.part, &row) {
                (
                    Part::Block {
                        source, at: nth, ..
                    },
                    Some(row),
                ) => self.bytes_of_other_tier(at, row, source, *nth).await?,
                (Part::Record(version), _) if *version == at.order.version => {
                    return self.record_anew(at).await;
                }
                _ => None,
            };
            if let Some((from, sealed)) = other {
                self.put_anew(at, &spot, sealed).await?;
                return Ok(Some(told(&spot, from)));
            }
        }
        let Some((from, copy)) = self.copy_of(flaw, &spot) else {
            return Ok(None);
        };
        let Some(sealed) = self.is_good_at(at, &spot, &copy).await? else {
            return Ok(None);
        };
        self.put_anew(at, &spot, sealed).await?;
        Ok(Some(told(&spot, from)))
    }

    /// Where the part lies, and what must be in it.
    fn spot(&self, at: &OrderAt, flaw: &Flaw) -> Option<Spot> {
        let id = at.order.id;
        let (path, logical, holds) = match &flaw.part {
            Part::Block { source, at, .. } => {
                let block = source.block_ref(*at);
                let logical = Logical::Block(block.hash);
                (source.path(*at), logical, Holds::Block(block))
            }
            Part::Manifest(session) => {
                let logical = Logical::Manifest(*session);
                let path = paths::manifest(id, *session);
                (path, logical, Holds::Manifest(*session))
            }
            Part::Index(attempt) => {
                let logical = Logical::Index(*attempt);
                (paths::index(id, *attempt), logical, Holds::Document)
            }
            Part::Record(version) => {
                let logical = Logical::Record(*version);
                (paths::record(id, *version), logical, Holds::Document)
            }
            Part::File => return None,
        };
        let store = match flaw.tier {
            Tier::Mirror => self.core.mirror.as_ref()?.bucket.clone(),
            Tier::Working | Tier::Archive => self.first_of(&flaw.part),
        };
        Some(Spot {
            store,
            path,
            logical,
            holds,
        })
    }

    /// The store in which the first copy of a part lies.
    fn first_of(&self, part: &Part) -> Store {
        match part {
            Part::Index(_) => self.core.archive.clone(),
            Part::Block { source, .. } if source.is_archived() => self.core.archive.clone(),
            _ => self.core.working.clone(),
        }
    }

    /// The other place where the same object lies.
    fn copy_of(&self, flaw: &Flaw, spot: &Spot) -> Option<(&'static str, Store)> {
        if flaw.tier == Tier::Mirror {
            let first = self.first_of(&flaw.part);
            return Some((first.name(), first));
        }
        let mirror = self.core.mirror.as_ref()?;
        debug_assert_ne!(spot.store.name(), mirror.bucket.name());
        Some(("mirror", mirror.bucket.clone()))
    }

    /// The object as it lies in a store, if it is what it must be.
    async fn is_good_at(&self, at: &OrderAt, spot: &Spot, store: &Store) -> Result<Option<Bytes>> {
        let Some(sealed) = store.get_opt(&spot.path).await? else {
            return Ok(None);
        };
        let keys = self.core.keys.order(at.order.id).await?;
        let (id, logical, holds) = (at.order.id, spot.logical.clone(), spot.holds);
        let copy = Bytes::copy_from_slice(&sealed);
        let good = aside(sealed.len(), move || {
            let limit = match holds {
                Holds::Block(_) => BLOCK_MAX,
                Holds::Manifest(_) | Holds::Document => DOCUMENT_MAX,
            };
            let Ok(plain) = open(&keys, id, &logical, copy, limit) else {
                return false;
            };
            let is = |hash: &[u8; 32]| blake3::hash(&plain) == *hash;
            match holds {
                Holds::Block(block) => {
                    plain.len() == block.length as usize && is(block.hash.as_bytes())
                }
                Holds::Manifest(session) => is(session.as_bytes()),
                Holds::Document => true,
            }
        });
        Ok(good.await.then_some(sealed))
    }

    /// The block out of the same file in the other tier, sealed anew. The other tier may be cut
    /// elsewhere: what counts are the file's bytes.
    async fn bytes_of_other_tier(
        &self,
        at: &OrderAt,
        row: &SessionRow,
        bad: &Source,
        nth: usize,
    ) -> Result<Option<(&'static str, Bytes)>> {
        let Some(other) = self.other_tier(&at.order, row, bad).await? else {
            return Ok(None);
        };
        let block = bad.block_ref(nth);
        let before = (0..nth).map(|at| u64::from(bad.block_ref(at).length));
        let start: u64 = before.sum();
        let mut plain = BytesMut::with_capacity(block.length as usize);
        let mut stream = other.stream(start..start + u64::from(block.length));
        loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => plain.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(Error::Damaged(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if plain.len() != block.length as usize || blake3::hash(&plain) != *block.hash.as_bytes() {
            return Ok(None);
        }
        let (id, keys) = (at.order.id, self.core.keys.order(at.order.id).await?);
        let sealed = aside(plain.len(), move || {
            seal_copy(&keys, id, &Logical::Block(block.hash), &plain)
        });
        let from = if other.is_archived() {
            "archive"
        } else {
            "working"
        };
        Ok(Some((from, sealed.await)))
    }

    async fn other_tier(
        &self,
        order: &Order,
        row: &SessionRow,
        bad: &Source,
    ) -> Result<Option<Source>> {
        let (manifest, file) = bad.file();
        if bad.is_archived() {
            // While it is being released, what is still there may be enough.
            if row.released {
                return Ok(None);
            }
            return Ok(Some(
                Source::in_working(&self.core, order.id, manifest, file).await?,
            ));
        }
        let Some(proof) = order.proof() else {
            return Ok(None);
        };
        if !proof.covers(row) {
            return Ok(None);
        }
        let archived = async {
            let index = self.manifests.index(order.id, proof.attempt).await?;
            Source::in_attempt(&self.core, order.id, manifest, file, index).await
        };
        match archived.await {
            Ok(source) => Ok(Some(source)),
            Err(Error::Damaged(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest record, from the catalog: it is owed again, and stored.
    async fn record_anew(&self, at: &OrderAt) -> Result<Option<&'static str>> {
        let id = at.order.id;
        let owed = Outbox {
            version: at.order.version,
        };
        let batch = put(Batch::new(), tables::outbox(id), &owed)
            .expect(tables::outbox(id), Expect::Absent)
            .expect(tables::order(id), Expect::At(at.row));
        match self.core.catalog.commit(batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Failed(error)) => return Err(error.into()),
        }
        self.core.drain(id).await?;
        self.core.read_record(id, at.order.version).await?;
        metrics::counter!("stemvault_mended_total", "store" => "working", "from" => "catalog")
            .increment(1);
        Ok(Some("the catalog"))
    }

    /// Puts an object anew, at its name, and reads it back.
    async fn put_anew(&self, at: &OrderAt, spot: &Spot, sealed: Bytes) -> Result<()> {
        if spot.store.name() != "mirror" {
            self.core.marks.expect_store(&spot.store).await?;
        }
        self.put_compared(at, &spot.store, &spot.path, sealed).await
    }

    /// Puts an object while the order is as it was read, reads it back and compares.
    pub(crate) async fn put_compared(
        &self,
        at: &OrderAt,
        store: &Store,
        path: &Path,
        bytes: Bytes,
    ) -> Result<()> {
        let folder = path
            .as_ref()
            .rsplit_once('/')
            .map_or("", |(above, _)| above);
        store.prepare(&Path::from(folder)).await?;
        let lease = self.lease_at(at).await?;
        store.put(path, bytes.clone(), &lease).await?;
        if store.get_opt(path).await?.as_ref() == Some(&bytes) {
            return Ok(());
        }
        Err(Damage {
            order: at.order.id,
            file: None,
            what: "an object that was just put".to_owned(),
            store: store.name(),
            object: path.to_string(),
            detail: "it does not read back as it was put: look at the disk".to_owned(),
        }
        .into())
    }

    /// A lease for puts that rest on the order's gate as it was read.
    pub(crate) async fn lease_at(&self, at: &OrderAt) -> Result<Lease> {
        let lease = self.core.lease(&at.order);
        match load::<Gate>(&*self.core.catalog, &tables::gate(at.order.id)).await? {
            Some((row, _)) if row.gate == at.order.gate => Ok(lease),
            _ => Err(Refusal::new(
                RefusalKind::TakenOver,
                format!(
                    "order {} changed while it was looked after: the next run looks again",
                    at.order.number
                ),
            )
            .of_order(&at.order.number)
            .into()),
        }
    }
}

/// Whether the tier in which a block lies still has to hold it.
fn lives(order: &Order, row: &SessionRow, part: &Part) -> bool {
    let Part::Block { source, .. } = part else {
        return true;
    };
    match (source.attempt(), order.stage()) {
        (_, Stage::Purging | Stage::Purged) => false,
        (None, stage) => !row.released && stage != Stage::Releasing,
        (Some(attempt), _) => order.proof().map(|proof| proof.attempt) == Some(attempt),
    }
}

fn told(spot: &Spot, from: &'static str) -> &'static str {
    metrics::counter!("stemvault_mended_total", "store" => spot.store.name(), "from" => from)
        .increment(1);
    tracing::warn!(object = %spot.path, store = spot.store.name(), from, "a bad object was put anew and compared");
    match from {
        "archive" => "the archive",
        "working" => "the working files",
        _ => "the mirror",
    }
}
