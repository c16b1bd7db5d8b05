//! Sealing: what a submit took becomes a session.
//!
//! The manifest follows from the rows of the uploads and from what the order says of the submit, so
//! whoever finds an order in the middle of it finishes it, and writes the same bytes.

mod taken;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audit::What;
use crate::catalog::Batch;
use crate::checks;
use crate::core::Core;
use crate::error::Result;
use crate::ids::{OrderId, SessionId, UploadId};
use crate::manifests::Manifests;
use crate::order::{Order, Sealing, State};
use crate::rows::UploadRows;
use crate::session::{FileEntry, Kind, Manifest, Review, SessionRow};
use crate::store::Lease;
use crate::tables::{self, put};
use crate::upload::{Upload, UploadState};

pub(crate) use taken::{Taken, count, named};

/// How many bytes of findings an automatic return repeats; the manifest has all of them.
const REASONS_MAX: usize = 4000;

/// Makes sessions of uploads.
#[derive(Clone, Debug)]
pub struct Submits {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) rows: Arc<UploadRows>,
}

impl Submits {
    /// Finishes a submit that was begun, if there is one.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn resume_sealing(&self, order: OrderId) -> Result<()> {
        self.finish_sealing(order).await.map(drop)
    }

    pub(crate) async fn finish_sealing(&self, order: OrderId) -> Result<Option<SessionId>> {
        let lease = Lease::new(&self.core.clock, &order);
        let at = self.core.settled(order).await?;
        let State::Sealing { sealing, .. } = &at.order.state else {
            return Ok(None);
        };
        self.core.marks.expect_store(&self.core.working).await?;
        let taken = self.taken(order, sealing.kind).await?;
        let manifest = self.build(&at.order, sealing, &taken).await?;
        if !self.core.is_still(&at).await? {
            // Someone else finished it while this was read: what was read belongs to no one moment.
            return Ok(None);
        }
        let bytes = tables::encode(&manifest);
        let session = self.manifests.put_manifest(order, &bytes, &lease).await?;
        let batch = self.close(&manifest, session, taken).await?;
        let next = at.order.end_sealing()?;
        // Whoever finishes it, somebody else may have submitted it.
        let what = if manifest.is_refused() {
            What::SubmittedAndReturned(session)
        } else {
            What::Submitted(session)
        };
        let logged = (what, &sealing.who);
        let decided = self.core.decide_that(&at, next, logged, batch).await?;
        Ok(decided.map(|_| session))
    }

    /// The manifest: follows from the rows, which cannot change while the order is Sealing.
    async fn build(&self, order: &Order, sealing: &Sealing, taken: &Taken) -> Result<Manifest> {
        let mut files = BTreeMap::<String, FileEntry>::new();
        let before = match &taken.latest {
            Some(row) if !taken.again.is_empty() => {
                Some(self.manifests.manifest(order.id, row.session).await?)
            }
            _ => None,
        };
        for upload in &taken.again {
            let known = before.iter().flat_map(|manifest| &manifest.files);
            if let Some(entry) = known.into_iter().find(|entry| entry.upload == upload.id) {
                let checked = entry.checked || upload.checked;
                let entry = FileEntry {
                    checked,
                    ..entry.clone()
                };
                files.insert(entry.path.as_str().to_owned(), entry);
            }
        }
        for upload in &taken.finished {
            let entry = self.rows.entry(upload).await?;
            let path = entry.path.as_str().to_owned();
            // The same path twice: what was finished last counts.
            let newer = |known: &FileEntry| {
                (known.finished_at, known.upload) < (entry.finished_at, entry.upload)
            };
            if files.get(&path).is_none_or(newer) {
                files.insert(path, entry);
            }
        }
        let files: Vec<_> = files.into_values().collect();
        let checked = files.iter().map(|file| (file.path.as_str(), &file.facts));
        let findings = checks::check(checked, |rule| {
            sealing
                .rules
                .get(&rule)
                .copied()
                .unwrap_or(checks::Severity::Ignore)
        });
        Ok(Manifest {
            order: order.id,
            number: order.number.clone(),
            kind: sealing.kind,
            sealed_at: sealing.sealed_at,
            form: sealing.form.clone(),
            rules: sealing.rules.clone(),
            findings,
            files,
        })
    }

    /// The session's row, its uploads closed, and those that a newer file replaced removed.
    async fn close(&self, manifest: &Manifest, session: SessionId, taken: Taken) -> Result<Batch> {
        let order = manifest.order;
        let hashes: BTreeMap<UploadId, _> = manifest
            .files
            .iter()
            .map(|file| (file.upload, file.hash))
            .collect();
        let row = first_row(session, manifest);
        let mut batch = put(Batch::new(), tables::session(order, session), &row);
        if manifest.kind == Kind::Material {
            batch = batch.delete(tables::draft(order));
        }
        for upload in taken.finished.into_iter().chain(taken.again) {
            for (block, _) in self
                .core
                .catalog
                .scan_prefix(&tables::blocks(upload.id))
                .await?
            {
                batch = batch.delete(block);
            }
            if matches!(upload.state, UploadState::Finished { .. }) {
                batch = self.rows.without_parts(batch, order, upload.id).await?;
            }
            let upload = Arc::unwrap_or_clone(upload);
            let key = tables::upload(order, upload.id);
            batch = match hashes.get(&upload.id) {
                Some(&hash) => {
                    let state = UploadState::Sealed { hash, session };
                    put(
                        batch,
                        key,
                        &Upload {
                            state,
                            expires_at: None,
                            progress: upload.progress.ended(),
                            ..upload
                        },
                    )
                }
                None => self.rows.without_upload(batch, order, upload.id).await?,
            };
        }
        Ok(batch)
    }
}

/// What is said of a session before anybody has said anything.
pub(crate) fn first_row(session: SessionId, manifest: &Manifest) -> SessionRow {
    SessionRow {
        session,
        kind: manifest.kind,
        sealed_at: manifest.sealed_at,
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        review: first_review(manifest),
        released: false,
        proven: None,
    }
}

/// What refuses at once need not wait for the engineer: the client learns it with the receipt.
fn first_review(manifest: &Manifest) -> Review {
    if !manifest.is_refused() {
        return Review::Submitted;
    }
    let mut room = REASONS_MAX;
    let refusing = manifest
        .findings
        .iter()
        .filter(|finding| finding.severity == checks::Severity::Refuse);
    let reasons: Vec<String> = refusing
        .map(|finding| finding.message.clone())
        .take_while(|message| {
            let fits = message.len() <= room;
            room = room.saturating_sub(message.len());
            fits
        })
        .collect();
    let reasons = if reasons.is_empty() {
        vec!["see the findings of the receipt".to_owned()]
    } else {
        reasons
    };
    Review::Returned {
        at: manifest.sealed_at,
        reasons,
    }
}
