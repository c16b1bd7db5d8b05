//! A new master key, by wrapping every key again.
//!
//! The order: the new master key becomes current (whoever creates an order expects that row, so
//! from then on no order is made with the old one); the records key and every order's key are
//! wrapped again, each read back before and after it takes its place; then nothing is found that
//! another master key wraps; and once no late write can land any more, the old one is retired.
//! Every step can be done again, by any node. Nothing here keeps an upload waiting: both master
//! keys open keys until the old one is retired.
//!
//! A purge and a rotation may meet: a key is put only within a lease that was taken before the
//! order's stage was read, and a purge ends only when, after the last such put, no key is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;

use crate::catalog::{Batch, CommitError, Expect, Version};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::keys::{KeyError, Owner, whose};
use crate::order::Order;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::{Lease, QUIET_AFTER};
use crate::tables::{self, CurrentMaster, RetiredMasters, load, put};

/// Keys at once: enough to hide a round trip, few enough to stay polite.
const AT_ONCE: usize = 8;

/// How often a change that lost a race is made again, and how often the store is looked through.
const TRIES: usize = 16;

/// The current master key, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) id: String,
    version: Option<Version>,
}

impl Current {
    /// Refuses the batch if another master key is current by then. Notes the first one there is.
    pub(crate) fn expected(&self, batch: Batch) -> Batch {
        let row = tables::current_master();
        match self.version {
            Some(version) => batch.expect(row, Expect::At(version)),
            None => {
                let first = CurrentMaster {
                    id: self.id.clone(),
                };
                put(batch.expect(row.clone(), Expect::Absent), row, &first)
            }
        }
    }
}

/// What came of a rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Keys that were wrapped again.
    pub wrapped: u64,
    /// What could not be, in sentences; the rest is done.
    pub problems: Vec<String>,
}

/// What wraps what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// The master key that wraps the keys of new orders.
    pub current: String,
    /// Master keys by their ids, and how many keys each wraps; also those that are not at hand.
    pub masters: BTreeMap<String, u64>,
    /// Those at hand, as their file lists them.
    pub at_hand: Vec<String>,
    /// Those that were retired.
    pub retired: Vec<String>,
    /// Keys that cannot be read, in sentences.
    pub problems: Vec<String>,
}

/// Changes the master key.
#[derive(Clone, Debug)]
pub struct KeyRotation {
    pub(crate) core: Arc<Core>,
}

impl KeyRotation {
    /// The master key that wraps new keys now; the first at hand if none was ever chosen.
    pub(crate) async fn current_master(&self) -> Result<Current> {
        let row = load::<CurrentMaster>(&*self.core.catalog, &tables::current_master()).await?;
        self.retired_masters().await?;
        let Some((CurrentMaster { id }, version)) = row else {
            let id = self.core.keys.masters().first().id().to_owned();
            return Ok(Current { id, version: None });
        };
        self.core
            .keys
            .note_current(version, self.core.clock.monotonic());
        if self.core.keys.masters().get(&id).is_none() {
            self.core.keys.reload().await?;
        }
        let version = Some(version);
        Ok(Current { id, version })
    }

    async fn retired_masters(&self) -> Result<(RetiredMasters, Expect)> {
        let row = load::<RetiredMasters>(&*self.core.catalog, &tables::retired_masters()).await?;
        let (retired, expect) = row.map_or((RetiredMasters::default(), Expect::Absent), |row| {
            (row.0, Expect::At(row.1))
        });
        self.core.keys.set_retired(retired.ids.clone());
        Ok((retired, expect))
    }

    /// Says which master key wraps how many keys; reads every wrapped key.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn key_state(&self) -> Result<KeyState> {
        self.core.keys.reload().await?;
        let current = self.current_master().await?.id;
        let mut state = KeyState {
            retired: self.retired_masters().await?.0.ids,
            at_hand: self.core.keys.masters().ids().map(str::to_owned).collect(),
            current,
            ..KeyState::default()
        };
        for id in state.at_hand.iter().chain([&state.current]) {
            state.masters.insert(id.clone(), 0);
        }
        let mut found = futures::stream::iter(self.core.keys.owners().await?)
            .map(|owner| async move { self.core.keys.wrapped(owner).await })
            .buffer_unordered(AT_ONCE);
        while let Some(wrapped) = found.next().await {
            match wrapped {
                Ok(Some(wrapped)) => *state.masters.entry(wrapped.master).or_default() += 1,
                // Destroyed since it was listed.
                Ok(None) => {}
                Err(Error::Key(error)) => state.problems.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(state)
    }

    /// Makes `to`, the first of the master keys at hand, the current one, and wraps every key
    /// with it that is wrapped by another. Goes on where an earlier rotation stopped.
    ///
    /// # Errors
    /// A refusal if `to` is not the first at hand, or was retired; those of stores and catalog.
    pub async fn rotate_keys(&self, to: &str) -> Result<Rotation> {
        let _one = self.core.keys.rotating.lock().await;
        self.switch(to).await?;
        let mut rotation = Rotation::default();
        for _ in 0..TRIES {
            rotation.problems.clear();
            let mut wrapped = 0;
            let mut done = futures::stream::iter(self.core.keys.owners().await?)
                .map(|owner| async move { self.wrap_again(owner, to).await })
                .buffer_unordered(AT_ONCE);
            while let Some(again) = done.next().await {
                match again {
                    Ok(again) => wrapped += u64::from(again),
                    Err(Error::Key(error)) => rotation.problems.push(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
            rotation.wrapped += wrapped;
            if wrapped == 0 {
                self.core.keys.tidy(to).await?;
                return Ok(rotation);
            }
        }
        Ok(rotation)
    }

    async fn switch(&self, to: &str) -> Result<()> {
        let masters = self.core.keys.reload().await?;
        if masters.first().id() != to {
            let message = format!(
                "master key {to} is not the first that this server has at hand: put its line in front of the others, on every machine that runs a server"
            );
            return Err(Refusal::new(RefusalKind::BadRequest, message).into());
        }
        for _ in 0..TRIES {
            let current = self.current_master().await?;
            let (retired, expect) = self.retired_masters().await?;
            if retired.ids.iter().any(|id| id == to) {
                let message =
                    format!("master key {to} was retired: a retired key is never used again");
                return Err(Refusal::new(RefusalKind::BadRequest, message).into());
            }
            let row = CurrentMaster { id: to.to_owned() };
            let mut batch = current.expected(Batch::new());
            if current.id != to {
                batch = put(batch, tables::current_master(), &row);
                batch = batch.expect(tables::retired_masters(), expect);
            }
            match self.core.catalog.commit(batch).await {
                Ok(()) => return self.current_master().await.map(drop),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
        Err(busy())
    }

    /// Wraps one key again, unless it is so already or its order is being purged.
    async fn wrap_again(&self, owner: Owner, to: &str) -> Result<bool> {
        let lease = Lease::new(&self.core.clock, &whose(owner));
        if self.current_master().await?.id != to {
            let message = format!(
                "another master key than {to} became current meanwhile: that rotation does the rest"
            );
            return Err(Refusal::new(RefusalKind::TakenOver, message).into());
        }
        if let Some(order) = owner
            && self.is_being_purged(order).await?
        {
            return Ok(false);
        }
        match self.core.keys.wrapped(owner).await {
            Ok(None) => return Ok(false),
            Ok(Some(wrapped)) if wrapped.master == to => {
                // That it opens is looked at too: nothing else would notice before it is needed.
                self.core.keys.secret(owner).await?;
                return Ok(false);
            }
            Ok(Some(_)) | Err(Error::Key(KeyError::Damaged { .. })) => {}
            Err(error) => return Err(error),
        }
        let Some((secret, _)) = self.core.keys.secret(owner).await? else {
            return Ok(false);
        };
        self.core.keys.put(to, &secret, owner, &lease).await?;
        Ok(true)
    }

    /// Whether the order's key is to be destroyed, or was.
    pub(super) async fn is_being_purged(&self, order: OrderId) -> Result<bool> {
        let row = load::<Order>(&*self.core.catalog, &tables::order(order)).await?;
        Ok(row.is_some_and(|(order, _)| order.is_gone()))
    }

    /// From now on a master key opens nothing any more. Twice is once.
    ///
    /// # Errors
    /// A refusal while it is current, wraps a key, or a late write might still use it.
    pub async fn retire_master(&self, id: &str) -> Result<()> {
        let no = |message: String| Error::from(Refusal::new(RefusalKind::WrongStage, message));
        for _ in 0..TRIES {
            let current = self.current_master().await?;
            let (mut retired, expect) = self.retired_masters().await?;
            if retired.ids.iter().any(|known| known == id) {
                return Ok(());
            }
            if current.id == id || current.version.is_none() {
                return Err(no(format!(
                    "master key {id} wraps the keys of new orders: `stemvault keys rotate` makes another one current first"
                )));
            }
            let left = self.keys_under(id).await?;
            if left > 0 {
                return Err(no(format!(
                    "master key {id} still wraps {left} keys: `stemvault keys rotate` wraps them again; the key of an order that is being purged goes with the purge"
                )));
            }
            let passed = self.core.keys.current_since();
            let passed = passed.map(|since| self.core.clock.monotonic().saturating_sub(since));
            let wait = QUIET_AFTER.saturating_sub(passed.unwrap_or_default());
            if !wait.is_zero() {
                return Err(no(format!(
                    "a late write may still use master key {id}: retire it in {} seconds",
                    wait.as_secs() + 1
                )));
            }
            // Whatever was late has landed: looked at once more, and now it counts.
            if self.keys_under(id).await? > 0 {
                continue;
            }
            retired.ids.push(id.to_owned());
            let batch = current.expected(Batch::new());
            let batch = batch.expect(tables::retired_masters(), expect);
            let batch = put(batch, tables::retired_masters(), &retired);
            match self.core.catalog.commit(batch).await {
                Ok(()) => return self.retired_masters().await.map(drop),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
        Err(busy())
    }

    async fn keys_under(&self, master: &str) -> Result<u64> {
        let state = self.key_state().await?;
        if let Some(problem) = state.problems.first() {
            let message = format!("not every key can be read: {problem}");
            return Err(Refusal::new(RefusalKind::WrongStage, message).into());
        }
        Ok(state.masters.get(master).copied().unwrap_or_default())
    }
}

fn busy() -> Error {
    let message = "others are changing the master key at this moment: try again";
    Refusal::new(RefusalKind::TakenOver, message).into()
}
