//! The mark of a mirror: a small object in each of its two places that says whose mirror it is.
//!
//! A disk that is not mounted leaves an empty folder, and that looks like a mirror that has lost
//! everything. The mark is put when a mirror is begun. From then on, wherever it is missing or another
//! installation's, nothing is copied, mended, or taken for gone. Whose it is, the id of the records key
//! says, which outlives the catalog and changes with no master key.

use bytes::Bytes;

use super::Mirroring;
use super::{Mirror, copy};
use crate::catalog::Batch;
use crate::error::Result;
use crate::marks::Whose;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::store::Store;
use crate::tables::{self, MirrorBegun, all_orders, load, put};

impl Mirroring {
    /// Asks whether the mirror that was begun is there. Where none is set, and where none was ever
    /// begun, all is well.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`] with what to look at; those of the mirror's stores.
    pub async fn check_mirror(&self) -> Result<()> {
        let begun = load::<MirrorBegun>(&*self.core.catalog, &tables::mirror_begun()).await?;
        match &self.core.mirror {
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
        let begun = load::<MirrorBegun>(&*self.core.catalog, &tables::mirror_begun()).await?;
        self.expect_mark(mirror, begun.is_some() || was_complete)
            .await?;
        if begun.is_none() {
            self.mark_mirror(mirror).await?;
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
            // One that cannot be read is not known to be ours.
            let whose = self.core.marks.whose(store, &paths::mirror_mark()).await?;
            if matches!(whose, Whose::Anothers | Whose::Unreadable) {
                let message = format!(
                    "{} holds the mirror of another installation: empty it first, or name another place",
                    store.place()
                );
                return Err(Refusal::new(RefusalKind::Stopped, message).into());
            }
        }
        let mut batch = Batch::new().delete(tables::mirror_begun());
        for order in all_orders(&*self.core.catalog).await? {
            batch = batch.delete(tables::mirrored(order.id));
        }
        self.core.catalog.commit(batch).await?;
        self.mark_mirror(mirror).await
    }

    async fn expect_mark(&self, mirror: &Mirror, begun: bool) -> Result<()> {
        for store in mirror.places() {
            match self.core.marks.whose(store, &paths::mirror_mark()).await? {
                Whose::Ours => {}
                Whose::Nobodys if !begun => {}
                Whose::Nobodys | Whose::Anothers | Whose::Unreadable => {
                    return Err(away(store).into());
                }
            }
        }
        Ok(())
    }

    async fn mark_mirror(&self, mirror: &Mirror) -> Result<()> {
        let mark = self.core.marks.mark();
        for store in mirror.places() {
            if self.core.marks.whose(store, &paths::mirror_mark()).await? == Whose::Nobodys {
                let bytes = Bytes::from(tables::encode(&mark));
                copy(store, &paths::mirror_mark(), bytes).await?;
            }
        }
        let row = MirrorBegun { at: mark.begun_at };
        let batch = put(Batch::new(), tables::mirror_begun(), &row);
        Ok(self.core.catalog.commit(batch).await?)
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
