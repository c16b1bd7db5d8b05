//! One order, from its newest record that can be read, or the snapshot if that is newer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Rebuild;
use super::{Known, Rebuilt};
use crate::audit::OldLog;
use crate::block::{Logical, seal_copy};
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::record::OrderRecord;
use crate::error::{Error, Result};
use crate::ids::{OrderId, SessionId, UploadId};
use crate::order::{Client, Ended, Hold, Order, Stage, State};
use crate::paths;
use crate::session::{Form, Manifest, SessionRow};
use crate::snapshot::{Section, Snapshot, Unsubmitted};
use crate::submits::first_row;
use crate::tables::{self, DigestOf, Gate, OrderOf, Proven, put};
use crate::upload::progress::Progress;
use crate::upload::{Role, Upload, UploadState};

/// An order as it comes back, before the stores were asked for its sessions.
struct Chosen {
    record: OrderRecord,
    /// What the snapshot knew beside.
    draft: Option<Form>,
    proven: Option<Proven>,
    uploads: Vec<Unsubmitted>,
    log: OldLog,
    /// The sessions that the snapshot knew: a draft is older than any other.
    then: HashSet<SessionId>,
}

impl Rebuild {
    pub(super) async fn rebuild_order(
        &self,
        known: Known,
        snapshot: Option<&Snapshot>,
    ) -> Result<Rebuilt> {
        let id = known.id;
        let mut back = Rebuilt::default();
        if known.buried && self.rebuild_purged(id, &mut back).await? {
            back.purging = 1;
            return Ok(back);
        }
        let section = match (&known.section, snapshot) {
            (Some(sealed), Some(snapshot)) => {
                match self.snapshots.open_section(&snapshot.name, sealed).await {
                    Ok(section) => Some(section),
                    Err(Error::BadRecord { what, detail }) => {
                        back.problems
                            .push(format!("order {id}: its {what} cannot be read: {detail}"));
                        None
                    }
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        let chosen = self.choose(id, section, &mut back.problems).await?;
        self.write_living(chosen, &mut back).await?;
        Ok(back)
    }

    /// An order with a tombstone; `false` if that is gone meanwhile.
    async fn rebuild_purged(&self, id: OrderId, back: &mut Rebuilt) -> Result<bool> {
        let Some(tombstone) = self.core.tombstone(id).await? else {
            return Ok(false);
        };
        let mut order = Order::new(
            id,
            tombstone.number,
            Client::default(),
            tombstone.destroyed_at,
        );
        order.version = tombstone.version;
        order.gate = tombstone.version;
        let ended = Ended {
            completed_at: tombstone.completed_at,
            policy: None,
        };
        let archive = None;
        order.state = State::Purging { ended, archive };
        order.audit = tombstone.audit;
        // What a snapshot knew of its audit log was sealed with its key.
        let log = self.audit.entries_back(&order, OldLog::default()).await?;
        let batch = back.with(log);
        self.write_order(&order, batch).await?;
        Ok(true)
    }

    /// The newest of what can be read. Where something newer was there, the order is held: it may
    /// have said something stricter.
    async fn choose(
        &self,
        id: OrderId,
        section: Option<Section>,
        problems: &mut Vec<String>,
    ) -> Result<Chosen> {
        let (record, newest) = self.newest_record(id, problems).await?;
        let of_snapshot = section.as_ref().map(|it| it.record.order.version);
        let (mut draft, mut proven) = (None, None);
        let (mut uploads, mut then) = (Vec::new(), HashSet::new());
        let mut log = OldLog::default();
        let mut seen = None;
        if let Some(section) = section {
            then.extend(section.record.sessions.iter().map(|row| row.session));
            (draft, proven, uploads) = (section.draft, section.proven, section.uploads);
            log.head = section.record.order.audit;
            log.entries = section.audit;
            seen = Some(section.record);
        }
        let of_record = record.as_ref().map(|record| record.order.version);
        let chosen = if of_record >= of_snapshot {
            record
        } else {
            seen
        };
        let Some(mut record) = chosen else {
            let detail = format!("order {id} has no record that can be read");
            return Err(Error::BadRecord {
                what: "order record",
                detail,
            });
        };
        let version = record.order.version;
        let why = if newest.is_some_and(|newest| newest > version) {
            Some(
                "its newest record is damaged; it was rebuilt from an older one: check stage and dates, then lift this hold",
            )
        } else if newest.is_none_or(|newest| newest < version) {
            problems.push(format!(
                "order {}: its record {version} is missing from the bucket, and was taken from the catalog snapshot; restore orders/{id} from the bucket's copy",
                record.order.number
            ));
            Some(
                "records of it are missing from the bucket; it was rebuilt from a snapshot of the catalog: check stage and dates, then lift this hold",
            )
        } else {
            None
        };
        if let Some(reason) = why {
            record.order.hold.get_or_insert(Hold {
                reason: reason.to_owned(),
                at: self.core.clock.now(),
            });
        }
        Ok(Chosen {
            record,
            draft,
            proven,
            uploads,
            log,
            then,
        })
    }

    /// The newest record that opens, and the version of the newest that is there. Only that one is
    /// read, unless it is damaged.
    async fn newest_record(
        &self,
        id: OrderId,
        problems: &mut Vec<String>,
    ) -> Result<(Option<OrderRecord>, Option<u64>)> {
        self.core.keys.order(id).await?;
        let versions = self.core.record_versions(id).await?;
        for &version in versions.iter().rev() {
            match self.core.read_record(id, version).await {
                Ok(record) => return Ok((Some(record), versions.last().copied())),
                Err(error @ Error::Store { .. }) => return Err(error),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Ok((None, versions.last().copied()))
    }

    async fn write_living(&self, chosen: Chosen, back: &mut Rebuilt) -> Result<()> {
        let OrderRecord {
            mut order,
            sessions,
            links,
        } = chosen.record;
        let id = order.id;
        if let State::Sealing { earlier, .. } = order.state {
            // What it was sealing starts again, or came so far that its manifest is there: going on
            // would seal a session of nothing.
            order.state = State::Open { earlier };
        }
        let mut rows: BTreeMap<SessionId, SessionRow> =
            sessions.into_iter().map(|row| (row.session, row)).collect();
        let mut missing: BTreeSet<SessionId> = rows.keys().copied().collect();
        let (mut batch, mut sealed) = (Batch::new(), HashSet::new());
        for (path, _) in self.core.working.list(&paths::sessions(id)).await? {
            let Some(session) = path.filename().and_then(|name| name.parse().ok()) else {
                continue;
            };
            missing.remove(&session);
            let manifest = match self.manifests.read_manifest(id, session).await {
                Ok(manifest) => manifest,
                Err(error @ (Error::Catalog(_) | Error::Store { .. })) => return Err(error),
                Err(error) => {
                    back.problems
                        .push(format!("order {}: {error}", order.number));
                    continue;
                }
            };
            // Sealed, but the record of it was not stored: it had no receipt, and no review.
            let row = rows
                .entry(session)
                .or_insert_with(|| first_row(session, &manifest));
            batch = reopened_uploads(batch, row, &manifest);
            sealed.extend(uploads_of(&manifest));
            back.files += row.files;
            back.bytes += row.bytes;
        }
        for session in missing {
            back.problems.push(format!(
                "order {}: the manifest of session {session} is missing: restore {} from the bucket's copy; until then none of its files can be read",
                order.number,
                paths::manifest(id, session)
            ));
        }
        for row in rows.values() {
            batch = put(batch, tables::session(id, row.session), row);
        }
        for link in &links {
            let digest = link.digest;
            batch = put(batch, tables::link(digest), link);
            batch = put(batch, tables::link_of(id, link.id), &DigestOf { digest });
            batch = put(
                batch,
                tables::order_of_link(link.id),
                &OrderOf { order: id },
            );
        }
        let attempt = order.proof().map(|proof| proof.attempt);
        if let Some(proven) = chosen.proven.filter(|it| Some(it.attempt) == attempt) {
            batch = put(batch, tables::proven(id), &proven);
        }
        if order.stage() == Stage::Open {
            if let Some(draft) = chosen
                .draft
                .filter(|_| rows.keys().all(|it| chosen.then.contains(it)))
            {
                let plain = serde_json::to_vec(&draft).expect("a form is plain data");
                let keys = self.core.keys.order(id).await?;
                batch = batch.put(
                    tables::draft(id),
                    seal_copy(&keys, id, &Logical::Draft, &plain),
                );
                back.drafts = 1;
            }
            let lost = self.lost_uploads(id, &order.number, &sealed, chosen.uploads);
            back.lost = lost.await?;
        }
        let log = self.audit.entries_back(&order, chosen.log).await?;
        let batch = batch.and(back.with(log));
        self.write_order(&order, batch).await?;
        (back.orders, back.sessions) = (1, rows.len() as u64);
        Ok(())
    }

    async fn write_order(&self, order: &Order, batch: Batch) -> Result<()> {
        let id = order.id;
        let gate = Gate {
            gate: order.gate,
            stage: order.stage().name().to_owned(),
        };
        let number = tables::number(&order.number);
        let mut batch = put(batch, tables::order(id), order)
            .expect(tables::order(id), Expect::Absent)
            .expect(number.clone(), Expect::Absent);
        batch = put(batch, tables::gate(id), &gate);
        batch = put(batch, number.clone(), &OrderOf { order: id });
        match self.core.catalog.commit(batch).await {
            Err(CommitError::Conflict(key)) if key == number => Err(Error::BadRecord {
                what: "order record",
                detail: format!(
                    "another order bears the number {} as well, and only one can; this one, {id}, stays out",
                    order.number
                ),
            }),
            done => Ok(done?),
        }
    }
}

/// Every folder that belongs to a session, and the ids of files that were sent in parts.
fn uploads_of(manifest: &Manifest) -> impl Iterator<Item = UploadId> + '_ {
    manifest.files.iter().flat_map(|file| {
        let parts = file.folders().map(|(upload, _)| upload);
        parts.chain([file.upload])
    })
}

/// The uploads of a returned session may be submitted again, or removed.
fn reopened_uploads(mut batch: Batch, row: &SessionRow, manifest: &Manifest) -> Batch {
    if row.released || !row.review.is_returned() {
        return batch;
    }
    let order = manifest.order;
    for file in &manifest.files {
        let upload = Upload {
            id: file.upload,
            order,
            link: None,
            kind: manifest.kind,
            path: file.path.clone(),
            metadata: file
                .modified
                .iter()
                .map(|at| ("modified".to_owned(), at.clone()))
                .collect(),
            length: Some(file.length),
            offset: file.length,
            blocks: file.blocks.len() as u64,
            fragments: Vec::new(),
            fragments_made: 0,
            progress: Progress::default(),
            role: if file.parts.is_empty() {
                Role::File
            } else {
                Role::Final
            },
            checked: file.checked,
            created_at: file.finished_at,
            expires_at: None,
            state: UploadState::Sealed {
                hash: file.hash,
                session: row.session,
            },
        };
        batch = put(batch, tables::upload(order, file.upload), &upload);
        batch = put(
            batch,
            tables::order_of_upload(file.upload),
            &OrderOf { order },
        );
    }
    batch
}
