//! The commands of the one binary: arguments in, words and exit code out.
pub mod connect;
pub mod pull;
pub mod push;
