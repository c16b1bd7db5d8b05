//! Stemvault server library.
pub mod cli;
pub mod client;
