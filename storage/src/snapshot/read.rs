//! Reading snapshots back, page by page.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;

use super::{NO_ORDER, Page, SealedSection, Section, SnapshotIndex, SnapshotName};
use crate::audit::Audit;
use crate::block::{Logical, open};
use crate::core::Core;
use crate::draft::Drafts;
use crate::error::{Error, Result};
use crate::paths;
use crate::proof::Proofs;
use crate::rows::UploadRows;
use crate::tables::{self, Record};

/// The longest page or section that is read, in bytes: far above any.
const PART_MAX: usize = 256 << 20;

/// A whole snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name.
    pub name: SnapshotName,
    /// What it says of itself.
    pub index: SnapshotIndex,
}

/// Snapshots of the catalog.
#[derive(Clone, Debug)]
pub struct Snapshots {
    pub(crate) core: Arc<Core>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) drafts: Arc<Drafts>,
    pub(crate) proofs: Arc<Proofs>,
    pub(crate) audit: Arc<Audit>,
}

impl Snapshots {
    /// The names of all snapshots, whole or not, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn snapshots(&self) -> Result<Vec<SnapshotName>> {
        let found = self.core.working.folders(&paths::snapshots()).await?;
        let mut names: Vec<SnapshotName> = found.iter().flat_map(|name| name.parse()).collect();
        names.sort_by_key(|name| name.begun_at);
        Ok(names)
    }

    /// The newest snapshot that is whole: the one with the highest number, for the time in its name
    /// may be one that a wrong clock said. A later one whose index does not open is named in
    /// `problems`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn newest_snapshot(&self, problems: &mut Vec<String>) -> Result<Option<Snapshot>> {
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for (name, index) in self.snapshot_indexes().await? {
            match index {
                Ok(index) => whole.push(Snapshot { name, index }),
                Err(problem) => damaged.push((name, problem)),
            }
        }
        let newest = whole
            .into_iter()
            .max_by_key(|it| (it.index.sequence, it.name));
        let later = damaged
            .into_iter()
            .filter(|(name, _)| newest.as_ref().is_none_or(|newest| *name > newest.name));
        problems.extend(later.map(|(_, problem)| problem));
        Ok(newest)
    }

    /// The indexes there are, by name, and what is wrong with those that do not open.
    pub(super) async fn snapshot_indexes(
        &self,
    ) -> Result<Vec<(SnapshotName, Result<SnapshotIndex, String>)>> {
        let mut indexes = Vec::new();
        for name in self.snapshots().await? {
            let path = paths::snapshot_index(&name);
            if let Some(sealed) = self.core.working.get_opt(&path).await? {
                let index = self.open_part(&path, format!("{name}/index"), sealed);
                indexes.push((name, index));
            }
        }
        Ok(indexes)
    }

    /// A page. The inner error says what is wrong with it.
    pub(crate) async fn snapshot_page(
        &self,
        name: &SnapshotName,
        page: u32,
    ) -> Result<Result<Page, String>> {
        let path = paths::snapshot_page(name, page);
        Ok(match self.core.working.get_opt(&path).await? {
            Some(sealed) => self.open_part(&path, format!("{name}/{page}"), sealed),
            None => Err(format!(
                "the catalog snapshot {name} has lost {path}: restore it from the bucket's copy"
            )),
        })
    }

    /// What a snapshot says of an order.
    ///
    /// # Errors
    /// [`Error::Key`] when the order's key is missing, [`Error::BadRecord`] when it does not open.
    pub(crate) async fn open_section(
        &self,
        name: &SnapshotName,
        sealed: &SealedSection,
    ) -> Result<Section> {
        let keys = self.core.keys.order(sealed.order).await?;
        let what = Logical::Snapshot(name.to_string());
        let plain = open(&keys, sealed.order, &what, sealed.sealed.clone(), PART_MAX);
        let plain = plain.map_err(|error| Error::BadRecord {
            what: Section::WHAT,
            detail: format!("{name}: {error}"),
        })?;
        tables::decode(&plain)
    }

    fn open_part<T: Record>(&self, path: &Path, part: String, sealed: Bytes) -> Result<T, String> {
        let what = Logical::Snapshot(part);
        let plain = open(self.core.keys.records(), NO_ORDER, &what, sealed, PART_MAX)
            .map_err(|error| error.to_string());
        let read =
            plain.and_then(|plain| tables::decode(&plain).map_err(|error| error.to_string()));
        read.map_err(|detail| format!("the catalog snapshot in {path} is damaged ({detail}): restore it from the bucket's copy, or do without it"))
    }
}
