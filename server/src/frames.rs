//! A row of files in the body of one request: for each the length of a JSON object (4 bytes,
//! big-endian), the object `{"path": "...", "length": "123", "modified": "...",
//! "seen": {...}}`, the length of what
//! comes of it (4 bytes, big-endian), and that: the file's first bytes, or all of them.
//!
//! It is read as it comes, and what is kept of a file is for its [`Frame`] to say.

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use stemvault_storage::checks::preflight::Seen;
use stemvault_storage::refusal::{Refusal, RefusalKind};

use crate::app::App;
use crate::error::{Answer, Failure};
use crate::media;
use crate::upload::receive::SharedBody;

/// Bytes of the JSON of one file, at most: the longest path, every character escaped.
const JSON_MAX: usize = 32 << 10;

/// What a request says of a file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Said {
    /// The path.
    pub(crate) path: String,
    /// Bytes of the whole file.
    length: String,
    /// When it was last changed, as tus clients say it.
    #[serde(default)]
    pub(crate) modified: Option<String>,
    /// What an answer said of it that is to be compared.
    #[serde(default)]
    pub(crate) seen: Option<Seen>,
}

/// One file of a row while it is read.
pub(crate) trait Frame: Sized {
    /// What the whole request is called where it is refused.
    const NAME: &'static str;
    /// The media type of a request.
    const MEDIA: &'static str;
    /// Files in one request, at most.
    const FILES_MAX: usize;
    /// Bytes of one request, at most.
    const BODY_MAX: usize;
    /// Bytes of one file, at most.
    const BYTES_MAX: usize;
    /// What becomes of it.
    type File;

    /// A file of `length` bytes, of which `bytes` come.
    fn begin(said: Said, length: u64, bytes: usize) -> Result<Self, String>;
    /// The next of its bytes.
    fn push(&mut self, bytes: &[u8]);
    /// All that comes of it is there.
    fn end(self) -> Self::File;
}

/// The files of a request as its body comes.
pub(crate) struct Row<'a, F: Frame> {
    app: &'a App,
    body: &'a SharedBody,
    frames: Frames<F>,
    ended: bool,
}

impl<'a, F: Frame> Row<'a, F> {
    /// Nothing of the body is read yet.
    ///
    /// # Errors
    /// It is of another media type.
    pub(crate) fn of(app: &'a App, headers: &HeaderMap, body: &'a SharedBody) -> Answer<Self> {
        if !media::is(headers, F::MEDIA) {
            let kind = headers.get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let message = format!("{} is sent as {}, not as {kind:?}", F::NAME, F::MEDIA);
            return Err(Failure::refused(RefusalKind::BadRequest, message));
        }
        let frames = Frames::default();
        let ended = false;
        Ok(Self {
            app,
            body,
            frames,
            ended,
        })
    }

    /// The files that the next piece of the body makes complete; `None` at its end.
    ///
    /// # Errors
    /// What is wrong with its form or its size.
    pub(crate) async fn next(&mut self) -> Answer<Option<Vec<F::File>>> {
        if self.ended {
            return Ok(None);
        }
        let idle = self.app.settings.server.idle_timeout;
        match tokio::time::timeout(idle, self.body.next()).await {
            Err(_) => Err(cut::<F>("it did not arrive in time").into()),
            Ok(Some(Err(_))) => Err(cut::<F>("it did not arrive whole").into()),
            Ok(Some(Ok(bytes))) => {
                self.frames.push(&bytes)?;
                Ok(Some(std::mem::take(&mut self.frames.files)))
            }
            Ok(None) => {
                self.ended = true;
                let frames = std::mem::take(&mut self.frames);
                Ok(Some(frames.finish()?))
            }
        }
    }
}

fn cut<F: Frame>(how: &str) -> Refusal {
    let message = format!("{} cannot be read, {how}: send it again", F::NAME);
    Refusal::new(RefusalKind::BadRequest, message)
}

/// The body as far as it was read.
pub(crate) struct Frames<F: Frame> {
    part: Part<F>,
    /// The bytes of the part, where they are kept.
    held: Vec<u8>,
    taken: usize,
    /// How many files have begun.
    begun: usize,
    /// Those that are complete and were not taken out.
    files: Vec<F::File>,
}

impl<F: Frame> Default for Frames<F> {
    fn default() -> Self {
        Self {
            part: Part::JsonLength,
            held: Vec::new(),
            taken: 0,
            begun: 0,
            files: Vec::new(),
        }
    }
}

enum Part<F> {
    JsonLength,
    Json(usize),
    BytesLength(Said, u64),
    Bytes(Box<F>, usize),
}

impl<F: Frame> Frames<F> {
    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.taken += bytes.len();
        if self.taken > F::BODY_MAX {
            let message = format!(
                "{} has more than {} bytes: send fewer files in one request",
                F::NAME,
                F::BODY_MAX
            );
            return Err(Refusal::new(RefusalKind::TooLarge, message));
        }
        while !bytes.is_empty() {
            let wanted = match &self.part {
                Part::JsonLength | Part::BytesLength(..) => 4,
                Part::Json(length) => *length,
                Part::Bytes(_, left) => *left,
            };
            if let Part::Bytes(file, left) = &mut self.part {
                let (now, later) = bytes.split_at(wanted.min(bytes.len()));
                file.push(now);
                *left -= now.len();
                bytes = later;
            } else {
                let missing = wanted - self.held.len();
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.held.extend_from_slice(now);
                bytes = later;
                if self.held.len() < wanted {
                    return Ok(());
                }
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Goes on to the next part, if this one is whole.
    fn turn(&mut self) -> Result<(), Refusal> {
        let held = std::mem::take(&mut self.held);
        let part = std::mem::replace(&mut self.part, Part::JsonLength);
        self.part = match part {
            Part::JsonLength => {
                self.begun += 1;
                Part::Json(self.json_length(number(&held))?)
            }
            Part::Json(_) => {
                let said: Said = serde_json::from_slice(&held).map_err(|error| {
                    self.bad(&format!("its JSON is not what belongs here: {error}"))
                })?;
                let length = said.length.parse::<u64>().map_err(|_| {
                    self.bad(&format!(
                        "its length {:?} is no number of bytes",
                        said.length
                    ))
                })?;
                Part::BytesLength(said, length)
            }
            Part::BytesLength(said, length) => {
                let bytes = self.bytes_length(number(&held), length)?;
                let file = F::begin(said, length, bytes).map_err(|what| self.bad(&what))?;
                Part::Bytes(Box::new(file), bytes)
            }
            bytes @ Part::Bytes(..) => bytes,
        };
        if let Part::Bytes(_, 0) = self.part
            && let Part::Bytes(file, _) = std::mem::replace(&mut self.part, Part::JsonLength)
        {
            self.files.push(file.end());
        }
        Ok(())
    }

    fn bad(&self, what: &str) -> Refusal {
        let message = format!("file {} of {} cannot be read: {what}", self.begun, F::NAME);
        Refusal::new(RefusalKind::BadRequest, message)
    }

    fn json_length(&self, length: usize) -> Result<usize, Refusal> {
        if self.begun > F::FILES_MAX {
            let message = format!(
                "{} has more than {} files: send them in several requests",
                F::NAME,
                F::FILES_MAX
            );
            return Err(Refusal::new(RefusalKind::TooLarge, message));
        }
        match length {
            1..=JSON_MAX => Ok(length),
            length => Err(self.bad(&format!(
                "its JSON has {length} bytes, 1 to {JSON_MAX} can be"
            ))),
        }
    }

    fn bytes_length(&self, bytes: usize, length: u64) -> Result<usize, Refusal> {
        if bytes > F::BYTES_MAX {
            let most = F::BYTES_MAX;
            return Err(self.bad(&format!("{bytes} bytes of it come, at most {most} can")));
        }
        if bytes as u64 > length {
            return Err(self.bad(&format!(
                "{bytes} bytes of it come, and it has only {length}"
            )));
        }
        Ok(bytes)
    }

    /// The files that were not taken out yet, if the body ended with one.
    pub(crate) fn finish(self) -> Result<Vec<F::File>, Refusal> {
        match self.part {
            Part::JsonLength if self.held.is_empty() => Ok(self.files),
            Part::JsonLength => Err(cut::<F>(&format!(
                "it breaks off within file {}",
                self.begun + 1
            ))),
            _ => Err(cut::<F>(&format!(
                "it breaks off within file {}",
                self.begun
            ))),
        }
    }
}

/// Four bytes, big-endian.
fn number(held: &[u8]) -> usize {
    u32::from_be_bytes(held.first_chunk().copied().unwrap_or_default()) as usize
}
