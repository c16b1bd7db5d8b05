//! One job at work: what it may do, what it did, and what comes of it.

use chrono::{DateTime, Utc};
use stemvault_storage::error::{Error, Result};
use stemvault_storage::order::{Order, OrderNumber, Stage};
use stemvault_storage::session::SessionRow;
use stemvault_storage::store::QUIET_AFTER;
use stemvault_storage::vault::Vault;

use super::keys::Looked;
use super::{Jobs, RunRequest};
use crate::guards::Stock;
use crate::jobs::run::{Note, Outcome, Run};
use crate::plan::{Action, Subject, Verb, plan};

/// One job at work.
pub(super) struct Pass<'a> {
    pub(super) jobs: &'a Jobs,
    /// In the name of the job.
    pub(super) vault: &'a Vault,
    pub(super) request: RunRequest,
    pub(super) run: Run,
    pub(super) waiting: bool,
    pub(super) failed: bool,
    pub(super) stopped: Option<String>,
    /// What the run says of itself, where it is about no single order.
    pub(super) said: Option<String>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(jobs: &'a Jobs, vault: &'a Vault, request: RunRequest, run: Run) -> Self {
        Self {
            jobs,
            vault,
            request,
            run,
            waiting: false,
            failed: false,
            stopped: None,
            said: None,
        }
    }

    /// Notes a step. It is on record when this returns, whatever becomes of the process.
    pub(super) async fn note(
        &mut self,
        order: &OrderNumber,
        action: &str,
        detail: impl Into<String>,
    ) -> Result<()> {
        self.notes([Note::new(order, action, detail)]).await
    }

    /// Notes several.
    pub(super) async fn notes(&mut self, notes: impl IntoIterator<Item = Note>) -> Result<()> {
        for note in notes {
            self.run.note(self.vault, note).await?;
        }
        Ok(())
    }

    /// One order failed; the others go on.
    pub(super) async fn fail(
        &mut self,
        order: &OrderNumber,
        action: &str,
        error: &Error,
    ) -> Result<()> {
        self.failed = true;
        self.note(order, action, format!("failed: {error}")).await
    }

    /// Takes down how a key was found; whether it opens.
    pub(super) async fn looked(&mut self, looked: Looked) -> Result<bool> {
        let opens = !looked.is_bad();
        self.failed |= !opens;
        self.notes(looked.note).await?;
        Ok(opens)
    }

    /// Why nothing may be decided by the time. Who only asks may ask what would be if the machine's
    /// clock were accepted.
    pub(super) fn doubt(&self) -> Option<String> {
        let doubt = self.vault.core.time().doubt();
        doubt.filter(|_| !self.request.accept_clock)
    }

    fn now(&self) -> DateTime<Utc> {
        if self.request.dry_run && self.request.accept_clock {
            return self.vault.core.time().machine();
        }
        self.jobs.clock.now()
    }

    /// What a deleting job may begin now: due, with every guard asked before the first delete.
    pub(super) async fn may_begin(&mut self, verb: Verb) -> Result<Vec<Action>> {
        let subjects = self.jobs.subjects().await?;
        // Only the order's next step: the plan also says what comes after it.
        let next = |order: &Order, sessions: &[SessionRow]| match (verb, order.stage()) {
            (Verb::Release, Stage::Archived) | (Verb::Purge, Stage::Released) => true,
            (Verb::Purge, Stage::Completed) => sessions.is_empty(),
            _ => false,
        };
        let all = subjects
            .iter()
            .filter(|(order, sessions)| next(order, sessions));
        let all = all.map(|(order, sessions)| Subject {
            order,
            sessions,
            unfinished: &[],
        });
        let now = self.now();
        let mut due = plan(all, now, now).actions;
        due.retain(|action| action.verb == verb);
        if due.is_empty() {
            return Ok(due);
        }
        let living = subjects
            .iter()
            .filter(|(order, _)| order.stage().name() != "purged");
        let stock = living.fold(Stock::default(), |stock, (_, sessions)| Stock {
            orders: stock.orders + 1,
            bytes: stock.bytes + sessions.iter().map(|row| row.bytes).sum::<u64>(),
        });
        let brake = if self.request.allow_many {
            None
        } else {
            self.jobs.brake.stops(verb, &due, stock)
        };
        self.stopped = self.doubt().or(brake);
        if self.stopped.is_some() {
            due.clear();
        }
        Ok(due)
    }

    pub(super) fn outcome(&self, result: &Result<()>) -> (Outcome, String) {
        match (result, &self.stopped) {
            (Err(Error::Away { says }), _) => (Outcome::Stopped, says.clone()),
            (Err(error), _) => (Outcome::Failed, error.to_string()),
            (Ok(()), Some(why)) => (Outcome::Stopped, why.clone()),
            (Ok(()), None) if self.failed => (
                Outcome::Failed,
                self.said.clone().unwrap_or_else(|| {
                    "some orders failed; the next run tries them again".to_owned()
                }),
            ),
            (Ok(()), None) if self.waiting => {
                let seconds = QUIET_AFTER.as_secs();
                (
                    Outcome::Waiting,
                    format!(
                        "waits up to {seconds} seconds for writes that may still land, then goes on by itself"
                    ),
                )
            }
            (Ok(()), None) if self.run.noted == 0 => {
                let nothing = || "nothing was due".to_owned();
                (Outcome::Done, self.said.clone().unwrap_or_else(nothing))
            }
            (Ok(()), None) => (Outcome::Done, format!("{} done", self.run.noted)),
        }
    }
}
