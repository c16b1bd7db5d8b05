//! Pages: plain HTML that is read aloud well and says all it has to say without a script. Only the
//! upload page has one, which takes the page over when it runs. What they look like is in `templates/`,
//! what they say in `messages/`, in the language that the request asks for.
//!
//! Addresses of client pages are secrets: nothing stores them, no search engine lists them, and
//! following a link from them tells nobody where one came from.

pub mod client;
#[cfg(test)]
mod messages_tests;

use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::Error;

use crate::error::Failure;
use crate::language::Language;

/// What browsers may load for a page: its style, and nothing else.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// ... for a page that a script makes: everything from here, nothing inline.
const SCRIPTED_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; manifest-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What is around every page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shell<'a> {
    /// The page's title and first heading.
    pub title: &'a str,
    /// What stands before every path of this server: [`App::prefix`](crate::app::App::prefix).
    pub prefix: &'a str,
    /// The path of the upload link, for the script that takes the page over.
    pub upload: Option<&'a str>,
    /// Whether it has a table that wants room.
    pub wide: bool,
}

/// A page as an answer, with the headers that every page has beside those of every answer.
pub(crate) fn answer(status: StatusCode, shell: Shell<'_>, page: &impl Template) -> Response {
    let html = page.render().expect("a string takes everything");
    let policy = if shell.upload.is_some() {
        SCRIPTED_POLICY
    } else {
        POLICY
    };
    let mut response = (status, html).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    shell: Shell<'a>,
    words: Language,
    said: &'a str,
}

/// A failure, for whoever asks: a page for a browser, a problem document for a program.
#[must_use]
pub fn failed(failure: Failure, headers: &HeaderMap, prefix: &str) -> Response {
    if !wants(headers, "text/html") {
        return failure.into_response();
    }
    let words = Language::of(headers);
    let status = failure.status();
    let kind = kind(status);
    let title = words.with("error-title", [("kind", kind.into())]);
    let page = |said: &str| {
        let shell = Shell {
            title: &title,
            prefix,
            ..Shell::default()
        };
        answer(status, shell, &ErrorPage { shell, words, said })
    };
    match failure.error() {
        Error::Refused(refusal) => {
            let said = sentence(&refusal.message);
            let page = page(&words.with(
                "error-refused",
                [("kind", kind.into()), ("said", said.into())],
            ));
            failure.noted(page)
        }
        Error::Damaged(_) | Error::Key(_) => {
            // Logs what went wrong; a visitor can do nothing with it.
            drop(failure.into_response());
            page(&words.say("error-damaged"))
        }
        _ => {
            drop(failure.into_response());
            page(&words.say("error-server"))
        }
    }
}

/// What decides the form of an answer, where the rest of a request has gone on.
#[must_use]
pub fn only_accept(headers: &HeaderMap) -> HeaderMap {
    let names = [header::ACCEPT, header::ACCEPT_LANGUAGE];
    let all = names.iter().flat_map(|name| {
        let values = headers.get_all(name).iter();
        values.map(|value| (name.clone(), value.clone()))
    });
    all.collect()
}

/// As the messages name it.
fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "missing",
        StatusCode::GONE => "gone",
        StatusCode::TOO_MANY_REQUESTS => "often",
        _ if status.is_server_error() => "server",
        _ => "other",
    }
}

/// A message as a sentence on a page: capital, full stop.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(char::to_uppercase);
    let mut text: String = first.into_iter().flatten().chain(chars).collect();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// Whether a request accepts this type by name.
#[must_use]
pub fn wants(headers: &HeaderMap, kind: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|accepted| accepted.to_str().ok())
        .flat_map(|accepted| accepted.split(','))
        .filter_map(|accepted| accepted.split(';').next())
        .any(|accepted| accepted.trim().eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stemvault_storage::refusal::RefusalKind;

    fn gone(accept: &str, language: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        headers.insert(header::ACCEPT_LANGUAGE, language.parse().unwrap());
        let failure = Failure::refused(RefusalKind::Gone, "it <went>");
        failed(failure, &headers, "/below")
    }

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX);
        String::from_utf8(body.await.unwrap().into()).unwrap()
    }

    const BROWSER: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

    #[tokio::test]
    async fn programs_get_problems_and_browsers_get_pages() {
        let kind = |response: &Response| response.headers()[header::CONTENT_TYPE].clone();
        assert_eq!(kind(&gone("*/*", "en")), "application/problem+json");
        let page = gone(BROWSER, "en");
        assert_eq!(page.status(), StatusCode::GONE);
        assert_eq!(kind(&page), "text/html; charset=utf-8");
        let html = text(page).await;
        assert!(html.contains("<html lang=\"en\">"), "{html}");
        assert!(html.contains("/below/assets/style.css"), "{html}");
        // No text becomes markup.
        assert!(html.contains("It &#60;went&#62;."), "{html}");
    }

    #[tokio::test]
    async fn a_page_speaks_the_language_that_is_asked_for() {
        let html = text(gone(BROWSER, "fr-CH, en;q=0.5")).await;
        assert!(html.contains("<html lang=\"fr\">"), "{html}");
        assert!(!html.contains("went"), "{html}");
    }
}
