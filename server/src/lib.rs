//! The Stemvault server: HTTP on one side, the vault and its jobs on the other.
pub mod app;
pub mod cli;
pub mod client;
pub mod error;
