//! The Stemvault server: HTTP on one side, the vault and its jobs on the other.
pub mod api;
pub mod app;
pub mod cli;
pub mod client;
pub mod download;
pub mod error;
pub mod links;
pub mod page;
pub mod ranges;
pub mod shape;
pub mod submit;
pub mod tus;
