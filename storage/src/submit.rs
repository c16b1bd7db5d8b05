//! Submit: the finished uploads of an order become a session.
//!
//! The order of writes: a batch that fixes what the manifest will say (stage Sealing), the
//! manifest, a batch with the session and the closed uploads, the order record, the receipt.
//! Whoever finds an order in the middle of it finishes it, and writes the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::audit::What;
use crate::catalog::{Batch, Expect};
use crate::checks;
use crate::error::{Error, Result};
use crate::ids::{OrderId, SessionId, UploadId};
use crate::order::{Order, Sealing, Stage, State};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{FileEntry, Form, Kind, Manifest, Receipt, Review, Rules, SessionRow};
use crate::standing::Taken;
use crate::store::Lease;
use crate::tables::{self, Arrival, load, put};
use crate::upload::{Upload, UploadState};
use crate::vault::Vault;

const TRIES: usize = 64;

/// The most sessions of an order: several for every day of a year.
pub const SESSIONS_MAX: usize = 1000;

/// The most sessions of an order in an hour: one a minute.
pub const SUBMITS_PER_HOUR: usize = 60;

/// How many bytes of findings an automatic return repeats; the manifest has all of them.
const REASONS_MAX: usize = 4000;

impl Vault {
    /// Seals what was uploaded into a session. Doing it again without new files gives the same
    /// receipt.
    ///
    /// # Errors
    /// [`BadRequest`](crate::refusal::RefusalKind) when there is nothing to submit, or files are
    /// unfinished: it
    /// names them.
    pub async fn submit(
        self: &Arc<Self>,
        order: OrderId,
        kind: Kind,
        form: Form,
        rules: Rules,
    ) -> Result<Receipt> {
        self.wait_for_joins(order, kind).await?;
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            Self::check_takes_files(&at.order)?;
            if matches!(at.order.stage(), Stage::Sealing) {
                self.resume_sealing(order).await?;
                continue;
            }
            let arrival = tables::arrival(order);
            let newest = load::<Arrival>(&*self.core.catalog, &arrival).await?;
            // Looked at and let go: the rows of many files are read again once they cannot change.
            let done = self.taken(order, kind).await?.check(&at.order, kind)?;
            if let Some(done) = done {
                return self.receipt(order, done).await;
            }
            self.check_may_submit(&at.order).await?;
            let rules = if kind == Kind::Material {
                rules.clone()
            } else {
                Rules::new()
            };
            let sealing = Sealing {
                kind,
                sealed_at: self.core.clock.now(),
                form: form.clone(),
                rules,
                who: self.core.who.clone(),
            };
            let next = at.order.begin_sealing(sealing)?;
            // Nothing has begun that was not looked at: its name could be one that cannot be sealed.
            let newest = newest.map_or(Expect::Absent, |(_, version)| Expect::At(version));
            let batch = Batch::new().expect(arrival, newest);
            if self.core.step(&at, next, batch).await?.is_some()
                && let Some(session) = self.finish_sealing(order).await?
            {
                return self.receipt(order, session).await;
            }
        }
        Err(Error::Busy { order })
    }

    /// An order holds its sessions in its record, whole, with every decision: they are not without end.
    async fn check_may_submit(&self, order: &Order) -> Result<()> {
        let number = &order.number;
        let sessions = self.core.sessions(order.id).await?;
        if sessions.len() >= SESSIONS_MAX {
            let message = format!(
                "order {number} has {} sessions, and takes no more: go on in a new order",
                sessions.len()
            );
            return Err(Refusal::new(RefusalKind::WrongStage, message)
                .of_order(number)
                .into());
        }
        let hour = TimeDelta::hours(1);
        let since = self.core.clock.now() - hour;
        let mut late = sessions.iter().filter(|row| row.sealed_at > since);
        if let Some(first) = late.clone().map(|row| row.sealed_at).min()
            && late.by_ref().count() >= SUBMITS_PER_HOUR
        {
            let wait = (first + hour - self.core.clock.now()).clamp(TimeDelta::zero(), hour);
            let message = format!(
                "order {number} was submitted {SUBMITS_PER_HOUR} times in an hour: put together what belongs together, and submit it in {} minutes",
                wait.num_minutes() + 1
            );
            let retry = wait.to_std().unwrap_or_default();
            let kind = RefusalKind::TooMany { retry };
            return Err(Refusal::new(kind, message).of_order(number).into());
        }
        Ok(())
    }

    /// Finishes a submit that was begun, if there is one.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn resume_sealing(&self, order: OrderId) -> Result<()> {
        self.finish_sealing(order).await.map(drop)
    }

    async fn finish_sealing(&self, order: OrderId) -> Result<Option<SessionId>> {
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
        let session = self.put_manifest(order, &bytes, &lease).await?;
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
                Some(self.manifest(order.id, row.session).await?)
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
            let entry = self.entry(upload).await?;
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
                batch = self.without_parts(batch, order, upload.id).await?;
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
                None => self.without_upload(batch, order, upload.id).await?,
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
