//! The IETF draft: what is refused, with which status and problem type, and that nothing was
//! written then.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ietf::{ALL, MORE, PARTIAL, VERSIONS, head, patch, place, post, say};
use crate::studio::{Answer, Studio, b3, whole};

const REGISTRY: &str = "https://iana.org/assignments/http-problem-types#";

/// The sentence of a problem of this type.
fn problem(answer: &Answer, kind: &str) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("upload-complete"), "?0");
    let problem = answer.json();
    let expected = if kind.is_empty() {
        "about:blank".to_owned()
    } else {
        format!("{REGISTRY}{kind}")
    };
    assert_eq!(problem["type"], expected, "{problem}");
    assert_eq!(problem["status"], answer.status.as_u16());
    problem["detail"].as_str().unwrap().to_owned()
}

async fn begin(studio: &Studio, name: &str, length: u64, bytes: &'static str) -> String {
    let length = format!("Upload-Length: {length}");
    let made = post(studio, name, &[MORE, &length], Body::from(bytes)).await;
    made.expect(201).header("location").to_owned()
}

async fn stands_at(studio: &Studio, at: &str, offset: u64) {
    assert_eq!(head(studio, at).await.expect(200).offset(), offset);
}

#[tokio::test]
async fn a_wrong_offset() {
    let studio = Studio::new().await;
    let at = begin(&studio, "a.wav", 9, "abc").await;
    for provided in [0, 4, 999_999_999_999_999] {
        let no = patch(&studio, &at, provided, &[MORE], Body::from("x")).await;
        let no = no.expect(409);
        assert_eq!(no.offset(), 3);
        problem(&no, "mismatching-upload-offset");
        assert_eq!(no.json()["expected-offset"], 3);
        assert_eq!(no.json()["provided-offset"], provided);
    }
    stands_at(&studio, &at, 3).await;
}

#[tokio::test]
async fn lengths_that_do_not_agree() {
    let studio = Studio::new().await;
    let kind = "inconsistent-upload-length";
    for headers in [
        [ALL, "Upload-Length: 4", "Content-Length: 3"],
        [ALL, "Upload-Length: 2", "Content-Length: 3"],
        [MORE, "Upload-Length: 2", "Content-Length: 3"],
    ] {
        let no = post(&studio, "a.wav", &headers, Body::from("abc")).await;
        problem(&no.expect(400), kind);
    }
    assert!(studio.uploads().await.is_empty());
    let at = begin(&studio, "b.wav", 9, "abc").await;
    for (headers, body) in [
        (&[MORE, "Upload-Length: 10"][..], whole(b"d")),
        (&[ALL, "Content-Length: 5"], Body::from("defgh")),
        (&[MORE, "Content-Length: 7"], Body::from("defghij")),
        (&[ALL, "Content-Length: 0"], Body::empty()),
    ] {
        let no = patch(&studio, &at, 3, headers, body).await;
        problem(&no.expect(400), kind);
        stands_at(&studio, &at, 3).await;
    }
    // It ends too early: what came is kept, and the rest may still come.
    let no = patch(&studio, &at, 3, &[ALL], whole(b"def"))
        .await
        .expect(400);
    assert!(problem(&no, kind).contains("ends with byte 6"));
    assert_eq!(no.offset(), 6);
    let done = patch(&studio, &at, 6, &[ALL], whole(b"ghi")).await;
    assert_eq!(done.expect(200).header("stemvault-hash"), b3(b"abcdefghi"));
    // It goes on behind its end: then it is not the file that was announced, and it is no more.
    for (name, created) in [("c.wav", false), ("d.wav", true)] {
        let no = if created {
            let headers = [MORE, "Upload-Length: 4"];
            post(&studio, name, &headers, whole(b"abcdef")).await
        } else {
            let at = begin(&studio, name, 4, "abc").await;
            let no = patch(&studio, &at, 3, &[ALL], whole(b"def")).await;
            head(&studio, &at).await.expect(404);
            no
        };
        problem(&no.expect(400), kind);
    }
    assert_eq!(studio.uploads().await.len(), 1);
}

#[tokio::test]
async fn a_file_that_is_whole_takes_nothing_more() {
    let studio = Studio::new().await;
    let at = begin(&studio, "a.wav", 3, "abc").await;
    // Nobody has said that it ends, but there is nothing more to come.
    assert_eq!(head(&studio, &at).await.header("upload-complete"), "?1");
    for (headers, body) in [
        (&[MORE, "Content-Length: 1"][..], Body::from("d")),
        (&[ALL], whole(b"d")),
    ] {
        let no = patch(&studio, &at, 3, headers, body).await.expect(400);
        problem(&no, "completed-upload");
    }
    // The last answer again, for who did not hear it.
    for body in [Body::empty(), whole(b"")] {
        let again = patch(&studio, &at, 3, &[ALL], body).await.expect(200);
        assert_eq!(again.header("upload-complete"), "?1");
        assert_eq!(again.json()["hash"], b3(b"abc"));
    }
    let no = patch(&studio, &at, 0, &[ALL], Body::from("abc")).await;
    problem(&no.expect(409), "mismatching-upload-offset");
}

#[tokio::test]
async fn headers_that_cannot_be_read() {
    let studio = Studio::new().await;
    let path = place(&studio, "a.wav");
    for (bad, says) in [
        ("Upload-Complete: 1", "upload-complete"),
        ("Upload-Complete: true", "upload-complete"),
        ("Upload-Complete: ?2", "upload-complete"),
        ("Upload-Length: -1", "upload-length"),
        ("Upload-Length: 1.5", "upload-length"),
        ("Upload-Length: 1000000000000000", "upload-length"),
        ("Upload-Length: many", "upload-length"),
        ("Upload-Offset: \"0\"", "upload-offset"),
        ("Upload-Length: 3;=", "upload-length"),
    ] {
        let headers = if bad.starts_with("Upload-Complete") {
            vec![bad]
        } else {
            vec![MORE, bad]
        };
        let no = say(&studio, 8, ("POST", &path), &headers, Body::empty()).await;
        let said = problem(&no.expect(400), "");
        assert!(said.contains(says), "{bad}: {said}");
    }
    let twice = [MORE, "Upload-Length: 3", "Upload-Length: 3"];
    let no = say(&studio, 8, ("POST", &path), &twice, Body::empty()).await;
    assert!(problem(&no.expect(400), "").contains("twice"));
    // Parameters say nothing, and are no error.
    let odd = ["Upload-Complete: ?0;a", "Upload-Length: 3;b=\"c\""];
    let made = say(&studio, 8, ("POST", &path), &odd, Body::empty()).await;
    let at = made.expect(201).header("location").to_owned();
    let octets = "Content-Type: application/octet-stream";
    for (headers, status, says) in [
        (&[PARTIAL, "Upload-Offset: 0"][..], 400, "Upload-Complete"),
        (&[PARTIAL, MORE], 400, "Upload-Offset"),
        (&[MORE, "Upload-Offset: 0"], 415, "partial-upload"),
        (&[octets, MORE, "Upload-Offset: 0"], 415, "partial-upload"),
    ] {
        let no = say(&studio, 8, ("PATCH", &at), headers, Body::from("abc")).await;
        let no = no.expect(status);
        assert!(problem(&no, "").contains(says));
        let patches = no.header("accept-patch").contains("partial-upload");
        assert_eq!(patches, status == 415);
    }
    stands_at(&studio, &at, 0).await;
    // Older versions may leave one out, and want nothing in questions.
    let headers = ["Upload-Offset: 0", PARTIAL];
    let kept = say(&studio, 6, ("PATCH", &at), &headers, Body::from("a")).await;
    kept.expect(201);
    for method in ["HEAD", "DELETE"] {
        for version in [5, 6] {
            let no = say(&studio, version, (method, &at), &[MORE], Body::empty()).await;
            no.expect(400);
        }
    }
    say(&studio, 8, ("GET", &at), &[MORE], Body::empty())
        .await
        .expect(200);
    let no = say(&studio, 8, ("PUT", &at), &[MORE], Body::empty()).await;
    assert!(no.expect(405).header("allow").contains("PATCH"));
}

#[tokio::test]
async fn versions_that_nobody_speaks() {
    let studio = Studio::new().await;
    let at = begin(&studio, "a.wav", 3, "").await;
    let offset = "Upload-Offset: 0";
    for version in ["2", "3", "4", "9", "?1", "8.0", "\"8\"", "8, 8", ""] {
        let version = format!("Upload-Draft-Interop-Version: {version}");
        for (method, headers) in [
            ("HEAD", &[&*version][..]),
            ("DELETE", &[&version]),
            ("PATCH", &[&version, PARTIAL, offset, ALL]),
        ] {
            let no = studio.ask(method, &at, headers, Body::empty()).await;
            let no = no.expect(400);
            assert_eq!(no.header("upload-draft-interop-version"), "8");
            if method == "PATCH" {
                assert!(problem(&no, "").contains("versions 5 to 8"));
            }
        }
    }
    // The draft without a version is told of it, and is no tus.
    for headers in [&[ALL][..], &[PARTIAL, offset], &[PARTIAL, offset, ALL]] {
        let no = studio.ask("PATCH", &at, headers, Body::from("abc")).await;
        assert!(problem(&no.expect(400), "").contains("Upload-Draft-Interop-Version: 8"));
    }
    stands_at(&studio, &at, 0).await;
    for version in VERSIONS {
        let asked = say(&studio, version, ("HEAD", &at), &[], Body::empty()).await;
        asked.expect(200);
    }
}

#[tokio::test]
async fn what_is_said_of_a_file_is_checked_before_its_first_byte() {
    let studio = Studio::with(|settings, limits| {
        settings.orders.required_metadata = vec!["artist".to_owned()];
        settings.uploads.max_file = 1000;
        limits.max_file = 1000;
    });
    let studio = studio.await;
    let bearer = format!("Authorization: Bearer {}", studio.token);
    let cases: [(u16, &str, &[&str], &str); 14] = [
        (
            400,
            "filename=a.wav",
            &[],
            "the query of the address, for instance",
        ),
        (400, "filename=a.wav&order=17", &[], "2026-0117"),
        (
            404,
            "filename=a.wav&order=2026-9999",
            &[],
            "no order 2026-9999",
        ),
        (400, "OURS", &[], "no name"),
        (
            400,
            "order=2026-0117&filename=a.wav",
            &[],
            "send its \"kind\" in the query of the address",
        ),
        (400, "OURS&filename=..%2Fa.wav", &[], "leads out"),
        (400, "OURS&filename=a.wav", &[], "\"artist\""),
        (400, "order=2026-0117&filename=a&kind=beer", &[], "no kind"),
        (400, "OURS&filename=%FF", &[], "not UTF-8"),
        (400, "OURS&filename=a&filename=b", &[], "two different"),
        (
            400,
            "OURS",
            &["Content-Disposition: inline; filename"],
            "cannot be read",
        ),
        (
            400,
            "OURS&filename=a",
            &["Content-Disposition: inline; filename=b"],
            "two different",
        ),
        (
            415,
            "OURS&filename=a",
            &["Content-Encoding: gzip"],
            "Content-Encoding",
        ),
        (
            413,
            "OURS&filename=a&artist=b",
            &["Upload-Length: 1001"],
            "up to 1000",
        ),
    ];
    for (status, query, more, says) in cases {
        let headers = [&[&*bearer, MORE], more].concat();
        let path = format!("/files/?{query}").replace("OURS", "order=2026-0117&kind=stems");
        let no = say(&studio, 8, ("POST", &path), &headers, whole(b"abc")).await;
        let no = no.expect(status);
        let said = problem(&no, "");
        assert!(said.contains(says), "{query}: {said}");
        let limit = if status == 413 { "max-size=1000" } else { "" };
        assert_eq!(no.header("upload-limit"), limit);
    }
    assert!(studio.uploads().await.is_empty());
    // A file of unknown length grows as far as the studio takes files.
    let path = "/files/?order=2026-0117&kind=material&filename=a&artist=b";
    let no = say(
        &studio,
        8,
        ("POST", path),
        &[&bearer, ALL],
        whole(&[7; 1001]),
    )
    .await;
    let no = no.expect(413);
    problem(&no, "");
    assert_eq!(no.offset(), 1000);
    let unread = [&*bearer, MORE, "Content-Length: 1001"];
    let no = say(&studio, 8, ("POST", path), &unread, whole(&[7; 1001])).await;
    assert_eq!(no.expect(413).offset(), 0);
    // No token, an unknown one: not a word about what else is wrong.
    let no = say(
        &studio,
        9,
        ("POST", "/files/?filename=a"),
        &[ALL],
        Body::empty(),
    )
    .await;
    assert_eq!(no.expect(401).header("www-authenticate"), "Bearer");
    let no = say(
        &studio,
        9,
        ("POST", "/u/unknown?filename=a"),
        &[ALL],
        Body::empty(),
    )
    .await;
    no.expect(404);
}

#[tokio::test]
async fn names_come_by_every_way() {
    let studio = Studio::new().await;
    let metadata = format!(
        "Upload-Metadata: filename {},relativePath {}",
        STANDARD.encode("größer.wav"),
        STANDARD.encode("Drums/größer.wav")
    );
    let disposition = "Content-Disposition: inline; filename=\"gr__er.wav\"; filename*=UTF-8''gr%C3%B6%C3%9Fer.wav";
    for (query, more, expected) in [
        (
            "?filename=gr%C3%B6%C3%9Fer+1.wav&order=2026-0117",
            "X-None: 1",
            "größer 1.wav",
        ),
        (
            "?order=2026-0117&kind=material&odd[]=1&&x",
            disposition,
            "größer.wav",
        ),
        ("?relativePath=Drums%2Fa.wav", disposition, "Drums/a.wav"),
        ("", &metadata, "Drums/größer.wav"),
    ] {
        let path = format!("/u/{}{query}", studio.link);
        let made = say(&studio, 8, ("POST", &path), &[ALL, more], Body::from("a")).await;
        assert_eq!(made.expect(200).json()["path"], expected);
    }
    let other = format!("/u/{}?filename=a&order=2026-0118", studio.link);
    let no = say(&studio, 8, ("POST", &other), &[ALL], Body::from("a")).await;
    assert!(problem(&no.expect(400), "").contains("for order 2026-0117, not 2026-0118"));
}

#[tokio::test]
async fn a_closed_order_takes_nothing() {
    let studio = Studio::new().await;
    let at = begin(&studio, "a.wav", 3, "ab").await;
    let policy = stemvault_storage::order::Policy {
        working_days: 90,
        archive_months: 24,
        time_zone: chrono_tz::UTC,
    };
    let now = studio.app.clock.now();
    let vault = &studio.app.vault;
    let closed = vault
        .core
        .change(studio.order.id, |order| order.complete(now, policy))
        .await;
    closed.unwrap();
    let no = post(&studio, "b.wav", &[ALL], Body::from("b"))
        .await
        .expect(403);
    assert!(problem(&no, "").contains("completed"));
    let no = patch(&studio, &at, 2, &[ALL], Body::from("c")).await;
    assert!(problem(&no.expect(403), "").contains("completed"));
    let no = say(&studio, 8, ("DELETE", &at), &[], Body::empty()).await;
    no.expect(403);
}
