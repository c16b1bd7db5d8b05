//! Digest fields in the IETF draft: of one request's content, and of the whole file.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ietf::{ALL, MORE, head, patch, post};
use crate::studio::{Answer, OCTETS, Studio, b3, broken, noise, whole};

/// A field with the sums of some bytes, in one algorithm or the other.
fn field(name: &str, bytes: &[u8]) -> [String; 2] {
    [("sha-256", &SHA256), ("sha-512", &SHA512)].map(|(key, algorithm)| {
        let sum = STANDARD.encode(digest(algorithm, bytes));
        format!("{name}: {key}=:{sum}:")
    })
}

/// The digest that a problem is about: its algorithm and the field it came in.
fn problem(answer: Answer, kind: &str, list: &str, status: u16) -> (String, String) {
    let problem = answer.expect(status).json();
    let registry = "https://iana.org/assignments/http-problem-types#";
    assert_eq!(problem["type"], format!("{registry}{kind}"), "{problem}");
    let entry = &problem[list][0];
    let text = |name: &str| entry[name].as_str().unwrap().to_owned();
    (text("algorithm"), text("header"))
}

fn mismatch(answer: Answer) -> (String, String) {
    problem(
        answer,
        "digest-mismatching-values",
        "mismatching-digests",
        400,
    )
}

#[tokio::test]
async fn the_content_counts_if_it_has_its_digest() {
    let studio = Studio::new().await;
    let bytes = noise(80, (9 << 20) + 5);
    let cuts = [0, 100, (5 << 20) + 1, bytes.len()];
    for (way, key) in ["sha-256", "sha-512"].into_iter().enumerate() {
        let made = post(&studio, key, &[MORE], Body::empty()).await.expect(201);
        let at = made.header("location").to_owned();
        for cut in cuts.windows(2) {
            let piece = &bytes[cut[0]..cut[1]];
            let said = &field("Content-Digest", piece)[way];
            let ends = if cut[1] == bytes.len() { ALL } else { MORE };
            let offset = cut[0] as u64;
            let mut wrong = piece.to_vec();
            *wrong.last_mut().unwrap() ^= 1;
            let no = patch(&studio, &at, offset, &[ends, said], whole(&wrong)).await;
            assert_eq!(no.offset(), offset);
            assert_eq!(mismatch(no), (key.to_owned(), "Content-Digest".to_owned()));
            let no = patch(&studio, &at, offset, &[ends, said], broken(&piece[1..])).await;
            assert_eq!(no.expect(400).offset(), offset);
            let there = head(&studio, &at).await.expect(200);
            assert_eq!(
                (there.offset(), there.header("upload-complete")),
                (offset, "?0")
            );
            let yes = patch(&studio, &at, offset, &[ends, said], whole(piece)).await;
            assert_eq!(yes.offset(), cut[1] as u64);
        }
        let there = head(&studio, &at).await;
        assert_eq!(there.header("stemvault-hash"), b3(&bytes));
    }
    // With a creation, of a file that ends with it or not.
    let right = &field("Content-Digest", &bytes[..9])[0];
    for ends in [ALL, MORE] {
        let no = post(&studio, "a", &[ends, right], whole(&bytes[1..9])).await;
        assert_eq!(no.offset(), 0);
        let at = no.header("location").to_owned();
        mismatch(no);
        patch(&studio, &at, 0, &[ALL, right], whole(&bytes[..9]))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_unread() {
    let studio = Studio::new().await;
    let made = post(&studio, "a", &[MORE], Body::empty()).await.expect(201);
    let at = made.header("location").to_owned();
    for name in ["Content-Digest", "Repr-Digest"] {
        let field = |value: &str| format!("{name}: {value}");
        let no =
            async |value: &str| post(&studio, "b", &[ALL, &field(value)], Body::from("abc")).await;
        let unknown = no("md5=:AAAA:, unixsum=:AAAA:").await;
        let want = format!("want-{}", name.to_lowercase());
        assert_eq!(unknown.header(&want), "sha-256=10, sha-512=5");
        let kind = "digest-unsupported-algorithms";
        let said = problem(unknown, kind, "unsupported-algorithms", 400);
        assert_eq!(said, ("md5".to_owned(), name.to_owned()));
        let short = no("sha-256=:AAAA:").await;
        let said = problem(short, "digest-invalid-values", "invalid-digests", 400);
        assert_eq!(said, ("sha-256".to_owned(), name.to_owned()));
        for value in ["sha-256", "sha-256=1", "sha-256=:*:", "=", ""] {
            let detail = no(value).await.expect(400).json()["detail"].clone();
            assert!(
                detail.as_str().unwrap().contains("send it like"),
                "{detail}"
            );
        }
    }
    // Too long to be compared: said, and not said.
    let said = &field("Content-Digest", b"")[0];
    let headers = [ALL, said, "Content-Length: 67108865"];
    let no = patch(&studio, &at, 0, &headers, Body::from("abc")).await;
    let detail = no.expect(413).json()["detail"].clone();
    assert!(
        detail.as_str().unwrap().contains("67108864 bytes"),
        "{detail}"
    );
    let long = noise(81, (64 << 20) + 1);
    let no = patch(&studio, &at, 0, &[ALL, said], whole(&long)).await;
    assert_eq!(no.expect(413).offset(), 0);
    let _vault = &studio.app.vault;
    assert_eq!(studio.uploads().await.len(), 1);
}

#[tokio::test]
async fn a_whole_file_has_the_digest_that_was_said_at_its_creation() {
    let studio = Studio::new().await;
    let bytes = noise(82, (9 << 20) + 5);
    for (way, key) in ["sha-256", "sha-512"].into_iter().enumerate() {
        let said = &field("Repr-Digest", &bytes)[way];
        let value = said.strip_prefix("Repr-Digest: ").unwrap();
        // At once, and in pieces that break anywhere.
        let once = post(&studio, &format!("once-{way}"), &[ALL, said], whole(&bytes)).await;
        assert_eq!(once.expect(200).header("repr-digest"), value);
        let name = format!("pieces-{way}");
        let made = post(&studio, &name, &[MORE, said], whole(&bytes[..70])).await;
        let at = made.expect(201).header("location").to_owned();
        let cuts = [70, 71, 100_000, (4 << 20) + 9, 8 << 20];
        for cut in cuts.windows(2) {
            let piece = broken(&bytes[cut[0]..cut[1]]);
            let torn = patch(&studio, &at, cut[0] as u64, &[MORE], piece).await;
            assert_eq!(torn.expect(400).offset(), cut[1] as u64);
        }
        let rest = whole(&bytes[8 << 20..]);
        let done = patch(&studio, &at, 8 << 20, &[ALL], rest).await.expect(200);
        assert_eq!(done.header("repr-digest"), value);
        assert_eq!(head(&studio, &at).await.header("repr-digest"), value);
        // Nothing in which one byte is another.
        let mut wrong = bytes.clone();
        wrong[4 << 20] ^= 1;
        let no = post(&studio, "wrong", &[ALL, said], whole(&wrong)).await;
        assert_eq!(mismatch(no), (key.to_owned(), "Repr-Digest".to_owned()));
        // The length is known from the start, comes with the end, or is nothing but the end.
        let length = format!("Upload-Length: {}", bytes.len());
        for (more, first, last) in [
            (&[MORE, said, &length][..], 8 << 20, bytes.len()),
            (&[MORE, said], 8 << 20, bytes.len()),
            (&[MORE, said], bytes.len(), bytes.len()),
        ] {
            let made = post(&studio, "wrong", more, whole(&wrong[..first])).await;
            let at = made.expect(201).header("location").to_owned();
            let rest = whole(&wrong[first..last]);
            let no = patch(&studio, &at, first as u64, &[ALL], rest).await;
            assert_eq!(mismatch(no).1, "Repr-Digest");
            head(&studio, &at).await.expect(404);
        }
    }
    let _vault = &studio.app.vault;
    assert_eq!(studio.uploads().await.len(), 4);
    assert_eq!(
        studio.objects().len(),
        4 * 3,
        "nothing is left of the others"
    );
}

#[tokio::test]
async fn it_is_compared_whoever_sends_the_end() {
    let studio = Studio::new().await;
    let said = &field("Repr-Digest", b"abcdef")[0];
    for (end, status) in [("def", 204), ("deg", 410)] {
        let made = post(&studio, "a", &[MORE, said], Body::from("abc")).await;
        let at = made.expect(201).header("location").to_owned();
        let headers = [
            "Tus-Resumable: 1.0.0",
            OCTETS,
            "Upload-Offset: 3",
            "Upload-Length: 6",
        ];
        let done = studio.ask("PATCH", &at, &headers, Body::from(end)).await;
        let done = done.expect(status);
        let gone = studio.head(&at).await.status == 404;
        assert_eq!(gone, status == 410);
        assert!(
            !gone || done.text().contains("begin it again"),
            "{}",
            done.text()
        );
    }
    let empty = post(&studio, "empty", &[ALL, said], Body::empty()).await;
    mismatch(empty);
    let said = &field("Repr-Digest", b"")[1];
    let empty = post(&studio, "empty", &[ALL, said], Body::empty()).await;
    assert_eq!(empty.expect(200).header("stemvault-hash"), b3(b""));
}

#[tokio::test]
async fn who_wants_a_digest_is_told_it() {
    let studio = Studio::new().await;
    let wants = "Want-Repr-Digest: sha-256=3, sha-512=10, crc32c=1";
    let made = post(&studio, "a", &[MORE, wants], Body::from("abc")).await;
    let made = made.expect(201);
    assert_eq!(made.header("repr-digest"), "", "not before the end");
    let done = patch(
        &studio,
        made.header("location"),
        3,
        &[ALL],
        Body::from("def"),
    )
    .await;
    let said = &field("repr-digest", b"abcdef")[1];
    let digest = done.expect(200).header("repr-digest").to_owned();
    assert_eq!(format!("repr-digest: {digest}"), *said);
    let done = post(&studio, "b", &[ALL], Body::from("abc"))
        .await
        .expect(200);
    assert_eq!(done.header("repr-digest"), "");
}
