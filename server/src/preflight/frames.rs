//! The body of a preflight: a row of files, each the length of a JSON object (4 bytes, big-endian),
//! the object `{"path": "...", "length": "123"}`, the length of the head (4 bytes, big-endian, at most
//! 64 KiB), the head: the file's first bytes.
//!
//! It is read as it comes and nothing of a head is kept, so a request takes a few hundred bytes of
//! memory a file, whatever is in it.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures::StreamExt;
use serde::Deserialize;
use stemvault_storage::intake::preflight::{Candidate, HEAD_MAX, Start};
use stemvault_storage::refusal::{Refusal, RefusalKind};

use crate::app::App;
use crate::error::{Answer, Failure};
use crate::media;

/// The media type of a request.
pub const MEDIA: &str = "application/vnd.stemvault.preflight";
/// Files in one request, at most.
pub const FILES_MAX: usize = 256;
/// Bytes of one request, at most.
pub const BODY_MAX: usize = 20 << 20;
/// Bytes of the JSON of one file, at most: the longest path, every character escaped.
const JSON_MAX: usize = 32 << 10;

/// Reads the files of a request.
///
/// # Errors
/// What is wrong with its form or its size.
pub async fn read(app: &App, headers: &HeaderMap, body: Body) -> Answer<Vec<Candidate>> {
    if !media::is(headers, MEDIA) {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let message = format!("a preflight is sent as {MEDIA}, not as {kind:?}");
        return Err(Failure::refused(RefusalKind::BadRequest, message));
    }
    let mut frames = Frames::default();
    let mut body = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(app.settings.server.idle_timeout, body.next());
        match next.await {
            Err(_) => return Err(cut("it did not arrive in time").into()),
            Ok(None) => return Ok(frames.finish()?),
            Ok(Some(Err(_))) => return Err(cut("it did not arrive whole").into()),
            Ok(Some(Ok(bytes))) => frames.push(&bytes)?,
        }
    }
}

fn cut(how: &str) -> Refusal {
    let message = format!("the preflight cannot be read, {how}: send it again");
    Refusal::new(RefusalKind::BadRequest, message)
}

/// What a request says of a file.
#[derive(Deserialize)]
struct Said {
    path: String,
    length: String,
}

/// The body as far as it was read.
#[derive(Default)]
pub(crate) struct Frames {
    part: Part,
    /// The bytes of the part, where they are kept.
    held: Vec<u8>,
    taken: usize,
    files: Vec<Candidate>,
}

#[derive(Default)]
enum Part {
    #[default]
    JsonLength,
    Json(usize),
    HeadLength(Said, u64),
    Head(Box<Start>, usize),
}

impl Frames {
    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.taken += bytes.len();
        if self.taken > BODY_MAX {
            let message = format!(
                "the preflight has more than {BODY_MAX} bytes: send fewer files in one request"
            );
            return Err(Refusal::new(RefusalKind::TooLarge, message));
        }
        while !bytes.is_empty() {
            let wanted = match &self.part {
                Part::JsonLength | Part::HeadLength(..) => 4,
                Part::Json(length) => *length,
                Part::Head(_, left) => *left,
            };
            if let Part::Head(start, left) = &mut self.part {
                let (now, later) = bytes.split_at(wanted.min(bytes.len()));
                start.push(now);
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
        let at = self.files.len() + 1;
        let bad = |what: String| {
            let message = format!("file {at} of the preflight cannot be read: {what}");
            Refusal::new(RefusalKind::BadRequest, message)
        };
        let held = std::mem::take(&mut self.held);
        let number = || {
            let number = held.first_chunk().copied().unwrap_or_default();
            u32::from_be_bytes(number) as usize
        };
        self.part = match std::mem::take(&mut self.part) {
            Part::JsonLength => {
                if at > FILES_MAX {
                    let message = format!(
                        "the preflight has more than {FILES_MAX} files: send them in several requests"
                    );
                    return Err(Refusal::new(RefusalKind::TooLarge, message));
                }
                match number() {
                    length @ 1..=JSON_MAX => Part::Json(length),
                    length => {
                        return Err(bad(format!(
                            "its JSON has {length} bytes, 1 to {JSON_MAX} can be"
                        )));
                    }
                }
            }
            Part::Json(_) => {
                let said: Said = serde_json::from_slice(&held)
                    .map_err(|error| bad(format!("its JSON is not what belongs here: {error}")))?;
                let length = said.length.parse::<u64>().map_err(|_| {
                    bad(format!(
                        "its length {:?} is no number of bytes",
                        said.length
                    ))
                })?;
                Part::HeadLength(said, length)
            }
            Part::HeadLength(said, length) => match number() {
                head if head > HEAD_MAX => {
                    return Err(bad(format!(
                        "its head has {head} bytes, at most {HEAD_MAX} can be"
                    )));
                }
                head if head as u64 > length => {
                    return Err(bad(format!(
                        "its head has {head} bytes, the file only {length}"
                    )));
                }
                head => Part::Head(Box::new(Start::new(said.path, length)), head),
            },
            head @ Part::Head(..) => head,
        };
        if let Part::Head(_, 0) = self.part
            && let Part::Head(start, _) = std::mem::take(&mut self.part)
        {
            self.files.push(start.candidate());
        }
        Ok(())
    }

    /// The files, if the body ended with one.
    pub(crate) fn finish(self) -> Result<Vec<Candidate>, Refusal> {
        match self.part {
            Part::JsonLength if self.held.is_empty() => Ok(self.files),
            _ => {
                let at = self.files.len() + 1;
                Err(cut(&format!("it breaks off within file {at}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use stemvault_storage::intake::facts::Known;

    use super::*;

    fn file(json: &str, head: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [json.as_bytes(), head] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Candidate>, Refusal> {
        let mut frames = Frames::default();
        for piece in bytes.chunks(step) {
            frames.push(piece)?;
        }
        frames.finish()
    }

    #[test]
    fn files_are_the_same_however_the_body_is_cut() {
        let mut body = file(
            r#"{"path": "a.wav", "length": "18446744073709551615"}"#,
            b"RIFF",
        );
        body.extend(file(r#"{"path": "b.txt", "length": "0", "new": 1}"#, b""));
        body.extend(file(
            r#"{"path": "c.mp3", "length": "5"}"#,
            b"\xFF\xFB\x90\x64\0",
        ));
        let files = read(&body, usize::MAX).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.wav", "b.txt", "c.mp3"]);
        let known: Vec<_> = files.iter().map(|file| file.known).collect();
        assert_eq!(known, [Known::Length, Known::Header, Known::Header]);
        assert_eq!(files[0].facts.length, u64::MAX);
        for step in [1, 3, 7, 64] {
            assert_eq!(read(&body, step).unwrap(), files);
        }
        assert_eq!(read(b"", 1).unwrap(), []);
    }

    #[test]
    fn a_body_that_is_none_is_refused_in_a_sentence() {
        let good = file(r#"{"path": "a.wav", "length": "9"}"#, b"RIFF");
        for (bytes, word) in [
            (good[..3].to_vec(), "breaks off within file 1"),
            (good[..20].to_vec(), "breaks off"),
            (good[..good.len() - 1].to_vec(), "breaks off"),
            (good[..good.len() - 6].to_vec(), "breaks off"),
            ([&good[..], b"\0\0\0"].concat(), "within file 2"),
            (b"\0\0\0\0".to_vec(), "its JSON has 0 bytes"),
            (b"\xFF\xFF\xFF\xFF".to_vec(), "its JSON has"),
            (b"GET / HTTP/1.1".to_vec(), "its JSON has"),
            (file("{}", b""), "not what belongs here"),
            (file("\"x\"", b""), "not what belongs here"),
            (file(r#"{"path": "a", "length": "-1"}"#, b""), "no number"),
            (
                file(r#"{"path": "a", "length": "3"}"#, b"1234"),
                "the file only 3",
            ),
            (
                file(r#"{"path": "a", "length": "99999999"}"#, &[0; HEAD_MAX + 1]),
                "at most 65536",
            ),
        ] {
            let said = read(&bytes, 5).unwrap_err();
            assert!(said.message.contains(word), "{said}");
            assert_eq!(said.kind, RefusalKind::BadRequest);
        }
        let one = file(r#"{"path": "a", "length": "99999999"}"#, &[0; HEAD_MAX]);
        let said = read(&one.repeat(FILES_MAX + 1), HEAD_MAX).unwrap_err();
        assert!(said.message.contains("several requests"), "{said}");
        assert_eq!(
            read(&one.repeat(FILES_MAX), HEAD_MAX).unwrap().len(),
            FILES_MAX
        );
        let long = format!(
            r#"{{"path": "{}", "length": "99999999"}}"#,
            "a".repeat(30_000)
        );
        let said = read(&file(&long, &[0; HEAD_MAX]).repeat(FILES_MAX), 1 << 20).unwrap_err();
        assert_eq!(said.kind, RefusalKind::TooLarge);
    }
}
