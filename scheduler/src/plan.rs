//! The retention plan: what happens to which order when, and why. Pure: orders and a date in,
//! actions out. Read this second, after `storage/model/src/order/mod.rs`.
//!
//! The plan for a later date assumes that every step before it succeeds; what stands in the way
//! today (a hold, a missing proof) is said as [`Verb::Kept`] with its reason.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::order::{Order, OrderNumber, Stage, State};
use stemvault_storage::session::SessionRow;

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Its sessions are compressed, read back and compared.
    Archive,
    /// Its working files are deleted; the archive stays.
    Release,
    /// Its recall ends.
    EndRecall,
    /// Its archive is deleted and its key destroyed.
    Purge,
    /// An unfinished upload of it that nobody continues is removed.
    Expire,
    /// Something is due and does not happen.
    Kept,
}

impl Verb {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Release => "release",
            Self::EndRecall => "end_recall",
            Self::Purge => "purge",
            Self::Expire => "expire",
            Self::Kept => "kept",
        }
    }
}

/// One thing that happens to one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// To which.
    pub order: OrderNumber,
    /// What.
    pub verb: Verb,
    /// From when on.
    pub due_at: DateTime<Utc>,
    /// Under which rule, or why not.
    pub reason: String,
    /// Plain bytes of the sessions that it is about.
    pub bytes: u64,
}

/// Everything that is due by a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPlan {
    /// The date.
    pub at: DateTime<Utc>,
    /// What is due by then, in the order in which it becomes due.
    pub actions: Vec<Action>,
}

/// An order as the plan sees it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The order.
    pub order: &'a Order,
    /// Its sessions.
    pub sessions: &'a [SessionRow],
    /// Its uploads that are not finished, while it is open.
    pub unfinished: &'a [Unfinished],
}

/// An upload that goes when nobody continues it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which file.
    pub path: String,
    /// The bytes that are here.
    pub bytes: u64,
    /// When it goes.
    pub expires_at: DateTime<Utc>,
}

/// What is due by `at`, looked at from `now`.
#[must_use]
pub fn plan<'a>(
    subjects: impl IntoIterator<Item = Subject<'a>>,
    now: DateTime<Utc>,
    at: DateTime<Utc>,
) -> RetentionPlan {
    let mut actions: Vec<_> = subjects
        .into_iter()
        .flat_map(|subject| of(subject, now))
        .collect();
    actions.retain(|action| action.due_at <= at);
    actions.sort_by(|a, b| (a.due_at, &a.order, a.verb).cmp(&(b.due_at, &b.order, b.verb)));
    RetentionPlan { at, actions }
}

/// Everything that lies ahead of one order, as it stands.
fn of(subject: Subject<'_>, now: DateTime<Utc>) -> Vec<Action> {
    let order = subject.order;
    let expiring = subject.unfinished.iter().map(|upload| Action {
        order: order.number.clone(),
        verb: Verb::Expire,
        due_at: upload.expires_at,
        reason: format!("nobody goes on with the upload of {:?}", upload.path),
        bytes: upload.bytes,
    });
    let expiring = expiring.map(|action| kept(subject, action, now));
    retained(subject, now).into_iter().chain(expiring).collect()
}

/// What the retention clocks of an order lead to.
fn retained(subject: Subject<'_>, now: DateTime<Utc>) -> Vec<Action> {
    let order = subject.order;
    let (Some(completed), Some(policy)) = (order.completed_at(), order.policy()) else {
        return Vec::new();
    };
    let (release_at, purge_at) = (policy.release_due(completed), policy.purge_due(completed));
    let days = policy.working_days;
    let months = policy.archive_months;
    let archive = (
        Verb::Archive,
        completed,
        "completed, not yet archived".to_owned(),
    );
    let release = (
        Verb::Release,
        release_at,
        format!("{days} days after completion"),
    );
    let purge = (
        Verb::Purge,
        purge_at,
        format!("{months} months after completion"),
    );
    let steps = match &order.state {
        State::Completed { .. } if subject.sessions.is_empty() => {
            vec![(
                Verb::Purge,
                purge_at,
                format!("{months} months after completion, nothing to keep"),
            )]
        }
        State::Completed { .. } => vec![archive, release, purge],
        State::Archived(_) => vec![release, purge],
        State::Releasing(_) => vec![
            (Verb::Release, release_at, "being deleted".to_owned()),
            purge,
        ],
        State::Released(_) => vec![purge],
        State::Recalled { until, .. } => {
            let ends = (Verb::EndRecall, *until, "the recall ends".to_owned());
            let late = (Verb::Purge, purge_at.max(*until), purge.2);
            vec![ends, late]
        }
        State::Purging { .. } => vec![(Verb::Purge, purge_at, "being destroyed".to_owned())],
        State::Open { .. } | State::Sealing { .. } | State::Purged(_) => Vec::new(),
    };
    let bytes = subject.sessions.iter().map(|row| row.bytes).sum();
    let action = |(verb, due_at, reason)| Action {
        order: order.number.clone(),
        verb,
        due_at,
        reason,
        bytes,
    };
    steps
        .into_iter()
        .map(action)
        .map(|action| kept(subject, action, now))
        .collect()
}

/// What stands in the way of a deletion.
fn kept(subject: Subject<'_>, action: Action, now: DateTime<Utc>) -> Action {
    let reason = match action.verb {
        Verb::Release | Verb::Purge | Verb::Expire => stands_in_the_way(subject, &action, now),
        _ => None,
    };
    match reason {
        Some(reason) => Action {
            verb: Verb::Kept,
            reason,
            ..action
        },
        None => action,
    }
}

fn stands_in_the_way(subject: Subject<'_>, action: &Action, now: DateTime<Utc>) -> Option<String> {
    let order = subject.order;
    if let Some(hold) = &order.hold {
        return Some(format!("held: {}", hold.reason));
    }
    let unproven = order.unproven();
    match (action.verb, order.stage()) {
        (Verb::Release, Stage::Completed) if action.due_at <= now => {
            Some("not proven: its sessions were not read back from the archive yet".to_owned())
        }
        (Verb::Release, Stage::Completed | Stage::Archived | Stage::Releasing) => {
            unproven.map(|unproven| {
                format!(
                    "not proven: its archive did not come back when it was read again ({})",
                    unproven.first
                )
            })
        }
        (Verb::Purge, _) => overdue(order, !subject.sessions.is_empty(), now),
        _ => None,
    }
}

/// Why an order that is to be purged by now cannot be, and what to do: its working files stay until
/// its archive is proven, and nothing of it goes before them.
#[must_use]
pub fn overdue(order: &Order, has_sessions: bool, now: DateTime<Utc>) -> Option<String> {
    order.purge_due().filter(|due| *due <= now)?;
    let number = &order.number;
    match (order.stage(), order.unproven()) {
        _ if order.hold.is_some() => None,
        (Stage::Completed, _) if has_sessions => Some(
            "overdue: it was never read back from the archive, so its working files stay: `stemvault retention runs` says why its archive run fails; once that is mended it is archived, released and purged by itself, and its dates stay. Do not reopen it: that starts both clocks anew"
                .to_owned(),
        ),
        (Stage::Archived | Stage::Releasing, Some(unproven)) => Some(format!(
            "overdue: its archive did not come back ({}), so its working files stay: mend it, then `stemvault prove {number}`{}. Do not reopen it: that starts both clocks anew",
            unproven.first,
            order.or_archive_again()
        )),
        _ => None,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
