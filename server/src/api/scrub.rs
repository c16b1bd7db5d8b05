//! Scrubs: begin one, look at it, stop it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_scheduler::jobs::scrub;
use stemvault_storage::decimal;
use stemvault_storage::flaw::Tier;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::orders::id_of;
use super::retention::Note;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::route::{Routes, nothing, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/api/v1/scrub" Token nothing() => 200 schema::<Scrub>(); "The scrub that is under way, or the last one"),
            show,
        )
        .on(
            route!(post "/api/v1/scrub" Token schema::<NewScrub>() => 202 schema::<Scrub>(); "Read everything in any tier and mend what is bad; goes on by itself").may_be_empty(),
            begin,
        )
        .on(
            route!(delete "/api/v1/scrub" Token nothing() => 204 nothing(); "End the scrub that is under way"),
            stop,
        )
}

/// What to read.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScrub {
    /// working, archive, mirror, or all of them if absent.
    #[serde(default)]
    pub tiers: Vec<String>,
    /// Only this order.
    #[serde(default)]
    pub order: Option<String>,
    /// Bytes a second, at most; as fast as it goes if absent.
    #[serde(default)]
    pub rate: Option<String>,
}

/// A scrub under way, or the last one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Scrub {
    /// The run that it is recorded as at its end.
    pub id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; none while it is under way.
    pub ended_at: Option<DateTime<Utc>>,
    /// done, stopped or failed; none while it is under way.
    #[schema(value_type = Option<String>)]
    pub outcome: Option<stemvault_scheduler::Outcome>,
    /// In which tiers it reads.
    pub tiers: Vec<&'static str>,
    /// Orders that are done.
    pub orders: u64,
    /// Blocks that were read.
    pub blocks: u64,
    /// Their plain bytes.
    #[serde(with = "decimal")]
    #[schema(value_type = String)]
    pub bytes: u64,
    /// Flaws that were mended.
    pub healed: u64,
    /// Flaws that no copy could mend.
    pub left: u64,
    /// The first of both, by name.
    pub notes: Vec<Note>,
}

impl Scrub {
    fn of(scrub: scrub::Scrub) -> Self {
        Self {
            id: scrub.id.to_string(),
            started_at: scrub.started_at,
            ended_at: scrub.ended_at,
            outcome: scrub.outcome,
            tiers: scrub.tiers.iter().map(|tier| tier.name()).collect(),
            orders: scrub.orders,
            blocks: scrub.blocks,
            bytes: scrub.bytes,
            healed: scrub.healed,
            left: scrub.left,
            notes: scrub.notes.into_iter().map(Note::of).collect(),
        }
    }
}

pub(super) async fn begin(
    _: Staff,
    State(app): State<SharedApp>,
    Body(new): Body<NewScrub>,
) -> Answer<(StatusCode, Json<Scrub>)> {
    let order = match &new.order {
        Some(number) => Some(id_of(&app, number).await?),
        None => None,
    };
    let request = scrub::ScrubRequest {
        tiers: tiers(&new.tiers, app.vault.mirroring.mirror().is_some())?,
        order,
        rate: new.rate.as_deref().map(rate).transpose()?,
    };
    let begun = app.jobs.begin_scrub(request).await?;
    tracing::info!(run.id = %begun.id, order = new.order, "scrub begun");
    Ok((StatusCode::ACCEPTED, Json(Scrub::of(begun))))
}

pub(super) async fn show(_: Staff, State(app): State<SharedApp>) -> Answer<Json<Scrub>> {
    let known = app.jobs.last_scrub().await?;
    let none = || {
        let message = "there was no scrub yet: `stemvault scrub` begins one";
        Refusal::new(RefusalKind::NotFound, message)
    };
    Ok(Json(Scrub::of(known.ok_or_else(none)?)))
}

pub(super) async fn stop(_: Staff, State(app): State<SharedApp>) -> Answer<StatusCode> {
    if app.jobs.stop_scrub() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let message = "no scrub is under way";
    Err(Refusal::new(RefusalKind::NotFound, message).into())
}

fn tiers(names: &[String], mirror: bool) -> Result<Vec<Tier>, Refusal> {
    let all = [Tier::Working, Tier::Archive, Tier::Mirror];
    if names.is_empty() {
        let there = all
            .into_iter()
            .filter(|tier| mirror || *tier != Tier::Mirror);
        return Ok(there.collect());
    }
    let known = |name: &String| {
        let found = all.into_iter().find(|tier| tier.name() == name);
        found.ok_or_else(|| {
            let message = format!("{name:?} is no tier: they are working, archive and mirror");
            Refusal::new(RefusalKind::BadRequest, message)
        })
    };
    names.iter().map(known).collect()
}

fn rate(text: &str) -> Result<u64, Refusal> {
    text.parse().ok().filter(|rate| *rate > 0).ok_or_else(|| {
        let message = format!("{text:?} is no rate: write bytes a second, as in \"50000000\"");
        Refusal::new(RefusalKind::BadRequest, message)
    })
}
