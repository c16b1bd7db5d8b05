//! What a request says in the draft's headers, and in which of its versions.
//!
//! A header that is there and cannot be read makes the whole request malformed, as RFC 9651 (4.2)
//! allows: nothing is guessed before the first byte of a file.

use axum::http::{HeaderMap, StatusCode, header};
use stemvault_storage::refusal::RefusalKind;

use super::answer::{Problem, Refused};
use super::fields;
use crate::error::Failure;
use crate::upload::receive::SharedBody;

/// Which rules a request follows: its `Upload-Draft-Interop-Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64);

/// draft -03; tus-js-client calls it `ietf-draft-03`.
pub(super) const DRAFT_03: Version = Version(5);
/// drafts -04 and -05.
pub(super) const DRAFT_05: Version = Version(6);
/// drafts -09 to -11.
pub(super) const NEWEST: Version = Version(8);

impl Version {
    fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let version = value(headers, INTEROP)?.ok_or_else(wrong_version)?;
        fields::number(&version)
            .map(Self)
            .filter(|version| (DRAFT_03..=NEWEST).contains(version))
            .ok_or_else(wrong_version)
    }

    /// As the header bears it.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

fn wrong_version() -> Refused {
    let text = format!(
        "this address speaks Resumable Uploads for HTTP in the interop versions {} to {}: send the header Upload-Draft-Interop-Version: {}, or speak tus 1.0.0 with Tus-Resumable: 1.0.0",
        DRAFT_03.0, NEWEST.0, NEWEST.0
    );
    Problem::plain(StatusCode::BAD_REQUEST, text).into()
}

pub(super) const INTEROP: &str = "upload-draft-interop-version";
const COMPLETE: &str = "upload-complete";
const OFFSET: &str = "upload-offset";
const LENGTH: &str = "upload-length";

/// Whether a request is one of this dialect. The version decides; without one and without that of
/// tus, the headers that only the draft knows do, so that it is told what is missing.
pub(crate) fn is_meant(headers: &HeaderMap) -> bool {
    let partial = is_partial_upload(headers) || headers.contains_key(COMPLETE);
    headers.contains_key(INTEROP) || partial && !headers.contains_key("tus-resumable")
}

/// Whether the content is a piece of a file by its type.
pub(super) fn is_partial_upload(headers: &HeaderMap) -> bool {
    crate::media::is(headers, "application/partial-upload")
}

/// What a request says.
#[derive(Debug)]
pub(super) struct Said {
    /// In which version.
    pub(super) version: Version,
    /// `Upload-Complete`.
    pub(super) complete: Option<bool>,
    /// `Upload-Offset`.
    pub(super) offset: Option<u64>,
    /// `Upload-Length`.
    length: Option<u64>,
    /// How many bytes the body has, if that is known before it is read.
    pub(super) content: Option<u64>,
}

impl Said {
    /// Reads the headers.
    pub(super) fn of(headers: &HeaderMap, body: &SharedBody) -> Result<Self, Refused> {
        let version = Version::of(headers)?;
        let content = match one(
            headers,
            header::CONTENT_LENGTH.as_str(),
            "42",
            fields::number,
        )? {
            None if !body.is_unread() => Some(0),
            said => said,
        };
        Ok(Self {
            version,
            complete: one(headers, COMPLETE, "?1", fields::boolean)?,
            offset: one(headers, OFFSET, "0", fields::number)?,
            length: one(headers, LENGTH, "42", fields::number)?,
            content,
        })
    }

    /// Whether the file ends with this request. Older versions may leave it out; then it does not.
    pub(super) fn ends(&self) -> Result<bool, Refused> {
        match self.complete {
            Some(complete) => Ok(complete),
            None if self.version <= DRAFT_05 => Ok(false),
            None => Err(bad(
                "the request has no Upload-Complete header: send ?1 if the file ends with it, ?0 if more follows",
            )),
        }
    }

    /// How long the file is, as this request says in either way.
    ///
    /// # Errors
    /// When it says so twice and differently, when more is on its way, or when the upload has
    /// another length already.
    pub(super) fn length(&self, offset: u64, known: Option<u64>) -> Result<Option<u64>, Refused> {
        let reaches = self.content.map(|content| offset.saturating_add(content));
        let ends = reaches.filter(|_| self.complete == Some(true));
        let mut length = None;
        for said in [known, self.length, ends].into_iter().flatten() {
            if let Some(other) = length.filter(|length| *length != said) {
                return Err(Problem::length(format!(
                    "the file was said to have {other} bytes, and this request says {said}: send its true length, or begin it again"
                ))
                .into());
            }
            length = Some(said);
        }
        match (length, reaches) {
            (Some(length), Some(reaches)) if reaches > length => Err(Problem::length(format!(
                "the file was said to have {length} bytes, and this request goes up to {reaches}: if it has grown meanwhile, begin it again"
            ))
            .into()),
            _ => Ok(length),
        }
    }

    /// Refuses what older versions want refused in questions and removals.
    pub(super) fn asks_only(&self) -> Result<(), Refused> {
        let says = self.complete.is_some() || self.offset.is_some() || self.length.is_some();
        if self.version <= DRAFT_05 && says {
            return Err(bad(
                "a request without content has no Upload-Offset, Upload-Complete or Upload-Length: leave them out",
            ));
        }
        Ok(())
    }
}

/// A header that is there once, and can be read.
fn one<T>(
    headers: &HeaderMap,
    name: &str,
    example: &str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, Refused> {
    let Some(value) = value(headers, name)? else {
        return Ok(None);
    };
    let read = read(&value).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&value);
        bad(&format!(
            "the {name} header is {shown:?}: send it like {name}: {example}"
        ))
    })?;
    Ok(Some(read))
}

/// A header's value; its lines are one list (RFC 9110, 5.3).
fn value(headers: &HeaderMap, name: &str) -> Result<Option<Vec<u8>>, Refused> {
    let mut lines = headers.get_all(name).iter();
    let Some(first) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(bad(&format!(
            "the {name} header was sent twice: send it once"
        )));
    }
    Ok(Some(first.as_bytes().to_vec()))
}

pub(super) fn bad(message: &str) -> Refused {
    Failure::refused(RefusalKind::BadRequest, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(complete: Option<bool>, length: Option<u64>, content: Option<u64>) -> Said {
        Said {
            version: NEWEST,
            complete,
            offset: None,
            length,
            content,
        }
    }

    #[test]
    fn a_length_is_said_in_two_ways_that_must_agree() {
        let (yes, no) = (Some(true), Some(false));
        // What is said: the end, a length, the content's length; the offset and what was known.
        let cases = [
            (yes, None, Some(4), 6, None, Some(10)),
            (yes, Some(10), Some(4), 6, Some(10), Some(10)),
            (yes, None, None, 6, None, None),
            (yes, None, None, 6, Some(10), Some(10)),
            (no, Some(10), Some(3), 6, None, Some(10)),
            (no, None, Some(4), 6, None, None),
            (no, None, Some(4), 6, Some(10), Some(10)),
        ];
        for (complete, length, content, offset, known, expected) in cases {
            let found = said(complete, length, content).length(offset, known);
            assert_eq!(
                found.ok(),
                Some(expected),
                "{complete:?} {length:?} {content:?}"
            );
        }
        let wrong = [
            (yes, Some(11), Some(4), 6, None),
            (yes, None, Some(3), 6, Some(10)),
            (no, Some(11), None, 6, Some(10)),
            (no, None, Some(5), 6, Some(10)),
            (no, Some(1), Some(2), u64::MAX, None),
        ];
        for (complete, length, content, offset, known) in wrong {
            let found = said(complete, length, content).length(offset, known);
            assert!(found.is_err(), "{complete:?} {length:?} {content:?}");
        }
    }

    #[test]
    fn the_dialect_is_known_by_its_headers() {
        let meant = |lines: &[(&'static str, &'static str)]| {
            let headers = lines.iter().map(|(name, value)| {
                (
                    name.parse().unwrap(),
                    axum::http::HeaderValue::from_static(value),
                )
            });
            is_meant(&headers.collect())
        };
        assert!(meant(&[("upload-draft-interop-version", "6")]));
        assert!(meant(&[("upload-complete", "?1")]));
        assert!(meant(&[(
            "content-type",
            "Application/Partial-Upload ; x=1"
        )]));
        assert!(!meant(&[
            ("tus-resumable", "1.0.0"),
            ("upload-complete", "?1")
        ]));
        assert!(!meant(&[(
            "content-type",
            "application/offset+octet-stream"
        )]));
        assert!(!meant(&[]));
    }
}
