//! The page of an upload link: a shell that the script fills. Without the script it says what was
//! received, and how to upload by other means.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use stemvault_storage::order::Order;
use stemvault_storage::session::SessionRow;
use stemvault_storage::upload::{Upload, UploadState};

use super::code;
use crate::assets;
use crate::language::Language;
use crate::pages::{Shell, answer};

/// The query that asks for the page without its script.
const PLAIN: &str = "plain";

/// What the page is about.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The order.
    pub order: &'a Order,
    /// What was submitted last.
    pub session: Option<&'a SessionRow>,
    /// Everything that came.
    pub uploads: &'a [Arc<Upload>],
    /// Whether the studio has accepted it, and takes nothing more.
    pub accepted: bool,
    /// The link's path, below [`App::prefix`](crate::app::App::prefix).
    pub at: &'a str,
    /// Its whole address.
    pub address: &'a str,
    /// The query that it was asked with.
    pub query: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "client/upload.html")]
struct Page<'a> {
    shell: Shell<'a>,
    words: Language,
    not_built: bool,
    loading: String,
    accepted: bool,
    receipt: Option<String>,
    title: Option<&'a str>,
    here: String,
    open: Vec<String>,
    submitted: Option<Submitted<'a>>,
    program: String,
    address: &'a str,
}

/// A link in a message.
#[derive(Template)]
#[template(source = "<a href=\"{{ to }}\">{{ text }}</a>", ext = "html")]
struct Anchor<'a> {
    to: String,
    text: &'a str,
}

/// What became of the files that were submitted last.
struct Submitted<'a> {
    said: String,
    reasons: Option<&'a [String]>,
}

/// The page.
#[must_use]
pub fn page(seen: &Seen<'_>, words: Language, prefix: &str) -> Response {
    let Seen { order, at, .. } = seen;
    let number = order.number.as_str();
    let title = words.with("link-title", [("number", number.into())]);
    let built = assets::is_built();
    let scripted = built && seen.query != Some(PLAIN);
    let shell = Shell {
        title: &title,
        prefix,
        upload: scripted.then_some(at),
        wide: false,
    };
    let link = |to: &str, text: &str| {
        let to = format!("{at}{to}");
        Anchor { to, text }
            .render()
            .expect("a string takes everything")
    };
    let other = link(&format!("?{PLAIN}"), &words.say("link-loading-other"));
    let receipt = seen.session.filter(|_| seen.accepted).map(|row| {
        let to = format!("/receipts/{}", row.session);
        let receipt = link(&to, &words.say("link-receipt"));
        words.with("link-receipt-for", [("receipt", receipt.into())])
    });
    let page = Page {
        shell,
        words,
        not_built: !built,
        loading: words.with("link-loading", [("other", other.into())]),
        accepted: seen.accepted,
        receipt,
        title: order.client.title.as_deref(),
        here: here(seen.uploads, words),
        open: open(seen.uploads, words),
        submitted: seen.session.map(|row| submitted(row, words)),
        program: words.with("link-program", [("program", code("stemvault").into())]),
        address: seen.address,
    };
    answer(StatusCode::OK, shell, &page)
}

fn here(uploads: &[Arc<Upload>], words: Language) -> String {
    if uploads.is_empty() {
        return words.say("link-nothing");
    }
    let whole = uploads.iter().filter(|it| it.state != UploadState::Open);
    let bytes = uploads.iter().map(|upload| upload.offset).sum();
    words.with(
        "link-here",
        [
            ("here", whole.count().into()),
            ("all", uploads.len().into()),
            ("size", words.size(bytes).into()),
        ],
    )
}

/// What is not complete, with how far it is.
fn open(uploads: &[Arc<Upload>], words: Language) -> Vec<String> {
    let open = uploads.iter().filter(|it| it.state == UploadState::Open);
    let said = open.map(|upload| {
        let path = ("path", upload.path.as_str().into());
        let here = ("here", words.size(upload.offset).into());
        match upload.length {
            Some(length) => {
                let all = ("all", words.size(length).into());
                words.with("link-part-of", [path, here, all])
            }
            None => words.with("link-part", [path, here]),
        }
    });
    said.collect()
}

fn submitted(row: &SessionRow, words: Language) -> Submitted<'_> {
    let review = &row.review;
    let said = words.with(
        "link-session",
        [
            ("files", row.files.into()),
            ("day", row.sealed_at.format("%Y-%m-%d").to_string().into()),
            ("state", review.name().into()),
        ],
    );
    let reasons = review.is_returned().then(|| review.reasons());
    Submitted { said, reasons }
}
