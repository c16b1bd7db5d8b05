//! What the tests of tusd, the reference server, hold a tus server to, as far as other files here
//! do not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stemvault_scheduler::{Jobs, RunRequest};

use crate::studio::{OCTETS, Studio, b3, noise, stalled, until, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";

#[tokio::test]
async fn what_never_was_is_not_found() {
    let studio = Studio::new().await;
    let nobody = "0123456789abcdef0123456789abcdef";
    for id in [nobody, "x", "..%2f..", "0123456789ABCDEF"] {
        let at = format!("/u/{}/{id}", studio.link);
        for method in ["HEAD", "PATCH", "DELETE"] {
            let headers = [TUS, OCTETS, "Upload-Offset: 0"];
            let no = studio.ask(method, &at, &headers, Body::from("a")).await;
            let no = no.expect(404);
            assert_eq!(no.header("tus-resumable"), "1.0.0", "{method} {id}");
            if method != "HEAD" {
                assert!(no.text().contains("begin it again"), "{}", no.text());
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_no_part_of_a_creation() {
    let studio = Studio::new().await;
    for kind in ["application/json", "text/plain"] {
        let kind = format!("Content-Type: {kind}");
        let made = studio.post("a.bin", 5, &[&kind], Body::from("hello")).await;
        let made = made.expect(201);
        assert_eq!(made.offset(), 0);
        let at = made.header("location").to_owned();
        assert_eq!(studio.head(&at).await.offset(), 0);
    }
}

#[tokio::test]
async fn a_creation_brings_bytes_of_any_number() {
    let studio = Studio::new().await;
    let bytes = noise(80, (9 << 20) + 3);
    for (length, said) in [
        (0, true),
        (1, true),
        (1, false),
        (bytes.len(), true),
        (bytes.len(), false),
    ] {
        let all = bytes.len() as u64;
        let sent = format!("Content-Length: {length}");
        let mut headers = vec![OCTETS];
        headers.extend(said.then_some(sent.as_str()));
        let made = studio
            .post("a.bin", all, &headers, whole(&bytes[..length]))
            .await;
        let made = made.expect(201);
        assert_eq!(made.offset(), length as u64, "{said}");
        let at = made.header("location").to_owned();
        if length < bytes.len() {
            studio
                .patch(&at, length as u64, None, whole(&bytes[length..]))
                .await
                .expect(204);
        }
        let there = studio.head(&at).await.expect(200);
        assert_eq!(there.header("stemvault-hash"), b3(&bytes));
    }
}

#[tokio::test]
async fn a_creation_that_brings_too_much_is_cut_or_refused() {
    let studio = Studio::new().await;
    // Said to be too long: refused unread, and nothing is there.
    let headers = [OCTETS, "Content-Length: 5"];
    studio
        .post("a.bin", 3, &headers, Body::from("hello"))
        .await
        .expect(413);
    assert!(studio.uploads().await.is_empty());
    // It turns out to be: the file is as it was said to be.
    let no = studio
        .post("a.bin", 3, &[OCTETS], whole(b"hello"))
        .await
        .expect(413);
    assert_eq!(no.offset(), 3);
    assert_ne!(no.header("location"), "");
}

#[tokio::test]
async fn a_whole_file_can_be_removed() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 3).await;
    studio
        .patch(&at, 0, None, Body::from("abc"))
        .await
        .expect(204);
    let deleted = studio.ask("DELETE", &at, &[TUS], Body::empty()).await;
    assert_eq!(deleted.expect(204).header("tus-resumable"), "1.0.0");
    studio.head(&at).await.expect(404);
    assert!(studio.objects().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_flows_does_not_expire_and_what_is_whole_never() {
    let studio = Arc::new(Studio::new().await);
    let done = studio.create("done.bin", 3).await;
    studio
        .patch(&done, 0, None, Body::from("abc"))
        .await
        .expect(204);
    let left = studio.create("left.bin", 3).await;
    let at = studio.create("slow.bin", 9 << 20).await;
    // One long PATCH, which has not filled a block in all the time.
    let (body, taken) = stalled(&noise(81, 5000));
    let sending = {
        let (studio, at) = (Arc::clone(&studio), at.clone());
        tokio::spawn(async move { studio.patch(&at, 0, None, body).await })
    };
    until(|| taken.load(Ordering::Relaxed) == 5000).await;
    studio.hands.advance(Duration::from_secs(15 * 24 * 3600));
    let jobs = Jobs::new(Arc::clone(&studio.app.vault), &studio.app.settings);
    let request = RunRequest {
        accept_clock: true,
        ..RunRequest::default()
    };
    jobs.run(request).await.unwrap();
    studio.head(&left).await.expect(404);
    let there = studio.head(&at).await.expect(200);
    assert_eq!(there.offset(), 5000);
    sending.await.unwrap().expect(409);
    let there = studio.head(&done).await.expect(200);
    assert_eq!(there.header("stemvault-hash"), b3(b"abc"));
    assert_eq!(there.header("upload-expires"), "");
}

#[tokio::test]
async fn a_final_takes_no_bytes_in_its_creation_either() {
    let studio = Studio::new().await;
    let path = format!("/u/{}", studio.link);
    let part = [TUS, "Upload-Concat: partial", "Upload-Length: 3", OCTETS];
    let made = studio.ask("POST", &path, &part, Body::from("abc")).await;
    let made = made.expect(201);
    assert_eq!(made.offset(), 3);
    let concat = format!("Upload-Concat: final;{}", made.header("location"));
    let name = format!("Upload-Metadata: filename {}", STANDARD.encode("a.bin"));
    let final_ = [TUS, &concat, &name];
    let no = studio
        .ask(
            "POST",
            &path,
            &[&final_[..], &[OCTETS]].concat(),
            Body::from("d"),
        )
        .await;
    assert!(no.expect(403).text().contains("neither"));
    let made = studio.ask("POST", &path, &final_, Body::empty()).await;
    let at = made.expect(201).header("location").to_owned();
    let there = studio.head(&at).await.expect(200);
    assert_eq!(there.header("upload-concat"), &concat[15..]);
    assert_eq!(there.header("stemvault-hash"), b3(b"abc"));
}
