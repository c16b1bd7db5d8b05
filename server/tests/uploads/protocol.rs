//! tus 1.0 as clients speak it, and what they are told when it is no.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::studio::{OCTETS, Studio, b3};

const TUS: &str = "Tus-Resumable: 1.0.0";

fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{name} {}", STANDARD.encode(value)));
    format!("Upload-Metadata: {}", pairs.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_token_opens_every_order() {
    let studio = Studio::new().await;
    let bearer = format!("Authorization: Bearer {}", studio.token);
    let said = metadata(&[
        ("kind", "delivery"),
        ("filename", "mix.wav"),
        ("order", "2026-0117"),
    ]);
    for path in ["/files", "/files/"] {
        let headers = [TUS, &bearer, &said, "Upload-Length: 3"];
        let created = studio
            .ask("POST", path, &headers, Body::empty())
            .await
            .expect(201);
        let at = created.header("location").to_owned();
        assert!(at.starts_with("/files/"), "{at}");
        assert_ne!(created.header("upload-expires"), "");
        // Nobody else sees it, and not even the order's own link.
        studio
            .ask("HEAD", &at, &[TUS], Body::empty())
            .await
            .expect(401);
        let id = at.rsplit('/').next().unwrap();
        studio
            .head(&format!("/u/{}/{id}", studio.link))
            .await
            .expect(404);
        let put = [TUS, &bearer, OCTETS, "Upload-Offset: 0"];
        studio
            .ask("PATCH", &at, &put, Body::from("abc"))
            .await
            .expect(204);
        let there = studio
            .ask("HEAD", &format!("{at}/"), &[&bearer], Body::empty())
            .await;
        let there = there.expect(200);
        assert_eq!(
            there.header("upload-metadata"),
            said.split_once(": ").unwrap().1
        );
        assert_eq!(there.header("upload-length"), "3");
        assert_eq!(there.header("cache-control"), "no-store");
        assert_eq!(there.header("stemvault-hash"), b3(b"abc"));
    }
}

/// Status, metadata, length, and what the answer says.
type Case = (
    u16,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

#[tokio::test]
async fn what_is_wrong_is_said_before_the_first_byte() {
    let studio = Studio::with(|settings, limits| {
        settings.orders.required_metadata = vec!["artist".to_owned()];
        settings.uploads.max_file = 1000;
        limits.max_file = 1000;
    });
    let studio = studio.await;
    let bearer = format!("Authorization: Bearer {}", studio.token);
    const ORDER: (&str, &str) = ("order", "2026-0117");
    const MATERIAL: (&str, &str) = ("kind", "material");
    const A: (&str, &str) = ("filename", "a.wav");
    let cases: [Case; 9] = [
        (400, &[A], "10", "2026-0117"),
        (400, &[A, ("order", "17")], "10", "2026-0117"),
        (
            404,
            &[A, ("order", "2026-9999")],
            "10",
            "no order 2026-9999",
        ),
        (
            400,
            &[A, ORDER],
            "10",
            "send its \"kind\" in Upload-Metadata, as material (what the client sent), delivery",
        ),
        (400, &[ORDER, MATERIAL], "10", "no name"),
        (
            400,
            &[ORDER, MATERIAL, ("filename", "../a.wav")],
            "10",
            "leads out",
        ),
        (400, &[ORDER, MATERIAL, A], "10", "\"artist\""),
        (400, &[ORDER, A, ("kind", "beer")], "10", "no kind"),
        (
            413,
            &[ORDER, MATERIAL, A, ("artist", "b")],
            "1001",
            "up to 1000",
        ),
    ];
    for (status, pairs, length, says) in cases {
        let (said, length) = (metadata(pairs), format!("Upload-Length: {length}"));
        let headers = [TUS, &bearer, &said, &length];
        let no = studio
            .ask("POST", "/files/", &headers, Body::empty())
            .await
            .expect(status);
        assert!(no.text().contains(says), "{says}: {}", no.text());
        assert_eq!(no.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(no.header("tus-resumable"), "1.0.0");
    }
    assert!(studio.uploads().await.is_empty());
}

#[tokio::test]
async fn a_link_is_for_its_order_and_for_material() {
    let studio = Studio::new().await;
    let path = format!("/u/{}/", studio.link);
    let post = async |pairs: &[(&str, &str)]| {
        let said = metadata(pairs);
        studio
            .ask(
                "POST",
                &path,
                &[TUS, &said, "Upload-Length: 3"],
                Body::empty(),
            )
            .await
    };
    let name = ("filename", "a.wav");
    let no = post(&[name, ("order", "2026-0118")]).await.expect(400);
    assert!(
        no.text().contains("for order 2026-0117, not 2026-0118"),
        "{}",
        no.text()
    );
    let no = post(&[name, ("kind", "delivery")]).await.expect(400);
    assert!(no.text().contains("takes material"), "{}", no.text());
    post(&[name, ("order", "2026-0117"), ("kind", "material")])
        .await
        .expect(201);
}

#[tokio::test]
async fn a_closed_order_takes_nothing() {
    let studio = Studio::new().await;
    let at = studio.create("a.wav", 3).await;
    studio
        .patch(&at, 0, None, Body::from("ab"))
        .await
        .expect(204);
    let vault = &studio.app.vault;
    let policy = stemvault_storage::order::Policy {
        working_days: 90,
        archive_months: 24,
        time_zone: chrono_tz::UTC,
    };
    let now = studio.app.clock.now();
    let closed = vault
        .core
        .change(studio.order.id, |order| order.complete(now, policy))
        .await;
    closed.unwrap();
    let no = studio
        .post("b.wav", 3, &[], Body::empty())
        .await
        .expect(403);
    assert!(no.text().contains("completed"), "{}", no.text());
    let no = studio
        .patch(&at, 2, None, Body::from("c"))
        .await
        .expect(403);
    assert!(no.text().contains("completed"), "{}", no.text());
}

#[tokio::test]
async fn versions_methods_and_capabilities() {
    let studio = Studio::new().await;
    let at = studio.create("a.wav", 3).await;
    for path in ["/files/", "/files", &at, &format!("/u/{}", studio.link)] {
        let can = studio
            .ask("OPTIONS", path, &[], Body::empty())
            .await
            .expect(204);
        let mut extensions: Vec<_> = can.header("tus-extension").split(',').collect();
        extensions.sort_unstable();
        // Each of them has tests of its own in this folder.
        let works = [
            "checksum",
            "concatenation",
            "creation",
            "creation-defer-length",
            "creation-with-upload",
            "expiration",
            "termination",
        ];
        assert_eq!(extensions, works, "{path}");
        assert_eq!(
            can.header("tus-checksum-algorithm"),
            "sha1,sha256,md5,crc32"
        );
        assert_eq!(can.header("tus-version"), "1.0.0");
        assert_eq!(can.header("tus-max-size"), "100000000000");
    }
    let old = "Tus-Resumable: 0.2.2";
    for (method, headers) in [
        ("PATCH", &[][..]),
        ("DELETE", &[old]),
        ("HEAD", &[old]),
        ("POST", &[old]),
    ] {
        let path = if method == "POST" {
            "/u/".to_owned() + &studio.link
        } else {
            at.clone()
        };
        let no = studio
            .ask(method, &path, headers, Body::empty())
            .await
            .expect(412);
        assert_eq!(no.header("tus-version"), "1.0.0");
    }
    studio
        .ask("HEAD", &at, &[], Body::empty())
        .await
        .expect(200);
    let no = studio
        .ask("PUT", &at, &[TUS], Body::empty())
        .await
        .expect(405);
    assert!(no.header("allow").contains("PATCH"));

    let over = |method: &str| format!("X-HTTP-Method-Override: {method}");
    let headers = [TUS, OCTETS, "Upload-Offset: 0", &over("patch")];
    studio
        .ask("POST", &at, &headers, Body::from("ab"))
        .await
        .expect(204);
    let there = studio
        .ask("POST", &at, &[TUS, &over("HEAD")], Body::empty())
        .await
        .expect(200);
    assert_eq!(there.offset(), 2);
    studio
        .ask("POST", &at, &[TUS, &over("DELETE")], Body::empty())
        .await
        .expect(204);
    studio.head(&at).await.expect(404);
}

#[tokio::test]
async fn offsets_types_and_lengths_are_checked() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 3).await;
    let no = studio
        .patch(&at, 1, None, Body::from("b"))
        .await
        .expect(409);
    assert_eq!(no.offset(), 0);
    assert!(no.text().contains("stands at byte 0"), "{}", no.text());
    let no = studio
        .ask("PATCH", &at, &[TUS, "Upload-Offset: 0"], Body::from("a"))
        .await;
    no.expect(415);
    let no = studio
        .ask("PATCH", &at, &[TUS, OCTETS], Body::from("a"))
        .await;
    no.expect(400);
    studio
        .patch(&at, 0, None, Body::from("abc"))
        .await
        .expect(204);
    // A client that did not hear the answer may ask for nothing more.
    let done = studio
        .patch(&at, 3, Some(0), Body::empty())
        .await
        .expect(204);
    assert_eq!(
        (done.offset(), done.header("stemvault-hash")),
        (3, b3(b"abc").as_str())
    );
    let path = format!("/u/{}", studio.link);
    let said = metadata(&[("filename", "b.bin")]);
    for wrong in [
        &[][..],
        &["Upload-Defer-Length: 2"],
        &["Upload-Defer-Length: 1", "Upload-Length: 3"],
        &["Upload-Length: -3"],
        &["Upload-Length: 3", "Upload-Concat: half"],
    ] {
        let headers = [&[TUS, &said], wrong].concat();
        let no = studio.ask("POST", &path, &headers, Body::empty()).await;
        no.expect(400);
    }
}

#[tokio::test]
async fn expiry_slides_and_then_comes() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 3).await;
    let day = Duration::from_secs(24 * 3600);
    studio.hands.advance(13 * day);
    studio
        .patch(&at, 0, None, Body::from("a"))
        .await
        .expect(204);
    studio.hands.advance(13 * day);
    let there = studio.head(&at).await.expect(200);
    assert!(there.header("upload-expires").ends_with(" GMT"));
    studio.hands.advance(2 * day);
    studio.head(&at).await.expect(410);
    let no = studio
        .patch(&at, 1, None, Body::from("b"))
        .await
        .expect(410);
    assert!(no.text().contains("begin it again"), "{}", no.text());
    studio
        .ask("DELETE", &at, &[TUS], Body::empty())
        .await
        .expect(204);
}

/// Media types have no case, and parameters say nothing here.
#[tokio::test]
async fn a_media_type_has_no_case() {
    let studio = Studio::new().await;
    let bearer = format!("Authorization: Bearer {}", studio.token);
    for (at, kind) in [
        "Application/Offset+Octet-Stream",
        "APPLICATION/OFFSET+OCTET-STREAM; charset=binary",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{at}.bin");
        let said = metadata(&[
            ("order", "2026-0117"),
            ("kind", "material"),
            ("filename", &name),
        ]);
        let kind = format!("Content-Type: {kind}");
        let created = studio
            .ask(
                "POST",
                "/files",
                &[&bearer, TUS, "Upload-Length: 6", &said, &kind],
                Body::from("abc"),
            )
            .await
            .expect(201);
        assert_eq!(created.header("upload-offset"), "3", "{kind}");
        let place = created.header("location").to_owned();
        let appended = studio
            .ask(
                "PATCH",
                &place,
                &[&bearer, TUS, "Upload-Offset: 3", &kind],
                Body::from("def"),
            )
            .await
            .expect(204);
        assert_eq!(appended.header("upload-offset"), "6", "{kind}");
    }
}
