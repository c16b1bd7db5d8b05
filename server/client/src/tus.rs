//! tus 1.0 as a client speaks it: create, ask, append, terminate.
//!
//! Each function is one request. What to do about a failure is decided in [`send`](super::send);
//! here a failure only keeps its status and the server's sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Body, Method, RequestBuilder};
use url::Url;

use super::answer::{Failure, accept};
use super::connection::{Connection, below};

const VERSION: &str = "1.0.0";
const OCTETS: &str = "application/offset+octet-stream";
const QUESTION: Duration = Duration::from_secs(60);
/// A small file waits on its connection for others: on a slow line for long. A connection that is dead is
/// noticed by itself.
pub(super) const SHARED: Duration = Duration::from_secs(600);
/// A body of which nothing could be handed to the network for this long is stuck.
const STALL: Duration = Duration::from_secs(60);

/// A tus endpoint: an order's upload link, or `/files` with a token.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(super) connection: Connection,
    pub(super) creation: Url,
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Bytes that are safe on the server.
    pub offset: u64,
    /// BLAKE3 of a finished upload, if the server says it.
    pub hash: Option<String>,
}

impl Endpoint {
    /// The endpoint that creates uploads at `creation`.
    #[must_use]
    pub fn new(connection: Connection, creation: Url) -> Self {
        Self {
            connection,
            creation,
        }
    }

    /// The address of an upload of this endpoint.
    #[must_use]
    pub fn upload(&self, id: &str) -> Url {
        below(&self.creation, &[id])
    }

    /// Opens what so many small files at once need, so that they find it there.
    pub fn widen(&self, files: usize) {
        self.connection.widen(files, &self.creation);
    }

    /// Opens the first connection for small files.
    pub async fn open(&self) {
        self.connection.open(&self.creation).await;
    }

    /// Creates an upload without any of its bytes.
    ///
    /// # Errors
    /// The server's refusal; an answer that names no address, or one on another host.
    pub async fn create(&self, length: u64, metadata: &str) -> Result<(Url, Position), Failure> {
        let request = self.request(Method::POST, &self.creation);
        let request = described(request, length, metadata).header(CONTENT_LENGTH, 0);
        self.created(request.timeout(QUESTION).send().await?).await
    }

    /// Creates the upload of a small file, whose bytes all come with it.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_small(
        &self,
        metadata: &str,
        body: Bytes,
    ) -> Result<(Url, Position), Failure> {
        let request = self.connection.small_request(Method::POST, &self.creation);
        let request = request.header("tus-resumable", VERSION);
        let request = described(request, body.len() as u64, metadata);
        let request = request.header(CONTENT_TYPE, OCTETS).body(body);
        self.created(request.timeout(SHARED).send().await?).await
    }

    /// Creates an upload whose bytes all come with it as they are read; `moved` as in
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_whole(
        &self,
        length: u64,
        metadata: &str,
        body: Body,
        moved: &Arc<AtomicU64>,
    ) -> Result<(Url, Position), Failure> {
        let request = described(self.request(Method::POST, &self.creation), length, metadata)
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, length)
            .body(body);
        self.created(while_it_moves(request, moved).await?).await
    }

    /// What the answer to a creation says.
    async fn created(&self, response: reqwest::Response) -> Result<(Url, Position), Failure> {
        let response = accept(response).await?;
        let location = text(response.headers(), LOCATION.as_str())
            .and_then(|location| self.creation.join(location).ok())
            .ok_or_else(|| Failure::Unreadable("the server did not say where to send".into()))?;
        if location.origin() != self.creation.origin() {
            return Err(Failure::Unreadable(format!(
                "the server sends the upload to another host ({location}); its public address is \
                 not set as it is reached"
            )));
        }
        // A server without creation-with-upload ignores the body and names no offset.
        let offset = number(response.headers(), "upload-offset").unwrap_or(0);
        let hash = hash(response.headers());
        Ok((location, Position { offset, hash }))
    }

    /// Asks where an upload stands. A running append to it ends.
    ///
    /// # Errors
    /// The server's refusal, or an answer without an offset.
    pub async fn position(&self, upload: &Url) -> Result<Position, Failure> {
        let request = self.request(Method::HEAD, upload).timeout(QUESTION);
        position(accept(request.send().await?).await?.headers())
    }

    /// Appends `body`, which is `length` bytes, at `offset`. `moved` grows with every piece that
    /// the network takes; an append during which it stands still for a minute is given up.
    ///
    /// # Errors
    /// The server's refusal, or a connection that broke or stood still.
    pub async fn append(
        &self,
        upload: &Url,
        offset: u64,
        length: u64,
        body: Body,
        moved: &Arc<AtomicU64>,
    ) -> Result<Position, Failure> {
        let request = self
            .request(Method::PATCH, upload)
            .header("upload-offset", offset)
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, length)
            .body(body);
        let response = while_it_moves(request, moved).await?;
        position(accept(response).await?.headers())
    }

    /// Ends an upload and frees what it holds. One that is gone already is fine.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn terminate(&self, upload: &Url) -> Result<(), Failure> {
        let request = self.request(Method::DELETE, upload).timeout(QUESTION);
        match accept(request.send().await?).await {
            Err(failure) if !failure.is_gone() => Err(failure),
            _ => Ok(()),
        }
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.connection
            .request(method, url)
            .header("tus-resumable", VERSION)
    }
}

fn described(request: RequestBuilder, length: u64, metadata: &str) -> RequestBuilder {
    request
        .header("upload-length", length)
        .header("upload-metadata", metadata)
}

/// Sends a request, and gives up once `moved` stands still for a minute.
async fn while_it_moves(
    request: RequestBuilder,
    moved: &Arc<AtomicU64>,
) -> Result<reqwest::Response, Failure> {
    let mut answer = Box::pin(request.send());
    let mut seen = moved.load(Ordering::Relaxed);
    loop {
        match tokio::time::timeout(STALL, &mut answer).await {
            Ok(response) => return Ok(response?),
            Err(_) => {
                let now = moved.load(Ordering::Relaxed);
                if now == seen {
                    return Err(Failure::Unreachable("the connection stood still".into()));
                }
                seen = now;
            }
        }
    }
}

/// The `Upload-Metadata` header: keys with their values in base64.
#[must_use]
pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let encoded: Vec<_> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)))
        .collect();
    encoded.join(",")
}

fn position(headers: &HeaderMap) -> Result<Position, Failure> {
    let offset = number(headers, "upload-offset")
        .ok_or_else(|| Failure::Unreadable("the server did not say its offset".into()))?;
    let hash = hash(headers);
    Ok(Position { offset, hash })
}

fn hash(headers: &HeaderMap) -> Option<String> {
    text(headers, "stemvault-hash").map(str::to_owned)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_base64_of_utf8() {
        assert_eq!(
            metadata(&[("filename", "K\u{f6}.wav"), ("kind", "stems")]),
            "filename S8O2Lndhdg==,kind c3RlbXM="
        );
    }

    #[test]
    fn a_position_needs_an_offset() {
        let mut headers = HeaderMap::new();
        assert!(position(&headers).is_err());
        headers.insert("upload-offset", "-1".parse().unwrap());
        assert!(position(&headers).is_err());
        headers.insert("upload-offset", "12".parse().unwrap());
        headers.insert("stemvault-hash", "ab".parse().unwrap());
        let hash = Some("ab".to_owned());
        assert_eq!(position(&headers).unwrap(), Position { offset: 12, hash });
    }
}
