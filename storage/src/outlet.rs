//! The outlet: a file and a range in, verified bytes out.
//!
//! Every byte that leaves was checked against its block's BLAKE3 first. A damaged block ends the
//! stream with an error that names it, and raises `stemvault_damaged_blocks_total`.

use std::sync::Arc;

use crate::core::Core;
use crate::error::Result;
use crate::ids::{OrderId, SessionId};
use crate::leave::Leave;
use crate::manifests::Manifests;
use crate::order::{Order, Stage};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Manifest, SessionRow};
use crate::source::flaw::Noticed;

pub use crate::source::Source;

/// Files as they are read.
#[derive(Clone, Debug)]
pub struct Outlet {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) leave: Arc<Leave>,
    pub(crate) noticed: Arc<Noticed>,
}

impl Outlet {
    /// The file of a session, if it may leave: working files until the release, the archive
    /// during a recall, deliveries until the purge.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`]; [`RefusalKind::Gone`] with the date and what to do.
    pub async fn file(&self, order: OrderId, session: SessionId, path: &str) -> Result<Source> {
        let order = self.core.order(order).await?;
        order.check_lives()?;
        let row = self.manifests.session_row(order.id, session).await?;
        self.leave.check_may_leave(&order, &row).await?;
        let manifest = self.manifests.manifest(order.id, session).await?;
        let at = manifest
            .files
            .binary_search_by(|file| file.path.as_str().cmp(path));
        let at = at.map_err(|_| {
            let message = format!(
                "session {session} of order {} has no file {path:?}",
                order.number
            );
            Refusal::new(RefusalKind::NotFound, message)
                .of_order(&order.number)
                .of_file(path)
        })?;
        let source = self.source_of(&order, &row, manifest, at).await?;
        Ok(source.noticed_by(session, &self.noticed))
    }

    pub(crate) async fn source_of(
        &self,
        order: &Order,
        row: &SessionRow,
        manifest: Arc<Manifest>,
        file: usize,
    ) -> Result<Source> {
        let proven = order.proof().filter(|proof| proof.covers(row));
        let from_archive = row.released || matches!(order.stage(), Stage::Releasing);
        match proven {
            Some(proof) if from_archive => {
                let index = self.manifests.index(order.id, proof.attempt).await?;
                Source::in_attempt(&self.core, order.id, manifest, file, index).await
            }
            _ => Source::in_working(&self.core, order.id, manifest, file).await,
        }
    }
}
