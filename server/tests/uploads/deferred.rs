//! A file of which nobody knows at first how long it is.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stemvault_storage::Error;
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::NewUpload;
use stemvault_storage::path::SessionPath;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::Kind;
use stemvault_storage::upload::{Role, UploadState};

use crate::studio::{OCTETS, Studio, b3, broken, noise, whole};

async fn begun(studio: &Studio, name: &str) -> UploadId {
    let new = NewUpload {
        id: UploadId::random(),
        link: None,
        kind: Kind::Material,
        path: SessionPath::parse(name).unwrap(),
        metadata: std::collections::BTreeMap::new(),
        length: None,
        role: Role::File,
        sum: None,
        at_once: false,
    };
    let vault = &studio.app.vault;
    let created = vault.uploads.create(studio.order.id, new).await;
    created.unwrap().id
}

fn kind(refused: Result<impl std::fmt::Debug, Error>) -> RefusalKind {
    match refused.unwrap_err() {
        Error::Refused(refusal) => refusal.kind,
        other => panic!("{other}"),
    }
}

/// Nothing, a piece of a block, exactly a block, and more.
const LENGTHS: [usize; 5] = [0, 9, 100_000, 4 << 20, (4 << 20) + 17];

#[tokio::test]
async fn a_file_is_finished_when_its_end_is_declared() {
    let studio = Studio::new().await;
    let (vault, order) = (&studio.app.vault, studio.order.id);
    for length in LENGTHS {
        let bytes = noise(50, length);
        for (at, again) in [(0, false), (1, true), (2, false)] {
            let id = begun(&studio, &format!("{length}-{at}.bin")).await;
            let mut writer = vault.appends.begin_append(order, id, 0).await.unwrap();
            writer.push(&bytes).await.unwrap();
            if again {
                writer.flush().await.unwrap();
                drop(writer);
                vault
                    .appends
                    .declare_length(order, id, length as u64)
                    .await
                    .unwrap();
            } else {
                writer.declare_length(length as u64).await.unwrap();
                assert_eq!(writer.flush().await.unwrap(), length as u64);
            }
            let upload = vault.rows.upload(order, id).await.unwrap();
            let UploadState::Finished { hash, .. } = upload.state else {
                panic!("{upload:?}");
            };
            assert_eq!(hash.to_string(), b3(&bytes), "{length}");
            assert_eq!((upload.fragments.len(), upload.expires_at), (0, None));
        }
    }
    let receipt = studio.submit().await;
    assert_eq!(receipt["files"].as_array().unwrap().len(), 15, "{receipt}");
}

#[tokio::test]
async fn a_declared_length_stays_when_its_request_dies() {
    let studio = Studio::new().await;
    let (vault, order) = (&studio.app.vault, studio.order.id);
    let id = begun(&studio, "a.bin").await;
    let mut writer = vault.appends.begin_append(order, id, 0).await.unwrap();
    writer.push(b"abc").await.unwrap();
    writer.declare_length(7).await.unwrap();
    writer.push(b"de").await.unwrap();
    drop(writer);
    let upload = vault.rows.upload(order, id).await.unwrap();
    assert_eq!((upload.length, upload.offset), (Some(7), 0));
    let mut writer = vault.appends.begin_append(order, id, 0).await.unwrap();
    writer.declare_length(7).await.unwrap();
    assert_eq!(
        kind(writer.declare_length(8).await),
        RefusalKind::BadRequest
    );
    writer.push(b"abcdefg").await.unwrap();
    assert_eq!(kind(writer.push(b"h").await), RefusalKind::TooLarge);
    writer.flush().await.unwrap();
    drop(writer);
    let upload = vault.rows.upload(order, id).await.unwrap();
    assert_eq!(upload.state.hash().unwrap().to_string(), b3(b"abcdefg"));
    vault.appends.declare_length(order, id, 7).await.unwrap();
    let no = vault.appends.declare_length(order, id, 6).await;
    assert_eq!(kind(no), RefusalKind::BadRequest);
}

#[tokio::test]
async fn limits_hold_for_what_has_no_length() {
    let studio = Studio::with(|_, limits| (limits.max_file, limits.max_order) = (50, 80));
    let studio = studio.await;
    let (vault, order) = (&studio.app.vault, studio.order.id);
    let first = begun(&studio, "a.bin").await;
    let mut writer = vault.appends.begin_append(order, first, 0).await.unwrap();
    assert_eq!(kind(writer.declare_length(51).await), RefusalKind::TooLarge);
    // What fits is taken.
    assert_eq!(kind(writer.push(&[7; 51]).await), RefusalKind::TooLarge);
    writer.flush().await.unwrap();
    assert_eq!(
        kind(writer.declare_length(49).await),
        RefusalKind::BadRequest
    );
    writer.declare_length(50).await.unwrap();
    drop(writer);
    let second = begun(&studio, "b.bin").await;
    let mut writer = vault.appends.begin_append(order, second, 0).await.unwrap();
    writer.push(&[7; 20]).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(kind(writer.declare_length(31).await), RefusalKind::TooLarge);
    assert_eq!(kind(writer.push(&[7; 11]).await), RefusalKind::TooLarge);
    writer.flush().await.unwrap();
    assert_eq!(writer.upload().offset, 30);
    writer.declare_length(30).await.unwrap();
    drop(writer);
    // A third has no room left, in spite of what nobody counted yet.
    let third = begun(&studio, "c.bin").await;
    let mut writer = vault.appends.begin_append(order, third, 0).await.unwrap();
    assert_eq!(kind(writer.push(b"x").await), RefusalKind::TooLarge);
}

#[tokio::test]
async fn a_client_says_the_length_when_it_knows_it() {
    let studio = Studio::new().await;
    let bytes = noise(51, 6 << 20);
    let path = format!("/u/{}", studio.link);
    let defer = ["Tus-Resumable: 1.0.0", "Upload-Defer-Length: 1"];
    let begin = async |name: &str, more: &[&str], body: Body| {
        let name = format!("Upload-Metadata: filename {}", STANDARD.encode(name));
        let headers = [&defer[..], &[&name], more].concat();
        let made = studio.ask("POST", &path, &headers, body).await.expect(201);
        (made.header("location").to_owned(), made.offset())
    };
    let patch = async |at: &str, offset: usize, length: Option<usize>, body: Body| {
        let offset = format!("Upload-Offset: {offset}");
        let length = length.map(|length| format!("Upload-Length: {length}"));
        let mut headers = vec!["Tus-Resumable: 1.0.0", OCTETS, &offset];
        headers.extend(length.as_deref());
        studio.ask("PATCH", at, &headers, body).await
    };
    // With the last bytes; after all of them; with the first ones; in an empty body at the start.
    for (name, first, last, in_creation) in [
        ("a", None, Some(0), false),
        ("b", None, None, false),
        ("c", Some(0), None, false),
        ("d", None, Some(0), true),
    ] {
        // Chunked, without a length of any kind.
        let (at, offset) = if in_creation {
            begin(name, &[OCTETS], whole(&bytes[..1 << 20])).await
        } else {
            begin(name, &[], Body::empty()).await
        };
        assert_eq!(offset, if in_creation { 1 << 20 } else { 0 });
        let there = studio.head(&at).await.expect(200);
        assert_eq!(there.header("upload-defer-length"), "1");
        assert_eq!(there.header("upload-length"), "");
        let offset = usize::try_from(offset).unwrap();
        let all = bytes.len();
        let half = all / 2;
        let sent = first.map(|_| all);
        patch(&at, offset, sent, whole(&bytes[offset..half]))
            .await
            .expect(204);
        let there = studio.head(&at).await.expect(200);
        assert_eq!(there.header("upload-length").is_empty(), first.is_none());
        let sent = last.map(|_: usize| all);
        let done = patch(&at, half, sent, whole(&bytes[half..]))
            .await
            .expect(204);
        assert_eq!(done.header("stemvault-hash").is_empty(), name == "b");
        let done = patch(&at, all, Some(all), Body::empty()).await.expect(204);
        assert_eq!(done.header("stemvault-hash"), b3(&bytes), "{name}");
    }
    // Declared, and then the request dies: it stays declared.
    let (at, _) = begin("e", &[], Body::empty()).await;
    patch(&at, 0, Some(9), broken(b"abc")).await.expect(400);
    let there = studio.head(&at).await.expect(200);
    assert_eq!((there.header("upload-length"), there.offset()), ("9", 3));
    let no = patch(&at, 3, Some(10), Body::from("x")).await.expect(400);
    assert!(no.text().contains("9 bytes and now 10"), "{}", no.text());
    let (at, _) = begin("f", &[OCTETS], broken(b"abcdef")).await;
    let no = patch(&at, 6, Some(5), Body::empty()).await.expect(400);
    assert!(no.text().contains("6 have arrived"), "{}", no.text());
    let no = patch(&at, 6, Some(200_000_000_000), Body::empty()).await;
    no.expect(413);
    patch(&at, 6, Some(6), Body::empty()).await.expect(204);
}
