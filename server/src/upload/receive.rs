//! From a request's body to durable bytes: whatever arrives is kept, however the body ends.
//!
//! Frames go to the [`Writer`] one by one and are gathered there. When none is there, and after every
//! megabyte, it is seen whether another request takes over, memory is short, or the server ends.
//! When the body ends, for whatever reason, what arrived is written down before anybody is told
//! anything.

use std::io;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use futures::{FutureExt, Stream, StreamExt, stream};
use http_body_util::BodyExt;
use stemvault_storage::Error;
use stemvault_storage::intake::{Signal, Writer};
use stemvault_storage::refusal::Refusal;
use stemvault_storage::upload::Upload;
use tokio::sync::{Mutex, watch};
use tus_protocol::{BodyFrame, BodyStream, ByteStream};

use super::checksum::Checksum;
use crate::app::App;

/// So many bytes are taken at most, as long as they are there, before it is seen whether there is a
/// reason to stop.
const LOOK_UP: usize = 1 << 20;

/// What a frame counts at least: a trickle of bytes is looked up from as well.
const FRAME: usize = 1 << 10;

/// After so long a silence all that arrived is written down, and takes no more memory. Nobody has
/// to ask for it.
const SILENCE: Duration = Duration::from_secs(1);

/// A body that stays ours while the protocol core reads it, because what is left of it afterwards
/// decides how to answer.
#[derive(Clone, Debug)]
pub(crate) struct SharedBody(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    body: Mutex<Body>,
    /// Whether anything of it was asked for.
    read: AtomicBool,
    /// Whether its end was seen.
    ended: AtomicBool,
}

impl SharedBody {
    pub(crate) fn new(body: Body) -> Self {
        let ended = body.is_end_stream();
        Self(Arc::new(Shared {
            body: Mutex::new(body),
            read: AtomicBool::new(false),
            ended: AtomicBool::new(ended),
        }))
    }

    /// Whether anything of it was asked for.
    pub(crate) fn was_read(&self) -> bool {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Whether its sender may still be sending.
    pub(crate) fn is_unread(&self) -> bool {
        !self.0.ended.load(Ordering::Relaxed)
    }

    /// The body itself.
    pub(crate) async fn lock(&self) -> impl DerefMut<Target = Body> + '_ {
        self.0.body.lock().await
    }

    /// The next bytes of it; `None` at its end.
    pub(crate) async fn next(&self) -> Option<Result<Bytes, axum::Error>> {
        self.0.read.store(true, Ordering::Relaxed);
        let mut body = self.0.body.lock().await;
        loop {
            match body.frame().await {
                // Trailers say nothing to us.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        if body.is_end_stream() {
                            self.0.ended.store(true, Ordering::Relaxed);
                        }
                        return Some(Ok(data));
                    }
                    _ => {}
                },
                other => {
                    self.0.ended.store(true, Ordering::Relaxed);
                    return other.map(|failed| failed.map(|_| Bytes::new()));
                }
            }
        }
    }
}

/// How a body came to its end, seen before the protocol core judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its sender ended it.
    Whole,
    /// The connection broke.
    Broken,
    /// There is more of it than the file may have.
    TooLong,
}

/// Where the [`Ending`] is noted.
pub(crate) type Noted = Arc<OnceLock<Ending>>;

/// The body as the protocol core takes it, cut off after `room` bytes.
pub(crate) fn frames(body: SharedBody, room: u64, noted: Noted) -> BodyStream {
    let frames = stream::unfold((body, room, noted), |(body, mut room, noted)| async move {
        let frame = match body.next().await {
            None => {
                noted.get_or_init(|| Ending::Whole);
                return None;
            }
            Some(Err(error)) => {
                noted.get_or_init(|| Ending::Broken);
                Err(io::Error::other(error))
            }
            Some(Ok(_)) if room == 0 => {
                noted.get_or_init(|| Ending::TooLong);
                return None;
            }
            Some(Ok(mut data)) => {
                if data.len() as u64 > room {
                    noted.get_or_init(|| Ending::TooLong);
                    data.truncate(usize::try_from(room).expect("less than the frame"));
                }
                room -= data.len() as u64;
                Ok(BodyFrame::Data(data))
            }
        };
        Some((frame, (body, room, noted)))
    });
    Box::pin(frames)
}

/// Why no more bytes are taken. Except after [`Failed`](Self::Failed), all that arrived is durable;
/// of a body with a checksum all or nothing.
#[derive(Debug)]
pub(crate) enum End {
    /// The body is over.
    Body,
    /// The body goes on after the end of the file.
    TooLong,
    /// A file of unknown length has grown up to a limit.
    Limit(Refusal),
    /// The body goes on and is too long to be checked.
    TooMuch,
    /// The body does not have the sum that it was said to have.
    WrongSum,
    /// The connection broke.
    Broken,
    /// Nothing came for too long.
    Idle,
    /// Another request goes on with this upload.
    TakenOver,
    /// The server ends.
    Stopping,
    /// Something could not be written.
    Failed(Error),
}

impl End {
    /// What its sender is told if the body ended too early, and where the upload stands.
    pub(crate) fn too_early(&self, upload: &Upload) -> Option<(StatusCode, String)> {
        let (path, kept) = (upload.path.as_str(), upload.offset);
        Some(match self {
            Self::Body
            | Self::TooLong
            | Self::Limit(_)
            | Self::TooMuch
            | Self::WrongSum
            | Self::Failed(_) => {
                return None;
            }
            Self::Broken => (
                StatusCode::BAD_REQUEST,
                format!(
                    "the connection broke: {kept} bytes of {path:?} are safe, go on from there"
                ),
            ),
            Self::Idle => (
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "nothing arrived for too long: {kept} bytes of {path:?} are safe, go on from there"
                ),
            ),
            Self::TakenOver => (
                StatusCode::CONFLICT,
                format!(
                    "another request goes on with {path:?}: {kept} bytes are safe, ask where it stands and go on from there"
                ),
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "the server is being restarted: {kept} bytes of {path:?} are safe, go on from there in a moment"
                ),
            ),
        })
    }
}

/// What makes us stop waiting for bytes.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    idle: Duration,
    ending: watch::Receiver<bool>,
}

impl Patience {
    pub(crate) fn of(app: &App) -> Self {
        Self {
            idle: app.settings.server.idle_timeout,
            ending: app.ending.clone(),
        }
    }
}

/// Takes all bytes that come and makes them durable.
pub(crate) async fn receive(
    writer: &mut Writer,
    bytes: &mut ByteStream,
    noted: &Noted,
    mut patience: Patience,
    mut checksum: Option<Checksum>,
) -> End {
    let received = async {
        if checksum.is_some() {
            writer.hold_back().await?;
        }
        let end = match take(writer, bytes, noted, &mut patience, &mut checksum).await {
            // What fitted is in the writer's hands.
            Err(Error::Refused(refusal)) if refusal.limit.is_some() => End::Limit(refusal),
            end => end?,
        };
        match (end, checksum) {
            (end, None) => {
                writer.flush().await?;
                Ok(end)
            }
            (End::Body, Some(checksum)) => {
                if !checksum.came_right() {
                    return Ok(End::WrongSum);
                }
                writer.keep().await?;
                Ok(End::Body)
            }
            (end, Some(_)) => Ok(end),
        }
    };
    let end = received.await.unwrap_or_else(End::Failed);
    // What was held back and is not kept goes at once.
    writer.discard().await;
    end
}

async fn take(
    writer: &mut Writer,
    bytes: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin),
    noted: &Noted,
    patience: &mut Patience,
    checksum: &mut Option<Checksum>,
) -> Result<End, Error> {
    let mut unseen = 0;
    loop {
        let there = (unseen < LOOK_UP).then(|| bytes.next().now_or_never());
        let frame = if let Some(frame) = there.flatten() {
            frame
        } else {
            unseen = 0;
            match next(writer, bytes, patience).await? {
                Ok(frame) => frame,
                Err(end) => return Ok(end),
            }
        };
        match (frame, noted.get()) {
            (Some(Ok(data)), _) => {
                unseen += data.len().max(FRAME);
                if let Some(checksum) = checksum {
                    checksum.update(&data);
                }
                writer.push(&data).await?;
            }
            // The protocol core calls a body of another length than it was told an error; what
            // counts is how the body itself ended.
            (_, Some(Ending::Whole)) | (None, None) => return Ok(End::Body),
            (_, Some(Ending::TooLong)) => {
                let full = writer.full().await?;
                return Ok(full.map_or(End::TooLong, End::Limit));
            }
            (_, Some(Ending::Broken)) | (Some(Err(_)), None) => return Ok(End::Broken),
        }
    }
}

/// Waits for the next frame, or for a reason to take no more.
async fn next<S: Stream<Item = io::Result<Bytes>> + Unpin>(
    writer: &mut Writer,
    bytes: &mut S,
    patience: &mut Patience,
) -> Result<Result<Option<S::Item>, End>, Error> {
    let idle = tokio::time::sleep(patience.idle);
    let silence = tokio::time::sleep(SILENCE).fuse();
    tokio::pin!(idle, silence);
    loop {
        let signal = tokio::select! {
            biased;
            signal = writer.signal() => signal,
            () = ended(&mut patience.ending) => return Ok(Err(End::Stopping)),
            frame = bytes.next() => return Ok(Ok(frame)),
            () = &mut idle => return Ok(Err(End::Idle)),
            () = &mut silence => Signal::Pressure,
        };
        match signal {
            // On the way down every append is asked to stop.
            Signal::Stop if *patience.ending.borrow() => return Ok(Err(End::Stopping)),
            Signal::Stop => return Ok(Err(End::TakenOver)),
            Signal::Pressure => writer.yield_memory().await?,
            Signal::Landed => writer.commit_landed().await?,
        }
    }
}

async fn ended(ending: &mut watch::Receiver<bool>) {
    if ending.wait_for(|ending| *ending).await.is_err() {
        // Nobody is left who could end the server.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: &[Result<&'static str, &'static str>]) -> SharedBody {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| piece.map(Bytes::from).map_err(io::Error::other))
            .collect();
        SharedBody::new(Body::from_stream(stream::iter(pieces)))
    }

    async fn read(body: &SharedBody, room: u64) -> (String, Option<Ending>) {
        let noted = Noted::default();
        let mut text = String::new();
        let mut frames = frames(body.clone(), room, Arc::clone(&noted));
        while let Some(Ok(BodyFrame::Data(data))) = frames.next().await {
            text.push_str(std::str::from_utf8(&data).unwrap());
        }
        (text, noted.get().copied())
    }

    #[tokio::test]
    async fn a_body_is_cut_at_the_end_of_its_file() {
        let whole = body(&[Ok("ab"), Ok(""), Ok("cd")]);
        assert!(whole.is_unread() && !whole.was_read());
        assert_eq!(read(&whole, 4).await, ("abcd".into(), Some(Ending::Whole)));
        assert!(!whole.is_unread() && whole.was_read());
        for pieces in [&[Ok("abc"), Ok("def")][..], &[Ok("abcd"), Ok("e")]] {
            let long = body(pieces);
            let (text, ending) = read(&long, 4).await;
            assert_eq!((text.as_str(), ending), ("abcd", Some(Ending::TooLong)));
        }
    }

    #[tokio::test]
    async fn a_broken_body_keeps_what_came_before() {
        let broken = body(&[Ok("ab"), Err("gone")]);
        assert_eq!(read(&broken, 9).await, ("ab".into(), Some(Ending::Broken)));
    }
}
