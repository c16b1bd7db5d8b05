//! A bag as a zip, made while it is sent: no temporary file, no byte that was not verified.
//!
//! Every file goes through the one function that decides what may leave, at the moment of its
//! turn. Its SHA-256 and SHA-512 are reckoned as it passes, so the manifests come after the files. A block
//! that does not verify ends the body before its length: whoever receives it knows that it is not
//! whole, and the end of a zip, without which nothing opens it, is missing.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream;
use stemvault_storage::outflow::Share;
use stemvault_storage::{Error, Vault};
use tokio::sync::mpsc;

use super::Bag;
use super::tags::{Summing, Sums, Tag, complete};
use crate::app::App;
use crate::download::checked;
use crate::error::Answer;
use crate::keeping::keeping;
use crate::pace::Cost;
use crate::turns::Asked;
use crate::zip::{Entry, Zip, length};
use stemvault_client::attachment::disposition;

/// Pieces that wait for a slow reader; each is a block at most.
const AHEAD: usize = 1;

/// Whoever asked went away, or something is damaged.
enum Stop {
    Gone,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Answers with the bag as a zip.
///
/// # Errors
/// When its first bytes are damaged or cannot be read.
pub(super) async fn zip(app: &App, bag: Bag, asked: &Asked<'_>) -> Answer {
    let length = bag.zip_length();
    let name = format!("{}.zip", bag.name);
    if asked.method == Method::HEAD {
        return Ok(described(Body::empty().into_response(), &name, length));
    }
    let turn = asked.turn(app).await?;
    let share = Arc::clone(&turn.share);
    let (number, session) = (bag.manifest.number.clone(), bag.session);
    let (pieces, queue) = mpsc::channel(AHEAD);
    let vault = Arc::clone(&app.vault);
    tokio::spawn(async move {
        match send(&vault, &bag, &share, &pieces).await {
            Ok(()) => {
                tracing::info!(order = %number, session = %session, bytes = length, "session exported as a zip");
            }
            Err(Stop::Gone) => {
                tracing::info!(order = %number, session = %session, "an export was left before its end");
            }
            Err(Stop::Failed(error)) => {
                tracing::error!(order = %number, session = %session, %error, "an export ended early: what was sent is no whole zip");
                // Of no interest to whoever has gone.
                let _ = pieces.send(Err(error)).await;
            }
        }
    });
    let received = stream::unfold(queue, |mut queue| async move {
        let piece = queue.recv().await?;
        Some((piece, queue))
    });
    let body = Body::from_stream(checked(received.boxed()).await?);
    Ok(keeping(
        described(body.into_response(), &name, length),
        turn,
    ))
}

fn described(mut response: Response, name: &str, length: u64) -> Response {
    // Its length is not what it costs.
    response.extensions_mut().insert(Cost(0));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/zip"),
    );
    let said = HeaderValue::try_from(disposition(name)).expect("made of plain ASCII");
    headers.insert(header::CONTENT_DISPOSITION, said);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Pieces = mpsc::Sender<Result<Bytes, Error>>;

async fn put(pieces: &Pieces, bytes: Bytes) -> Result<(), Stop> {
    pieces.send(Ok(bytes)).await.map_err(|_| Stop::Gone)
}

async fn send(vault: &Vault, bag: &Bag, share: &Arc<Share>, pieces: &Pieces) -> Result<(), Stop> {
    let mut zip = Zip::new(bag.manifest.sealed_at);
    let mut payload = Vec::new();
    for (file, entry) in bag.manifest.files.iter().zip(bag.entries()) {
        let path = file.path.as_str();
        let source = vault.outlet.file(bag.order, bag.session, path).await?;
        put(pieces, zip.file(entry).into()).await?;
        let mut summing = Summing::default();
        let mut blocks = source.lent(share).stream(0..file.length);
        while let Some(block) = blocks.next().await {
            let block = block.map_err(|error| error.of_file(path))?;
            let bytes = block.clone();
            let sum = tokio::task::spawn_blocking(move || {
                summing.update(&bytes);
                summing
            });
            put(pieces, block).await?;
            summing = sum.await.expect("summing does not panic");
        }
        payload.push((path, summing.end()));
    }
    for tag in complete(&payload, &bag.tags) {
        put(pieces, zip.file(bag.tag_entry(&tag)).into()).await?;
        put(pieces, tag.bytes).await?;
    }
    put(pieces, zip.end().into()).await
}

impl Bag {
    /// The files below `data/`.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.manifest.files.iter().map(|file| Entry {
            name: format!("{}/data/{}", self.name, file.path.as_str()),
            length: file.length,
            crc32: file.crc32,
            modified: file.changed_at(),
        })
    }

    fn tag_entry(&self, tag: &Tag) -> Entry {
        Entry {
            name: format!("{}/{}", self.name, tag.name),
            length: tag.bytes.len() as u64,
            crc32: crc32fast::hash(&tag.bytes),
            modified: None,
        }
    }

    /// Known before the sums are: all sums are of one length.
    fn zip_length(&self) -> u64 {
        let sums = Sums::of_nothing();
        let files = self.manifest.files.iter();
        let payload: Vec<_> = files
            .map(|file| (file.path.as_str(), sums.clone()))
            .collect();
        let tags = complete(&payload, &self.tags);
        let tags = tags.iter().map(|tag| self.tag_entry(tag));
        length(self.entries().chain(tags))
    }
}
