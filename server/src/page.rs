//! Pages: short, plain HTML that is read aloud well and says all it has to say without a script. Only
//! the upload page has one, which takes the page over when it runs.
//!
//! Addresses of client pages are secrets: nothing stores them, no search engine lists them, and
//! following a link from them tells nobody where one came from.

use std::fmt::{self, Display, Write as _};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use stemvault_storage::Error;

use crate::error::Failure;

/// Text with everything escaped that means something to HTML.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// An address that may be broken anywhere, so that it fits a narrow screen. Copied, it is whole.
#[derive(Clone, Copy, Debug)]
pub struct Breakable<'a>(pub &'a str);

impl Display for Breakable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            write!(f, "{}<wbr>", Escaped(c))?;
        }
        Ok(())
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Bytes as people read them, in powers of ten as disks are sold.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0..1_000 => return write!(f, "{} bytes", self.0),
            1_000..1_000_000 => (1_000, "kB"),
            1_000_000..1_000_000_000 => (1_000_000, "MB"),
            _ => (1_000_000_000, "GB"),
        };
        let tenths = u128::from(self.0) * 10 / unit;
        write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// What browsers may load for a page that needs nothing.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// ... for a page with a style.
const STYLED_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// ... for a page that a script makes: everything from here, nothing inline.
const SCRIPTED_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; manifest-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a page needs beside its text. Paths are those that a browser asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs<'a> {
    /// A style sheet.
    pub style: Option<&'a str>,
    /// A module that takes the page over, and the link that it is told.
    pub script: Option<(&'a str, &'a str)>,
}

/// A page. `title` is text; `body` is HTML whose parts were [`Escaped`].
#[must_use]
pub fn page(status: StatusCode, title: &str, body: &str) -> Response {
    page_with(status, title, body, Needs::default())
}

/// A page with a style or a script.
#[must_use]
pub fn page_with(status: StatusCode, title: &str, body: &str, needs: Needs<'_>) -> Response {
    let title = Escaped(title);
    let (mut head, mut main) = (String::new(), String::new());
    if let Some(style) = needs.style {
        head.push_str(&format!(
            "<link rel=\"stylesheet\" href=\"{}\">\n",
            Escaped(style)
        ));
    }
    if let Some((script, link)) = needs.script {
        let script = Escaped(script);
        head.push_str(&format!(
            "<script type=\"module\" src=\"{script}\"></script>\n"
        ));
        main = format!(" id=\"upload\" data-link=\"{}\"", Escaped(link));
    }
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n{head}</head>\n\
         <body>\n<main{main}>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let policy = match needs {
        Needs {
            script: Some(_), ..
        } => SCRIPTED_POLICY,
        Needs { style: Some(_), .. } => STYLED_POLICY,
        Needs { .. } => POLICY,
    };
    let mut response = (status, html).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// A failure, for whoever asks: a page for a browser, a problem document for a program.
#[must_use]
pub fn failed(failure: Failure, headers: &HeaderMap) -> Response {
    if !wants(headers, "text/html") {
        return failure.into_response();
    }
    match failure.error() {
        Error::Refused(refusal) => {
            let (title, said) = (title(failure.status()), Escaped(sentence(&refusal.message)));
            failure.noted(page(failure.status(), title, &format!("<p>{said}</p>\n")))
        }
        error => {
            let status = failure.status();
            let said = if let Error::Damaged(_) | Error::Key(_) = error {
                "<p>What is stored here is damaged, and nothing wrong was sent. Please tell the studio: trying again does not help before it is mended.</p>\n"
            } else {
                "<p>The server cannot do this at the moment. Nothing that was received is lost. Please try again in a minute.</p>\n"
            };
            // Logs what went wrong; a visitor can do nothing with it.
            drop(failure.into_response());
            page(status, title(status), said)
        }
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Nothing here",
        StatusCode::GONE => "No longer here",
        StatusCode::TOO_MANY_REQUESTS => "Too often",
        _ if status.is_server_error() => "Something went wrong",
        _ => "This cannot be done",
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

    #[test]
    fn names_cannot_become_markup() {
        let name = "<script>\"'&";
        assert_eq!(Escaped(name).to_string(), "&lt;script&gt;&quot;&#39;&amp;");
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        let shown = [999, 1_000, 1_250_000, 49_999_999_999].map(|size| Size(size).to_string());
        assert_eq!(shown, ["999 bytes", "1.0 kB", "1.2 MB", "49.9 GB"]);
    }

    #[test]
    fn programs_get_problems_and_browsers_get_pages() {
        let failure =
            || Failure::refused(stemvault_storage::refusal::RefusalKind::Gone, "it <went>");
        let mut headers = HeaderMap::new();
        let kind = |response: Response| response.headers()[header::CONTENT_TYPE].clone();
        let problem = failed(failure(), &headers);
        assert_eq!(kind(problem), "application/problem+json");
        let browser = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
        headers.insert(header::ACCEPT, browser.parse().unwrap());
        let page = failed(failure(), &headers);
        assert_eq!(page.status(), StatusCode::GONE);
        assert_eq!(kind(page), "text/html; charset=utf-8");
        assert!(!wants(&headers, "application/json"));
    }
}
