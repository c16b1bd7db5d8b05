//! Logs: to standard error, for eyes or as JSON; one line a request.
//!
//! No secret is ever in them: a link's URL is its secret, so requests to links are logged by their
//! route and never by their path, and no header and no query is logged at all.
//!
//! Lines are written by a thread of their own: see [`lines`].

mod lines;

use anyhow::Context;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use stemvault_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::app::SharedApp;
use crate::tries;

pub use lines::flush;

/// Begins to log, as the settings say.
///
/// # Errors
/// When a level is none, or logging was begun already.
pub fn begin(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(directives(&log.level))
        .with_context(|| format!("log.level: {:?} is no level", log.level))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(lines::begin()?);
    let begun = match log.format {
        LogFormat::Human => {
            let eyes = std::io::IsTerminal::is_terminal(&std::io::stderr());
            lines.with_ansi(eyes).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| anyhow::anyhow!("logging cannot begin: {error}"))
}

/// A plain level is meant for us: below it libraries would drown what we say, and could show bytes.
fn directives(level: &str) -> String {
    match level.trim().to_ascii_lowercase().as_str() {
        level @ ("debug" | "trace") => {
            format!("warn,stemvault={level},stemvault_storage={level},stemvault_scheduler={level}")
        }
        level @ ("info" | "warn" | "error" | "off") => {
            format!("{level},tokio_cron_scheduler=warn")
        }
        _ => level.to_owned(),
    }
}

/// Logs and measures a request when its answer begins.
pub async fn request(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let began = app.clock.monotonic();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("-", MatchedPath::as_str)
        .to_owned();
    let shown = shown(request.uri().path(), &route).to_owned();
    let peer = tries::client(&app, request.extensions(), request.headers());
    let peer = peer.map_or_else(String::new, |peer| peer.to_string());
    let response = next.run(request).await;
    let took = app.clock.monotonic().saturating_sub(began);
    let status = response.status().as_u16();
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let word = word(&method);
    if is_chatter(&method, &route) {
        tracing::debug!(method = word, path = shown, status, ms, peer, "request");
    } else {
        tracing::info!(method = word, path = shown, status, ms, peer, "request");
    }
    metrics::counter!("stemvault_http_requests_total", "method" => word, "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!("stemvault_http_request_seconds", "method" => word, "route" => route)
        .record(took.as_secs_f64());
    response
}

/// What may be shown of a path: nothing of one that could hold a link.
fn shown<'a>(path: &'a str, route: &'a str) -> &'a str {
    let plain = ["/api/", "/files", "/healthz", "/readyz", "/metrics"];
    if route != "-" && plain.iter().any(|start| path.starts_with(start)) {
        path
    } else {
        route
    }
}

/// The method, from a list: whoever invents some does not fill the metrics.
fn word(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("OTHER")
}

/// What comes by the thousand and says little.
fn is_chatter(method: &Method, route: &str) -> bool {
    matches!(*method, Method::PATCH | Method::HEAD | Method::OPTIONS)
        || matches!(route, "/healthz" | "/readyz" | "/metrics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_never_shown() {
        assert_eq!(
            shown("/u/secret/abc", "/u/{link}/{upload}"),
            "/u/{link}/{upload}"
        );
        assert_eq!(
            shown("/d/secret/a.wav", "/d/{link}/{*path}"),
            "/d/{link}/{*path}"
        );
        assert_eq!(shown("/files/abc", "/files/{upload}"), "/files/abc");
        // No route: a link that was pasted with something before it.
        assert_eq!(shown("/x/u/secret", "-"), "-");
        assert_eq!(shown("/api/v1/u/secret", "-"), "-");
    }

    #[test]
    fn debug_is_ours_and_other_filters_are_taken_as_they_are() {
        assert!(directives("Debug").starts_with("warn,stemvault=debug"));
        assert!(directives("info").starts_with("info,"));
        assert_eq!(directives("info,hyper=debug"), "info,hyper=debug");
        assert_eq!(word(&Method::PATCH), "PATCH");
        assert_eq!(word(&Method::from_bytes(b"BREW").unwrap()), "OTHER");
    }
}
