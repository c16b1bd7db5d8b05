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

mod decision;
mod doubt;
mod state;
mod stored;
mod takes;
mod terms;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::audit::Head;
use crate::ids::{OrderId, SessionId};
pub use crate::number::OrderNumber;
use crate::refusal::{Refusal, RefusalKind};
pub use decision::decision;
pub use state::{Archive, Ended, Kept, RetentionClock, Sealing, Stage, State};
use terms::is_due;
pub use terms::{Client, Hold, Policy, Proof, Unproven};

/// One job for one client, and everything that decides what may happen to its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored", into = "stored::Stored")]
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
    /// Where it stands, and what is true of it there.
    pub state: State,
    /// Nothing is deleted while it is held.
    pub hold: Option<Hold>,
    /// Where its audit log ends.
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
            state: State::Open { earlier: None },
            hold: None,
            audit: Head::default(),
        }
    }

    /// The name of where it stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.state.stage()
    }

    /// When it was completed, last; none while work goes on.
    #[must_use]
    pub fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.state.ended().completed_at
    }

    /// The policy of that completion.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        self.state.ended().policy
    }

    /// The proof that counts. It survives a reopen until the next one replaces it.
    #[must_use]
    pub fn proof(&self) -> Option<&Proof> {
        self.state.archive().map(|archive| &archive.proof)
    }

    /// What of the proven attempt did not come back when it was read again.
    #[must_use]
    pub fn unproven(&self) -> Option<&Unproven> {
        self.state.archive()?.doubt.as_ref()
    }

    /// Until when its archive may be downloaded, if it is recalled.
    #[must_use]
    pub fn recalled_until(&self) -> Option<DateTime<Utc>> {
        match self.state {
            State::Recalled { until, .. } => Some(until),
            _ => None,
        }
    }

    /// When the working files are due, if a clock runs.
    #[must_use]
    pub fn release_due(&self) -> Option<DateTime<Utc>> {
        Some(self.policy()?.release_due(self.completed_at()?))
    }

    /// When the archive is due, if a clock runs.
    #[must_use]
    pub fn purge_due(&self) -> Option<DateTime<Utc>> {
        Some(self.policy()?.purge_due(self.completed_at()?))
    }

    fn to(&self, state: State) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    pub(crate) fn no(&self, verb: &str, then: &str) -> Refusal {
        let message = format!(
            "order {} is {} and cannot be {verb}: {then}",
            self.number,
            self.stage().name()
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
        match self.state.clone() {
            State::Open { earlier } => Ok(self.to(State::Sealing { sealing, earlier })),
            _ => Err(self.no("submitted to", "reopen it first")),
        }
    }

    /// A submit is written down.
    ///
    /// # Errors
    /// If none was begun.
    pub fn end_sealing(&self) -> Result<Self, Refusal> {
        match self.state.clone() {
            State::Sealing { earlier, .. } => Ok(self.to(State::Open { earlier })),
            _ => Err(self.no("sealed", "begin a submit first")),
        }
    }

    /// The work is done; both clocks start.
    ///
    /// # Errors
    /// Only an open order can be completed.
    pub fn complete(&self, now: DateTime<Utc>, policy: Policy) -> Result<Self, Refusal> {
        match self.state.clone() {
            State::Open { earlier } => {
                let completed_at = now;
                let clock = RetentionClock {
                    completed_at,
                    policy,
                };
                Ok(self.to(State::Completed { clock, earlier }))
            }
            _ => Err(self.no("completed", "only an open order can be")),
        }
    }

    /// Work goes on; both clocks stop.
    ///
    /// # Errors
    /// Unless it is completed, archived or released.
    pub fn reopen(&self) -> Result<Self, Refusal> {
        match self.stage() {
            Stage::Completed | Stage::Archived | Stage::Released => {
                let earlier = self.state.archive().cloned();
                Ok(self.to(State::Open { earlier }))
            }
            Stage::Recalled => Err(self.no("reopened", "end the recall first")),
            Stage::Open | Stage::Sealing => Err(self.no("reopened", "it is open already")),
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
        match self.state {
            State::Completed { clock, .. } => {
                let archive = Archive { proof, doubt: None };
                Ok(self.to(State::Archived(Kept { clock, archive })))
            }
            _ => Err(self.no("archived", "only a completed order can be")),
        }
    }

    /// The working files go. Of its sessions those may be left out whose own row names the proof.
    ///
    /// # Errors
    /// Unless archived, not held, due, and every session proven.
    pub fn releasing(&self, now: DateTime<Utc>, sessions: &[SessionId]) -> Result<Self, Refusal> {
        let State::Archived(kept) = &self.state else {
            return Err(self.no("released", "only an archived order can be"));
        };
        if let Some(refusal) = self.held("released") {
            return Err(refusal);
        }
        self.due("released", self.release_due(), now)?;
        let proven = &kept.archive.proof.sessions;
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
        Ok(self.to(State::Releasing(kept.clone())))
    }

    /// The working files are gone.
    ///
    /// # Errors
    /// Unless it was being released.
    pub fn released(&self) -> Result<Self, Refusal> {
        match &self.state {
            State::Releasing(kept) => Ok(self.to(State::Released(kept.clone()))),
            _ => Err(self.no("released", "it is not being released")),
        }
    }

    /// The archive may be downloaded until then.
    ///
    /// # Errors
    /// Unless it is released (a second recall moves the end).
    pub fn recall(&self, until: DateTime<Utc>) -> Result<Self, Refusal> {
        match &self.state {
            State::Released(kept) | State::Recalled { kept, .. } => {
                let kept = kept.clone();
                Ok(self.to(State::Recalled { kept, until }))
            }
            State::Purging { .. } | State::Purged(_) => {
                Err(self.no("recalled", "its archive is gone for good"))
            }
            State::Releasing(_) => Err(self.no(
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
        match &self.state {
            State::Recalled { kept, .. } => Ok(self.to(State::Released(kept.clone()))),
            _ => Err(self.no("taken back", "it is not recalled")),
        }
    }

    /// Key and objects go. `has_sessions` says whether there is anything to keep.
    ///
    /// # Errors
    /// Unless released (or completed with nothing to keep), not held, and due.
    pub fn purging(&self, now: DateTime<Utc>, has_sessions: bool) -> Result<Self, Refusal> {
        let (clock, archive) = match &self.state {
            State::Released(kept) => (kept.clock, Some(kept.archive.clone())),
            State::Completed { clock, earlier } if !has_sessions => (*clock, earlier.clone()),
            _ => return Err(self.no("purged", "only a released order can be")),
        };
        if let Some(refusal) = self.held("purged") {
            return Err(refusal);
        }
        self.due("purged", self.purge_due(), now)?;
        let ended = clock.into();
        Ok(self.to(State::Purging { ended, archive }))
    }

    /// Everything is gone, and so is every word about the client.
    ///
    /// # Errors
    /// Unless it was being purged.
    pub fn purged(&self) -> Result<Self, Refusal> {
        match self.state {
            State::Purging { ended, .. } => Ok(Self {
                client: Client::default(),
                hold: None,
                ..self.to(State::Purged(ended))
            }),
            _ => Err(self.no("purged", "it is not being purged")),
        }
    }

    /// Nothing is deleted from now on.
    ///
    /// # Errors
    /// When deleting has begun, or it is held already.
    pub fn hold(&self, hold: Hold) -> Result<Self, Refusal> {
        match self.stage() {
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
