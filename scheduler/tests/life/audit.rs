//! The audit: at any moment, take a copy of everything that survives and look whether outsiders
//! were told the truth. Twice: with the catalog, and with one rebuilt from the stores alone.
//!
//! It works on copies, so it may do with them what it likes.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use stemvault_storage::Vault;
use stemvault_storage::catalog::{Batch, MemoryCatalog};
use stemvault_storage::clock::{Clock, MovableClock, SharedClock, StoppedClock};
use stemvault_storage::ids::OrderId;
use stemvault_storage::keys::{KeyStore, MasterKeys};
use stemvault_storage::order::Stage;
use stemvault_storage::paths;
use stemvault_storage::session::BlockRef;
use stemvault_storage::store::Store;
use stemvault_storage::tables;
use stemvault_storage::upload::{Role, Upload};

use crate::node::limits;
use crate::sending::{review_name, short};
use crate::told::{About, OrderTold, SessionTold, Told, Word};
use crate::world::{Tier, World};

/// A copy of the world.
struct Copy {
    bucket: Arc<InMemory>,
    archive: Arc<InMemory>,
    keys: Arc<InMemory>,
    catalog: Arc<MemoryCatalog>,
    masters: MasterKeys,
    now: DateTime<Utc>,
    told: Told,
}

/// Everything over a copy.
struct Office {
    vault: Arc<Vault>,
    clock: Arc<MovableClock>,
    keys: Arc<InMemory>,
    rebuilt: bool,
    /// What the rebuild could not read.
    problems: Vec<String>,
}

type Checked<T = ()> = Result<T, String>;

fn names(told: &OrderTold, problem: &str) -> bool {
    problem.contains(&told.id.to_string()) && problem.contains("no key")
}

/// The one thing that a rebuild may fail to read: an order whose key went, and whose tombstone did
/// not come before the catalog was lost. It says so, and what to delete.
pub fn is_gap(told: &Told, problem: &str) -> bool {
    let purging = |it: &OrderTold| {
        let last = it.last.as_ref().map(|(order, _)| order.stage());
        it.unreadable || last == Some(Stage::Purging)
    };
    told.orders
        .iter()
        .any(|it| purging(it) && names(it, problem))
}

/// Looks at the world as it would be if all nodes died now, and if the catalog were lost as well.
pub fn audit(world: &World) -> Checked {
    let (kept, lost) = (copy(world, false), copy(world, true));
    let look = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            kept.look(false).await?;
            let look = lost.look(true).await;
            look.map_err(|why| format!("{why} (after a rebuild)"))
        })
    };
    // A runtime of its own: the time that passes in a copy does not pass in the world.
    std::thread::spawn(look)
        .join()
        .expect("the audit does not panic")
}

fn copy(world: &World, lost: bool) -> Copy {
    let state = world.state();
    let bucket = Arc::new(world.bucket.fork());
    let archive = if Arc::ptr_eq(&world.bucket, &world.archive) {
        Arc::clone(&bucket)
    } else {
        Arc::new(world.archive.fork())
    };
    let copy = Copy {
        bucket,
        archive,
        keys: Arc::new(world.keys.fork()),
        catalog: if lost {
            Arc::default()
        } else {
            Arc::new(world.catalog().copy())
        },
        masters: world.masters.clone(),
        now: world.clock.now(),
        told: state.told.clone(),
    };
    // A rebuild waits until everything has landed.
    for late in state.air.values().filter(|_| lost) {
        let store = match late.tier {
            Tier::Working => &copy.bucket,
            Tier::Archive => &copy.archive,
            Tier::Keys => &copy.keys,
        };
        match &late.bytes {
            Some(bytes) => {
                let put = store.put(&late.path, PutPayload::from_bytes(bytes.clone()));
                drop(put.now_or_never());
            }
            None => drop(store.delete(&late.path).now_or_never()),
        }
    }
    copy
}

impl Copy {
    async fn look(self, rebuild: bool) -> Checked {
        let clock = Arc::new(MovableClock::new(Arc::new(StoppedClock::new(self.now))));
        let store = |name, store: &Arc<InMemory>| {
            Store::of(name, Arc::clone(store) as Arc<dyn ObjectStore>)
        };
        let keys = KeyStore::open(store("keys", &self.keys), self.masters.clone()).await;
        let vault = Arc::new(Vault::new(
            self.catalog,
            store("working", &self.bucket),
            store("archive", &self.archive),
            keys.map_err(|error| format!("I1 the key store does not open: {error}"))?,
            Arc::clone(&clock) as SharedClock,
            limits(),
        ));
        let mut office = Office {
            vault,
            clock,
            keys: self.keys,
            rebuilt: rebuild,
            problems: Vec::new(),
        };
        if rebuild {
            let rebuilt = office.vault.rebuild.rebuild().await;
            let rebuilt = rebuilt.map_err(|error| format!("I5 rebuild fails: {error}"))?;
            let gap = |problem: &&String| !is_gap(&self.told, problem);
            if let Some(problem) = rebuilt.problems.iter().find(gap) {
                return Err(format!("I6 rebuild finds {problem}"));
            }
            office.problems = rebuilt.problems;
        }
        for order in &self.told.orders {
            let look = office.order(order).await;
            look.map_err(|why| format!("{why}, order {}", order.number))?;
        }
        Ok(())
    }
}

impl Office {
    async fn order(&self, told: &OrderTold) -> Checked {
        let order = match self.vault.core.settled(told.id).await {
            Ok(at) => at.order,
            Err(_) if told.unreadable || self.problems.iter().any(|it| names(told, it)) => {
                return Ok(());
            }
            Err(error) => return Err(format!("I6 the order is lost: {}", short(&error))),
        };
        self.log(told.id).await?;
        if order.stage() == Stage::Purged {
            // What landed late goes with the next look.
            return if told.late {
                Ok(())
            } else {
                self.is_gone(told.id).await
            };
        }
        if order.stage() == Stage::Purging {
            return Ok(());
        }
        if told.purged {
            return Err(format!("I6 a purged order is {}", order.stage().name()));
        }
        let now = self.clock.now();
        if told.is(About::Hold, Word::Yes) && order.hold.is_none() {
            return Err("I6 an acknowledged hold is lost".into());
        }
        let open = matches!(order.stage(), Stage::Open | Stage::Sealing);
        if told.is(About::Open, Word::Yes) && !open {
            return Err(format!(
                "I6 told to be open, it is {}",
                order.stage().name()
            ));
        }
        if told.is(About::Open, Word::No) && open {
            return Err("I6 told to be completed, it is open".into());
        }
        if self.rebuilt && matches!(order.stage(), Stage::Sealing) {
            return Err("I6 it is sealing what is no longer there".into());
        }
        if let Some(Word::Until(until)) = told.word(About::Recall)
            && now < until
            && order.recalled_until().is_none_or(|kept| kept < until)
        {
            return Err(format!(
                "I6 an acknowledged recall is lost, it is {}",
                order.stage().name()
            ));
        }
        self.links(told).await?;
        self.sessions(told).await?;
        if !self.rebuilt {
            self.uploads(told).await?;
        }
        Ok(())
    }

    /// Every decision left its entry, and each names the one before; a rebuild may have lost some.
    async fn log(&self, id: OrderId) -> Checked {
        let fail = |error| format!("I6 the audit log cannot be read: {}", short(&error));
        let log = self.vault.audit.log(id).await.map_err(fail)?;
        match log.problems.first() {
            Some(problem) => Err(format!("I6 the audit log does not hold: {problem}")),
            None if log.head.is_empty() => Err("I6 nothing is in the audit log".into()),
            None => Ok(()),
        }
    }

    async fn links(&self, told: &OrderTold) -> Checked {
        for (at, link) in told.links.iter().enumerate() {
            let opens = self
                .vault
                .access
                .open_link(&link.token)
                .await
                .map_err(|error| error.to_string())?;
            let opens = if opens.is_some() { Word::Yes } else { Word::No };
            if told.word(About::Link(at)).is_some_and(|word| word != opens) {
                return Err(format!("I6 whether link {at} opens: {opens:?}"));
            }
        }
        Ok(())
    }

    async fn sessions(&self, told: &OrderTold) -> Checked {
        for session in &told.sessions {
            let row = self.vault.manifests.session_row(told.id, session.id).await;
            let row = row.map_err(|_| "I6 a session with a receipt is missing")?;
            let review = Word::Is(review_name(&row.review));
            if told
                .word(About::Review(session.id))
                .is_some_and(|word| word != review)
            {
                return Err(format!("I6 a session's review is {review:?}"));
            }
        }
        if told.sessions.iter().any(|it| !it.files.is_empty()) {
            self.recalled(told).await?;
            for session in &told.sessions {
                self.files(told, session).await?;
            }
        }
        Ok(())
    }

    /// Brings the order to where its files may leave.
    async fn recalled(&self, told: &OrderTold) -> Checked {
        let fail = |error| format!("I5 it cannot be recalled: {}", short(&error));
        let order = self.vault.core.order(told.id).await.map_err(fail)?;
        if order.stage() == Stage::Releasing {
            let deletion = &self.vault.deletion;
            deletion.delete_released(&order).await.map_err(fail)?;
            let at = self.vault.core.settled(told.id).await.map_err(fail)?;
            let closed = deletion.close_release(&at).await.map_err(fail)?;
            closed.ok_or("I5 a release does not end")?;
        }
        let at = self.vault.core.settled(told.id).await.map_err(fail)?;
        if matches!(at.order.stage(), Stage::Released | Stage::Recalled) {
            let until = self.clock.now() + TimeDelta::days(1);
            let next = at.order.recall(until).map_err(|refusal| refusal.message)?;
            let step = self.vault.core.step(&at, next, Batch::new()).await;
            let step = step.map_err(fail)?;
            step.ok_or("I5 nobody else is there, and yet the recall lost a race")?;
        }
        Ok(())
    }

    async fn files(&self, told: &OrderTold, session: &SessionTold) -> Checked {
        for (path, content) in &session.files {
            let fail = |error| format!("I1 {path} of a session cannot be read: {}", short(&error));
            let source = self.vault.outlet.file(told.id, session.id, path).await;
            let source = source.map_err(fail)?;
            let parts: Vec<_> = source
                .stream(0..content.len() as u64)
                .try_collect()
                .await
                .map_err(fail)?;
            if parts.concat() != content[..] {
                return Err(format!("I1 {path} of a session is not what was sent"));
            }
        }
        Ok(())
    }

    /// Uploads stand where they were said to stand, or a session has them.
    async fn uploads(&self, told: &OrderTold) -> Checked {
        let fail = |error| format!("I1 the uploads cannot be read: {}", short(&error));
        let mut sealed = HashSet::new();
        for row in self.vault.core.sessions(told.id).await.map_err(fail)? {
            let manifest = self
                .vault
                .manifests
                .manifest(told.id, row.session)
                .await
                .map_err(fail)?;
            sealed.extend(manifest.files.iter().map(|file| file.upload));
        }
        for upload in told.uploads.iter().filter(|it| !it.excused) {
            let idle = self.clock.now() - upload.touched;
            let expired = !upload.is_finished() && idle >= TimeDelta::days(14);
            match self.vault.rows.upload(told.id, upload.id).await {
                Ok(row) if row.offset < upload.acked => {
                    return Err(format!(
                        "I1 {} stands at {}, {} were acknowledged",
                        upload.path, row.offset, upload.acked
                    ));
                }
                Ok(row) if row.role == Role::Final && row.state.name() == "finished" => {
                    self.parts(told, &row).await?;
                }
                Ok(_) => {}
                Err(_) if expired || sealed.contains(&upload.id) => {}
                Err(_) => return Err(format!("I1 the upload of {} is lost", upload.path)),
            }
        }
        Ok(())
    }

    /// All that a file made of parts needs is there, whatever became of its parts.
    async fn parts(&self, told: &OrderTold, file: &Upload) -> Checked {
        let fail = |error| format!("I1 the parts cannot be read: {}", short(&error));
        let keys = self.vault.core.keys().order(told.id).await.map_err(fail)?;
        let mut length = 0;
        for of in self.vault.rows.parts_of(file.id).await.map_err(fail)? {
            let rows = tables::blocks(of.part);
            let rows = tables::load_all::<BlockRef>(&**self.vault.core.catalog(), &rows).await;
            for (_, block, _) in rows.map_err(fail)? {
                length += u64::from(block.length);
                let folder = paths::upload(told.id, of.part);
                let object = folder.join(keys.object_name(block.hash));
                let found = self
                    .vault
                    .core
                    .working()
                    .get_opt(&object)
                    .await
                    .map_err(fail)?;
                if found.is_none() {
                    return Err(format!("I1 a block of {} is gone", file.path));
                }
            }
        }
        if length == file.offset {
            Ok(())
        } else {
            Err(format!("I1 {} lost some of its parts", file.path))
        }
    }

    async fn is_gone(&self, id: OrderId) -> Checked {
        let fail = |error| format!("I4 nobody can tell whether it is gone: {}", short(&error));
        for store in [self.vault.core.working(), self.vault.core.archive()] {
            if !store
                .list(&paths::order(id))
                .await
                .map_err(fail)?
                .is_empty()
            {
                return Err("I4 objects of a purged order are there".into());
            }
        }
        if self.keys.head(&paths::order_key(id)).await.is_ok() {
            return Err("I4 the key of a purged order is there".into());
        }
        if self.vault.core.tombstone(id).await.map_err(fail)?.is_none() {
            return Err("I4 a purged order has no tombstone".into());
        }
        Ok(())
    }
}
