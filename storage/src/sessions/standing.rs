//! How an order stands before a submit: which uploads one would take, what is here and what is
//! missing. Read, and not changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sessions;
use crate::checks::facts::Known;
use crate::checks::preflight::Here;
use crate::error::Result;
use crate::order::Order;
use crate::refusal::Refusal;
use crate::session::{Kind, SessionRow};
use crate::upload::{Upload, UploadState};

/// How an order stands before a submit of one kind.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The files that a submit would take, by path.
    pub here: Vec<Here>,
    /// Uploads of which bytes are missing.
    pub unfinished: Vec<Arc<Upload>>,
    /// The last session of this kind.
    pub latest: Option<SessionRow>,
    /// Why a submit would make no new session, in its own words; `None` if it would.
    pub obstacle: Option<Refusal>,
    /// Whether the last session is the one that a submit would answer with: nothing is left to do.
    pub submitted: bool,
}

impl Sessions {
    /// How an order stands before a submit of this kind.
    ///
    /// # Errors
    /// Those of the catalog, and of reading the manifest of a returned session.
    pub async fn standing(&self, order: &Order, kind: Kind) -> Result<Standing> {
        let uploads = self.rows.listed(order.id).await?;
        self.standing_with(order, kind, &uploads).await
    }

    /// The same for whoever has [listed](crate::rows::UploadRows::listed) the order's uploads already.
    ///
    /// # Errors
    /// Those of the catalog, and of reading the manifest of a returned session.
    pub async fn standing_with(
        &self,
        order: &Order,
        kind: Kind,
        uploads: &[Arc<Upload>],
    ) -> Result<Standing> {
        let taken = self.submits.taken_of(order.id, kind, uploads).await?;
        let checked = order
            .check_takes_files()
            .and_then(|()| taken.check(order, kind));
        let submitted = matches!(checked, Ok(Some(_)));
        let mut here = BTreeMap::new();
        if let Some(row) = taken.latest.as_ref().filter(|_| !taken.again.is_empty()) {
            let manifest = self.manifests.manifest(order.id, row.session).await?;
            let facts: BTreeMap<_, _> = manifest
                .files
                .iter()
                .map(|file| (file.upload, file.facts))
                .collect();
            for upload in &taken.again {
                if let Some(facts) = facts.get(&upload.id) {
                    here.insert(upload.path.as_str().to_owned(), (&upload.path, *facts));
                }
            }
        }
        // The same path twice: what was finished last counts.
        let mut finished: Vec<_> = taken.finished.iter().collect();
        finished.sort_by_key(|upload| match upload.state {
            UploadState::Finished { at, .. } => (Some(at), upload.id),
            _ => (None, upload.id),
        });
        for upload in finished {
            let facts = upload.progress.facts();
            here.insert(upload.path.as_str().to_owned(), (&upload.path, facts));
        }
        let here = here.into_values().map(|(path, facts)| Here {
            path: path.clone(),
            facts,
            known: Known::Header,
        });
        Ok(Standing {
            here: here.collect(),
            unfinished: taken.unfinished,
            latest: taken.latest,
            obstacle: checked.err(),
            submitted,
        })
    }
}
