//! What is due, doing it by hand, and what was done.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_scheduler::jobs::run;
use stemvault_scheduler::jobs::{mirror, prove};
use stemvault_scheduler::{Job, plan};
use stemvault_storage::decimal;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::orders::id_of;
use super::when::when;
use crate::app::{App, SharedApp};
use crate::error::Answer;
use crate::route::{Routes, nothing, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/retention/plan" Token nothing() => 200 schema::<RetentionPlan>(); "What is due by a date (query: at)").query(&[(
                    "at",
                    "A moment (RFC 3339), a day of the studio (2026-11-23, to its end) or a span from now (31 days); now if absent",
                )]),
            plan,
        )
        .on(
            route!(post "/api/v1/retention/run" Token schema::<RunRequest>() => 200 schema::<Runs>(); "Run every job that does not take long now, or the one that is named").may_be_empty(),
            run,
        )
        .on(
            route!(get "/api/v1/runs" Token nothing() => 200 schema::<Runs>(); "The last runs, newest first, or those before one of them (query: before)"),
            runs,
        )
        .on(
            route!(get "/api/v1/runs/{run}" Token nothing() => 200 schema::<RunNotes>(); "What a run did, step by step (query: from)"),
            run_notes,
        )
}

/// How many runs a list holds.
const RUNS: usize = 200;

/// How many notes a page holds.
const NOTES: usize = 1000;

/// For which date.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    #[serde(default)]
    at: Option<String>,
}

/// Everything that is due by a date.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionPlan {
    /// The date.
    pub at: DateTime<Utc>,
    /// What is due by then, in the order in which it becomes due.
    pub actions: Vec<Action>,
}

/// One thing that happens to one order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Action {
    /// Its number.
    pub order: String,
    /// archive, release, end_recall, purge, expire, or kept: due, and does not happen.
    pub action: &'static str,
    /// From when on.
    pub due_at: DateTime<Utc>,
    /// Under which rule, or why not.
    pub reason: String,
    /// Plain bytes that it is about.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub bytes: u64,
}

impl Action {
    fn of(action: plan::Action) -> Self {
        Self {
            order: action.order.to_string(),
            action: action.verb.name(),
            due_at: action.due_at,
            reason: action.reason,
            bytes: action.bytes,
        }
    }
}

/// How to run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Say what would be done, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Delete more than the brake allows.
    #[serde(default)]
    pub allow_many: bool,
    /// Take the clock as it is now, although it jumped.
    #[serde(default)]
    pub accept_clock: bool,
    /// Only this job, by its name. Without, every one but repair, mirror and prove.
    #[serde(default)]
    pub job: Option<String>,
    /// mirror: begin a new one, where `stores.mirror` names an empty place.
    #[serde(default)]
    pub new_mirror: bool,
    /// prove: only this order.
    #[serde(default)]
    pub order: Option<String>,
    /// prove: whole archives, and no samples.
    #[serde(default)]
    pub whole: bool,
}

/// Runs of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Runs {
    /// Newest first in lists, else as they were done.
    pub runs: Vec<Run>,
}

impl Runs {
    fn of(runs: Vec<run::Run>) -> Json<Self> {
        Json(Self {
            runs: runs.into_iter().map(Run::of).collect(),
        })
    }
}

/// One run of one job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Which job.
    pub job: &'static str,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; not while it is at work.
    pub ended_at: Option<DateTime<Utc>>,
    /// running, done, waiting (goes on by itself), stopped (a guard wants someone to look), failed,
    /// or interrupted (the server ended before it did; the next run goes on).
    #[schema(value_type = String)]
    pub outcome: run::Outcome,
    /// Whether it only said what it would do.
    pub dry_run: bool,
    /// What was done to which order: the first notes. /runs/{run} has all of them.
    pub orders: Vec<Note>,
    /// How many notes it has.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub noted: u64,
    /// A sentence about the whole.
    pub message: String,
}

/// Some notes of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunNotes {
    /// The run; its notes are only here.
    pub run: Run,
    /// In the order in which they were made, from the one that was asked for.
    pub notes: Vec<Note>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<u64>,
}

/// Which runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    #[serde(default)]
    before: Option<String>,
}

/// Which notes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    #[serde(default)]
    from: u64,
}

/// What a run did to one order.
#[derive(Debug, Serialize, ToSchema)]
pub struct Note {
    /// Its number.
    pub order: String,
    /// What was done.
    pub action: String,
    /// With what result.
    pub detail: String,
}

impl Note {
    pub(super) fn of(note: run::Note) -> Self {
        Self {
            order: note.order,
            action: note.action,
            detail: note.detail,
        }
    }
}

impl Run {
    fn of(run: run::Run) -> Self {
        Self {
            id: run.id.to_string(),
            job: run.job.name(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            outcome: run.outcome,
            dry_run: run.dry_run,
            orders: run.orders.into_iter().map(Note::of).collect(),
            noted: run.noted,
            message: run.message,
        }
    }
}

pub(super) async fn plan(
    _: Staff,
    State(app): State<SharedApp>,
    query: Result<Query<At>, QueryRejection>,
) -> Answer<Json<RetentionPlan>> {
    let Query(At { at }) = asked(query, "the plan takes `at`, a date")?;
    let now = app.clock.now();
    let at = match at {
        Some(text) => when(&text, now, app.settings.orders.time_zone)?,
        None => now,
    };
    let plan = app.jobs.plan(at).await?;
    Ok(Json(RetentionPlan {
        at: plan.at,
        actions: plan.actions.into_iter().map(Action::of).collect(),
    }))
}

/// The job that is named, if one is.
fn job(app: &App, request: &RunRequest) -> Result<Option<Job>, Refusal> {
    let bad = |message: String| Refusal::new(RefusalKind::BadRequest, message);
    let named = |name: &String| {
        Job::named(name)
            .ok_or_else(|| bad(format!("{name:?} is no job: they are {}", Job::names())))
    };
    let job = request.job.as_ref().map(named).transpose()?;
    if job != Some(prove::JOB) && (request.whole || request.order.is_some()) {
        let message = "`order` and `whole` are for the job prove: name it, or leave them out";
        return Err(bad(message.to_owned()));
    }
    if job != Some(mirror::JOB) && request.new_mirror {
        let message = "`new_mirror` is for the job mirror: name it, or leave it out";
        return Err(bad(message.to_owned()));
    }
    if job == Some(mirror::JOB) && app.vault.mirroring.mirror().is_none() {
        let message = "there is no mirror to copy to: set `stores.mirror` and `stores.mirror_keys`, then start the server again";
        return Err(bad(message.to_owned()));
    }
    Ok(job)
}

pub(super) async fn run(
    _: Staff,
    State(app): State<SharedApp>,
    Body(request): Body<RunRequest>,
) -> Answer<Json<Runs>> {
    let order = match &request.order {
        Some(number) => Some(id_of(&app, number).await?),
        None => None,
    };
    let request = stemvault_scheduler::RunRequest {
        dry_run: request.dry_run,
        allow_many: request.allow_many,
        accept_clock: request.accept_clock,
        job: job(&app, &request)?,
        new_mirror: request.new_mirror,
        order,
        whole: request.whole,
    };
    let jobs = app.jobs.clone();
    // In a task of its own: whoever asked may go away, and a job is not left in the middle.
    let runs = tokio::spawn(async move { jobs.run(request).await });
    let runs = runs.await.expect("jobs do not panic")?;
    Ok(Runs::of(runs))
}

pub(super) async fn runs(
    _: Staff,
    State(app): State<SharedApp>,
    query: Result<Query<Before>, QueryRejection>,
) -> Answer<Json<Runs>> {
    let Query(Before { before }) = asked(query, "the list takes `before`, the id of a run")?;
    let before = match before {
        Some(id) => Some(run_of(&app, &id).await?),
        None => None,
    };
    Ok(Runs::of(app.jobs.runs(before.as_ref(), RUNS).await?))
}

pub(super) async fn run_notes(
    _: Staff,
    State(app): State<SharedApp>,
    Path(run): Path<String>,
    query: Result<Query<From>, QueryRejection>,
) -> Answer<Json<RunNotes>> {
    let Query(From { from }) = asked(query, "the notes take `from`, the number of the first")?;
    let run = run_of(&app, &run).await?;
    let mut notes = run.notes(&app.vault, from, NOTES + 1).await?;
    let next = (notes.len() > NOTES).then_some(from + NOTES as u64);
    notes.truncate(NOTES);
    Ok(Json(RunNotes {
        run: Run::of(run::Run {
            orders: Vec::new(),
            ..run
        }),
        notes: notes.into_iter().map(Note::of).collect(),
        next,
    }))
}

fn asked<T>(query: Result<Query<T>, QueryRejection>, takes: &str) -> Result<Query<T>, Refusal> {
    query.map_err(|error| {
        let message = format!("{}: {takes}, and nothing else", error.body_text());
        Refusal::new(RefusalKind::BadRequest, message)
    })
}

/// The run of this id.
async fn run_of(app: &App, id: &str) -> Answer<run::Run> {
    let found = match id.parse() {
        Ok(id) => run::Run::find(&app.vault, id).await?,
        Err(_) => None,
    };
    let none = || {
        let message = format!(
            "there is no run {id:?}: `stemvault retention runs` lists them; old ones are not kept"
        );
        Refusal::new(RefusalKind::NotFound, message)
    };
    Ok(found.ok_or_else(none)?)
}
