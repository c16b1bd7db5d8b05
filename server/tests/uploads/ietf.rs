//! The IETF draft as clients speak it: creation, appends, questions, removal, and an upload that
//! goes on in another dialect than it was begun in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;

use crate::studio::{Answer, OCTETS, Studio, b3, broken, noise, stalled, until, whole};

pub const VERSIONS: [u8; 4] = [5, 6, 7, 8];
pub const PARTIAL: &str = "Content-Type: application/partial-upload";
pub const ALL: &str = "Upload-Complete: ?1";
pub const MORE: &str = "Upload-Complete: ?0";
const TUS: &str = "Tus-Resumable: 1.0.0";

/// One request of this dialect.
pub async fn say(
    studio: &Studio,
    version: u8,
    what: (&str, &str),
    more: &[&str],
    body: Body,
) -> Answer {
    let version = format!("Upload-Draft-Interop-Version: {version}");
    let headers = [&[version.as_str()], more].concat();
    let answer = studio.ask(what.0, what.1, &headers, body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("tus-resumable"), "");
    answer
}

pub fn place(studio: &Studio, name: &str) -> String {
    format!("/u/{}?filename={name}", studio.link)
}

pub async fn post(studio: &Studio, name: &str, more: &[&str], body: Body) -> Answer {
    say(studio, 8, ("POST", &place(studio, name)), more, body).await
}

pub async fn patch(studio: &Studio, at: &str, offset: u64, more: &[&str], body: Body) -> Answer {
    let offset = format!("Upload-Offset: {offset}");
    let headers = [&[offset.as_str(), PARTIAL], more].concat();
    say(studio, 8, ("PATCH", at), &headers, body).await
}

pub async fn head(studio: &Studio, at: &str) -> Answer {
    say(studio, 8, ("HEAD", at), &[], Body::empty()).await
}

fn length(bytes: usize) -> String {
    format!("Content-Length: {bytes}")
}

#[tokio::test]
async fn a_file_in_one_request() {
    let studio = Studio::new().await;
    let file = noise(60, 100_000);
    for version in VERSIONS {
        for said in [None, Some(length(file.len()))] {
            let name = format!("{version}-{}.wav", said.is_some());
            let headers: Vec<_> = [ALL].into_iter().chain(said.as_deref()).collect();
            let what = ("POST", &*place(&studio, &name));
            let done = say(&studio, version, what, &headers, whole(&file)).await;
            let done = done.expect(200);
            assert_eq!(done.header("upload-complete"), "?1");
            assert_eq!(done.offset(), 100_000);
            assert_eq!(done.header("stemvault-hash"), b3(&file));
            assert_eq!(
                done.header("upload-draft-interop-version"),
                version.to_string()
            );
            assert_eq!(done.json()["path"], name);
            assert_eq!(done.json()["state"], "finished");
            let at = done.header("location");
            assert!(at.starts_with("/u/"), "{at}");
            let there = studio.head(at).await.expect(200);
            assert_eq!(there.header("upload-length"), "100000");
        }
    }
    let empty = post(&studio, "empty.txt", &[ALL], Body::empty()).await;
    assert_eq!(empty.expect(200).header("stemvault-hash"), b3(b""));
}

#[tokio::test]
async fn a_file_in_pieces() {
    let studio = Studio::new().await;
    for (version, kept) in [(5, 201), (6, 201), (7, 204), (8, 204)] {
        let what = ("POST", &*place(&studio, &format!("{version}.wav")));
        let headers = [MORE, "Upload-Length: 6"];
        let made = say(&studio, version, what, &headers, Body::from("ab")).await;
        let made = made.expect(201);
        assert_eq!(
            (made.offset(), made.header("upload-complete")),
            (2, "?0"),
            "{version}"
        );
        let lifetime = if version <= 6 { "expires" } else { "max-age" };
        let limit = format!("max-size=100000000000, {lifetime}=1209");
        let limits = made.header("upload-limit");
        assert!(limits.starts_with(&limit), "{limits}");
        let at = made.header("location").to_owned();
        let asked = say(&studio, version, ("HEAD", &at), &[], Body::empty()).await;
        let asked = asked.expect(200);
        assert_eq!((asked.offset(), asked.header("upload-length")), (2, "6"));
        assert_eq!(asked.header("upload-complete"), "?0");
        let partial = (version > 5).then_some(PARTIAL);
        let headers: Vec<_> = [MORE, "Upload-Offset: 2"]
            .into_iter()
            .chain(partial)
            .collect();
        let what = ("PATCH", &*at);
        let part = say(&studio, version, what, &headers, Body::from("cd")).await;
        let part = part.expect(kept);
        assert_eq!((part.offset(), part.header("upload-complete")), (4, "?0"));
        let headers: Vec<_> = [ALL, "Upload-Offset: 4"]
            .into_iter()
            .chain(partial)
            .collect();
        let done = say(&studio, version, what, &headers, whole(b"ef")).await;
        let done = done.expect(200);
        assert_eq!((done.offset(), done.header("upload-complete")), (6, "?1"));
        assert_eq!(done.header("stemvault-hash"), b3(b"abcdef"));
        assert_eq!(
            done.header("upload-limit"),
            "max-size=100000000000",
            "a whole file stays"
        );
        let asked = say(&studio, version, ("HEAD", &at), &[], Body::empty()).await;
        assert_eq!(asked.expect(200).header("upload-complete"), "?1");
    }
}

#[tokio::test]
async fn a_length_may_come_late_or_with_the_end() {
    let studio = Studio::new().await;
    let begin = async |name: &str| {
        let made = post(&studio, name, &[MORE], Body::from("abc")).await;
        let at = made.expect(201).header("location").to_owned();
        let asked = head(&studio, &at).await.expect(200);
        assert_eq!((asked.offset(), asked.header("upload-length")), (3, ""));
        at
    };
    // The end is content of known length, of unknown length, or nothing at all.
    let cut = length(3);
    for (name, headers, body) in [
        ("a", &[ALL, &cut][..], Body::from("def")),
        ("b", &[ALL], whole(b"def")),
        ("c", &[ALL, "Upload-Length: 6"], whole(b"def")),
    ] {
        let at = begin(name).await;
        let done = patch(&studio, &at, 3, headers, body).await.expect(200);
        assert_eq!(done.header("stemvault-hash"), b3(b"abcdef"), "{name}");
    }
    let at = begin("d").await;
    let done = patch(&studio, &at, 3, &[ALL], Body::empty()).await;
    assert_eq!(done.expect(200).header("stemvault-hash"), b3(b"abc"));
    // Said on the way: durable at once, whatever becomes of the request.
    let at = begin("e").await;
    let headers = [MORE, "Upload-Length: 9"];
    let torn = patch(&studio, &at, 3, &headers, broken(b"d")).await;
    torn.expect(400);
    let asked = head(&studio, &at).await.expect(200);
    assert_eq!((asked.offset(), asked.header("upload-length")), (4, "9"));
}

#[tokio::test]
async fn one_dialect_goes_on_where_the_other_stopped() {
    let studio = Studio::new().await;
    // tus, then the draft, then tus.
    let at = studio.create("a.wav", 6).await;
    studio
        .patch(&at, 0, None, Body::from("ab"))
        .await
        .expect(204);
    let asked = head(&studio, &at).await.expect(200);
    assert_eq!((asked.offset(), asked.header("upload-length")), (2, "6"));
    patch(&studio, &at, 2, &[MORE], Body::from("cd"))
        .await
        .expect(204);
    let done = studio.patch(&at, 4, None, Body::from("ef")).await;
    assert_eq!(done.expect(204).header("stemvault-hash"), b3(b"abcdef"));
    assert_eq!(head(&studio, &at).await.header("upload-complete"), "?1");
    // The draft without a length, then tus, then the draft.
    let path = format!("/u/{}?relativePath=Drums/b.wav&song=One+Two", studio.link);
    let made = say(&studio, 8, ("POST", &path), &[MORE], Body::from("ab")).await;
    let at = made.expect(201).header("location").to_owned();
    let there = studio.head(&at).await.expect(200);
    assert_eq!(there.header("upload-defer-length"), "1");
    // relativePath Drums/b.wav, song "One Two"
    let said = "relativePath RHJ1bXMvYi53YXY=,song T25lIFR3bw==";
    assert_eq!(there.header("upload-metadata"), said);
    let headers = [TUS, OCTETS, "Upload-Offset: 2"];
    let put = studio
        .ask("PATCH", &at, &headers, Body::from("cd"))
        .await
        .expect(204);
    assert_eq!(put.offset(), 4);
    let done = patch(&studio, &at, 4, &[ALL], whole(b"ef")).await;
    assert_eq!(done.expect(200).json()["path"], "Drums/b.wav");
    let removed = say(&studio, 8, ("DELETE", &at), &[], Body::empty()).await;
    removed.expect(204);
    studio.head(&at).await.expect(404);
    head(&studio, &at).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_before_an_interruption_is_kept() {
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_secs(3600);
    });
    let studio = studio.await;
    let file = noise(61, 6 << 20);
    let all = format!("Upload-Length: {}", file.len());
    let made = post(&studio, "a.wav", &[MORE, &all], Body::empty()).await;
    let at = made.expect(201).header("location").to_owned();
    // Broken, several times, and never complete because of that.
    let mut offset = 0;
    for piece in [1, 70_000, 4 << 20] {
        let end = offset + piece;
        let torn = patch(
            &studio,
            &at,
            offset as u64,
            &[ALL],
            broken(&file[offset..end]),
        )
        .await;
        let torn = torn.expect(400);
        assert_eq!(torn.offset(), end as u64);
        assert_eq!(torn.header("upload-complete"), "?0");
        assert_eq!(torn.header("content-type"), "application/problem+json");
        assert_eq!(head(&studio, &at).await.offset(), end as u64);
        offset = end;
    }
    // Silent, and somebody asks; HEAD does not wait.
    let (body, taken) = stalled(&file[offset..offset + 1000]);
    let from = offset as u64;
    let (first, asked) = tokio::join!(patch(&studio, &at, from, &[ALL], body), async {
        until(|| taken.load(Ordering::Relaxed) == 1000).await;
        head(&studio, &at).await
    });
    assert_eq!(asked.expect(200).offset(), from + 1000);
    let first = first.expect(409);
    assert!(
        first.json()["detail"]
            .as_str()
            .unwrap()
            .contains("another request")
    );
    let rest = whole(&file[offset + 1000..]);
    let done = patch(&studio, &at, from + 1000, &[ALL], rest).await;
    assert_eq!(done.expect(200).header("stemvault-hash"), b3(&file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_interrupted_is_there() {
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_millis(100);
    });
    let studio = studio.await;
    // Who said that this was all must not take the answer for success.
    for (name, complete, status) in [("a.wav", ALL, 408), ("b.wav", MORE, 201)] {
        let (body, _) = stalled(b"abc");
        let early = post(&studio, name, &[complete], body).await;
        let early = early.expect(status);
        assert_eq!((early.offset(), early.header("upload-complete")), (3, "?0"));
        let at = early.header("location");
        assert_eq!(head(&studio, at).await.expect(200).offset(), 3);
    }
    // Told before the silence could end it.
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_secs(3600);
    });
    let studio = studio.await;
    let (body, taken) = stalled(b"abc");
    let (ended, ()) = tokio::join!(post(&studio, "c.wav", &[ALL], body), async {
        until(|| taken.load(Ordering::Relaxed) == 3).await;
        studio.ending.send_replace(true);
    });
    let ended = ended.expect(503);
    assert_eq!((ended.offset(), ended.header("retry-after")), (3, "1"));
    assert_ne!(ended.header("location"), "");
}

#[tokio::test]
async fn what_a_place_can_do_is_told_to_everyone() {
    let studio = Studio::new().await;
    let at = studio.create("a.wav", 3).await;
    let version = "Upload-Draft-Interop-Version: 8";
    for path in ["/files/", &at, &place(&studio, "a")] {
        for headers in [&[][..], &[version]] {
            let can = studio.ask("OPTIONS", path, headers, Body::empty()).await;
            let can = can.expect(204);
            assert_eq!(can.header("upload-limit"), "max-size=100000000000");
            assert!(
                can.header("accept-patch")
                    .contains("application/partial-upload")
            );
            assert_eq!(can.header("tus-version"), "1.0.0");
        }
    }
}

#[tokio::test]
async fn lifetimes_are_true() {
    let studio = Studio::new().await;
    let made = post(&studio, "a.wav", &[MORE, "Upload-Length: 3"], Body::empty()).await;
    let at = made.expect(201).header("location").to_owned();
    let left = async || {
        let asked = head(&studio, &at).await.expect(200);
        let (_, left) = asked.header("upload-limit").split_once("max-age=").unwrap();
        left.parse::<u64>().unwrap()
    };
    let day = 24 * 3600;
    studio.hands.advance(Duration::from_secs(10 * day));
    let now = left().await;
    assert!((4 * day - 60..=4 * day).contains(&now), "{now}");
    // It slides while bytes flow.
    patch(&studio, &at, 0, &[MORE], Body::from("a"))
        .await
        .expect(204);
    assert!(left().await > 13 * day);
    studio.hands.advance(Duration::from_secs(15 * day));
    let gone = head(&studio, &at).await.expect(410);
    assert_eq!(gone.header("content-type"), "application/problem+json");
    let gone = patch(&studio, &at, 1, &[ALL], Body::from("bc")).await;
    let gone = gone.expect(410).json();
    assert!(gone["detail"].as_str().unwrap().contains("begin it again"));
}

#[tokio::test]
async fn a_file_made_of_parts_takes_no_bytes() {
    let studio = Studio::new().await;
    let link = format!("/u/{}", studio.link);
    let headers = [TUS, "Upload-Length: 3", "Upload-Concat: partial"];
    let part = studio.ask("POST", &link, &headers, Body::empty()).await;
    let part = part.expect(201).header("location").to_owned();
    let concat = format!("Upload-Concat: final;{part}");
    // a.wav
    let name = "Upload-Metadata: filename YS53YXY=";
    let made = studio
        .ask("POST", &link, &[TUS, &concat, name], Body::empty())
        .await;
    let at = made.expect(201).header("location").to_owned();
    let no = patch(&studio, &at, 0, &[ALL], Body::from("abc")).await;
    let said = no.expect(403).json();
    assert!(said["detail"].as_str().unwrap().contains("made of parts"));
    // Its part is continued like any other upload.
    let done = patch(&studio, &part, 0, &[ALL], Body::from("abc")).await;
    assert_eq!(done.expect(200).offset(), 3);
}
