//! Every route of the server, and what goes around all of them: the log, and headers that keep
//! browsers from guessing.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use stemvault_storage::refusal::RefusalKind;

use crate::api::auth::Staff;
use crate::api::openapi::document;
use crate::app::SharedApp;
use crate::error::Failure;
use crate::pages::POLICY;
use crate::route::{Routes, media, nothing, route};
use crate::{api, assets, cors, download, log, pace, prefix, ready, tries, upload, upload_link};

/// Two years, the usual length.
const HSTS: &str = "max-age=63072000";

/// The server's routes over its shared state.
pub fn router(app: SharedApp) -> Router {
    let public_url = app.public_url.clone();
    let routes = routes()
        .router
        .fallback(nothing_here)
        .layer(from_fn_with_state(app.clone(), unless_ending))
        .layer(from_fn_with_state(app.clone(), tries::layer))
        .layer(from_fn_with_state(app.clone(), pace::layer))
        .layer(from_fn_with_state(app.clone(), cors::layer))
        .layer(from_fn_with_state(app.clone(), headers))
        .layer(from_fn_with_state(app.clone(), log::request))
        .with_state(app);
    prefix::with(&public_url, routes)
}

/// The routes alone, with the document of them.
pub(crate) fn routes() -> Routes {
    let routes = Routes::default()
        .merge(ready::routes())
        .merge(api::routes())
        .merge(upload::routes())
        .merge(upload_link::routes())
        .merge(download::routes())
        .merge(assets::routes());
    let itself = route!(get "/api/v1/openapi.json" Token nothing() => 200 media("application/json"); "This document");
    let mut operations = routes.operations.clone();
    operations.push(itself.clone());
    // Few ask for it, and then more than once.
    let document = Arc::new(LazyLock::new(move || {
        let document = serde_json::to_vec(&document(&operations));
        Bytes::from(document.expect("plain data"))
    }));
    routes.on(itself, move |_: Staff| {
        let kind = [(CONTENT_TYPE, "application/json")];
        std::future::ready((kind, Bytes::clone(&document)))
    })
}

async fn nothing_here() -> Failure {
    Failure::refused(
        RefusalKind::NotFound,
        "there is nothing here: check the address",
    )
}

/// A server that ends takes nothing new, and says when to come back. Who watches it may go on.
async fn unless_ending(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let watching = ["/healthz", "/readyz", "/metrics"];
    if !*app.ending.borrow() || watching.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let text =
        "the server is being restarted: nothing that was received is lost, go on in a moment\n";
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
    upload::unread(response, request)
}

async fn headers(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    // Only a certificate that browsers trust: after HSTS they let nobody pass a warning.
    let real = app.settings.server.certificate.is_some();
    protect(response.headers_mut(), real);
    response
}

fn protect(headers: &mut HeaderMap, real_certificate: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    if real_certificate {
        set(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    let page = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if page && !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use stemvault_config::Settings;
    use stemvault_storage::clock::SystemClock;
    use tokio::sync::watch;
    use tower::ServiceExt;

    use super::*;
    use crate::app::App;
    use crate::installation::Installation;
    use crate::route::Door;

    #[test]
    fn a_page_gets_a_policy_and_only_a_real_certificate_gets_hsts() {
        let mut plain = HeaderMap::new();
        protect(&mut plain, false);
        assert!(plain.contains_key(X_CONTENT_TYPE_OPTIONS) && plain.contains_key(REFERRER_POLICY));
        assert!(!plain.contains_key(STRICT_TRANSPORT_SECURITY));
        assert!(!plain.contains_key(CONTENT_SECURITY_POLICY));
        let mut page = HeaderMap::new();
        page.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        protect(&mut page, true);
        assert!(page.contains_key(CONTENT_SECURITY_POLICY));
        assert!(page.contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn strangers_get_nothing_anywhere() {
        let home = tempfile::tempdir().unwrap();
        let mut settings = Settings::defaults(home.path()).unwrap();
        settings.server.wrong_tries = 1_000_000;
        let installation = Installation::open(&settings, Arc::new(SystemClock), None)
            .await
            .unwrap();
        let (_end, ending) = watch::channel(false);
        let url = "https://studio.example".parse().unwrap();
        let app = App::new(
            Arc::clone(&installation.vault),
            Arc::new(settings),
            url,
            ending,
        );
        let router = router(Arc::new(app));
        let far: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        for operation in routes().operations {
            let expected: &[u16] = match operation.door {
                Door::Token => &[401],
                // An upload's path and options are told to everyone.
                Door::Link if operation.method == "options" => &[204],
                Door::Link => &[404],
                Door::Open if operation.path == "/metrics" => &[401],
                Door::Open if operation.path == "/assets/{*name}" => &[404],
                Door::Open => &[200, 204],
            };
            for token in ["", "Bearer unknown"] {
                let path = operation.path.replace(['{', '}', '*'], "");
                let mut request = Request::builder()
                    .method(operation.method.to_uppercase().as_str())
                    .uri(&path)
                    .header("tus-resumable", "1.0.0")
                    .body(Body::from("{}"))
                    .unwrap();
                if !token.is_empty() {
                    let token = HeaderValue::from_static(token);
                    request.headers_mut().insert("authorization", token);
                }
                request.extensions_mut().insert(ConnectInfo(far));
                let answer = router.clone().oneshot(request).await.unwrap();
                let status = answer.status().as_u16();
                let said = format!("{} {path} answers {status}", operation.method);
                assert!(expected.contains(&status), "{said}");
            }
        }
        drop(router);
        installation.close().await;
    }
}
