//! An order and its life: the stages, and who may lead to whom. Read this first.
//!
//! ```text
//! Open <-> Sealing
//! Open -> Completed -> Archived --90 days--> Releasing -> Released --24 months--> Purging -> Purged
//! Released <-> Recalled        Completed, Archived, Released --reopen--> Open
//! Completed --24 months, nothing to keep--> Purging
//! ```
//!
//! Every transition is a pure function from an order to the next, or a [`Refusal`] that says why, and
//! what to do. Nothing here reads a clock or a store.

mod doubt;
mod terms;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::audit::{Actor, Head};
use crate::ids::{OrderId, SessionId};
use crate::refusal::{Refusal, RefusalKind};
use crate::session::{Form, Kind, Rules};
use terms::is_due;
pub use terms::{Client, Hold, OrderNumber, Policy, Proof, Unproven};

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Material, deliveries and stems may be uploaded and submitted.
    Open,
    /// A submit is being written down; uploads wait for it.
    Sealing(Sealing),
    /// The work is done; both retention clocks run.
    Completed,
    /// Every session was read back from the archive and compared.
    Archived,
    /// The working files are being deleted.
    Releasing,
    /// Only the archive is left.
    Released,
    /// Released, and the archive may be downloaded until then.
    Recalled {
        /// When the permission ends.
        until: DateTime<Utc>,
    },
    /// Key and objects are being destroyed.
    Purging,
    /// Nothing is left but the tombstone.
    Purged,
}

/// What a submit decided; fixes the manifest's bytes, so that whoever resumes writes the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealing {
    /// What is being sealed.
    pub kind: Kind,
    /// The time that the manifest bears.
    pub sealed_at: DateTime<Utc>,
    /// The client's form.
    pub form: Form,
    /// The intake rules in force.
    pub rules: Rules,
    /// Who submitted it.
    #[serde(default)]
    pub who: Actor,
}

impl Stage {
    /// The stage's name, the same in the command line, HTTP and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealing(_) => "sealing",
            Self::Completed => "completed",
            Self::Archived => "archived",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Recalled { .. } => "recalled",
            Self::Purging => "purging",
            Self::Purged => "purged",
        }
    }
}

/// One job for one client, and everything that decides what may happen to its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The name that paths use.
    pub id: OrderId,
    /// The studio's name.
    pub number: OrderNumber,
    /// For whom.
    pub client: Client,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Counts decisions; the order record of the same number holds this state.
    pub version: u64,
    /// Changes with the stage; what was begun under another gate may not be committed.
    pub gate: u64,
    /// Where it stands.
    #[serde(flatten)]
    pub stage: Stage,
    /// When it was completed, last.
    pub completed_at: Option<DateTime<Utc>>,
    /// The policy of that completion.
    pub policy: Option<Policy>,
    /// Nothing is deleted while it is held.
    pub hold: Option<Hold>,
    /// Survives a reopen until the next proof replaces it.
    pub proof: Option<Proof>,
    /// What of the proven attempt did not come back when it was read again. Working files stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Unproven>,
    /// Where its audit log ends.
    #[serde(default, skip_serializing_if = "Head::is_empty")]
    pub audit: Head,
}

impl Order {
    /// A new, open order.
    #[must_use]
    pub fn new(id: OrderId, number: OrderNumber, client: Client, now: DateTime<Utc>) -> Self {
        Self {
            id,
            number,
            client,
            created_at: now,
            version: 1,
            gate: 1,
            stage: Stage::Open,
            completed_at: None,
            policy: None,
            hold: None,
            proof: None,
            unproven: None,
            audit: Head::default(),
        }
    }

    /// When the working files are due, if a clock runs.
    #[must_use]
    pub fn release_due(&self) -> Option<DateTime<Utc>> {
        Some(self.policy?.release_due(self.completed_at?))
    }

    /// When the archive is due, if a clock runs.
    #[must_use]
    pub fn purge_due(&self) -> Option<DateTime<Utc>> {
        Some(self.policy?.purge_due(self.completed_at?))
    }

    pub(crate) fn to(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }

    pub(crate) fn no(&self, verb: &str, then: &str) -> Refusal {
        let message = format!(
            "order {} is {} and cannot be {verb}: {then}",
            self.number,
            self.stage.name()
        );
        Refusal::new(RefusalKind::WrongStage, message).of_order(&self.number)
    }

    /// Why nothing of it may go, if it is held.
    #[must_use]
    pub fn held(&self, verb: &str) -> Option<Refusal> {
        let hold = self.hold.as_ref()?;
        let message = format!(
            "order {} is held ({}) and cannot be {verb}: lift the hold first",
            self.number, hold.reason
        );
        Some(Refusal::new(RefusalKind::Held, message).of_order(&self.number))
    }

    /// A submit begins.
    ///
    /// # Errors
    /// Only an open order takes a submit.
    pub fn begin_sealing(&self, sealing: Sealing) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Open => Ok(self.to(Stage::Sealing(sealing))),
            _ => Err(self.no("submitted to", "reopen it first")),
        }
    }

    /// A submit is written down.
    ///
    /// # Errors
    /// If none was begun.
    pub fn end_sealing(&self) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Sealing(_) => Ok(self.to(Stage::Open)),
            _ => Err(self.no("sealed", "begin a submit first")),
        }
    }

    /// The work is done; both clocks start.
    ///
    /// # Errors
    /// Only an open order can be completed.
    pub fn complete(&self, now: DateTime<Utc>, policy: Policy) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Open => Ok(Self {
                completed_at: Some(now),
                policy: Some(policy),
                ..self.to(Stage::Completed)
            }),
            _ => Err(self.no("completed", "only an open order can be")),
        }
    }

    /// Work goes on; both clocks stop.
    ///
    /// # Errors
    /// Unless it is completed, archived or released.
    pub fn reopen(&self) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Completed | Stage::Archived | Stage::Released => Ok(Self {
                completed_at: None,
                policy: None,
                ..self.to(Stage::Open)
            }),
            Stage::Recalled { .. } => Err(self.no("reopened", "end the recall first")),
            Stage::Open | Stage::Sealing(_) => Err(self.no("reopened", "it is open already")),
            Stage::Releasing => Err(self.no(
                "reopened",
                "its working files are being deleted; try again in a few minutes; if that does not go on, `stemvault order show` says why",
            )),
            Stage::Purging | Stage::Purged => {
                Err(self.no("reopened", "its key is destroyed; create a new order"))
            }
        }
    }

    /// Everything was read back from the archive.
    ///
    /// # Errors
    /// Only a completed order can be proven.
    pub fn archived(&self, proof: Proof) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Completed => Ok(Self {
                proof: Some(proof),
                unproven: None,
                ..self.to(Stage::Archived)
            }),
            _ => Err(self.no("archived", "only a completed order can be")),
        }
    }

    /// The working files go. Of its sessions those may be left out whose own row names the proof.
    ///
    /// # Errors
    /// Unless archived, not held, due, and every session proven.
    pub fn releasing(&self, now: DateTime<Utc>, sessions: &[SessionId]) -> Result<Self, Refusal> {
        if self.stage != Stage::Archived {
            return Err(self.no("released", "only an archived order can be"));
        }
        if let Some(refusal) = self.held("released") {
            return Err(refusal);
        }
        self.due("released", self.release_due(), now)?;
        let proven = self.proof.as_ref().map_or(&[][..], |proof| &proof.sessions);
        if let Some(session) = sessions.iter().find(|session| !proven.contains(session)) {
            let message = format!(
                "order {} cannot be released: session {session} is not proven recallable from the archive; run the archive job",
                self.number
            );
            return Err(Refusal::new(RefusalKind::NotProven, message).of_order(&self.number));
        }
        if let Some(refusal) = self.in_doubt("released") {
            return Err(refusal);
        }
        Ok(self.to(Stage::Releasing))
    }

    /// The working files are gone.
    ///
    /// # Errors
    /// Unless it was being released.
    pub fn released(&self) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Releasing => Ok(self.to(Stage::Released)),
            _ => Err(self.no("released", "it is not being released")),
        }
    }

    /// The archive may be downloaded until then.
    ///
    /// # Errors
    /// Unless it is released (a second recall moves the end).
    pub fn recall(&self, until: DateTime<Utc>) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Released | Stage::Recalled { .. } => Ok(self.to(Stage::Recalled { until })),
            Stage::Purging | Stage::Purged => {
                Err(self.no("recalled", "its archive is gone for good"))
            }
            Stage::Releasing => Err(self.no(
                "recalled",
                "its working files are being deleted; try again in a few minutes; if that does not go on, `stemvault order show` says why",
            )),
            _ => Err(self.no(
                "recalled",
                "its working files are still here; download them directly",
            )),
        }
    }

    /// The permission ends.
    ///
    /// # Errors
    /// Unless it is recalled.
    pub fn end_recall(&self) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Recalled { .. } => Ok(self.to(Stage::Released)),
            _ => Err(self.no("taken back", "it is not recalled")),
        }
    }

    /// Key and objects go. `has_sessions` says whether there is anything to keep.
    ///
    /// # Errors
    /// Unless released (or completed with nothing to keep), not held, and due.
    pub fn purging(&self, now: DateTime<Utc>, has_sessions: bool) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Released => {}
            Stage::Completed if !has_sessions => {}
            _ => return Err(self.no("purged", "only a released order can be")),
        }
        if let Some(refusal) = self.held("purged") {
            return Err(refusal);
        }
        self.due("purged", self.purge_due(), now)?;
        Ok(self.to(Stage::Purging))
    }

    /// Everything is gone, and so is every word about the client.
    ///
    /// # Errors
    /// Unless it was being purged.
    pub fn purged(&self) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Purging => Ok(Self {
                client: Client::default(),
                hold: None,
                proof: None,
                unproven: None,
                ..self.to(Stage::Purged)
            }),
            _ => Err(self.no("purged", "it is not being purged")),
        }
    }

    /// Nothing is deleted from now on.
    ///
    /// # Errors
    /// When deleting has begun, or it is held already.
    pub fn hold(&self, hold: Hold) -> Result<Self, Refusal> {
        match self.stage {
            Stage::Releasing | Stage::Purging | Stage::Purged => Err(self.no(
                "held",
                "deleting was decided before; nothing can stop it now",
            )),
            _ if self.hold.is_some() => Err(self.no("held again", "lift the hold first")),
            _ => Ok(Self {
                hold: Some(hold),
                ..self.clone()
            }),
        }
    }

    /// Deleting may go on.
    ///
    /// # Errors
    /// When it is not held.
    pub fn release_hold(&self) -> Result<Self, Refusal> {
        match self.hold {
            Some(_) => Ok(Self {
                hold: None,
                ..self.clone()
            }),
            None => Err(self.no("freed of a hold", "it is not held")),
        }
    }

    fn due(
        &self,
        verb: &str,
        due: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        is_due(due, now).map_err(|then| self.no(verb, &then))
    }
}

#[cfg(test)]
mod tests;
