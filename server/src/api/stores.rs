//! The stores: taking another disk on purpose.

use axum::Json;
use axum::extract::{Path, State};

use super::auth::Staff;
use super::body::Body;
use super::status::{StatusPart, stores};
use super::verbs::Nothing;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::route::{Routes, route, schema};

/// What the API answers here.
pub(super) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(post "/api/v1/stores/{store}/mark" Token schema::<Nothing>() => 200 schema::<StatusPart>(); "Take a store (working, archive, keys) that bears no mark for this installation's: another disk stands there on purpose").may_be_empty(),
            mark,
        )
}

pub(super) async fn mark(
    staff: Staff,
    State(app): State<SharedApp>,
    Path(store): Path<String>,
    Body(_): Body<Nothing>,
) -> Answer<Json<StatusPart>> {
    app.vault.core.marks.mark_store(&store).await?;
    tracing::warn!(store, by = %staff.who(), "a store is taken as it is");
    app.readiness.forget().await;
    Ok(Json(stores(&app.vault).await))
}
