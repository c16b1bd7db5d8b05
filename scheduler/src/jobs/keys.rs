//! Keys, as the jobs look after them: what opens nowhere is remembered for status and alerts until it
//! opens again, and so is how old the newest backup of the key store is.
//!
//! What is bad is remembered in memory only: the run that found it is on record, and after a restart the
//! next one finds it again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use stemvault_storage::core::OrderAt;
use stemvault_storage::error::{Error, Result};
use stemvault_storage::key_care::mend::KeyFound;
use stemvault_storage::order::Order;
use stemvault_storage::refusal::RefusalKind;

use super::Jobs;
use crate::jobs::run::Note;

/// What stands for an order's number where a note is about the key of all records.
const RECORDS: &str = "all orders";

/// Keys that open nowhere: whose, and in a sentence what to do.
#[derive(Debug, Default)]
pub(super) struct BadKeys(Mutex<BTreeMap<String, String>>);

/// What a look at a key comes to.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) found: KeyFound,
    /// For the run, if anything was amiss.
    pub(super) note: Option<Note>,
}

impl Looked {
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.found, KeyFound::Bad(_))
    }

    pub(super) fn is_mended(&self) -> bool {
        matches!(self.found, KeyFound::Mended | KeyFound::CopyMended)
    }
}

impl Jobs {
    /// Looks after the key of an order, and with `copied` also its copy in the mirror.
    pub(super) async fn look_after_key(&self, at: &OrderAt, copied: bool) -> Result<Looked> {
        let found = match self.vault.key_care.look_after_key(at, copied).await {
            // The order changed meanwhile: the next run looks again.
            Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::TakenOver => {
                KeyFound::Sound
            }
            found => found?,
        };
        // Its purge was decided meanwhile: then the key has to be missing.
        let gone = found != KeyFound::Sound && self.vault.core.order(at.order.id).await?.is_gone();
        let found = if gone { KeyFound::Sound } else { found };
        Ok(self.looked(at.order.number.to_string(), found))
    }

    /// The same with the key of all records.
    pub(super) async fn look_after_records_key(&self, copied: bool) -> Result<Looked> {
        let found = self.vault.key_care.look_after_records_key(copied).await?;
        Ok(self.looked(RECORDS.to_owned(), found))
    }

    fn looked(&self, whose: String, found: KeyFound) -> Looked {
        let detail = match &found {
            KeyFound::Sound => None,
            KeyFound::Mended => Some("the key was mended from the mirror".to_owned()),
            KeyFound::CopyMended => {
                Some("the key's copy in the mirror was mended from the key store".to_owned())
            }
            KeyFound::Bad(problem) => {
                tracing::error!(order = whose, problem, "a key that opens nowhere");
                metrics::counter!("stemvault_not_mended_total", "tier" => "keys").increment(1);
                Some(format!("failed: {problem}"))
            }
        };
        let mut bad = self.bad_keys.known();
        match &found {
            KeyFound::Bad(problem) => bad.insert(whose.clone(), problem.clone()),
            _ => bad.remove(&whose),
        };
        let note = detail.map(|detail| Note::of(whose, "key", detail));
        Looked { found, note }
    }

    /// Keys that opened nowhere when they were looked at last: whose, and in a sentence what to do.
    #[must_use]
    pub fn bad_keys(&self, orders: &[Order]) -> Vec<(String, String)> {
        let mut bad = self.bad_keys.known();
        for order in orders {
            if order.is_gone() {
                bad.remove(&order.number.to_string());
            }
        }
        bad.clone().into_iter().collect()
    }

    /// Says in metrics how many keys of these orders, all there are, open nowhere.
    pub(super) fn measure_keys(&self, orders: &[Order]) {
        #[expect(clippy::cast_precision_loss, reason = "counts of orders are small")]
        let bad = self.bad_keys(orders).len() as f64;
        metrics::gauge!("stemvault_keys_bad").set(bad);
    }

    /// Says in metrics when the key store was backed up last: 0 for never, and nothing while there
    /// is no order whose key could be lost. That it is not known is in the log, and stops nobody.
    pub async fn measure_key_backup(&self) {
        let measured = async {
            if self.vault.orders.all().await?.iter().all(Order::is_gone) {
                return Ok(());
            }
            self.vault.backups.last_backup().await.map(note_backup)
        };
        if let Err(error) = measured.await {
            tracing::error!(%error, "how old the backup of the key store is, is not known");
        }
    }
}

fn note_backup(last: Option<DateTime<Utc>>) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let at = last.map_or(0, |at| at.timestamp()) as f64;
    metrics::gauge!("stemvault_key_backup_timestamp_seconds").set(at);
}

impl BadKeys {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
