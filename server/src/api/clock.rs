//! The demo clock: letting time pass, for demonstrations and tests.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_storage::clock::Clock;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use utoipa::ToSchema;

use super::auth::Staff;
use super::body::Body;
use super::when::span;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::route::{Routes, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(post "/api/v1/clock" Token schema::<Move>() => 200 schema::<Now>(); "Move the demo clock"),
            turn,
        )
}

/// One of the two.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Lets a span (91d) pass, as if one had waited.
    #[serde(default)]
    pub advance: Option<String>,
    /// Moves the date alone by a span (731d, -2h), as a wrong time server does.
    #[serde(default)]
    pub jump: Option<String>,
}

/// What the clock says.
#[derive(Debug, Serialize, ToSchema)]
pub struct Now {
    /// After it was moved.
    pub now: DateTime<Utc>,
}

pub(super) async fn turn(
    _: Staff,
    State(app): State<SharedApp>,
    Body(turn): Body<Move>,
) -> Answer<Json<Now>> {
    let Some(hands) = &app.hands else {
        let message = "this server runs by the clock of its machine, which cannot be moved: only one that was first started with --demo-clock can";
        return Err(Refusal::new(RefusalKind::WrongStage, message).into());
    };
    match (turn.advance, turn.jump) {
        (Some(by), None) => hands.advance(span(&by)?).await?,
        (None, Some(by)) => {
            let jump = match by.trim().strip_prefix('-') {
                Some(back) => -span(back)?,
                None => span(&by)?,
            };
            hands.jump(jump).await?;
        }
        _ => {
            let message = "say either advance (both hands of the clock) or jump (the date alone)";
            return Err(Refusal::new(RefusalKind::BadRequest, message).into());
        }
    }
    let now = hands.now();
    tracing::warn!(%now, "the demo clock was moved");
    let jobs = app.jobs.clone();
    // In a task of its own: whoever asked may go away, and a job is not left in the middle.
    let ticked = tokio::spawn(async move { jobs.tick().await });
    ticked.await.expect("jobs do not panic")?;
    Ok(Json(Now { now: hands.now() }))
}
