//! Stores that are not on this machine's disk, as far as the server can tell: an S3 server, a proxy
//! in front of it if things are to go wrong, and the settings that name them.

use anyhow::Result;

use crate::faulty::Faulty;
use crate::s3::S3;

/// Where a studio keeps its bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// In folders of the data directory.
    #[default]
    Files,
    /// In two buckets of a real S3 server of its own.
    S3,
    /// The same, behind a proxy that fails as it is told, at requests that this seed chooses.
    Faulty(u64),
}

/// The bucket of sessions and archive.
pub const WORKING: &str = "studio";

/// The bucket of keys.
pub const KEYS: &str = "keys";

const SECRET: &str = "secret_access_key";

/// An S3 server with two buckets, and what stands in front of it.
#[derive(Debug)]
pub struct Cloud {
    /// The server.
    pub s3: S3,
    /// What stands between, if things are to go wrong.
    pub faulty: Option<Faulty>,
    /// The secret, in a file of its own as the settings want it.
    secret: tempfile::NamedTempFile,
}

impl Cloud {
    /// What these stores need; nothing for folders.
    ///
    /// # Errors
    /// If the S3 server does not start.
    pub fn start(stores: Stores) -> Result<Option<Self>> {
        if stores == Stores::Files {
            return Ok(None);
        }
        let s3 = S3::start(&[WORKING, KEYS])?;
        let faulty = match stores {
            Stores::Faulty(seed) => Some(Faulty::start(s3.address(), seed)?),
            Stores::Files | Stores::S3 => None,
        };
        let secret = tempfile::NamedTempFile::new()?;
        for (key, value) in s3.options("") {
            if key == SECRET {
                std::fs::write(secret.path(), value)?;
            }
        }
        Ok(Some(Self { s3, faulty, secret }))
    }

    /// The tables of the settings file: URLs, options, and the secret in a file of its own.
    #[must_use]
    pub fn settings(&self) -> String {
        let address = match &self.faulty {
            Some(faulty) => faulty.address(),
            None => self.s3.address(),
        };
        format!(
            "[stores]\nworking = \"s3://{WORKING}\"\nkeys = \"s3://{KEYS}\"\n{}{}",
            self.table("working", &address),
            self.table("keys", &address),
        )
    }

    fn table(&self, store: &str, address: &str) -> String {
        let mut table = format!("[stores.{store}_options]\n");
        for (key, value) in self.s3.options(address) {
            table += &if key == SECRET {
                format!("{SECRET}_file = \"{}\"\n", self.secret.path().display())
            } else {
                format!("{key} = \"{value}\"\n")
            };
        }
        table
    }

    /// By how much the server's waits for its stores are shortened: a request of 25 seconds, given
    /// up after 60, becomes one of 2.5 where something goes wrong on purpose.
    #[must_use]
    pub fn hurry(&self) -> &'static str {
        if self.faulty.is_some() { "10" } else { "5" }
    }
}
