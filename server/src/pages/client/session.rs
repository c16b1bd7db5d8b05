//! What the link of a session shows when nothing in particular is asked for.

use askama::Template;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::ids::SessionId;
use stemvault_storage::link::Link;
use stemvault_storage::session::Receipt;

use super::code;
use crate::app::App;
use crate::error::Answer;
use crate::language::Language;
use crate::pages::{Shell, answer, wants};
use crate::wire;
use stemvault_client::attachment::encoded;

#[derive(Template)]
#[template(path = "client/session.html")]
struct Page<'a> {
    shell: Shell<'a>,
    words: Language,
    said: String,
    files: Vec<Row<'a>>,
    resume: String,
}

struct Row<'a> {
    address: String,
    path: &'a str,
    size: String,
}

/// What a session link shows: the receipt for programs, a list of files for people.
pub(crate) async fn session_page(
    app: &App,
    link: &Link,
    session: SessionId,
    text: &str,
    headers: &HeaderMap,
) -> Answer {
    let receipt = app.vault.manifests.receipt(link.order, session).await?;
    if wants(headers, "application/json") && !wants(headers, "text/html") {
        let mut response = Json(wire::Receipt::from(&receipt)).into_response();
        let no_store = HeaderValue::from_static("no-store");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
        return Ok(response);
    }
    let order = app.vault.core.order(link.order).await?;
    app.vault
        .leave
        .check_may_leave(&order, &receipt.row)
        .await?;
    let base = format!("{}/d/{text}", app.prefix());
    Ok(page(&receipt, &base, Language::of(headers), app.prefix()))
}

fn page(receipt: &Receipt, base: &str, words: Language, prefix: &str) -> Response {
    let manifest = &receipt.manifest;
    let (number, kind) = (manifest.number.as_str(), manifest.kind.name());
    let title = words.with(
        "session-title",
        [("number", number.into()), ("kind", kind.into())],
    );
    let shell = Shell {
        title: &title,
        prefix,
        ..Shell::default()
    };
    let files = manifest.files.iter().map(|file| {
        let path = file.path.as_str();
        let parts = path.split('/').map(|name| encoded(name).to_string());
        let parts = parts.collect::<Vec<_>>().join("/");
        Row {
            address: format!("{base}/{parts}"),
            path,
            size: words.size(file.length),
        }
    });
    let page = Page {
        shell,
        words,
        said: words.with(
            "session-files",
            [
                ("files", manifest.files.len().into()),
                ("size", words.size(manifest.bytes()).into()),
                ("day", manifest.sealed_at.format("%F").to_string().into()),
            ],
        ),
        files: files.collect(),
        resume: words.with(
            "session-resume",
            [("program", code("stemvault pull").into())],
        ),
    };
    answer(StatusCode::OK, shell, &page)
}
