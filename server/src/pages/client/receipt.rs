//! The receipt of a session as a page: read, kept and printed by the one who sent it. No script.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use chrono_tz::Tz;
use stemvault_storage::checks::Severity;
use stemvault_storage::ids::{FileHash, SessionId};
use stemvault_storage::session::{Manifest, Receipt};

use super::code;
use crate::form::{INCOMPLETE, LEFT_OUT, label};
use crate::language::Language;
use crate::pages::{Shell, answer};

#[derive(Template)]
#[template(path = "client/receipt.html")]
struct Page<'a> {
    shell: Shell<'a>,
    words: Language,
    files: String,
    sealed: String,
    state: String,
    session: SessionId,
    form: Vec<(String, &'a str)>,
    reasons: Option<&'a [String]>,
    findings: Vec<String>,
    compared: String,
    hash: String,
    list: Vec<Row<'a>>,
}

struct Row<'a> {
    path: &'a str,
    length: u64,
    hash: FileHash,
    checked: String,
}

/// The page; times are those of the studio.
#[must_use]
pub fn page(receipt: &Receipt, zone: Tz, words: Language, prefix: &str) -> Response {
    let manifest = &receipt.manifest;
    let number = manifest.number.as_str();
    let title = words.with("receipt-title", [("number", number.into())]);
    let shell = Shell {
        title: &title,
        prefix,
        wide: true,
        ..Shell::default()
    };
    let review = &receipt.row.review;
    let sealed = manifest.sealed_at.with_timezone(&zone);
    let form = manifest.form.iter();
    let page = Page {
        shell,
        words,
        files: words.with(
            "receipt-files",
            [
                ("files", manifest.files.len().into()),
                ("size", words.size(manifest.bytes()).into()),
                ("bytes", manifest.bytes().to_string().into()),
            ],
        ),
        sealed: format!("{} ({zone})", sealed.format("%Y-%m-%d %H:%M:%S")),
        state: words.with("receipt-state-is", [("state", review.name().into())]),
        session: receipt.row.session,
        form: form
            .map(|(name, value)| (named(name, words), value.as_str()))
            .collect(),
        reasons: review.is_returned().then(|| review.reasons()),
        findings: findings(manifest, words),
        compared: compared(manifest, words),
        hash: words.with("receipt-hash", [("program", code("b3sum").into())]),
        list: rows(manifest, words),
    };
    answer(StatusCode::OK, shell, &page)
}

fn named(field: &str, words: Language) -> String {
    match field {
        INCOMPLETE => words.say("receipt-incomplete"),
        LEFT_OUT => words.say("receipt-left-out"),
        name => label(name, words),
    }
}

fn findings(manifest: &Manifest, words: Language) -> Vec<String> {
    let said = manifest.findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Refuse => "refuse",
            Severity::Warn | Severity::Ignore => "warn",
        };
        let message = finding.message.as_str();
        words.with(
            "receipt-finding",
            [("severity", severity.into()), ("message", message.into())],
        )
    });
    said.collect()
}

fn rows(manifest: &Manifest, words: Language) -> Vec<Row<'_>> {
    let checked = |checked| {
        let checked = if checked { "yes" } else { "no" };
        words.with("receipt-checked-is", [("checked", checked.into())])
    };
    let (yes, no) = (checked(true), checked(false));
    let files = manifest.files.iter().map(|file| Row {
        path: file.path.as_str(),
        length: file.length,
        hash: file.hash,
        checked: if file.checked { &yes } else { &no }.clone(),
    });
    files.collect()
}

/// How the files compare with those of their sender, in a sentence.
fn compared(manifest: &Manifest, words: Language) -> String {
    let all = manifest.files.len();
    let some = manifest.files.iter().filter(|file| file.checked).count();
    let compared = match some {
        0 => "none",
        some if some == all => "all",
        _ => "some",
    };
    words.with(
        "receipt-compared",
        [
            ("compared", compared.into()),
            ("some", some.into()),
            ("all", all.into()),
        ],
    )
}
