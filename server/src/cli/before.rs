//! What `push` says before its first byte: what submit would say of the files, by the server's own
//! code on this machine, and what a submit would take along that nobody named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use anyhow::Context;
use stemvault_storage::checks::facts::Known;
use stemvault_storage::checks::preflight::{
    Candidate, HEAD_MAX, Here, Preflight, Start, preflight,
};
use stemvault_storage::checks::room::Room;
use stemvault_storage::checks::{Rule, Severity, about};
use stemvault_storage::path::SessionPath;

use super::outcome::{LISTED, files as counted};
use stemvault_client::collect::LocalFile;
use stemvault_client::names::composed;
use stemvault_client::records::{Limits, Upload, UploadState, Uploads};

/// Judges what is to be sent as the server would at submit.
///
/// # Errors
/// If a file cannot be read.
pub(super) async fn look(
    files: &[LocalFile],
    kind: Option<&str>,
    uploads: &Uploads,
) -> anyhow::Result<Preflight> {
    let all = files.to_vec();
    let candidates = tokio::task::spawn_blocking(move || {
        all.iter()
            .map(|file| start(file).with_context(|| format!("cannot read {}", file.disk.display())))
            .collect::<anyhow::Result<Vec<_>>>()
    });
    let candidates = candidates.await??;
    let room = uploads.limits.map(|limits| room(limits, files, uploads));
    // Of what the studio makes only names and limits are checked.
    let is_material = kind.is_none_or(|kind| kind == "material");
    let severity = |rule: Rule| match uploads.rules.get(rule.name()).map(String::as_str) {
        _ if !is_material => Severity::Ignore,
        Some("refuse") => Severity::Refuse,
        Some("ignore") => Severity::Ignore,
        // Also from a server that does not tell.
        Some(_) | None => Severity::Warn,
    };
    let here: Vec<_> = strangers(files, kind, &uploads.uploads)
        .into_iter()
        .filter_map(here)
        .collect();
    Ok(preflight(&candidates, &here, room.as_ref(), severity))
}

/// What a submit would take along: of it only the name matters here.
fn here(upload: &Upload) -> Option<Here> {
    let path = SessionPath::parse(&upload.path).ok()?;
    let start = Start::new(String::new(), upload.length.unwrap_or(upload.offset)).candidate();
    Some(Here {
        path,
        facts: start.facts,
        known: Known::Length,
    })
}

fn start(file: &LocalFile) -> io::Result<Candidate> {
    let mut head = Vec::new();
    File::open(&file.disk)?
        .take(HEAD_MAX as u64)
        .read_to_end(&mut head)?;
    let mut start = Start::new(file.path.clone(), file.length);
    start.push(&head);
    Ok(start.candidate())
}

/// The order's room, without what these files have taken of it already.
fn room(limits: Limits, files: &[LocalFile], uploads: &Uploads) -> Room {
    let ours: BTreeSet<_> = files.iter().map(|file| composed(&file.path)).collect();
    let mut room = Room {
        max_file: limits.max_file,
        max_order: limits.max_order,
        max_files: limits.max_files,
        used_bytes: limits.used_bytes,
        used_files: limits.used_files,
        max_open: None,
        space: limits.space,
    };
    for upload in &uploads.uploads {
        if upload.state != UploadState::Sealed && ours.contains(&composed(&upload.path)) {
            room.free(upload.length.unwrap_or(upload.offset));
        }
    }
    room
}

/// The lines to print: the same trouble of many files is one line.
pub(super) fn lines(said: &Preflight) -> Vec<String> {
    let mut same: BTreeMap<(Severity, &str), Vec<&str>> = BTreeMap::new();
    for file in &said.files {
        for remark in &file.findings {
            let files = same.entry((remark.severity, &remark.message)).or_default();
            files.push(&file.path);
        }
    }
    let forbidden = said.forbidden.iter();
    let mut lines: Vec<_> = forbidden
        .map(|(_, why)| format!("cannot be sent: {why}"))
        .collect();
    // What refuses comes first.
    for ((severity, message), files) in same.iter().rev() {
        lines.push(format!("{}: {}", word(*severity), about(files, message)));
    }
    for together in &said.session {
        lines.push(format!("{}: {}", word(together.severity), together.message));
    }
    let more = lines.len().saturating_sub(LISTED);
    lines.truncate(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more (--json lists all)"));
    }
    lines
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Refuse => "would be returned",
        Severity::Warn | Severity::Ignore => "please look",
    }
}

/// Why nothing is sent.
pub(super) fn refusal(said: &Preflight) -> String {
    let refused = |it: &&stemvault_storage::checks::preflight::Verdict| {
        let mut findings = it.findings.iter();
        findings.any(|finding| finding.severity == Severity::Refuse)
    };
    let count = said.files.iter().filter(refused).count() + said.forbidden.len();
    let what = if count == 0 {
        "these files together".to_owned()
    } else {
        counted(count)
    };
    format!(
        "the studio would not take {what} (see above), so nothing was sent; mend what is said there, \
         or send everything as it is with --anyway"
    )
}

/// Uploads that a submit would take along although nobody named them here.
pub(super) fn strangers<'a>(
    files: &[LocalFile],
    kind: Option<&str>,
    uploads: &'a [Upload],
) -> Vec<&'a Upload> {
    let ours: BTreeSet<_> = files.iter().map(|file| composed(&file.path)).collect();
    uploads
        .iter()
        .filter(|it| it.state != UploadState::Sealed && !ours.contains(&composed(&it.path)))
        .filter(|it| kind.is_none() || it.kind.is_none() || it.kind.as_deref() == kind)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &std::path::Path, path: &str, bytes: &[u8]) -> LocalFile {
        let disk = folder.join(path);
        std::fs::write(&disk, bytes).unwrap();
        LocalFile {
            disk,
            path: path.to_owned(),
            length: bytes.len() as u64,
            changed: std::time::SystemTime::UNIX_EPOCH,
        }
    }

    fn told(uploads: &[serde_json::Value]) -> Uploads {
        let limits = serde_json::json!({
            "max_file": "100", "max_order": "200", "max_files": "3",
            "used_bytes": "150", "used_files": "0",
        });
        serde_json::from_value(serde_json::json!({
            "order": "2026-0117", "uploads": uploads, "limits": limits,
            "rules": {"unreadable_audio": "refuse", "lossy_format": "warn"},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn what_submit_would_say_is_said_before_the_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mp3 = [0xFF, 0xFB, 0x90, 0x64, 0, 0];
        let files = [
            file(folder, "a.wav", b"no audio at all"),
            file(folder, "b.mp3", &mp3),
            file(folder, "c.mp3", &mp3),
        ];
        let said = look(&files, None, &told(&[])).await.unwrap();
        assert!(said.refuses());
        let said_lines = lines(&said);
        assert!(
            said_lines[0].starts_with("would be returned: a.wav: named .wav"),
            "{said_lines:?}"
        );
        assert!(
            said_lines[1].starts_with("please look: b.mp3, c.mp3: an MP3"),
            "{said_lines:?}"
        );
        assert!(refusal(&said).contains("1 file (see above)"));
        // What the studio makes is not judged as material.
        let said = look(&files, Some("stems"), &told(&[])).await.unwrap();
        assert!(!said.refuses() && said.files.iter().all(|it| it.findings.is_empty()));
        // The order has room for 50 bytes more; a file that was begun has its place already.
        let more = [&files[1..], &[file(folder, "d.txt", &[1; 60])]].concat();
        let over = look(&more, None, &told(&[])).await.unwrap();
        let rules: Vec<_> = over.session.iter().map(|it| it.rule).collect();
        assert_eq!(rules, ["limit"]);
        assert!(refusal(&over).contains("these files together"));
        let there = serde_json::json!({
            "id": "x", "path": "d.txt", "length": "60", "offset": "10", "state": "open",
        });
        let fits = look(&more, None, &told(&[there])).await.unwrap();
        assert_eq!(fits.session, []);
        std::fs::remove_file(folder.join("a.wav")).unwrap();
        let gone = look(&files, None, &told(&[])).await.unwrap_err();
        assert!(gone.to_string().contains("a.wav"), "{gone}");
    }

    #[test]
    fn what_a_submit_would_take_along_is_noticed() {
        let upload = |path: &str, kind: &str, state: &str| -> Upload {
            serde_json::from_value(serde_json::json!({
                "id": path, "path": path, "kind": kind, "state": state, "offset": "1",
            }))
            .unwrap()
        };
        let file = LocalFile {
            disk: "x".into(),
            path: "here".into(),
            length: 1,
            changed: std::time::SystemTime::UNIX_EPOCH,
        };
        let uploads = [
            upload("here", "material", "open"),
            upload("stranger", "material", "open"),
            upload("sealed", "material", "sealed"),
            upload("stems", "stems", "finished"),
        ];
        let names = |kind| {
            let found = strangers(std::slice::from_ref(&file), kind, &uploads);
            found.iter().map(|it| it.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("material")), ["stranger"]);
        assert_eq!(names(None), ["stranger", "stems"]);
    }
}
