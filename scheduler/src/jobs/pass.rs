//! One job at work: what it may do, what it did, and what comes of it.

use stemvault_storage::error::{Error, Result};
use stemvault_storage::order::{Order, OrderNumber, Stage};
use stemvault_storage::session::SessionRow;
use stemvault_storage::store::QUIET_AFTER;
use stemvault_storage::vault::Vault;

use super::keys::Looked;
use super::{Jobs, RunRequest};
use crate::guards::Stock;
use crate::plan::{Action, Subject, Verb, plan};
use crate::run::{Note, Outcome};

/// One job at work.
pub(super) struct Pass<'a> {
    pub(super) jobs: &'a Jobs,
    /// In the name of the job.
    pub(super) vault: &'a Vault,
    pub(super) request: RunRequest,
    pub(super) notes: Vec<Note>,
    pub(super) waiting: bool,
    pub(super) failed: bool,
    pub(super) stopped: Option<String>,
    /// What the run says of itself, where it is about no single order.
    pub(super) said: Option<String>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(jobs: &'a Jobs, vault: &'a Vault, request: RunRequest) -> Self {
        Self {
            jobs,
            vault,
            request,
            notes: Vec::new(),
            waiting: false,
            failed: false,
            stopped: None,
            said: None,
        }
    }

    pub(super) fn note(&mut self, order: &OrderNumber, action: &str, detail: impl Into<String>) {
        self.notes.push(Note::new(order, action, detail));
    }

    /// One order failed; the others go on.
    pub(super) fn fail(&mut self, order: &OrderNumber, action: &str, error: &Error) {
        self.failed = true;
        self.notes
            .push(Note::new(order, action, format!("failed: {error}")));
    }

    /// Takes down how a key was found; whether it opens.
    pub(super) fn looked(&mut self, looked: Looked) -> bool {
        let opens = !looked.is_bad();
        self.failed |= !opens;
        self.notes.extend(looked.note);
        opens
    }

    /// What a deleting job may begin now: due, with every guard asked before the first delete.
    pub(super) async fn may_begin(&mut self, verb: Verb) -> Result<Vec<Action>> {
        let subjects = self.jobs.subjects().await?;
        // Only the order's next step: the plan also says what comes after it.
        let next = |order: &Order, sessions: &[SessionRow]| match (verb, &order.stage) {
            (Verb::Release, Stage::Archived) | (Verb::Purge, Stage::Released) => true,
            (Verb::Purge, Stage::Completed) => sessions.is_empty(),
            _ => false,
        };
        let all = subjects
            .iter()
            .filter(|(order, sessions)| next(order, sessions));
        let all = all.map(|(order, sessions)| Subject { order, sessions });
        let now = self.jobs.clock.now();
        let mut due = plan(all, now, now).actions;
        due.retain(|action| action.verb == verb);
        if due.is_empty() {
            return Ok(due);
        }
        let living = subjects
            .iter()
            .filter(|(order, _)| order.stage.name() != "purged");
        let stock = living.fold(Stock::default(), |stock, (_, sessions)| Stock {
            orders: stock.orders + 1,
            bytes: stock.bytes + sessions.iter().map(|row| row.bytes).sum::<u64>(),
        });
        let brake = if self.request.allow_many {
            None
        } else {
            self.jobs.brake.stops(verb, &due, stock)
        };
        let jumped = if self.request.accept_clock {
            None
        } else {
            self.jobs.watch.jumped()
        };
        self.stopped = jumped.or(brake);
        if self.stopped.is_some() {
            due.clear();
        }
        Ok(due)
    }

    pub(super) fn outcome(&self, result: &Result<()>) -> (Outcome, String) {
        match (result, &self.stopped) {
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
            (Ok(()), None) if self.notes.is_empty() => {
                let nothing = || "nothing was due".to_owned();
                (Outcome::Done, self.said.clone().unwrap_or_else(nothing))
            }
            (Ok(()), None) => (Outcome::Done, format!("{} done", self.notes.len())),
        }
    }
}
