//! The path under which a proxy shows this server: taken off, if the proxy has not done so.
//!
//! With `public_url = "https://studio.example/vault"` every address answers as `/vault/u/…`, from a
//! proxy that passes paths on as they are, and as `/u/…`, from one that takes the path off. What we
//! send out always begins with it. The settings refuse a path that begins like one of our own
//! addresses, so the two cannot be confused.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{Request, Response};
use axum::routing::future::RouteFuture;
use tower::Service;
use url::Url;

/// The same routes, with and without the path of `public_url`.
#[must_use]
pub fn with(public_url: &Url, routes: Router) -> Router {
    let prefix = public_url.path().trim_end_matches('/');
    if prefix.is_empty() {
        return routes;
    }
    Router::new().fallback_service(Both {
        prefix: prefix.into(),
        routes,
    })
}

/// Takes the prefix off before the routes are looked at.
#[derive(Clone, Debug)]
struct Both {
    prefix: Arc<str>,
    routes: Router,
}

impl Service<Request<Body>> for Both {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(short) = short(request.uri(), &self.prefix) {
            *request.uri_mut() = short;
        }
        self.routes.call(request)
    }
}

/// The address without the prefix; none if it does not begin with it.
fn short(uri: &Uri, prefix: &str) -> Option<Uri> {
    let rest = uri.path().strip_prefix(prefix)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let slash = if rest.is_empty() { "/" } else { "" };
    let query = uri.query().map(|query| format!("?{query}"));
    let path = format!("{slash}{rest}{}", query.unwrap_or_default());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_off_whole_segments() {
        let short = |uri: &str| short(&uri.parse().unwrap(), "/studio/vault");
        let is = |uri: &str, expected: &str| {
            assert_eq!(short(uri).unwrap().to_string(), expected, "{uri}");
        };
        is("/studio/vault/u/a%2Fb/?q=%20", "/u/a%2Fb/?q=%20");
        is("/studio/vault", "/");
        is("/studio/vault/", "/");
        is("https://x:1/studio/vault/files", "https://x:1/files");
        for other in [
            "/studio/vaults/u/a",
            "/studio",
            "/u/a",
            "/",
            "*",
            "/x/studio/vault/u",
        ] {
            assert_eq!(short(other), None, "{other}");
        }
    }
}
