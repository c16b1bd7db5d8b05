//! The nouns of Stemvault, their bytes and their memory. Knows neither HTTP nor jobs.
//!
//! Read first: [`order`] (an order's life, in the crate `stemvault-model`), then [`intake`] (an upload's
//! bytes), [`outlet`] (a download's bytes) and [`core`] (how decisions are made). [`vault`] puts the parts
//! together.

pub mod access;
pub mod archive;
pub mod audit;
pub mod block;
pub mod core;
pub mod deletion;
pub mod downloads;
pub mod draft;
pub mod error;
pub mod heal;
pub mod holdings;
pub mod index;
pub mod intake;
pub mod key_care;
pub mod keys;
pub mod late;
pub mod leave;
mod limits;
pub mod manifests;
pub mod marks;
pub mod mirror;
pub mod mirrored;
pub mod orders;
pub mod outflow;
pub mod outlet;
mod pace;
pub mod paths;
pub mod proof;
pub mod rate;
pub mod rebuild;
pub mod rows;
pub mod sessions;
pub mod snapshot;
pub mod source;
pub mod store;
pub mod submits;
pub mod sweep;
pub mod tables;
#[cfg(feature = "torture")]
pub mod torture;
pub mod trust;
pub mod trusted;
pub mod vault;

pub use core::record;
pub use error::{Error, Result};
pub use limits::{Limits, TEXT_MAX};
pub use source::flaw;
pub use stemvault_catalog as catalog;
pub use stemvault_model::names::namesakes;
pub use stemvault_model::{
    checks, clock, decimal, ids, link, names, order, path, refusal, session, upload,
};
pub use vault::Vault;
