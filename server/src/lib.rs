//! The Stemvault server: HTTP on one side, the vault and its jobs on the other.
//!
//! Read first: [`router`], all routes; [`serve`], how it starts and ends; [`installation`], what it
//! stands on.
// A line that cannot be written ends nothing: terminal.rs.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod api;
pub mod app;
pub mod assets;

pub mod bag;
pub mod checked;
pub mod cli;
pub mod cors;
pub mod demo;
pub mod download;
pub mod error;
pub mod first_start;
pub mod form;
mod frames;
#[cfg(feature = "torture")]
pub mod fuzz;
pub mod installation;
mod keeping;
pub mod language;
pub mod listen;
pub mod log;
mod master_file;
mod media;
pub mod memory;
pub mod pace;
pub mod pages;
pub mod prefix;
pub mod preflight;
mod private;
pub mod ranges;
mod reads;
pub mod ready;
mod route;
pub mod router;
pub mod serve;
pub mod submit;
pub mod tls;
pub mod tries;
mod turns;
pub mod upload;
pub mod upload_link;
pub mod upload_state;
pub mod wire;
mod zip;
