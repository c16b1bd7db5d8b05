//! The stores: taking another disk on purpose.

use axum::Json;
use axum::extract::{Path, State};

use super::auth::Staff;
use super::body::Body;
use super::orders::Nothing;
use super::status::{StatusPart, stores};
use crate::app::SharedApp;
use crate::error::Answer;

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
