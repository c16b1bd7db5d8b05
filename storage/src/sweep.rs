//! The sweep: removes what nothing names. What a crash leaves behind is bytes, never a hole; here
//! they go.
//!
//! Only closed uploads (sealed, or without a row) and superseded archive attempts (begun under an
//! earlier gate, and not named by the proof) are looked at; and only when no decision of the order
//! is still to be recorded, of an order that is not held. Of order records the newest fifty stay.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::archive::{Archiver, ProgressRows};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::ids::{AttemptId, OrderId, UploadId};
use crate::manifests::Manifests;
use crate::paths;
use crate::session::FileEntry;
use crate::tables::{self, Attempt, load};
use crate::upload::{Upload, UploadState};

/// So many records of an order stay: the newest, and others for where that one does not open.
const RECORDS_KEPT: usize = 50;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Swept {
    fn add(&mut self, (objects, bytes): (u64, u64)) {
        self.objects += objects;
        self.bytes += bytes;
    }
}

/// Removes what nothing names.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) archiver: Arc<Archiver>,
    pub(crate) progress: Arc<ProgressRows>,
}

impl Sweep {
    /// Sweeps one order.
    ///
    /// # Errors
    /// Those of the stores; what is left is found by the next sweep.
    pub async fn sweep(&self, order: OrderId) -> Result<Swept> {
        self.core.drain(order).await?;
        let now = self.core.order(order).await?;
        // What nothing names may be what a newer, damaged record named: that is what a hold is for.
        if now.is_gone() || now.hold.is_some() {
            return Ok(Swept::default());
        }
        self.core.marks.expect_stores().await?;
        let mut swept = Swept::default();
        self.sweep_uploads(order, &mut swept).await?;
        self.sweep_attempts(order, &mut swept).await?;
        self.sweep_records(order, &mut swept).await?;
        Ok(swept)
    }

    /// Records of decisions long past, once the newest was read back: a rebuild takes that one, and an
    /// older one only where it does not open.
    async fn sweep_records(&self, id: OrderId, swept: &mut Swept) -> Result<()> {
        let versions = self.core.record_versions(id).await?;
        let Some(newest) = versions.last().filter(|_| versions.len() > RECORDS_KEPT) else {
            return Ok(());
        };
        let order = self.core.order(id).await?;
        let opens = match self.core.read_record(id, *newest).await {
            Ok(record) => record.order == order,
            // A scrub names it; until then all that there is stays.
            Err(Error::Damaged(_)) => false,
            Err(error) => return Err(error),
        };
        if !opens || order.hold.is_some() {
            return Ok(());
        }
        let folder = paths::records(id);
        let old: HashSet<_> = versions.iter().rev().skip(RECORDS_KEPT).collect();
        let old: HashSet<_> = old
            .iter()
            .map(|version| paths::record(id, **version))
            .collect();
        for (path, bytes) in self.core.working.list(&folder).await? {
            if old.contains(&path) {
                self.core.working.delete(&path).await?;
                swept.add((1, bytes));
            }
        }
        self.core.working.settle(&folder).await
    }

    async fn sweep_uploads(&self, order: OrderId, swept: &mut Swept) -> Result<()> {
        let folders = self.core.working.folders(&paths::working(order)).await?;
        let mut closed = Vec::new();
        for id in folders
            .iter()
            .filter_map(|name| name.parse::<UploadId>().ok())
        {
            if self.is_closed(order, id).await? {
                closed.push(id);
            }
        }
        // The sessions are read after the rows: whoever closed an upload had written its session.
        let named = self.named_blocks(order, &closed).await?;
        for id in closed {
            let folder = paths::upload(order, id);
            let Some(named) = named.get(&id) else {
                // A new upload has its folder before its row. Objects come after the row: where
                // there are some and no row is found afterwards, it was removed for good.
                let any = !self.core.working.list(&folder).await?.is_empty();
                if any && self.is_closed(order, id).await? {
                    swept.add(self.core.working.empty(&folder).await?);
                }
                continue;
            };
            let mut deleted = false;
            for (path, bytes) in self.core.working.list(&folder).await? {
                if path.filename().is_some_and(|name| !named.contains(name)) {
                    self.core.working.delete(&path).await?;
                    swept.add((1, bytes));
                    deleted = true;
                }
            }
            if deleted {
                self.core.working.settle(&folder).await?;
            }
        }
        Ok(())
    }

    /// Whether nobody writes to this upload any more: it is sealed, or has no row.
    async fn is_closed(&self, order: OrderId, id: UploadId) -> Result<bool> {
        let row = load::<Upload>(&*self.core.catalog, &tables::upload(order, id)).await?;
        Ok(row.is_none_or(|(upload, _)| matches!(upload.state, UploadState::Sealed { .. })))
    }

    /// The object names that manifests name, for each of these uploads that any names.
    async fn named_blocks(
        &self,
        order: OrderId,
        uploads: &[UploadId],
    ) -> Result<HashMap<UploadId, HashSet<String>>> {
        let mut named = HashMap::<UploadId, HashSet<String>>::new();
        if uploads.is_empty() {
            return Ok(named);
        }
        let keys = self.core.keys.order(order).await?;
        let wanted: HashSet<_> = uploads.iter().copied().collect();
        for row in self
            .core
            .sessions(order)
            .await?
            .into_iter()
            .filter(|row| !row.released)
        {
            let manifest = self.manifests.manifest(order, row.session).await?;
            for (upload, blocks) in manifest.files.iter().flat_map(FileEntry::folders) {
                if wanted.contains(&upload) {
                    let names = named.entry(upload).or_default();
                    names.extend(blocks.iter().map(|block| keys.object_name(block.hash)));
                }
            }
        }
        Ok(named)
    }

    async fn sweep_attempts(&self, order: OrderId, swept: &mut Swept) -> Result<()> {
        let folders = self.core.archive.folders(&paths::archive(order)).await?;
        let folders: Vec<AttemptId> = folders.iter().flat_map(|name| name.parse()).collect();
        let rows = self
            .core
            .catalog
            .scan_prefix(&tables::attempts(order))
            .await?;
        let progress = tables::all_progress(order);
        let progress = self.core.catalog.scan_prefix(&progress).await?;
        let noted = |(key, _): &(_, _)| tables::attempt_of(key);
        let mut progress: Vec<_> = progress.iter().filter_map(noted).collect();
        progress.dedup();
        // One that died before its first object has a row and no folder.
        let mut attempts = folders.clone();
        attempts.extend(rows.iter().filter_map(noted));
        attempts.extend(&progress);
        let mut seen = HashSet::new();
        attempts.retain(|&id| seen.insert(id));
        // The order is read after these: an attempt begun since is not among them.
        let at = self.core.order(order).await?;
        for id in attempts {
            if at.proof().is_some_and(|proof| proof.attempt == id) {
                if progress.contains(&id) {
                    self.progress.forget_progress(order, id).await?;
                }
                continue;
            }
            let key = tables::attempt(order, id);
            let row = load::<Attempt>(&*self.core.catalog, &key).await?;
            if row.is_some_and(|(attempt, _)| attempt.gate == at.gate) {
                continue;
            }
            if folders.contains(&id) {
                swept.add(self.core.archive.empty(&paths::attempt(order, id)).await?);
            }
            if row.is_some() || progress.contains(&id) {
                self.archiver.forget_attempt(order, id).await?;
            }
        }
        Ok(())
    }
}
