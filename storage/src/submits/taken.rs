//! Which uploads a submit takes, and whether they can be submitted.

use std::borrow::Borrow;
use std::sync::Arc;

use super::Submits;
use crate::error::Result;
use crate::ids::{OrderId, SessionId};
use crate::namesakes::check_sealable;
use crate::order::Order;
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Kind, Review, SessionRow};
use crate::upload::{Role, Upload, UploadState};

/// How many file names a refusal lists before it only counts.
const NAMED: usize = 10;

/// What a submit would take.
pub(crate) struct Taken {
    pub(crate) finished: Vec<Arc<Upload>>,
    /// Still in a session that was returned, and not removed since.
    pub(crate) again: Vec<Arc<Upload>>,
    pub(crate) unfinished: Vec<Arc<Upload>>,
    pub(crate) latest: Option<SessionRow>,
}

impl Submits {
    pub(crate) async fn taken(&self, order: OrderId, kind: Kind) -> Result<Taken> {
        let uploads = self.rows.uploads(order).await?;
        let uploads: Vec<_> = uploads.into_iter().map(Arc::new).collect();
        self.taken_of(order, kind, &uploads).await
    }

    pub(crate) async fn taken_of(
        &self,
        order: OrderId,
        kind: Kind,
        uploads: &[Arc<Upload>],
    ) -> Result<Taken> {
        let sessions = self.core.sessions(order).await?;
        let latest = sessions.into_iter().rfind(|row| row.kind == kind);
        let returned = latest
            .as_ref()
            .filter(|row| row.review.is_returned())
            .map(|row| row.session);
        let (mut finished, mut again, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
        for upload in uploads {
            let known = Arc::clone(upload);
            match upload.state {
                _ if upload.kind != kind => {}
                UploadState::Open => unfinished.push(known),
                UploadState::Finished { .. } => finished.push(known),
                UploadState::Sealed { session, .. } if Some(session) == returned => {
                    again.push(known);
                }
                UploadState::Sealed { .. } => {}
            }
        }
        Ok(Taken {
            finished,
            again,
            unfinished,
            latest,
        })
    }
}

impl Taken {
    /// The session to answer with when nothing is new, or why this cannot be submitted.
    pub(crate) fn check(&self, order: &Order, kind: Kind) -> Result<Option<SessionId>, Refusal> {
        let refuse = |message: String| {
            Err(Refusal::new(RefusalKind::BadRequest, message).of_order(&order.number))
        };
        if !self.unfinished.is_empty() {
            let names = named(&self.unfinished);
            return refuse(format!(
                "{} of order {} are not wholly uploaded: {names}; finish or remove them, then submit",
                count(self.unfinished.len(), "file"),
                order.number
            ));
        }
        let unchanged = self.finished.is_empty()
            && self.latest.as_ref().is_none_or(|row| {
                !row.review.is_returned() || self.again.len() as u64 == row.files
            });
        match (&self.latest, unchanged) {
            (_, false) if self.finished.is_empty() && self.again.is_empty() => refuse(format!(
                "every file of the returned session of order {} was removed: upload the right ones, then submit",
                order.number
            )),
            (_, false) => {
                let files = self.finished.iter().chain(&self.again);
                let paths: Vec<_> = files.map(|upload| upload.path.as_str()).collect();
                check_sealable(&paths)
                    .map_err(|refusal| refusal.of_order(&order.number))
                    .map(|()| None)
            }
            (None, true) => refuse(format!(
                "order {} has no {kind} to submit: upload files first",
                order.number
            )),
            (Some(row), true) => match row.review {
                Review::Submitted => Ok(Some(row.session)),
                Review::Accepted { .. } => refuse(format!(
                    "the {kind} of order {} was accepted and nothing was uploaded since: there is nothing to submit",
                    order.number
                )),
                Review::Returned { .. } => refuse(format!(
                    "the {kind} of order {} was returned and nothing was uploaded or removed since: mend the files that the studio named, then submit",
                    order.number
                )),
            },
        }
    }
}

pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// The names of these files, as many as one can take in.
pub(crate) fn named<U: Borrow<Upload>>(uploads: &[U]) -> String {
    let names = uploads.iter().take(NAMED).map(|upload| {
        let upload = upload.borrow();
        let path = upload.path.as_str();
        match (upload.role, &upload.state) {
            (Role::Final, UploadState::Open) => format!(
                "{path:?} (made of parts, {} bytes are put together: wait a moment)",
                upload.offset
            ),
            _ => format!("{path:?}"),
        }
    });
    let names = names.collect::<Vec<_>>().join(", ");
    match uploads.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
