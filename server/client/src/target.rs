//! Where files are sent, and how that can end for each of them.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stemvault_model::clock::SharedClock;
use stemvault_model::ids::FileHash;
use tokio::sync::Mutex;
use url::Url;

use super::answer::Failure;
use super::connection::Connection;
use super::flow::Flow;
use super::records::Uploads;
use super::rows::{Coming, Rows};
use super::source::Source;
use super::tus::{Endpoint, metadata};

/// Where files go.
#[derive(Debug)]
pub struct Target {
    /// The way to the server.
    pub connection: Connection,
    /// The tus endpoint.
    pub endpoint: Endpoint,
    /// Where the list of uploads is.
    pub list: Url,
    /// The order's number, where the endpoint does not say it by itself.
    pub order: Option<String>,
    /// The kind of session, where the endpoint does not say it by itself.
    pub kind: Option<String>,
    /// What the server said last when files had to look where they stand.
    pub listing: Listing,
    /// How many small files go at once.
    pub flow: Flow,
    /// Where very small ones go several in one request; a link takes such, `/files` does not.
    pub rows: Option<Arc<Rows>>,
    /// Measures how long nothing has moved.
    pub clock: SharedClock,
    /// Why nothing more can be sent at all, once that is known.
    pub closed: OnceLock<String>,
}

/// The server's list, asked for once where many files have to know it: those that a broken line met
/// together. With the time at which it was asked for.
#[derive(Debug, Default)]
pub struct Listing(Mutex<Option<(Duration, Listed)>>);

type Listed = Result<Arc<Uploads>, Failure>;

/// How a file came to be on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// All of it was sent now.
    Sent,
    /// An earlier upload was continued.
    Resumed,
    /// It had arrived before.
    AlreadyThere,
}

/// A file that is on the server, with the hash that both sides agree on.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// How it came there.
    pub how: How,
    /// BLAKE3 of the file.
    pub hash: FileHash,
    /// Bytes that were handed to the network for it now, repeated ones included.
    pub moved: u64,
    /// Its upload.
    pub upload: Url,
}

/// Why a file is not on the server.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The server does not want it.
    #[error("{0}")]
    Refused(String),
    /// It is not the file any more that was found.
    #[error(
        "changes while it is sent, again and again; close the program that writes it, then push again"
    )]
    Changed,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It was sent, and cannot be read again to compare.
    #[error("was sent, but cannot be read again to compare: {0}; push again when it can")]
    Unproven(io::Error),
    /// Nothing got through for too long.
    #[error("nothing got through for 10 minutes ({0}); push again to go on where it stopped")]
    GaveUp(Failure),
    /// Twice other bytes arrived than were sent.
    #[error(
        "the server received other bytes than this machine sent, twice; check the memory and the \
         disk of this machine, and tell the studio"
    )]
    Damaged,
    /// The server holds it, but does not say its hash.
    #[error("the server does not say the hash of what it received, so it cannot be checked")]
    Unconfirmed,
}

impl Target {
    /// A file of this length will join a row; none if it goes alone.
    #[must_use]
    pub fn coming(&self, length: u64) -> Option<Coming> {
        self.rows.as_ref()?.coming(length)
    }

    /// What is there, as the server knew it after `since`.
    pub(super) async fn listed(&self, since: Duration) -> Listed {
        let mut known = self.listing.0.lock().await;
        if let Some((_, listed)) = known.as_ref().filter(|(asked, _)| *asked >= since) {
            return listed.clone();
        }
        let asked = self.clock.monotonic();
        let listed: Listed = self.connection.get(&self.list).await.map(Arc::new);
        *known = Some((asked, listed.clone()));
        listed
    }

    /// The `Upload-Metadata` of a file.
    pub(super) fn metadata(&self, source: &Source) -> String {
        let file = source.file();
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let modified = file.modified();
        let mut pairs = vec![("filename", name), ("relativePath", file.path.as_str())];
        pairs.extend(modified.as_deref().map(|modified| ("modified", modified)));
        pairs.extend(self.order.as_deref().map(|order| ("order", order)));
        pairs.extend(self.kind.as_deref().map(|kind| ("kind", kind)));
        metadata(&pairs)
    }
}
