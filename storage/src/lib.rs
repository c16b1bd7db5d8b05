//! The nouns of Stemvault, their bytes and their memory. Knows neither HTTP nor jobs.
//!
//! Read first: [`order`] (an order's life, in the crate `stemvault-model`), then [`intake`] (an upload's
//! bytes), [`outlet`] (a download's bytes) and [`vault`] (how decisions are made).

pub mod archive;
pub mod audit;
pub mod block;
mod complete;
pub mod core;
pub mod deletion;
mod downloads;
pub mod draft;
mod entry;
pub mod error;
pub mod flaw;
mod heal;
pub mod holdings;
pub mod intake;
pub mod keys;
pub mod late;
mod leave;
mod limits;
pub mod manifests;
pub mod marks;
pub mod mirror;
pub mod orders;
pub mod outflow;
pub mod outlet;
mod pace;
pub mod paths;
pub mod proof;
pub mod rate;
pub mod rebuild;
pub mod snapshot;
pub mod standing;
pub mod store;
pub mod submit;
pub mod sweep;
pub mod tables;
#[cfg(feature = "torture")]
pub mod torture;
pub mod trust;
pub mod vault;

pub use core::record;
pub use error::{Error, Result};
pub use limits::Limits;
pub use stemvault_catalog as catalog;
pub use stemvault_model::names::namesakes;
pub use stemvault_model::{
    checks, clock, decimal, ids, link, names, order, path, refusal, session, upload,
};
pub use vault::Vault;
