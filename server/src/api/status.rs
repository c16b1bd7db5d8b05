//! How the studio's data stands, in colours: green is well, yellow wants something done, red wants it
//! done now.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use indicatif::DecimalBytes;
use serde::Serialize;
use stemvault_scheduler::jobs::lease::JobState;
use stemvault_scheduler::jobs::mirror::MirrorState;
use stemvault_scheduler::{Outcome, jobs};
use stemvault_storage::checks::room::DiskSpace;
use stemvault_storage::order::{Order, OrderNumber};
use stemvault_storage::{Error, Vault};
use utoipa::ToSchema;

use super::auth::Staff;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::ready;
use crate::route::{Routes, nothing, route, schema};
use crate::tls::{Standing, out_of_time};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/status" Token nothing() => 200 schema::<Status>(); "How stores, mirror, archive and jobs stand: green, yellow or red"),
            show,
        )
}

/// A mirror that was complete in this time is up to date: it is hourly.
const MIRROR_FRESH: TimeDelta = TimeDelta::hours(3);

/// An archive of which nothing was read for longer is looked after too rarely: a proof is monthly.
const PROOF_FRESH: TimeDelta = TimeDelta::days(40);

/// A backup of the key store that is older lacks too many keys: it should be weekly.
const BACKUP_FRESH: TimeDelta = TimeDelta::days(7);

/// A job that decides something is done long before; one that is not hangs on a store.
const AT_WORK: TimeDelta = TimeDelta::hours(6);

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The worst of the parts: green, yellow or red.
    pub colour: Colour,
    /// Each part.
    pub parts: Vec<StatusPart>,
}

/// How one part stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusPart {
    /// stores, disk, keys, mirror, archive, retention, clock, jobs or certificate.
    pub what: &'static str,
    /// green, yellow or red.
    pub colour: Colour,
    /// In a sentence, with what to do.
    pub says: String,
}

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Well.
    Green,
    /// Something should be done.
    Yellow,
    /// Something must be done now.
    Red,
}

fn part(what: &'static str, colour: Colour, says: impl Into<String>) -> StatusPart {
    StatusPart {
        what,
        colour,
        says: says.into(),
    }
}

/// How catalog, stores and keys stand.
pub(super) async fn stores(vault: &Vault) -> StatusPart {
    let wrong = ready::look(vault).await;
    if wrong.is_empty() {
        return part("stores", Colour::Green, "catalog, stores and keys answer");
    }
    let says: Vec<_> = wrong.into_iter().map(|wrong| wrong.says).collect();
    part("stores", Colour::Red, says.join("; "))
}

pub(super) async fn show(_: Staff, State(app): State<SharedApp>) -> Answer<Json<Status>> {
    let now = app.clock.now();
    let disk = disk(app.vault.quota.disk_space().await);
    let orders = app.vault.orders.all().await?;
    let proven = app.vault.proofs.all_last_proven(&orders).await?;
    let oldest = proven.iter().map(|(_, last)| last.at).min();
    let states = app.jobs.states().await?;
    let backup = app.vault.backups.last_backup().await;
    let backup = backup.map_err(|error| error.to_string());
    let mut parts = vec![
        stores(&app.vault).await,
        disk,
        keys(&app.jobs.bad_keys(&orders), &orders, backup, now),
        mirror(&app.jobs.mirror_state().await?, &states, now),
        archive(&orders, oldest, now),
        retention(&app.jobs.overdue().await?),
        clock(app.vault.core.time().doubt()),
        jobs(&states, app.jobs.silent(&states), now),
    ];
    let keeper = app.certificate.as_ref();
    parts.extend(keeper.map(|keeper| certificate(&keeper.standing())));
    let colour = parts.iter().map(|part| part.colour).max();
    Ok(Json(Status {
        colour: colour.unwrap_or(Colour::Green),
        parts,
    }))
}

fn disk(space: Result<Option<DiskSpace>, Error>) -> StatusPart {
    match space {
        Ok(None) => part("disk", Colour::Green, "the working store is no disk"),
        Ok(Some(space)) => match ready::too_full(&space) {
            Some(why) => part("disk", Colour::Red, why),
            None => {
                let says = format!("{} free", DecimalBytes(space.free));
                part("disk", Colour::Green, says)
            }
        },
        Err(error) => part(
            "disk",
            Colour::Red,
            format!("it cannot be looked at: {error}"),
        ),
    }
}

fn keys(
    bad: &[(String, String)],
    orders: &[Order],
    backup: Result<Option<DateTime<Utc>>, String>,
    now: DateTime<Utc>,
) -> StatusPart {
    if !bad.is_empty() {
        let says = bad.iter();
        let says = says.map(|(order, problem)| format!("{order}: {problem}"));
        return part("keys", Colour::Red, says.collect::<Vec<_>>().join("; "));
    }
    let yellow = |says: String| part("keys", Colour::Yellow, says);
    let advice = "`stemvault keys backup FILE` makes one, for another disk";
    match backup {
        Err(error) => yellow(format!("their backups cannot be read: {error}")),
        Ok(None) if !orders.iter().all(Order::is_gone) => {
            yellow(format!("there is no backup of the key store: {advice}"))
        }
        Ok(None) => part(
            "keys",
            Colour::Green,
            "there is none yet that could be lost",
        ),
        Ok(Some(at)) => {
            let says = format!("last backed up {}", at.format("%F %R UTC"));
            if now - at > BACKUP_FRESH {
                return yellow(format!("{says}, more than a week ago: {advice}"));
            }
            part("keys", Colour::Green, says)
        }
    }
}

fn mirror(state: &MirrorState, states: &[JobState], now: DateTime<Utc>) -> StatusPart {
    let last = states.iter().find(|state| state.job == jobs::mirror::JOB);
    let last = last.and_then(|state| state.last.as_ref());
    if let Some(stopped) = last.filter(|run| run.outcome == Outcome::Stopped) {
        return part("mirror", Colour::Red, &*stopped.message);
    }
    let yellow = |says: String| part("mirror", Colour::Yellow, says);
    let at = state.complete_at.map(|at| at.format("%F %R UTC"));
    match (state.is_set, &at, state.complete_at) {
        (false, ..) => yellow(
            "there is no second copy of the recordings that Stemvault knows of: set stores.mirror and stores.mirror_keys".to_owned(),
        ),
        (true, None, _) | (true, _, None) => yellow(format!(
            "it was never complete; {} orders are behind: `stemvault mirror` goes on now",
            state.behind
        )),
        (true, Some(at), Some(complete)) if now - complete > MIRROR_FRESH => yellow(format!(
            "it was last complete {at}; {} orders are behind: `stemvault retention runs` says why",
            state.behind
        )),
        (true, Some(at), _) => part("mirror", Colour::Green, format!("last complete {at}")),
    }
}

fn archive(orders: &[Order], oldest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> StatusPart {
    let doubted: Vec<_> = orders
        .iter()
        .filter(|order| order.unproven().is_some())
        .map(|order| order.number.to_string())
        .collect();
    if !doubted.is_empty() {
        let says = format!(
            "did not come back when it was read again: {}; see `stemvault order show`",
            doubted.join(", ")
        );
        return part("archive", Colour::Red, says);
    }
    let Some(oldest) = oldest else {
        return part("archive", Colour::Green, "nothing is archived yet");
    };
    let at = oldest.format("%F %R UTC");
    if now - oldest > PROOF_FRESH {
        let says = format!("there is one that was last read {at}: `stemvault prove` reads them");
        return part("archive", Colour::Yellow, says);
    }
    part(
        "archive",
        Colour::Green,
        format!("every one was read again since {at}"),
    )
}

fn retention(overdue: &[(OrderNumber, String)]) -> StatusPart {
    if overdue.is_empty() {
        return part("retention", Colour::Green, "nothing is overdue");
    }
    let says = overdue.iter();
    let says = says.map(|(order, why)| format!("order {order} is {why}"));
    part(
        "retention",
        Colour::Red,
        says.collect::<Vec<_>>().join("; "),
    )
}

fn clock(doubt: Option<String>) -> StatusPart {
    match doubt {
        Some(doubt) => part("clock", Colour::Red, doubt),
        None => part("clock", Colour::Green, "the time is believed"),
    }
}

fn jobs(states: &[JobState], silent: Vec<String>, now: DateTime<Utc>) -> StatusPart {
    let mut bad = silent;
    let mut interrupted = Vec::new();
    for state in states {
        let name = state.job.name();
        if let Some(since) = state.at_work_since.filter(|_| state.job.decides())
            && now - since > AT_WORK
        {
            let since = since.format("%F %R UTC");
            bad.push(format!(
                "{name} is at work since {since} and does not end: a store may not answer"
            ));
        }
        let Some(run) = &state.last else {
            continue;
        };
        match run.outcome {
            Outcome::Failed => bad.push(format!("{name} failed: {}", run.message)),
            Outcome::Stopped if state.job != jobs::scrub::JOB => {
                bad.push(format!("{name} was stopped: {}", run.message));
            }
            Outcome::Interrupted => {
                interrupted.push(format!("{name} was interrupted: {}", run.message));
            }
            _ => {}
        }
    }
    if !bad.is_empty() {
        bad.extend(interrupted);
        return part("jobs", Colour::Red, bad.join("; "));
    }
    if !interrupted.is_empty() {
        return part("jobs", Colour::Yellow, interrupted.join("; "));
    }
    part("jobs", Colour::Green, "the last run of each did its work")
}

fn certificate(standing: &Standing) -> StatusPart {
    let Standing {
        begins, ends, now, ..
    } = *standing;
    let part = |colour, says: String| part("certificate", colour, says);
    if let Some(no) = out_of_time(begins, ends, now) {
        return part(Colour::Red, no);
    }
    let says = format!("valid until {}", ends.format("%F %R UTC"));
    if let Some(wrong) = &standing.wrong {
        let says = format!("{says}; it was replaced by one that cannot be served: {wrong}");
        return part(Colour::Yellow, says);
    }
    if standing.soon < now {
        let says = format!(
            "{says}, and nothing renewed it yet: renew it now, the new files are served without a restart"
        );
        return part(Colour::Yellow, says);
    }
    match &standing.stranger {
        Some(stranger) => part(Colour::Yellow, format!("{says}; {stranger}")),
        None => part(Colour::Green, says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_mirror_it_stays_yellow_and_a_late_one_says_since_when() {
        let now: DateTime<Utc> = "2026-11-23T17:00:00Z".parse().unwrap();
        let state = |is_set, hours: Option<i64>| MirrorState {
            is_set,
            complete_at: hours.map(|hours| now - TimeDelta::hours(hours)),
            behind: 2,
        };
        for (state, colour, says) in [
            (state(false, None), Colour::Yellow, "stores.mirror"),
            (state(true, None), Colour::Yellow, "never complete"),
            (state(true, Some(1)), Colour::Green, "2026-11-23 16:00"),
            (state(true, Some(9)), Colour::Yellow, "2 orders are behind"),
        ] {
            let part = mirror(&state, &[], now);
            assert_eq!(part.colour, colour, "{part:?}");
            assert!(part.says.contains(says), "{part:?}");
        }
    }

    #[test]
    fn a_certificate_is_yellow_before_its_end_and_red_after() {
        let now: DateTime<Utc> = "2026-11-23T17:00:00Z".parse().unwrap();
        let standing = |days: i64, wrong: Option<&str>| Standing {
            begins: now - TimeDelta::days(60),
            ends: now + TimeDelta::days(days),
            now,
            soon: now + TimeDelta::days(days - 14),
            wrong: wrong.map(str::to_owned),
            stranger: None,
        };
        let early = Standing {
            begins: now + TimeDelta::hours(1),
            ..standing(30, None)
        };
        for (standing, colour, says) in [
            (standing(30, None), Colour::Green, "2026-12-23 17:00"),
            (standing(13, None), Colour::Yellow, "renew it now"),
            (standing(30, Some("is empty")), Colour::Yellow, "is empty"),
            (standing(-1, None), Colour::Red, "ended on 2026-11-22"),
            (early, Colour::Red, "not valid before"),
        ] {
            let part = certificate(&standing);
            assert_eq!(part.colour, colour, "{part:?}");
            assert!(part.says.contains(says), "{part:?}");
        }
    }
}
