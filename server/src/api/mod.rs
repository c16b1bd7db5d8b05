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
mod verbs;
pub mod when;

use crate::route::Routes;

pub use orders::id_of;
pub use sessions::find;

/// Every route of the API.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .merge(orders::routes())
        .merge(verbs::routes())
        .merge(audit::routes())
        .merge(links::routes())
        .merge(sessions::routes())
        .merge(retention::routes())
        .merge(scrub::routes())
        .merge(status::routes())
        .merge(stores::routes())
        .merge(tokens::routes())
        .merge(keys::routes())
        .merge(clock::routes())
}
