//! One file on its way down: by ranges, resumable, and never under its name before it is right.
//!
//! Bytes go to a part beside the file. After a trouble, or in a new process, the download goes on
//! behind what the part holds (`Range` with `If-Range`); the hash of the whole decides whether the
//! part becomes the file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Method, Response, StatusCode};
use stemvault_model::clock::SharedClock;
use stemvault_model::ids::FileHash;
use url::Url;

use super::answer::{Failure, accept};
use super::connection::Connection;
use super::names::place;
use super::part::{Part, hash_of, make_room, moment, settle};
use super::patience::{GIVE_UP, Patience};
use super::progress::FileProgress;
use crate::disk::in_words;

/// A connection that gives nothing for this long is broken.
const SILENCE: Duration = Duration::from_secs(60);
/// This many times in a row an accepted request may end without a byte.
const BARREN: u32 = 5;

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where its bytes are.
    pub url: Url,
    /// Its path below the folder, with `/`.
    pub path: String,
    /// The path of its part.
    pub part: String,
    /// Bytes.
    pub length: u64,
    /// BLAKE3, where it is known beforehand.
    pub hash: Option<FileHash>,
    /// When its sender's copy was last changed, where that is known; it gets this time here.
    pub modified: Option<SystemTime>,
}

/// A file that is here.
#[derive(Debug, Clone, Copy)]
pub struct Fetched {
    /// Its hash, checked against the wanted one.
    pub hash: FileHash,
    /// Whether it was here before.
    pub already_here: bool,
    /// Bytes that came over the network now.
    pub moved: u64,
}

/// Why a file is not here.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// Its path cannot be a file below the folder.
    #[error("{0}")]
    Place(String),
    /// The server does not give it.
    #[error("{0}")]
    Refused(String),
    /// Another file has its name.
    #[error("a file of this name with other content is in the way; move it and pull again")]
    InTheWay,
    /// The disk is full.
    #[error("{}; what has arrived is kept", in_words(.0))]
    Full(io::Error),
    /// The disk failed otherwise.
    #[error("cannot be written: {}", in_words(.0))]
    Disk(io::Error),
    /// Nothing arrived for too long.
    #[error("nothing arrived for 10 minutes ({0}); pull again to go on where it stopped")]
    GaveUp(Failure),
    /// The server stops sending at one place.
    #[error(
        "the server ends the file at byte {0} again and again, as it does when what it stores is \
         damaged; tell the studio"
    )]
    EndsEarly(u64),
    /// What is stored there is damaged.
    #[error(
        "what the studio has stored of it{of} is damaged, and trying again does not help: ask the \
         studio, which mends it with `stemvault scrub`, and pull again then ({said})"
    )]
    Stored {
        /// ` (order 2026-0117)`, where that is known.
        of: String,
        /// What the server says.
        said: Failure,
    },
    /// What arrived is not what was promised.
    #[error("what arrived does not have the hash that the server promised; nothing was kept")]
    Damaged,
}

impl From<io::Error> for NotFetched {
    fn from(problem: io::Error) -> Self {
        match problem.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(problem),
            _ => Self::Disk(problem),
        }
    }
}

/// Fetches files into one folder.
#[derive(Debug)]
pub struct Fetcher {
    /// The way to the server.
    pub connection: Connection,
    /// The folder; it exists.
    pub folder: PathBuf,
    /// The number of the order, where that is known.
    pub order: Option<String>,
    /// Measures how long nothing has arrived.
    pub clock: SharedClock,
}

impl Fetcher {
    /// Brings one file here.
    ///
    /// # Errors
    /// Why it is not here. What did arrive stays in its part, unless it was wrong.
    pub async fn fetch(
        &self,
        wanted: &Wanted,
        progress: &FileProgress,
    ) -> Result<Fetched, NotFetched> {
        let inside = place(&wanted.path).map_err(NotFetched::Place)?;
        let name = self.folder.join(&inside);
        let part = self
            .folder
            .join(place(&wanted.part).map_err(NotFetched::Place)?);
        if let Some(hash) = has(&name, wanted).await? {
            return Ok(Fetched {
                hash,
                already_here: true,
                moved: 0,
            });
        }
        make_room(&self.folder, &inside)?;
        let mut moved = 0;
        let mut whole = false;
        loop {
            let (open, held) = Part::open(part.clone(), Some(wanted.length)).await?;
            let hash = self
                .receive(wanted, open, held, &mut moved, progress)
                .await?;
            if wanted.hash.is_none_or(|wanted| wanted == hash) {
                settle(&part, &name, wanted.modified).map_err(|problem| match problem.kind() {
                    io::ErrorKind::AlreadyExists => NotFetched::InTheWay,
                    _ => problem.into(),
                })?;
                return Ok(Fetched {
                    hash,
                    already_here: false,
                    moved,
                });
            }
            std::fs::remove_file(&part)?;
            if whole || held == 0 {
                return Err(NotFetched::Damaged);
            }
            // The part may have been of another file, or come to harm on this disk.
            progress.say("what was here from an earlier pull does not fit; fetching it anew");
            whole = true;
        }
    }

    async fn receive(
        &self,
        wanted: &Wanted,
        mut part: Part,
        mut at: u64,
        moved: &mut u64,
        progress: &FileProgress,
    ) -> Result<FileHash, NotFetched> {
        let mut patience = Patience::new(self.clock.clone(), GIVE_UP);
        let mut barren = 0;
        while at < wanted.length {
            progress.set(at);
            let before = *moved;
            let failure = match self.request(wanted, at).await {
                Ok((response, from)) => {
                    if from != at {
                        part.restart().await?;
                        at = from;
                        progress.set(at);
                    }
                    let ended = copy(response, wanted, &mut part, &mut at, moved, progress).await?;
                    if *moved > before {
                        barren = 0;
                    } else {
                        barren += 1;
                    }
                    if barren >= BARREN {
                        return Err(NotFetched::EndsEarly(at));
                    }
                    ended
                }
                Err(failure) => failure,
            };
            if at == wanted.length {
                break;
            }
            if let Failure::Damaged(_) = failure {
                return Err(self.stored(failure));
            }
            if !failure.passes() {
                return Err(NotFetched::Refused(failure.to_string()));
            }
            if *moved > before {
                patience.progressed();
            }
            let Some(wait) = patience.next(failure.retry_after()) else {
                return Err(NotFetched::GaveUp(failure));
            };
            if patience.tries() == 1 {
                progress.say(&format!("{failure}; trying again"));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(part.finish().await?)
    }

    fn stored(&self, said: Failure) -> NotFetched {
        let of = self.order.as_ref();
        let of = of.map_or_else(String::new, |number| format!(" (order {number})"));
        NotFetched::Stored { of, said }
    }

    /// Asks for everything from `at` on; the place where the answer really begins is 0 or `at`.
    async fn request(&self, wanted: &Wanted, at: u64) -> Result<(Response, u64), Failure> {
        let mut request = self.connection.request(Method::GET, &wanted.url);
        if at > 0 {
            request = request.header(RANGE, format!("bytes={at}-"));
            if let Some(hash) = wanted.hash {
                request = request.header(IF_RANGE, format!("\"{hash}\""));
            }
        }
        let response = tokio::time::timeout(SILENCE, request.send())
            .await
            .map_err(|_| Failure::Unreachable("the server did not answer in time".into()))??;
        let response = accept(response).await?;
        let from = match response.status() {
            StatusCode::PARTIAL_CONTENT => begins_at(response.headers(), wanted.length)
                .filter(|from| *from == at)
                .ok_or_else(|| Failure::Unreadable("the server sent another range".into()))?,
            _ => 0,
        };
        if let (Some(ours), Some(theirs)) = (wanted.hash, etag(response.headers()))
            && ours != theirs
        {
            return Err(Failure::Unreadable(
                "the server has other bytes under this name than its receipt says".into(),
            ));
        }
        Ok((response, from))
    }
}

/// Copies a body into the part; the failure says why it ended.
async fn copy(
    mut response: Response,
    wanted: &Wanted,
    part: &mut Part,
    at: &mut u64,
    moved: &mut u64,
    progress: &FileProgress,
) -> Result<Failure, NotFetched> {
    loop {
        let bytes = match tokio::time::timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(bytes))) => bytes,
            Ok(Ok(None)) => {
                return Ok(Failure::Unreachable(
                    "the server ended the file early".into(),
                ));
            }
            Ok(Err(broken)) => return Ok(broken.into()),
            Err(_) => return Ok(Failure::Unreachable("the connection stood still".into())),
        };
        let length = bytes.len() as u64;
        if length > wanted.length - *at {
            return Err(NotFetched::Refused(
                "the server sends more bytes than the file has".into(),
            ));
        }
        part.append(bytes).await?;
        *at += length;
        *moved += length;
        progress.advance(length);
    }
}

/// The hash of the file if it is here already.
async fn has(name: &Path, wanted: &Wanted) -> Result<Option<FileHash>, NotFetched> {
    let Ok(found) = std::fs::symlink_metadata(name) else {
        return Ok(None);
    };
    if !found.is_file() || found.len() != wanted.length {
        return Err(NotFetched::InTheWay);
    }
    let hash = hash_of(name.to_owned()).await?;
    if wanted.hash == Some(hash) {
        return Ok(Some(hash));
    }
    Err(NotFetched::InTheWay)
}

/// The hash that an `ETag` names, if it is one of ours.
#[must_use]
pub fn etag(headers: &HeaderMap) -> Option<FileHash> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// When a file was last changed, as `Last-Modified` says.
#[must_use]
pub fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    let said = headers.get(LAST_MODIFIED)?.to_str().ok()?;
    let at = DateTime::parse_from_rfc2822(said).ok()?;
    moment(&at.to_rfc3339())
}

/// The first byte of `Content-Range: bytes 5-9/10`, if it reaches to the end of a file of
/// `length` bytes.
fn begins_at(headers: &HeaderMap, length: u64) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (span, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let fits = total.parse() == Ok(length) && last.parse::<u64>().ok()?.checked_add(1)? == length;
    first.parse().ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_range_that_was_asked_for_is_taken() {
        let begins = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, range.parse().unwrap());
            begins_at(&headers, 10)
        };
        assert_eq!(begins("bytes 5-9/10"), Some(5));
        for range in [
            "bytes 5-8/10",
            "bytes 5-9/11",
            "bytes 5-9/*",
            "bytes */10",
            "items 5-9/10",
            "bytes 5-18446744073709551615/10",
        ] {
            assert_eq!(begins(range), None, "{range}");
        }
    }

    #[test]
    fn only_an_etag_that_is_a_hash_is_one() {
        let tag = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ETAG, value.parse().unwrap());
            etag(&headers)
        };
        let hash = FileHash([0xab; 32]);
        assert_eq!(tag(&format!("\"{hash}\"")), Some(hash));
        assert_eq!(tag(&format!("W/\"{hash}\"")), None);
        assert_eq!(tag("\"abc\""), None);
    }
}
