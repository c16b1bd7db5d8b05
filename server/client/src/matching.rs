//! Which upload on the server belongs to which local file, and what is left to do for it.
//!
//! Pure. An upload belongs to a file if its path does (compared in composed form); it can be
//! continued if length and time of change agree too. A wrong guess costs time, never bytes: the
//! hashes of both sides are compared at the end.

use chrono::DateTime;

use super::collect::LocalFile;
use super::names::composed;
use super::records::{Upload, UploadState};

/// What is left to do for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The first thing to do.
    pub start: Start,
    /// Uploads of the same path that have to go before.
    pub replaces: Vec<String>,
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing of it is there.
    New,
    /// Bytes are missing, or the server's list does not say the hash.
    Continue {
        /// The upload's id.
        id: String,
    },
    /// It is there if the hash is ours.
    Check {
        /// The upload's id.
        id: String,
        /// The server's hash.
        hash: String,
    },
}

/// Decides for one file. With `kind`, uploads of another kind are not ours to look at.
#[must_use]
pub fn decide(file: &LocalFile, kind: Option<&str>, uploads: &[Upload]) -> Plan {
    let mut start = Start::New;
    let mut best = None;
    let mut replaces = Vec::new();
    let path = composed(&file.path);
    let same = uploads
        .iter()
        .filter(|upload| upload.state != UploadState::Sealed && belongs(upload, &path, kind));
    for upload in same {
        // A finished one before any open one, then the one with the most bytes.
        let rank = (upload.state == UploadState::Finished, upload.offset);
        let usable = upload.length == Some(file.length)
            && (upload.state == UploadState::Finished || is_same_change(upload, file));
        if !usable || best.is_some_and(|best| rank <= best) {
            replaces.push(upload.id.clone());
            continue;
        }
        best = Some(rank);
        let id = upload.id.clone();
        let better = match &upload.hash {
            Some(hash) if upload.state == UploadState::Finished => Start::Check {
                id,
                hash: hash.clone(),
            },
            _ => Start::Continue { id },
        };
        match std::mem::replace(&mut start, better) {
            Start::New => {}
            Start::Continue { id } | Start::Check { id, .. } => replaces.push(id),
        }
    }
    Plan { start, replaces }
}

/// For every file the hashes that sealed uploads of its path and length have, or `None` if some
/// file has not been submitted, or has been sent again since.
#[must_use]
pub fn sealed_hashes<'a>(
    files: &[LocalFile],
    kind: Option<&str>,
    uploads: &'a [Upload],
) -> Option<Vec<Vec<&'a str>>> {
    files
        .iter()
        .map(|file| {
            let path = composed(&file.path);
            let mut hashes = Vec::new();
            for upload in uploads.iter().filter(|it| belongs(it, &path, kind)) {
                if upload.state != UploadState::Sealed {
                    return None;
                }
                if upload.length == Some(file.length) {
                    hashes.extend(upload.hash.as_deref());
                }
            }
            (!hashes.is_empty()).then_some(hashes)
        })
        .collect()
}

fn belongs(upload: &Upload, path: &str, kind: Option<&str>) -> bool {
    composed(&upload.path) == path
        && match (kind, &upload.kind) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        }
}

/// Another client may not have said when the file was changed: then length and path decide.
fn is_same_change(upload: &Upload, file: &LocalFile) -> bool {
    let Some(said) = &upload.modified else {
        return true;
    };
    let milliseconds = |text: &str| {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| at.timestamp_millis())
    };
    let ours = file.modified();
    let ours = ours.as_deref().and_then(milliseconds);
    milliseconds(said).is_some_and(|said| Some(said) == ours)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn file() -> LocalFile {
        LocalFile {
            disk: "x".into(),
            path: "S/o\u{308}.wav".into(),
            length: 100,
            changed: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
        }
    }

    fn upload(id: &str, offset: u64, state: UploadState) -> Upload {
        Upload {
            id: id.into(),
            path: "S/\u{f6}.wav".into(),
            kind: Some("material".into()),
            length: Some(100),
            offset,
            hash: (state != UploadState::Open).then(|| "aa".into()),
            state,
            modified: Some("2023-11-14T22:13:20.123Z".into()),
        }
    }

    fn plan(uploads: &[Upload]) -> Plan {
        decide(&file(), Some("material"), uploads)
    }

    fn continued(id: &str) -> Start {
        Start::Continue { id: id.into() }
    }

    #[test]
    fn open_uploads_continue_and_finished_ones_are_checked() {
        let open = upload("a", 40, UploadState::Open);
        assert_eq!(plan(std::slice::from_ref(&open)).start, continued("a"));
        let check = plan(&[upload("b", 100, UploadState::Finished), open]);
        assert_eq!(
            check,
            Plan {
                start: Start::Check {
                    id: "b".into(),
                    hash: "aa".into()
                },
                replaces: vec!["a".into()],
            }
        );
    }

    #[test]
    fn the_one_with_the_most_bytes_wins() {
        let of = |offset: u64| upload(&offset.to_string(), offset, UploadState::Open);
        for order in [[10, 40, 20], [40, 20, 10], [10, 20, 40]] {
            let plan = plan(&order.map(of));
            assert_eq!(plan.start, continued("40"));
            assert_eq!(plan.replaces.len(), 2);
        }
    }

    #[test]
    fn what_changed_is_replaced() {
        let replaced = Plan {
            start: Start::New,
            replaces: vec!["a".into()],
        };
        let mut longer = upload("a", 100, UploadState::Finished);
        longer.length = Some(101);
        assert_eq!(plan(&[longer]), replaced);
        let mut other = upload("a", 40, UploadState::Open);
        other.modified = Some("2023-11-14T22:13:20.124Z".into());
        assert_eq!(plan(&[other.clone()]), replaced);
        other.modified = Some("yesterday".into());
        assert_eq!(plan(&[other.clone()]), replaced);
        other.modified = Some("2023-11-14T23:13:20.123999+01:00".into());
        assert_eq!(plan(&[other.clone()]).start, continued("a"));
        other.modified = None;
        assert_eq!(plan(&[other.clone()]).start, continued("a"));
        other.length = None;
        assert_eq!(plan(&[other]), replaced);
    }

    #[test]
    fn what_is_sealed_foreign_or_of_another_kind_is_left_alone() {
        let nothing = Plan {
            start: Start::New,
            replaces: vec![],
        };
        let mut stems = upload("a", 40, UploadState::Open);
        stems.kind = Some("stems".into());
        let mut other = upload("b", 40, UploadState::Open);
        other.path = "S/p.wav".into();
        let sealed = upload("c", 100, UploadState::Sealed);
        assert_eq!(plan(&[stems, other, sealed]), nothing);
    }

    #[test]
    fn a_set_is_submitted_only_as_a_whole() {
        let sealed = [upload("c", 100, UploadState::Sealed)];
        let files = [file()];
        assert_eq!(sealed_hashes(&files, None, &sealed), Some(vec![vec!["aa"]]));
        let two = [
            file(),
            LocalFile {
                path: "other".into(),
                ..file()
            },
        ];
        assert_eq!(sealed_hashes(&two, None, &sealed), None);
        let again = [
            upload("c", 100, UploadState::Sealed),
            upload("d", 1, UploadState::Open),
        ];
        assert_eq!(sealed_hashes(&files, None, &again), None);
    }
}
