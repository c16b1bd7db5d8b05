//! What every part of the API shares.

pub mod auth;
pub mod body;
