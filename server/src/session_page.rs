//! What the link of a session shows when nothing in particular is asked for.

use std::fmt::Write as _;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use stemvault_storage::ids::SessionId;
use stemvault_storage::link::Link;
use stemvault_storage::session::Receipt;

use crate::app::App;
use crate::attachment::encoded;
use crate::error::Answer;
use crate::page::{Escaped, Size, page, wants};
use crate::shape;

/// What a session link shows: the receipt for programs, a list of files for people.
pub(crate) async fn session_page(
    app: &App,
    link: &Link,
    session: SessionId,
    text: &str,
    headers: &HeaderMap,
) -> Answer {
    let receipt = app.vault.receipt(link.order, session).await?;
    if wants(headers, "application/json") && !wants(headers, "text/html") {
        let mut response = Json(shape::Receipt::from(&receipt)).into_response();
        let no_store = HeaderValue::from_static("no-store");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
        return Ok(response);
    }
    let order = app.vault.order(link.order).await?;
    app.vault.check_may_leave(&order, &receipt.row).await?;
    let title = format!("Order {}: {}", order.number, receipt.manifest.kind);
    let before = app.public_url.path().trim_end_matches('/');
    let base = format!("{before}/d/{text}");
    Ok(page(StatusCode::OK, &title, &describe(&receipt, &base)))
}

fn describe(receipt: &Receipt, base: &str) -> String {
    let manifest = &receipt.manifest;
    let mut html = format!(
        "<p>{} files, {} in all, sealed on {}.</p>\n<ul>\n",
        manifest.files.len(),
        Size(manifest.bytes()),
        manifest.sealed_at.format("%F")
    );
    for file in &manifest.files {
        let path = file.path.as_str();
        let href = path.split('/').map(|name| encoded(name).to_string());
        let href = href.collect::<Vec<_>>().join("/");
        writeln!(
            html,
            "<li><a href=\"{}/{}\" download>{}</a>, {}</li>",
            Escaped(base),
            Escaped(href),
            Escaped(path),
            Size(file.length)
        )
        .expect("a string takes everything");
    }
    html.push_str(
        "</ul>\n<p>A download that breaks off goes on where it stopped. \
         <code>stemvault pull</code> with the address of this page gets all files and compares them \
         with their hashes.</p>\n",
    );
    html
}
