//! The API under /api/v1: JSON in, JSON out, for staff and their programs, each with an API token.

mod audit;
pub mod auth;
pub mod body;
mod clock;
mod keys;
pub mod links;
pub mod openapi;
pub mod order;
mod orders;
mod retention;
mod scrub;
mod sessions;
mod status;
mod stores;
pub mod tokens;
pub mod when;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::SharedApp;

pub use orders::id_of;
pub use sessions::find;

/// Every route of the API.
pub fn router() -> Router<SharedApp> {
    let order = Router::new()
        .route("/", get(orders::show))
        .route("/audit", get(audit::show))
        .route("/complete", post(orders::complete))
        .route("/reopen", post(orders::reopen))
        .route("/archive-again", post(orders::archive_again))
        .route("/hold", post(orders::hold))
        .route("/release-hold", post(orders::release_hold))
        .route("/recall", post(orders::recall))
        .route("/end-recall", post(orders::end_recall))
        .route("/links", post(links::create))
        .route("/uploads", get(sessions::uploads))
        .route("/uploads/checked", post(sessions::compared))
        .route("/uploads/{upload}", delete(sessions::remove))
        .route("/submit", post(sessions::submit))
        .route("/sessions/{session}", get(sessions::show))
        .route("/sessions/{session}/files/{*path}", get(sessions::file))
        .route("/sessions/{session}/bag", get(sessions::bag))
        .route("/sessions/{session}/bag.zip", get(sessions::bag_zip))
        .route("/sessions/{session}/accept", post(sessions::accept))
        .route("/sessions/{session}/return", post(sessions::give_back));
    let api = Router::new()
        .route("/orders", post(orders::create).get(orders::list))
        .nest("/orders/{number}", order)
        .route("/links/{link}", delete(links::revoke))
        .route("/retention/plan", get(retention::plan))
        .route("/retention/run", post(retention::run))
        .route("/runs", get(retention::runs))
        .route("/runs/{run}", get(retention::run_notes))
        .route(
            "/scrub",
            post(scrub::begin).get(scrub::show).delete(scrub::stop),
        )
        .route("/status", get(status::show))
        .route("/stores/{store}/mark", post(stores::mark))
        .route("/tokens", post(tokens::create).get(tokens::list))
        .route("/tokens/{token}", delete(tokens::revoke))
        .route("/keys", get(keys::show))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/retire", post(keys::retire))
        .route("/keys/backup", post(keys::backup))
        .route("/clock", post(clock::turn))
        .route("/openapi.json", get(openapi::serve));
    Router::new().nest("/api/v1", api)
}
