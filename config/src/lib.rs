//! The settings of a Stemvault server: where they come from, what they mean, what is wrong with them.
//!
//! [`Settings::load`] merges flags over environment over file over defaults and either returns
//! settings that every other part may trust without checking again, or [`Problems`]: all of them
//! at once, each with its place, its key and what to write instead. No secret is ever printed.
//!
//! Read first: `sections.rs`, the list of all settings. A field there *is* the setting:
//! its name is the key, its comment the description, and next to it stand its syntax, range and
//! default. `stemvault.sample.toml` explains the same list to the owner of a studio.

mod environment;
mod file;
mod keys;
mod kind;
mod nearest;
mod options;
mod problem;
mod reader;
mod secret;
mod sections;
mod settings;
mod store;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod sample_tests;

pub use environment::process_environment;
pub use keys::{Keys, MasterKeySource};
pub use kind::{Cron, Days, LogFormat, Months, NumberPattern, Rule, Severity};
pub use kind::{parse_size, parse_span};
pub use problem::{Origin, Problem, Problems};
pub use reader::{InForce, Overrides};
pub use secret::Secret;
pub use sections::{
    Archive, Downloads, FreeDiskFloor, Intake, Jobs, Log, Orders, Prove, Retention, Server, Uploads,
};
pub use settings::Settings;
pub use store::{StoreUrl, Stores};
