//! Browsers that show pages of other sites: known origins may do everything, others get no word.

use axum::body::Body;

use crate::studio::Studio;

const TUS: &str = "Tus-Resumable: 1.0.0";
const FRIEND: &str = "https://www.studio.example";

async fn with_friend() -> Studio {
    Studio::with(|settings, _| {
        settings.server.cors_origins = vec![FRIEND.to_owned(), "http://localhost:3000".to_owned()];
    })
    .await
}

/// Whether a list in a header has a word, as browsers compare them.
fn has(list: &str, word: &str) -> bool {
    list.split(',')
        .any(|one| one.trim().eq_ignore_ascii_case(word))
}

#[tokio::test]
async fn pages_of_known_origins_upload_and_read_everything() {
    let studio = with_friend().await;
    let at = studio.create("a.bin", 3).await;
    let link = format!("/u/{}", studio.link);
    let submit = format!("{link}/submit");
    for origin in [FRIEND, "http://localhost:3000"] {
        let from = format!("Origin: {origin}");
        let asks = "Access-Control-Request-Method: PATCH";
        for path in ["/files/", "/files", &link, &at, &submit, "/api/v1/orders"] {
            let told = studio
                .ask("OPTIONS", path, &[&from, asks], Body::empty())
                .await;
            let told = told.expect(204);
            assert_eq!(told.header("access-control-allow-origin"), origin, "{path}");
            for method in ["POST", "HEAD", "PATCH", "DELETE", "GET", "PUT"] {
                let methods = told.header("access-control-allow-methods");
                assert!(has(methods, method), "{method}");
            }
            for name in [
                "Authorization",
                "Content-Type",
                "Tus-Resumable",
                "Upload-Length",
                "Upload-Metadata",
                "Upload-Offset",
                "Upload-Defer-Length",
                "Upload-Concat",
                "Upload-Checksum",
                "Upload-Complete",
                "Upload-Incomplete",
                "Upload-Draft-Interop-Version",
                "Content-Disposition",
                "X-HTTP-Method-Override",
                "X-Requested-With",
                "X-Request-ID",
            ] {
                let sent = told.header("access-control-allow-headers");
                assert!(has(sent, name), "{name}");
            }
            assert_eq!(told.header("access-control-allow-credentials"), "");
            assert_eq!(told.header("access-control-max-age"), "86400");
        }
        // The preflight of an upload's address is discovery as well.
        let told = studio
            .ask("OPTIONS", &at, &[&from, asks], Body::empty())
            .await;
        assert_eq!(told.header("tus-version"), "1.0.0");
        assert!(told.header("tus-extension").contains("creation"));

        let told = studio.ask("HEAD", &at, &[TUS, &from], Body::empty()).await;
        assert_eq!(told.header("access-control-allow-origin"), origin);
        assert_eq!(told.header("vary"), "Origin");
        for name in [
            "Location",
            "Upload-Offset",
            "Upload-Length",
            "Upload-Expires",
            "Upload-Metadata",
            "Upload-Defer-Length",
            "Upload-Concat",
            "Upload-Complete",
            "Upload-Incomplete",
            "Upload-Limit",
            "Upload-Draft-Interop-Version",
            "Tus-Resumable",
            "Tus-Version",
            "Tus-Extension",
            "Tus-Max-Size",
            "Tus-Checksum-Algorithm",
            "Stemvault-Hash",
            "Retry-After",
            "Content-Disposition",
            "Content-Range",
            "ETag",
        ] {
            let read = told.header("access-control-expose-headers");
            assert!(has(read, name), "{name}");
        }
        // What a refusal says must be readable too.
        let no = studio
            .ask("HEAD", "/files/x", &[TUS, &from], Body::empty())
            .await;
        let no = no.expect(401);
        assert_eq!(no.header("access-control-allow-origin"), origin);
    }
}

#[tokio::test]
async fn other_origins_get_no_word_and_no_cors_is_the_default() {
    let studio = with_friend().await;
    let at = studio.create("a.bin", 3).await;
    let silent = |told: &crate::studio::Answer| {
        let names = told.headers.keys().map(axum::http::HeaderName::as_str);
        !names
            .into_iter()
            .any(|name| name.starts_with("access-control"))
    };
    let asks = "Access-Control-Request-Method: PATCH";
    for origin in [
        "https://evil.example",
        "null",
        "https://www.studio.example.evil.example",
    ] {
        let from = format!("Origin: {origin}");
        // tus clients that are no browser may send whatever they like, and are answered.
        let told = studio
            .ask("OPTIONS", &at, &[&from, asks], Body::empty())
            .await;
        let told = told.expect(204);
        assert!(silent(&told), "{:?}", told.headers);
        assert_eq!(told.header("vary"), "Origin");
        assert_eq!(told.header("tus-version"), "1.0.0");
        let told = studio
            .ask("HEAD", &at, &[TUS, &from], Body::empty())
            .await
            .expect(200);
        assert!(silent(&told) && told.header("vary") == "Origin");
        let no = studio
            .ask("OPTIONS", "/api/v1/orders", &[&from, asks], Body::empty())
            .await;
        assert!(silent(&no.expect(405)));
    }
    // No origin at all: the same for whoever stores it.
    let told = studio.head(&at).await.expect(200);
    assert!(silent(&told) && told.header("vary") == "Origin");

    let studio = Studio::new().await;
    let at = studio.create("a.bin", 3).await;
    let from = format!("Origin: {FRIEND}");
    let told = studio
        .ask("OPTIONS", &at, &[&from, asks], Body::empty())
        .await;
    assert!(silent(&told.expect(204)));
}
