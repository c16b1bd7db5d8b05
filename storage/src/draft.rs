//! The draft of an order's form, kept while nothing is submitted: a closed browser loses nothing,
//! and the engineer can submit with what the client wrote.
//!
//! It is personal data: a row of the catalog, sealed with the order's key, so that a purge ends
//! every copy of it. A submit takes it along; from then on the manifest says it.

use std::sync::Arc;

use crate::block::{Logical, open, seal_copy};
use crate::catalog::{Batch, CommitError, Expect};
use crate::core::{Core, TRIES};
use crate::error::{Error, Result};
use crate::ids::OrderId;
use crate::manifests::Manifests;
use crate::order::Stage;
use crate::session::{Form, Kind};
use crate::submits::Submits;
use crate::tables;

/// The longest draft that is read, in bytes: above any form that is taken.
const DRAFT_MAX: usize = 64 << 10;

/// The drafts of forms.
#[derive(Clone, Debug)]
pub struct Drafts {
    pub(crate) core: Arc<Core>,
    pub(crate) manifests: Arc<Manifests>,
    pub(crate) submits: Arc<Submits>,
}

impl Drafts {
    /// Keeps a draft in place of the one before; an empty one is none.
    ///
    /// # Errors
    /// [`WrongStage`](crate::refusal::RefusalKind::WrongStage) when the order takes no files.
    pub async fn keep(&self, order: OrderId, form: &Form) -> Result<()> {
        let key = tables::draft(order);
        for _ in 0..TRIES {
            let at = self.core.settled(order).await?;
            at.order.check_takes_files()?;
            if matches!(at.order.stage(), Stage::Sealing) {
                self.submits.resume_sealing(order).await?;
                continue;
            }
            let batch = Batch::new()
                .expect(tables::gate(order), Expect::At(at.gate))
                .expect(tables::outbox(order), Expect::Absent);
            let batch = if form.is_empty() {
                batch.delete(key.clone())
            } else {
                let plain = serde_json::to_vec(form).expect("a form is plain data");
                let keys = self.core.keys.order(order).await?;
                let sealed = seal_copy(&keys, order, &Logical::Draft, &plain);
                batch.put(key.clone(), sealed)
            };
            match self.core.catalog.commit(batch).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Failed(error)) => return Err(error.into()),
            }
        }
        Err(Error::Busy { order })
    }

    /// The draft of an order's form, if there is one.
    ///
    /// # Errors
    /// [`Error::BadRecord`] when it does not open.
    pub async fn draft(&self, order: OrderId) -> Result<Option<Form>> {
        let Some(row) = self.core.catalog.get(&tables::draft(order)).await? else {
            return Ok(None);
        };
        let keys = self.core.keys.order(order).await?;
        let bad = |detail: String| Error::BadRecord {
            what: "draft of a form",
            detail,
        };
        let plain = open(&keys, order, &Logical::Draft, row.value, DRAFT_MAX)
            .map_err(|error| bad(error.to_string()))?;
        let form = serde_json::from_slice(&plain).map_err(|error| bad(error.to_string()))?;
        Ok(Some(form))
    }

    /// The form as far as it is known: the draft, or what was submitted with material last.
    ///
    /// # Errors
    /// Those of [`draft`](Self::draft) and of reading a manifest.
    pub async fn known_form(&self, order: OrderId) -> Result<Form> {
        if let Some(draft) = self.draft(order).await? {
            return Ok(draft);
        }
        let sessions = self.core.sessions(order).await?;
        match sessions.iter().rfind(|row| row.kind == Kind::Material) {
            Some(row) => Ok(self
                .manifests
                .manifest(order, row.session)
                .await?
                .form
                .clone()),
            None => Ok(Form::new()),
        }
    }
}
