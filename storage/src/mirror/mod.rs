//! The mirror: a second copy of the bucket and of the key store, for the studio with one disk.
//!
//! It holds what an order must hold, not what happens to lie in the bucket: an object that a fault
//! removed there stays here, and heals it. What is copied is opened and compared before, and read
//! back afterwards. Deletions follow decisions: what a release or a new archive made superfluous
//! goes with the next run, and a purge is not over before the mirror's copies are gone, its copy of the
//! key first. Keys lie in a store of their own here as well.

mod mark;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use object_store::path::Path;

use crate::block::{BLOCK_MAX, Logical, aside, open};
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::{Core, OrderAt};
use crate::error::{Damage, Error, Result};
use crate::heal::Healer;
use crate::holdings::{Held, Holdings};
use crate::ids::OrderId;
use crate::keys::KeyError;
use crate::manifests::DOCUMENT_MAX;
use crate::order::{Order, Stage};
use crate::paths;
use crate::source::flaw::{Flaw, Part, Tier};
pub use crate::store::Mirror;
use crate::store::Store;
use crate::tables::{self, Mirrored, all_orders, put};

/// Objects that are copied at once.
const AT_ONCE: usize = 4;

/// What was done to an order's copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Objects that were copied.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that went.
    pub deleted: u64,
}

/// An object that the mirror must hold.
struct Wanted {
    path: Path,
    from: Store,
    logical: Logical,
    part: Part,
}

/// Keeps the mirror.
#[derive(Clone, Debug)]
pub struct Mirroring {
    pub(crate) core: Arc<Core>,
    pub(crate) healer: Arc<Healer>,
    pub(crate) holdings: Arc<Holdings>,
}

impl Mirroring {
    /// The mirror, if there is one.
    #[must_use]
    pub fn mirror(&self) -> Option<&Mirror> {
        self.core.mirror.as_ref()
    }

    /// Brings the mirror's copy of an order up to date, its key aside. A flaw in the first copy
    /// is healed from the mirror, or named; nothing bad is copied.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first object that could not be copied; those of the stores.
    pub async fn mirror_order(&self, mirror: &Mirror, at: &OrderAt) -> Result<Copied> {
        let id = at.order.id;
        let wanted = self.wanted(at).await?;
        let there = list(&mirror.bucket, id).await?;
        let mut first = list(&self.core.working, id).await?;
        first.extend(list(&self.core.archive, id).await?);
        let missing = wanted.iter().filter(|want| {
            let size = there.get(&want.path);
            size.is_none() || size != first.get(&want.path)
        });
        let copies: Vec<_> = missing
            .map(|want| self.mirror_object(mirror, at, want))
            .collect();
        let mut copies = stream::iter(copies).buffer_unordered(AT_ONCE);
        let mut copied = Copied::default();
        while let Some(bytes) = copies.next().await.transpose()? {
            copied.objects += 1;
            copied.bytes += bytes;
        }
        if !self.core.is_still(at).await? {
            return Ok(copied);
        }
        let named: HashSet<_> = wanted.iter().map(|want| &want.path).collect();
        self.core.marks.expect_stores().await?;
        let stays = stays_whole(&at.order);
        let superfluous = there.keys().filter(|_| !stays);
        let superfluous: Vec<_> = superfluous.filter(|path| !named.contains(path)).collect();
        for path in superfluous {
            mirror.bucket.delete(path).await?;
            copied.deleted += 1;
        }
        if copied.deleted > 0 {
            mirror.bucket.settle(&paths::order(id)).await?;
        }
        // Its disk may have gone meanwhile; then nobody knows where the copies are.
        self.check_mirror().await?;
        let row = Mirrored {
            version: at.order.version,
        };
        let batch = put(Batch::new(), tables::mirrored(id), &row)
            .expect(tables::order(id), Expect::At(at.row));
        match self.core.catalog.commit(batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => Ok(copied),
            Err(CommitError::Failed(error)) => Err(error.into()),
        }
    }

    /// Everything of an order that the mirror must hold.
    async fn wanted(&self, at: &OrderAt) -> Result<Vec<Wanted>> {
        let id = at.order.id;
        let mut flaws = Vec::new();
        let mut held = self.holdings.held_in(at, Tier::Working, &mut flaws).await?;
        held.extend(self.holdings.held_in(at, Tier::Archive, &mut flaws).await?);
        for flaw in flaws {
            // Without the document nobody knows what to copy.
            if self.healer.heal(at, &flaw).await?.is_none() {
                return Err(flaw.damage.into());
            }
        }
        let (working, archive) = (&self.core.working, &self.core.archive);
        let document = |path, from: &Store, logical, part| Wanted {
            path,
            from: from.clone(),
            logical,
            part,
        };
        let mut wanted = Vec::new();
        for version in self.holdings.known_records(at).await? {
            let (path, logical) = (paths::record(id, version), Logical::Record(version));
            wanted.push(document(path, working, logical, Part::Record(version)));
        }
        for row in self.core.sessions(id).await? {
            let session = row.session;
            let (path, logical) = (paths::manifest(id, session), Logical::Manifest(session));
            wanted.push(document(path, working, logical, Part::Manifest(session)));
        }
        if let Some(proof) = at.order.proof() {
            let attempt = proof.attempt;
            let (path, logical) = (paths::index(id, attempt), Logical::Index(attempt));
            wanted.push(document(path, archive, logical, Part::Index(attempt)));
        }
        let mut seen = HashSet::new();
        for Held { session, source } in held {
            for nth in 0..source.block_count() {
                let path = source.path(nth);
                if !seen.insert(path.clone()) {
                    continue;
                }
                wanted.push(Wanted {
                    path,
                    from: source.store().clone(),
                    logical: Logical::Block(source.block_ref(nth).hash),
                    part: Part::Block {
                        session,
                        source: source.clone(),
                        at: nth,
                    },
                });
            }
        }
        Ok(wanted)
    }

    async fn mirror_object(&self, mirror: &Mirror, at: &OrderAt, want: &Wanted) -> Result<u64> {
        let mut sealed = self.sound(at, want).await?;
        if let Err(detail) = &sealed {
            let damage = Damage {
                order: at.order.id,
                file: None,
                what: "an object to be mirrored".to_owned(),
                store: want.from.name(),
                object: want.path.to_string(),
                detail: detail.clone(),
            };
            let tier = if want.from.name() == self.core.archive.name() {
                Tier::Archive
            } else {
                Tier::Working
            };
            let part = want.part.clone();
            let flaw = Flaw { tier, part, damage };
            if self.healer.heal(at, &flaw).await?.is_none() {
                return Err(flaw.damage.into());
            }
            sealed = self.sound(at, want).await?;
        }
        let sealed = sealed.map_err(|detail| Damage {
            order: at.order.id,
            file: None,
            what: "an object that was healed".to_owned(),
            store: want.from.name(),
            object: want.path.to_string(),
            detail,
        })?;
        let length = sealed.len() as u64;
        self.healer
            .put_compared(at, &mirror.bucket, &want.path, sealed)
            .await?;
        Ok(length)
    }

    /// The first copy of an object, if it opens; what is wrong with it otherwise.
    async fn sound(&self, at: &OrderAt, want: &Wanted) -> Result<Result<Bytes, String>> {
        let Some(sealed) = want.from.get_opt(&want.path).await? else {
            return Ok(Err("it is missing".to_owned()));
        };
        let keys = self.core.keys.order(at.order.id).await?;
        let (id, logical) = (at.order.id, want.logical.clone());
        let block = matches!(want.part, Part::Block { .. });
        let limit = if block { BLOCK_MAX } else { DOCUMENT_MAX };
        let copy = Bytes::copy_from_slice(&sealed);
        let opened = aside(sealed.len(), move || {
            let plain =
                open(&keys, id, &logical, copy, limit).map_err(|error| error.to_string())?;
            match logical {
                Logical::Block(hash) if blake3::hash(&plain) != *hash.as_bytes() => {
                    Err("its content has another hash".to_owned())
                }
                _ => Ok(()),
            }
        });
        Ok(opened.await.map(|()| sealed))
    }

    /// What belongs to no order, the records key aside: the words for whoever finds the bucket, and
    /// every folder beside the orders'.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn mirror_rest(&self, mirror: &Mirror) -> Result<()> {
        self.core.marks.expect_stores().await?;
        let mut rest = vec![paths::readme(), Path::from("FORMATS.md")];
        for folder in self.core.working.folders(&Path::default()).await? {
            if folder == "orders" || folder == "marks" {
                continue;
            }
            let folder = Path::from(folder);
            let (first, there) = (
                self.core.working.list(&folder).await?,
                mirror.bucket.list(&folder).await?,
            );
            let named: HashSet<_> = first.iter().map(|(path, _)| path.clone()).collect();
            // A folder that is suddenly empty is a fault and no decision; a tombstone stays.
            if !named.is_empty() && folder.as_ref() != "tombstones" {
                for (path, _) in &there {
                    if !named.contains(path) {
                        mirror.bucket.delete(path).await?;
                    }
                }
            }
            let there: HashMap<_, _> = there.into_iter().collect();
            let new = first
                .into_iter()
                .filter(|(path, size)| there.get(path) != Some(size));
            rest.extend(new.map(|(path, _)| path));
        }
        // A mirror that takes the place of what was lost is known for what it is.
        for (store, copies) in
            self.core
                .marks
                .stores()
                .into_iter()
                .zip([&mirror.bucket, &mirror.bucket, &mirror.keys])
        {
            let mark = paths::mark(store.name());
            if let Some(bytes) = store.get_opt(&mark).await? {
                copy(copies, &mark, bytes).await?;
            }
        }
        for path in rest {
            if let Some(bytes) = self.core.working.get_opt(&path).await? {
                copy(&mirror.bucket, &path, bytes).await?;
            }
        }
        Ok(())
    }

    /// Destroys the mirror's copy of a key, and reads back that it is gone: from the mirror, and not
    /// from an empty folder where its disk should be.
    pub(crate) async fn destroy_mirrored_key(&self, order: OrderId) -> Result<()> {
        let Some(mirror) = &self.core.mirror else {
            return Ok(());
        };
        self.check_mirror().await?;
        let path = paths::order_key(order);
        mirror.keys.delete(&path).await?;
        mirror.keys.settle(&Path::from("orders")).await?;
        match mirror.keys.get_opt(&path).await? {
            Some(_) => Err(KeyError::Undeletable.into()),
            None => Ok(()),
        }
    }

    /// Deletes the mirror's copy of an order, and leaves its tombstone.
    pub(crate) async fn empty_mirror(&self, order: OrderId) -> Result<(u64, u64)> {
        let Some(mirror) = &self.core.mirror else {
            return Ok((0, 0));
        };
        let path = paths::tombstone(order);
        if let Some(tombstone) = self.core.working.get_opt(&path).await? {
            copy(&mirror.bucket, &path, tombstone).await?;
        }
        mirror.bucket.empty(&paths::order(order)).await
    }

    /// Whether the mirror has nothing of an order.
    pub(crate) async fn is_gone_from_mirror(&self, order: OrderId) -> Result<bool> {
        let Some(mirror) = &self.core.mirror else {
            return Ok(true);
        };
        self.check_mirror().await?;
        let objects = mirror.bucket.list(&paths::order(order)).await?;
        let key = mirror.keys.get_opt(&paths::order_key(order)).await?;
        Ok(objects.is_empty() && key.is_none())
    }

    /// Removes what the mirror has of orders that are purged: a purge that had no mirror to reach.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn forget_purged(&self, mirror: &Mirror) -> Result<u64> {
        let mut gone = 0;
        let orders = Path::from("orders");
        let mut names: HashSet<_> = mirror.bucket.folders(&orders).await?.into_iter().collect();
        let keys = mirror.keys.list(&orders).await?;
        names.extend(
            keys.iter()
                .filter_map(|(path, _)| Some(path.filename()?.to_owned())),
        );
        for order in all_orders(&*self.core.catalog).await? {
            if order.stage() == Stage::Purged && names.contains(&order.id.to_string()) {
                self.destroy_mirrored_key(order.id).await?;
                gone += self.empty_mirror(order.id).await?.0;
            }
        }
        Ok(gone)
    }
}

/// Whether nothing of an order's copy goes. Of one that is held: what it does not name now, a newer and
/// damaged record may have named. While its release is under way, or its archive in doubt: the copy of
/// the working files may be the last that there is.
fn stays_whole(order: &Order) -> bool {
    order.hold.is_some() || order.unproven().is_some() || order.stage() == Stage::Releasing
}

async fn list(store: &Store, order: OrderId) -> Result<HashMap<Path, u64>> {
    Ok(store
        .list(&paths::order(order))
        .await?
        .into_iter()
        .collect())
}

/// Copies an object that rests on no gate, unless it is there; reads it back.
pub(crate) async fn copy(to: &Store, path: &Path, bytes: Bytes) -> Result<()> {
    if to.get_opt(path).await?.as_ref() == Some(&bytes) {
        return Ok(());
    }
    let folder = path
        .as_ref()
        .rsplit_once('/')
        .map_or("", |(above, _)| above);
    to.prepare(&Path::from(folder)).await?;
    to.put_now(path, bytes.clone()).await?;
    if to.get_opt(path).await?.as_ref() == Some(&bytes) {
        return Ok(());
    }
    Err(Error::from(KeyError::Damaged {
        whose: format!("{path} in the {} store", to.name()),
        detail: "it does not give back what was put".to_owned(),
    }))
}
