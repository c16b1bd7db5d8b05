//! Limits as clients meet them: the status, the sentence, and when to come back.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::NewUpload;
use stemvault_storage::link::{LinkMost, Scope};
use stemvault_storage::path::SessionPath;
use stemvault_storage::session::Kind;
use stemvault_storage::upload::Role;
use tower::ServiceExt;

use crate::page::{MEDIA, part};
use crate::studio::{Answer, Studio, noise, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";

/// A refusal as upload clients show it.
fn said(no: &Answer, parts: &[&str]) {
    assert_eq!(no.header("content-type"), "text/plain; charset=utf-8");
    for part in parts {
        assert!(no.text().contains(part), "{part}: {}", no.text());
    }
}

#[tokio::test]
async fn each_limit_has_its_status_and_its_sentence() {
    let studio = Studio::with(|settings, limits| {
        limits.max_file = 100;
        settings.uploads.max_file = 100;
        limits.max_order = 150;
        limits.max_open = 2;
        limits.max_files = 3;
    })
    .await;
    let post = async |name, length| studio.post(name, length, &[], Body::empty()).await;
    let no = post("long.wav", 101).await.expect(413);
    assert!(no.text().contains("101 bytes"), "{}", no.text());
    let first = studio.create("a.wav", 60).await;
    let no = post("b.wav", 91).await.expect(413);
    said(
        &no,
        &["b.wav", "2026-0117", "151 bytes", "150 bytes", "ask"],
    );
    studio.create("b.wav", 40).await;
    let no = post("c.wav", 1).await.expect(429);
    said(&no, &["2026-0117", "c.wav", "finish or remove"]);
    assert!(no.header("retry-after").parse::<u64>().unwrap() > 0);
    // It has a place as soon as another file is whole, or gone.
    studio
        .patch(&first, 0, None, whole(&[1; 60]))
        .await
        .expect(204);
    let third = studio.create("c.wav", 1).await;
    let no = post("d.wav", 1).await.expect(413);
    said(&no, &["2026-0117", "3 files", "d.wav", "pack"]);
    studio
        .ask("DELETE", &third, &[TUS], Body::empty())
        .await
        .expect(204);
    studio.create("d.wav", 1).await;
}

#[tokio::test]
async fn a_file_of_unknown_length_ends_at_the_limit_with_every_byte_before_it() {
    let studio = Studio::with(|settings, limits| {
        limits.max_file = 300_000;
        settings.uploads.max_file = 300_000;
    })
    .await;
    let new = NewUpload {
        id: UploadId::random(),
        link: None,
        kind: Kind::Material,
        path: SessionPath::parse("endless.wav").unwrap(),
        metadata: std::collections::BTreeMap::new(),
        length: None,
        role: Role::File,
        sum: None,
        at_once: false,
    };
    let vault = &studio.app.vault;
    let id = vault.uploads.create(studio.order.id, new).await.unwrap().id;
    let at = format!("/u/{}/{id}", studio.link);
    let bytes = noise(77, 400_000);
    let no = studio.patch(&at, 0, None, whole(&bytes)).await.expect(413);
    said(
        &no,
        &["endless.wav", "300000 bytes", "first 300000 bytes are safe"],
    );
    assert_eq!(no.offset(), 300_000);
    assert_eq!(studio.head(&at).await.expect(200).offset(), 300_000);
    let no = studio.patch(&at, 300_000, None, whole(b"x")).await;
    no.expect(413);
}

/// Asks from an address.
async fn from(studio: &Studio, address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let method = if headers.iter().any(|(name, _)| *name == "tus-resumable") {
        "POST"
    } else {
        "GET"
    };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer = SocketAddr::new(address.parse().unwrap(), 4711);
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer: Response<Body> = studio.router().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
        broken: false,
    }
}

#[tokio::test]
async fn wrong_links_and_tokens_are_counted_and_right_ones_never_are() {
    let studio = Studio::with(|settings, _| settings.server.wrong_tries = 4).await;
    let (here, there) = ("192.0.2.1", "2001:db8::1");
    let bearer = format!("Bearer {}", studio.token);
    let wrong = [("authorization", "Bearer nothing")];
    // What was not presented was not tried.
    for _ in 0..9 {
        from(&studio, here, "/api/v1/orders", &[]).await.expect(401);
    }
    let tus = [("tus-resumable", "1.0.0")];
    from(&studio, here, "/u/nothing", &tus).await.expect(404);
    from(&studio, here, "/d/nothing", &[]).await.expect(404);
    from(&studio, here, "/u/nothing/uploads", &[])
        .await
        .expect(404);
    from(&studio, here, "/api/v1/orders", &wrong)
        .await
        .expect(401);

    let no = from(&studio, here, "/u/nothing", &tus).await.expect(429);
    said(&no, &["4 links or tokens", "right ones work"]);
    assert_eq!(no.header("tus-resumable"), "1.0.0");
    let no = from(&studio, here, "/api/v1/orders", &wrong)
        .await
        .expect(429);
    assert_eq!(no.header("content-type"), "application/problem+json");
    assert_eq!(no.json()["limit"]["name"], "wrong_tries");
    assert_eq!(no.header("www-authenticate"), "");
    let wait: u64 = no.header("retry-after").parse().unwrap();
    assert!((800..=900).contains(&wait), "{wait}");
    let browser = [("accept", "text/html")];
    let no = from(&studio, here, "/d/nothing", &browser)
        .await
        .expect(429);
    assert_eq!(no.header("content-type"), "text/html; charset=utf-8");
    assert!(no.text().contains("links or tokens"), "{}", no.text());

    // Others in the same house, and everybody elsewhere.
    let link = format!("/u/{}", studio.link);
    from(&studio, here, &link, &[]).await.expect(200);
    let right = [("authorization", bearer.as_str())];
    from(&studio, here, "/api/v1/orders", &right)
        .await
        .expect(200);
    from(&studio, there, "/u/nothing", &[]).await.expect(404);
    studio.hands.advance(std::time::Duration::from_secs(wait));
    from(&studio, here, "/u/nothing", &tus).await.expect(404);
}

#[tokio::test]
async fn behind_a_proxy_that_is_trusted_clients_are_told_apart() {
    let studio = Studio::with(|settings, _| {
        settings.server.wrong_tries = 1;
        settings.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let ask = async |peer, client| {
        let forwarded = [("x-forwarded-for", client)];
        from(&studio, peer, "/u/nothing", &forwarded)
            .await
            .status
            .as_u16()
    };
    assert_eq!(ask("10.0.0.9", "192.0.2.1").await, 404);
    assert_eq!(ask("10.0.0.9", "192.0.2.1").await, 429);
    assert_eq!(ask("10.0.0.9", "192.0.2.2").await, 404);
    // Who is no proxy is not believed.
    assert_eq!(ask("192.0.2.3", "192.0.2.4").await, 404);
    assert_eq!(ask("192.0.2.3", "192.0.2.5").await, 429);
}

#[tokio::test]
async fn a_link_says_its_own_limits_and_what_the_server_has_room_for() {
    let studio = Studio::with(|_, limits| {
        limits.max_open = 3;
        limits.max_unfinished = 1000;
    })
    .await;
    let vault = &studio.app.vault;
    let most = LinkMost {
        max_bytes: Some(500),
        max_files: Some(2),
    };
    let order = studio.order.id;
    let made = vault
        .access
        .create_link_with(order, Scope::Upload, None, most);
    let (_, narrow) = made.await.unwrap();
    studio.create("a.wav", 100).await;
    let limits = async |link: &str, at| {
        let path = format!("/u/{link}/{at}");
        let headers = ["Accept: application/json"];
        studio.get(&path, &headers).await.expect(200).json()["limits"].clone()
    };
    for at in ["state", "uploads", ""] {
        let said = limits(narrow.reveal(), at).await;
        // What came by the other link leaves this one as it was.
        assert_eq!(
            (&said["max_order"], &said["used_bytes"]),
            (&json!("600"), &json!("100"))
        );
        assert_eq!(
            (&said["max_files"], &said["max_open"]),
            (&json!("3"), &json!("3"))
        );
        assert_eq!(said["space"], Value::Null, "more than it may send");
        let said = limits(&studio.link, at).await;
        assert_eq!(
            (&said["max_file"], &said["space"]),
            (&json!("100000000000"), &json!("900"))
        );
    }
    let whole = studio
        .preflight(&[part("a.wav", 100, b""), part("b.wav", 900, b"")])
        .await;
    assert_eq!(whole["session"], json!([]), "what was begun has its place");
    let more = studio.preflight(&[part("b.wav", 901, b"")]).await;
    let more = &more["session"][0];
    assert_eq!(
        (&more["rule"], &more["severity"]),
        (&json!("limit"), &json!("refuse"))
    );
    let message = more["message"].as_str().unwrap();
    assert!(
        message.contains("room for 900") && message.contains("tell the studio"),
        "{message}"
    );
}

#[tokio::test]
async fn preflights_have_a_pace_for_each_link() {
    let studio = Studio::new().await;
    let order = studio.order.id;
    let made = studio
        .app
        .vault
        .access
        .create_link(order, Scope::Upload, None);
    let (_, other) = made.await.unwrap();
    let ask = async |link: &str| {
        let path = format!("/u/{link}/preflight");
        let file = Body::from(part("a.txt", 1, b"a"));
        studio.ask("POST", &path, &[MEDIA], file).await
    };
    for _ in 0..160 {
        ask(&studio.link).await.expect(200);
    }
    let no = ask(&studio.link).await.expect(429);
    let detail = no.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("160 preflights") && detail.contains("up to 256 files"),
        "{detail}"
    );
    let wait: u64 = no.header("retry-after").parse().unwrap();
    ask(other.reveal()).await.expect(200);
    studio.hands.advance(std::time::Duration::from_secs(wait));
    ask(&studio.link).await.expect(200);
}

#[tokio::test]
async fn a_full_disk_is_said_before_the_first_byte() {
    let studio = Studio::with(|_, limits| limits.floor_bytes = 1 << 60).await;
    let said = studio.preflight(&[part("a.wav", 100, b"")]).await;
    let message = said["session"][0]["message"].as_str().unwrap();
    assert!(message.contains("room for 0"), "{message}");
    assert_eq!(studio.state().await["limits"]["space"], "0");
    // As the upload itself would be told.
    let no = studio.post("a.wav", 100, &[], Body::empty()).await;
    let no = no.expect(507);
    assert!(no.text().contains("no room for \"a.wav\""), "{}", no.text());
}
