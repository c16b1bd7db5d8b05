//! The browser's half of the server: the upload page's scripts, built in `server/web` and embedded in the
//! binary, and the style of all pages.
//!
//! A server that was built before them still works: [`is_built`] says so, the page says so, and so
//! does the start log. Names that carry the hash of their content are kept by browsers for ever;
//! all others are asked for again, with an `ETag`.

use std::borrow::Cow;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use rust_embed::{Embed, EmbeddedFile};
use stemvault_storage::refusal::RefusalKind;

use crate::error::{Answer, Failure};
use crate::route::{Routes, bytes, nothing, route};

/// What `npm run build` made. A debug build reads the folder anew each time.
#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Built;

/// The style of all pages, the upload page's as well.
#[derive(Embed)]
#[folder = "style"]
struct Style;

/// The script that makes the upload page.
const SCRIPT: &str = "upload.js";
/// The script's worker, which hashes files.
const WORKER: &str = "hashing.js";
/// What the worker may do: run the WebAssembly that it brings along, and nothing else. It has a policy
/// of its own, so that the page's need not allow as much.
const WORKER_POLICY: &str = "default-src 'none'; script-src 'wasm-unsafe-eval'";

/// `/assets/{name}`.
pub(crate) fn routes() -> Routes {
    Routes::default().on(
        route!(get "/assets/{*name}" Open nothing() => 200 bytes(); "Scripts and styles of pages"),
        serve,
    )
}

/// Whether the upload page was built before this binary.
#[must_use]
pub fn is_built() -> bool {
    Built::get(SCRIPT).is_some()
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let found = Style::get(&name).or_else(|| Built::get(&name));
    let Some(EmbeddedFile { data, metadata }) = found else {
        let message = "there is no such asset: load the page anew";
        return Err(Failure::refused(RefusalKind::NotFound, message));
    };
    let tag = format!("\"{}\"", hex::encode(&metadata.sha256_hash()[..16]));
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*");
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match data {
            Cow::Borrowed(bytes) => bytes.into_response(),
            Cow::Owned(bytes) => bytes.into_response(),
        }
    };
    let kept = if is_hashed(&name) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let tag = HeaderValue::try_from(tag).expect("hex in quotes");
    if name == WORKER {
        let policy = HeaderValue::from_static(WORKER_POLICY);
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    for (header, value) in [
        (header::CONTENT_TYPE, content_type(&name)),
        (header::CACHE_CONTROL, kept),
    ] {
        headers.insert(header, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Whether a name ends in the hash of its content: `-` and eight letters, digits, `-` or `_`, as
/// Vite writes them, before its ending. A word of eight small letters is none.
fn is_hashed(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let Some((front, hash)) = stem
        .len()
        .checked_sub(8)
        .and_then(|at| stem.split_at_checked(at))
    else {
        return false;
    };
    front.len() > 1
        && front.ends_with('-')
        && hash
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !hash
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        for name in [
            "index-B7PI925R.js",
            "assets/golden-retriever-Dk3_-x9Z.js",
            "worker-00aa11bb.js.map",
        ] {
            assert!(is_hashed(name), "{name}");
        }
        for name in [
            SCRIPT,
            "style.css",
            "upload-progress.js",
            "-B7PI925R.js",
            "golden-retriever.js",
            "B7PI925R.js",
            "ü-7.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[tokio::test]
    async fn an_asset_is_sent_once_and_then_only_confirmed() {
        let ask = |name: &str, tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, tag.parse().unwrap());
            serve(Path(name.to_owned()), headers)
        };
        let first = ask("style.css", "\"other\"").await.unwrap();
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(
            first.headers()[header::CONTENT_TYPE],
            "text/css; charset=utf-8"
        );
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let tag = first.headers()[header::ETAG].to_str().unwrap();
        let again = ask("style.css", &format!("\"x\", W/{tag}")).await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        for name in [
            "",
            "nothing.js",
            "../src/assets.rs",
            "/etc/passwd",
            "../../Cargo.toml",
        ] {
            assert!(ask(name, "x").await.is_err(), "{name}");
        }
    }
}
