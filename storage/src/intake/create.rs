//! Creating and removing uploads, and everything that is refused before the first byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::Quota;
use super::running::Intake;
use crate::rows::UploadRows;

use crate::audit::{Actor, Logged, What};
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::{Core, TRIES};
use crate::error::{Error, Result, no_such_upload};
use crate::ids::{LinkId, OrderId, UploadId};
use crate::intake::limits::Reserved;
use crate::link::{Link, LinkMost};
use crate::manifests::Manifests;
use crate::order::{Order, Stage};
use crate::path::SessionPath;
use crate::paths;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::Kind;
use crate::submits::Submits;
use crate::tables::{self, Arrival, OrderOf, load, put};
use crate::upload::progress::Progress;
use crate::upload::sum::Sum;
use crate::upload::{Role, Upload, UploadState};

/// What a client says of a file before its first byte.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The id to give it.
    pub id: UploadId,
    /// The link that it comes by; none if staff uploads it.
    pub link: Option<ByLink>,
    /// What the file is part of.
    pub kind: Kind,
    /// Where it stands in the session.
    pub path: SessionPath,
    /// Everything else.
    pub metadata: BTreeMap<String, String>,
    /// How long it is, if that is known.
    pub length: Option<u64>,
    /// Whether it is a file, or a part of one ([`Uploads::create_final`] makes the others).
    pub role: Role,
    /// Another sum of it that is to be carried along.
    pub sum: Option<Sum>,
    /// Whether the request that creates it brings all of it: then it is not unfinished for its link as long
    /// as [`Appends::at_once`](super::Appends::at_once) says so.
    pub at_once: bool,
}

/// The link that a file comes by, with its own limits.
#[derive(Clone, Copy, Debug)]
pub struct ByLink {
    pub(super) id: LinkId,
    pub(super) most: LinkMost,
}

impl From<&Link> for ByLink {
    fn from(link: &Link) -> Self {
        Self {
            id: link.id,
            most: link.most,
        }
    }
}

/// The uploads of orders: begun, listed, checked, removed.
#[derive(Clone, Debug)]
pub struct Uploads {
    pub(crate) core: Arc<Core>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) rows: Arc<UploadRows>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) submits: Arc<Submits>,
}

impl Uploads {
    /// Creates an upload; every limit is checked before the first byte.
    ///
    /// # Errors
    /// [`RefusalKind::WrongStage`], [`RefusalKind::TooLarge`], [`RefusalKind::TooMany`],
    /// [`RefusalKind::Crowded`], [`RefusalKind::NoSpace`], [`RefusalKind::BadMetadata`].
    pub async fn create(&self, order: OrderId, new: NewUpload) -> Result<Upload> {
        let mut paced = false;
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            at.order.check_takes_files()?;
            if matches!(at.order.stage(), Stage::Sealing) {
                self.submits.resume_sealing(order).await?;
                continue;
            }
            if !std::mem::replace(&mut paced, true) {
                self.quota.check_pace(&at.order, &new)?;
            }
            self.core.marks.expect_store(&self.core.working).await?;
            let reserved = self.quota.reserve(&at.order, &new, Vec::new()).await?;
            self.core
                .working
                .prepare(&paths::upload(order, new.id))
                .await?;
            let upload = self.new_upload(&at.order, &new);
            let key = tables::upload(order, new.id);
            let batch = Batch::new()
                .expect(tables::gate(order), Expect::At(at.gate))
                .expect(tables::outbox(order), Expect::Absent)
                .expect(key, Expect::Absent);
            if self.commit_new(batch, &upload, reserved).await? {
                return Ok(upload);
            }
        }
        Err(Error::Busy { order })
    }

    /// Commits the record of an upload whose place is reserved, with all that every creation writes.
    /// False if something that `batch` expects has changed.
    pub(super) async fn commit_new(
        &self,
        batch: Batch,
        upload: &Upload,
        reserved: Reserved<'_>,
    ) -> Result<bool> {
        let (order, id) = (upload.order, upload.id);
        let batch = put(batch, tables::upload(order, id), upload);
        let batch = put(batch, tables::order_of_upload(id), &OrderOf { order });
        let batch = put(batch, tables::arrival(order), &Arrival { upload: id });
        match self.core.catalog.commit(batch).await {
            Ok(()) => {
                reserved.keep();
                Ok(true)
            }
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Failed(error)) => {
                reserved.unknown();
                Err(error.into())
            }
        }
    }

    pub(super) fn new_upload(&self, order: &Order, new: &NewUpload) -> Upload {
        let now = self.core.clock.now();
        let progress = Progress::begin(new.length, new.sum.clone());
        let empty = new.length == Some(0);
        let hash = progress.hash();
        Upload {
            id: new.id,
            order: order.id,
            link: new.link.map(|link| link.id),
            kind: new.kind,
            path: new.path.clone(),
            metadata: new.metadata.clone(),
            length: new.length,
            offset: 0,
            blocks: 0,
            fragments: Vec::new(),
            fragments_made: 0,
            progress,
            role: new.role,
            checked: false,
            created_at: now,
            expires_at: (!empty || new.role.is_part())
                .then(|| self.core.time.latest() + self.core.limits.expire_after),
            state: if empty && new.role != Role::Final {
                UploadState::Finished { hash, at: now }
            } else {
                UploadState::Open
            },
        }
    }

    /// An upload as it stands, after whoever writes to it was asked to commit and end.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`].
    pub async fn upload_settled(&self, order: OrderId, id: UploadId) -> Result<Upload> {
        self.intake.take_over(id).await;
        self.rows.upload(order, id).await
    }

    /// Removes an upload and its bytes, unless a session that was not returned holds it.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`]; [`RefusalKind::WrongStage`] when it is submitted, or the order
    /// is not open; [`RefusalKind::Held`]; [`Error::Away`].
    pub async fn terminate(&self, order: OrderId, id: UploadId) -> Result<()> {
        // Staff took away what somebody sent: that is on record.
        let by_staff = matches!(self.core.who, Actor::Token(_));
        let what = by_staff.then_some(What::UploadRemoved(id));
        self.remove_upload(order, id, what).await.map(drop)
    }

    /// The same for one whose time is over, which is read again first; the order's audit log says it.
    /// `None`: somebody has gone on with it meanwhile.
    ///
    /// # Errors
    /// Those of [`terminate`](Self::terminate).
    pub async fn expire(&self, order: OrderId, id: UploadId) -> Result<Option<Upload>> {
        self.remove_upload(order, id, Some(What::Expired(id))).await
    }

    async fn remove_upload(
        &self,
        order: OrderId,
        id: UploadId,
        what: Option<What>,
    ) -> Result<Option<Upload>> {
        self.intake.take_over(id).await;
        let _one_by_one = match what {
            Some(_) => Some(self.intake.removing.lock().await),
            None => None,
        };
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            let key = tables::upload(order, id);
            let Some((upload, version)) = load::<Upload>(&*self.core.catalog, &key).await? else {
                return Err(no_such_upload(id).into());
            };
            let expires = matches!(what, Some(What::Expired(_)));
            if expires
                && (self.core.time.doubt().is_some() || !self.rows.is_expired(&upload).await?)
            {
                return Ok(None);
            }
            self.check_may_terminate(&at.order, &upload).await?;
            self.core.marks.expect_stores().await?;
            let batch = Batch::new()
                .expect(tables::gate(order), Expect::At(at.gate))
                .expect(tables::outbox(order), Expect::Absent)
                .expect(key.clone(), Expect::At(version));
            // A returned session may still name its blocks: then the sweep decides.
            let sealed = matches!(upload.state, UploadState::Sealed { .. });
            let (role, removed) = (upload.role, upload.clone());
            let (batch, folders) = match role {
                Role::RemovedPart => return Err(no_such_upload(id).into()),
                Role::Part => self.rows.removed_part(batch, upload).await?,
                Role::Final => self.rows.removed_final(batch, upload).await?,
                Role::File => (self.rows.without_upload(batch, order, id).await?, vec![id]),
            };
            let done = match what {
                None => self.core.catalog.commit(batch).await,
                Some(what) => {
                    let next = at.order.clone();
                    // An id says nothing once the upload is gone; the path goes with the order's key.
                    let logged = Logged {
                        what,
                        who: &self.core.who,
                        why: Some(format!("it was {:?}", removed.path.as_str())),
                    };
                    match Box::pin(self.core.decide_that(&at, next, logged, batch)).await? {
                        Some(_) => Ok(()),
                        None => continue,
                    }
                }
            };
            match done {
                Ok(()) => {
                    self.intake.ledger().set(order, id, None);
                    if role != Role::File {
                        // Its parts, or files, count for something else now.
                        self.intake.forget_usage(order);
                    }
                    for folder in folders.into_iter().filter(|_| !sealed) {
                        self.core
                            .working
                            .empty(&paths::upload(order, folder))
                            .await?;
                    }
                    return Ok(Some(removed));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => {
                    self.intake.forget_usage(order);
                    return Err(error.into());
                }
            }
        }
        Err(Error::Busy { order })
    }

    async fn check_may_terminate(&self, order: &Order, upload: &Upload) -> Result<()> {
        let file = upload.path.as_str();
        let refuse = |message: String| {
            Err(Refusal::new(RefusalKind::WrongStage, message)
                .of_order(&order.number)
                .of_file(file)
                .into())
        };
        if order.hold.is_some() {
            // Why is between the studio and whoever it is about.
            let message = format!(
                "{file:?} cannot be removed: the studio keeps everything of order {} for now; ask the studio",
                order.number
            );
            return Err(Refusal::new(RefusalKind::Held, message)
                .of_order(&order.number)
                .of_file(file)
                .into());
        }
        if order.stage() != Stage::Open {
            return refuse(format!(
                "{file:?} cannot be removed: order {} is {}",
                order.number,
                order.stage().name()
            ));
        }
        if let UploadState::Sealed { session, .. } = upload.state {
            let row = self.manifests.session_row(order.id, session).await?;
            if !row.review.is_returned() {
                return refuse(format!(
                    "{file:?} cannot be removed: it was submitted with session {session}; ask the studio to return the session"
                ));
            }
        }
        Ok(())
    }
}
