//! The commands of the one binary: arguments in, words and exit code out.
pub mod connect;
mod outcome;
pub mod pull;
pub mod push;
pub mod receipt;
