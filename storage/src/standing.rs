//! How an order stands before a submit: what is here and what is missing.
//!
//! The same rows that a submit would take, read and not changed.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::intake::preflight::Here;
use crate::order::Order;
use crate::refusal::Refusal;
use crate::session::{Kind, SessionRow};
use crate::upload::{Upload, UploadState};
use crate::vault::Vault;

/// How an order stands before a submit of one kind.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The files that a submit would take, by path.
    pub here: Vec<Here>,
    /// Uploads of which bytes are missing.
    pub unfinished: Vec<Upload>,
    /// The last session of this kind.
    pub latest: Option<SessionRow>,
    /// Why a submit would make no new session, in its own words; `None` if it would.
    pub obstacle: Option<Refusal>,
    /// Whether the last session is the one that a submit would answer with: nothing is left to do.
    pub submitted: bool,
}

impl Vault {
    /// How an order stands before a submit of this kind.
    ///
    /// # Errors
    /// Those of the catalog, and of reading the manifest of a returned session.
    pub async fn standing(&self, order: &Order, kind: Kind) -> Result<Standing> {
        let taken = self.taken(order.id, kind).await?;
        let checked = Self::check_takes_files(order).and_then(|()| taken.check(order, kind));
        let submitted = matches!(checked, Ok(Some(_)));
        let mut here = BTreeMap::new();
        if let Some(row) = taken.latest.as_ref().filter(|_| !taken.again.is_empty()) {
            let manifest = self.manifest(order.id, row.session).await?;
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
