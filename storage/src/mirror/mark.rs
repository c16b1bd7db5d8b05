//! The mark of a mirror: a small object in each of its two places that says whose mirror it is.
//!
//! A disk that is not mounted leaves an empty folder, and that looks like a mirror that has lost
//! everything. The mark is put when a mirror is begun. From then on, wherever it is missing or another
//! installation's, nothing is copied, mended, or taken for gone. Whose it is, the id of the records key
//! says, which outlives the catalog and changes with no master key.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Mirror, copy};
use crate::catalog::Batch;
use crate::catalog::tables::{self, MirrorBegun, Record, load, put};
use crate::error::Result;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::Store;
use crate::vault::Vault;

/// What lies in both places.
#[derive(Serialize, Deserialize)]
struct Mark {
    /// The id of the records key.
    installation: String,
    /// When the mirror was begun.
    begun_at: DateTime<Utc>,
}

impl Record for Mark {
    const WHAT: &'static str = "mark of a mirror";
}

/// Whose mark a store bears.
#[derive(PartialEq, Eq)]
enum Whose {
    Ours,
    Nobodys,
    Anothers,
}

impl Vault {
    /// Asks whether the mirror that was begun is there. Where none is set, and where none was ever
    /// begun, all is well.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`] with what to look at; those of the mirror's stores.
    pub async fn check_mirror(&self) -> Result<()> {
        let begun = load::<MirrorBegun>(&*self.catalog, &tables::mirror_begun()).await?;
        match &self.mirror {
            Some(mirror) => self.expect_mark(mirror, begun.is_some()).await,
            None => Ok(()),
        }
    }

    /// Marks a mirror as this installation's, unless it is. One that was complete before it could
    /// be marked is not taken for a new one.
    ///
    /// # Errors
    /// Those of [`check_mirror`](Self::check_mirror).
    pub async fn begin_mirror(&self, mirror: &Mirror, was_complete: bool) -> Result<()> {
        let begun = load::<MirrorBegun>(&*self.catalog, &tables::mirror_begun()).await?;
        self.expect_mark(mirror, begun.is_some() || was_complete)
            .await?;
        if begun.is_none() {
            self.mark(mirror).await?;
        }
        Ok(())
    }

    /// Begins a new mirror where there is no mark. What an earlier one held of each order is
    /// forgotten, so all of it is copied.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`] for the mirror of another installation; those of stores and catalog.
    pub async fn begin_mirror_anew(&self, mirror: &Mirror) -> Result<()> {
        for store in mirror.places() {
            if self.whose(store).await? == Whose::Anothers {
                let message = format!(
                    "{} holds the mirror of another installation: empty it first, or name another place",
                    store.place()
                );
                return Err(Refusal::new(RefusalKind::Stopped, message).into());
            }
        }
        let mut batch = Batch::new().delete(tables::mirror_begun());
        for order in self.orders().await? {
            batch = batch.delete(tables::mirrored(order.id));
        }
        self.catalog.commit(batch).await?;
        self.mark(mirror).await
    }

    async fn expect_mark(&self, mirror: &Mirror, begun: bool) -> Result<()> {
        for store in mirror.places() {
            match self.whose(store).await? {
                Whose::Ours => {}
                Whose::Nobodys if !begun => {}
                Whose::Nobodys | Whose::Anothers => return Err(away(store).into()),
            }
        }
        Ok(())
    }

    async fn mark(&self, mirror: &Mirror) -> Result<()> {
        let mark = Mark {
            installation: self.installation(),
            begun_at: self.clock.now(),
        };
        for store in mirror.places() {
            if self.whose(store).await? == Whose::Nobodys {
                let bytes = Bytes::from(tables::encode(&mark));
                copy(store, &paths::mirror_mark(), bytes).await?;
            }
        }
        let row = MirrorBegun { at: mark.begun_at };
        let batch = put(Batch::new(), tables::mirror_begun(), &row);
        Ok(self.catalog.commit(batch).await?)
    }

    async fn whose(&self, store: &Store) -> Result<Whose> {
        let Some(bytes) = store.get_opt(&paths::mirror_mark()).await? else {
            return Ok(Whose::Nobodys);
        };
        // One that cannot be read is not known to be ours.
        let ours = tables::decode::<Mark>(&bytes)
            .is_ok_and(|mark| mark.installation == self.installation());
        Ok(if ours { Whose::Ours } else { Whose::Anothers })
    }

    fn installation(&self) -> String {
        hex::encode(self.keys.records().id())
    }
}

/// What to look at where the mark is not ours.
fn away(store: &Store) -> Refusal {
    let message = format!(
        "the mirror at {} is empty or another one: is its disk mounted? Nothing was written there. If a new mirror is to begin at this place: `stemvault mirror --new`",
        store.place()
    );
    Refusal::new(RefusalKind::Stopped, message)
}
