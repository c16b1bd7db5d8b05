//! Certificates, as they are read from files and from a server: what stands in them.

pub mod facts;
pub mod read;

use std::path::PathBuf;

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The chain, PEM.
    pub chain: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// Whether it is one that only this server vouches for.
    pub self_signed: bool,
    /// Whether it was made just now.
    pub made: bool,
}
