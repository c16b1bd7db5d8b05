//! Release and purge: the only places where bytes of a submitted session are deleted.
//!
//! Both act on an order whose stage says so, only after the record that decided it is stored, and
//! can be done again at any point. The order of writes of a purge: record, key destroyed and read
//! back, tombstone, objects, and after the last late put a list that shows nothing.

use std::collections::HashSet;
use std::sync::Arc;

use crate::audit::What;
use crate::block::{Logical, seal_copy};
use crate::catalog::Batch;
pub use crate::core::tombstone::{Buried, Tombstone};
use crate::core::{Core, OrderAt};
use crate::error::Result;
use crate::ids::{OrderId, UploadId};
use crate::key_care::BackupNotes;
use crate::late::LatePuts;
use crate::manifests::Manifests;
use crate::mirror::Mirroring;
use crate::order::Order;
use crate::paths;
use crate::rows::UploadRows;
use crate::session::SessionRow;
use crate::sweep::Swept;
use crate::tables::{self, put};
use crate::upload::Upload;

/// Deletes what is due.
#[derive(Clone, Debug)]
pub struct Deletion {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) late: Arc<LatePuts>,
    pub(crate) mirroring: Arc<Mirroring>,
    pub(crate) backups: Arc<BackupNotes>,
}

impl Deletion {
    /// Deletes the working files of an order in stage Releasing: those of the uploads of its proven
    /// sessions, never the whole prefix.
    ///
    /// # Errors
    /// Those of the stores; doing it again goes on.
    pub async fn delete_released(&self, order: &Order) -> Result<Swept> {
        self.core.marks.expect_stores().await?;
        let mut swept = Swept::default();
        for upload in self.released_uploads(order).await? {
            let (objects, bytes) = self
                .core
                .working
                .empty(&paths::upload(order.id, upload))
                .await?;
            swept.objects += objects;
            swept.bytes += bytes;
        }
        self.core.working.settle(&paths::working(order.id)).await?;
        Ok(swept)
    }

    /// Whether anything is left of the working files of an order in stage Releasing.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn has_to_release(&self, order: &Order) -> Result<bool> {
        for upload in self.released_uploads(order).await? {
            let folder = paths::upload(order.id, upload);
            if !self.core.working.list(&folder).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last step of a release, after everything late has landed: lists once more, then notes
    /// that the sessions are in the archive alone. `None`: not empty, or the order changed.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn close_release(&self, at: &OrderAt) -> Result<Option<Order>> {
        let order = &at.order;
        let next = order.released()?;
        self.core.marks.expect_stores().await?;
        let mut batch = Batch::new();
        for upload in self.released_uploads(order).await? {
            if !self
                .core
                .working
                .list(&paths::upload(order.id, upload))
                .await?
                .is_empty()
            {
                return Ok(None);
            }
            batch = batch
                .delete(tables::upload(order.id, upload))
                .delete(tables::order_of_upload(upload));
            for (part, _) in self
                .core
                .catalog
                .scan_prefix(&tables::parts(upload))
                .await?
            {
                batch = batch.delete(part);
            }
        }
        for row in self.proven(order).await? {
            let key = tables::session(order.id, row.session);
            batch = put(
                batch,
                key,
                &SessionRow {
                    released: true,
                    ..row
                },
            );
        }
        self.core.decide(at, next, batch).await
    }

    async fn proven(&self, order: &Order) -> Result<Vec<SessionRow>> {
        let mut rows = self.core.sessions(order.id).await?;
        rows.retain(|row| order.proof().is_some_and(|proof| proof.covers(row)));
        Ok(rows)
    }

    /// The uploads whose folders go, in the order of their manifests.
    async fn released_uploads(&self, order: &Order) -> Result<Vec<UploadId>> {
        let (mut uploads, mut seen) = (Vec::new(), HashSet::new());
        for row in self
            .proven(order)
            .await?
            .into_iter()
            .filter(|row| !row.released)
        {
            let manifest = self.manifests.manifest(order.id, row.session).await?;
            // Of a file made of parts the upload itself has rows, and no folder.
            let folders = manifest.files.iter().flat_map(|file| {
                let parts = file.folders().map(|(upload, _)| upload);
                parts.chain([file.upload]).collect::<Vec<_>>()
            });
            uploads.extend(folders.filter(|&upload| seen.insert(upload)));
        }
        Ok(uploads)
    }

    /// Destroys the key of an order in stage Purging, writes its tombstone, and deletes every
    /// object. Twice is once.
    ///
    /// # Errors
    /// Those of the stores; doing it again goes on.
    pub async fn destroy(&self, order: &Order) -> Result<Swept> {
        let id = order.id;
        self.core.marks.expect_stores().await?;
        self.core.keys.destroy(id).await?;
        self.manifests.forget_documents(id);
        self.rows.forget_listing(id);
        // A mirror that does not answer keeps nothing else here; but then the purge is not over.
        let mirrored_key = self.mirroring.destroy_mirrored_key(id).await;
        self.bury(order).await?;
        let (objects, bytes) = self.core.working.empty(&paths::order(id)).await?;
        let mut swept = Swept { objects, bytes };
        let (objects, bytes) = self.core.archive.empty(&paths::order(id)).await?;
        swept.objects += objects;
        swept.bytes += bytes;
        mirrored_key?;
        self.mirroring.empty_mirror(id).await?;
        Ok(swept)
    }

    async fn bury(&self, order: &Order) -> Result<()> {
        let path = paths::tombstone(order.id);
        if self.core.working.get_opt(&path).await?.is_some() {
            return Ok(());
        }
        let sessions = self.core.sessions(order.id).await?;
        let now = self.core.clock.now();
        let tombstone = Tombstone {
            order: order.id,
            number: order.number.clone(),
            version: order.version,
            completed_at: order.completed_at(),
            destroyed_at: now,
            last_backup_ends_at: self.backups.last_backup_ends(now).await?,
            sessions: sessions
                .into_iter()
                .map(|row| Buried {
                    session: row.session,
                    kind: row.kind,
                    files: row.files,
                    bytes: row.bytes,
                })
                .collect(),
            audit: order.audit,
        };
        let bytes = tables::encode(&tombstone);
        let sealed = seal_copy(
            self.core.keys.records(),
            order.id,
            &Logical::Tombstone,
            &bytes,
        );
        self.core
            .working
            .prepare(&object_store::path::Path::from("tombstones"))
            .await?;
        self.core.working.put_now(&path, sealed).await
    }

    /// The last step of a purge, after everything late has landed: lists both prefixes once more,
    /// looks that no rotation has put the key back that it read before the purge was decided, then forgets every row but the order's name. `None`: not empty, or the order changed.
    ///
    /// # Errors
    /// Those of the stores and the catalog.
    pub async fn close_purge(&self, at: &OrderAt) -> Result<Option<Order>> {
        let id = at.order.id;
        self.core.marks.expect_stores().await?;
        if self.core.keys.holds(id).await? {
            return Ok(None);
        }
        for store in [&self.core.working, &self.core.archive] {
            if !store.list(&paths::order(id)).await?.is_empty() {
                return Ok(None);
            }
        }
        if !self.mirroring.is_gone_from_mirror(id).await? {
            return Ok(None);
        }
        let logged = (What::Purged, &self.core.who);
        let batch = self.late.watch(self.rows_of(id).await?, id);
        let (next, batch) = self.core.log(at.order.purged()?, logged, batch);
        self.core.step(at, next, batch).await
    }

    /// The end of every row of an order but the four that bear its name, and its audit log.
    async fn rows_of(&self, id: OrderId) -> Result<Batch> {
        let mut batch = Batch::new();
        for upload in self.rows.all_uploads(id).await? {
            batch = batch.and(self.rows_of_upload(&upload).await?);
        }
        for link in self.core.links(id).await? {
            batch = batch
                .delete(tables::link(link.digest))
                .delete(tables::order_of_link(link.id));
        }
        for table in [
            tables::uploads(id),
            tables::sessions(id),
            tables::attempts(id),
            tables::all_progress(id),
            tables::links_of(id),
            tables::arrival(id),
            tables::draft(id),
            tables::proven(id),
            tables::mirrored(id),
            tables::fetched(id),
        ] {
            for (row, _) in self.core.catalog.scan_prefix(&table).await? {
                batch = batch.delete(row);
            }
        }
        Ok(batch)
    }

    /// The end of every row of an order but its audit log: it is to be written anew.
    pub(crate) async fn all_rows(&self, order: &Order) -> Result<Batch> {
        let id = order.id;
        Ok(self
            .rows_of(id)
            .await?
            .delete(tables::order(id))
            .delete(tables::gate(id))
            .delete(tables::outbox(id))
            .delete(tables::number(&order.number)))
    }

    /// The end of every row of an upload.
    pub(crate) async fn rows_of_upload(&self, upload: &Upload) -> Result<Batch> {
        let mut batch = Batch::new()
            .delete(tables::upload(upload.order, upload.id))
            .delete(tables::order_of_upload(upload.id));
        for table in [
            tables::blocks(upload.id),
            tables::fragments(upload.id),
            tables::parts(upload.id),
            tables::part_use(upload.id),
        ] {
            for (row, _) in self.core.catalog.scan_prefix(&table).await? {
                batch = batch.delete(row);
            }
        }
        Ok(batch)
    }
}
