//! Several small files in one request: each is answered as it would be alone.

use axum::body::{Body, Bytes};
use futures::stream;

use crate::studio::{Studio, b3, whole};

const FILES: &str = "Content-Type: application/vnd.stemvault.files";

fn framed(json: &str, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    for part in [json.as_bytes(), bytes] {
        frame.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        frame.extend(part);
    }
    frame
}

fn file(path: &str, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let json = serde_json::json!({"path": path, "length": length.to_string(),
        "modified": "2026-11-30T12:00:00.123Z"});
    framed(&json.to_string(), bytes)
}

/// Path, offset and hash of what is there.
async fn there(studio: &Studio) -> Vec<(String, u64, String)> {
    let uploads = studio.uploads().await;
    let mut there: Vec<_> = uploads
        .iter()
        .map(|upload| {
            let hash = upload.state.hash().map(|hash| hash.to_string());
            let path = upload.path.as_str().to_owned();
            (path, upload.offset, hash.unwrap_or_default())
        })
        .collect();
    there.sort();
    there
}

#[tokio::test]
async fn each_file_of_a_row_is_a_whole_upload() {
    let studio = Studio::new().await;
    let at = format!("/u/{}/files", studio.link);
    let names: Vec<_> = (0..40).map(|n| format!("Takes/{n:02} Größe.bin")).collect();
    let bytes = |n: usize| vec![u8::try_from(n).unwrap(); 1000 * n];
    let body: Vec<u8> = (0..40).flat_map(|n| file(&names[n], &bytes(n))).collect();
    // In pieces that have nothing to do with the files.
    let pieces = body
        .chunks(777)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
    let pieces = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
    let answer = studio.ask("POST", &at, &[FILES], pieces).await.expect(200);
    let said = answer.json();
    let wanted: Vec<_> = (0..40)
        .map(|n| (names[n].clone(), bytes(n).len() as u64, b3(&bytes(n))))
        .collect();
    for (n, one) in said["files"].as_array().unwrap().iter().enumerate() {
        assert_eq!(one["path"], *names[n]);
        assert_eq!(one["status"], 201);
        assert_eq!(one["offset"], bytes(n).len().to_string());
        assert_eq!(one["hash"], b3(&bytes(n)));
        let address = format!("/u/{}/{}", studio.link, one["upload"].as_str().unwrap());
        let stands = studio.head(&address).await.expect(200);
        assert_eq!(stands.offset(), bytes(n).len() as u64);
    }
    assert_eq!(there(&studio).await, wanted);
    let uploads = studio.uploads().await;
    let modified = uploads[0].metadata.get("modified");
    assert_eq!(
        modified.map(String::as_str),
        Some("2026-11-30T12:00:00.123Z")
    );
}

#[tokio::test]
async fn what_is_refused_of_one_file_is_said_of_that_one() {
    let studio = Studio::with(|_, limits| limits.max_file = 2000).await;
    let at = format!("/u/{}/files", studio.link);
    let body = [
        file("a.bin", b"a"),
        file("../b.bin", b"b"),
        file("c.bin", &[0; 2001]),
        file("d.bin", b"d"),
    ];
    let answer = studio
        .ask("POST", &at, &[FILES], whole(&body.concat()))
        .await;
    let said = answer.expect(200).json();
    let of = |n: usize| said["files"][n].clone();
    assert_eq!(
        (&of(0)["status"], &of(3)["status"]),
        (&201.into(), &201.into())
    );
    assert_eq!(of(1)["status"], 400);
    assert!(
        of(1)["message"].as_str().unwrap().contains(".."),
        "{}",
        of(1)
    );
    assert_eq!(of(2)["status"], 413);
    assert!(
        of(2)["message"].as_str().unwrap().contains("2000"),
        "{}",
        of(2)
    );
    let paths: Vec<_> = there(&studio).await.into_iter().map(|it| it.0).collect();
    assert_eq!(paths, ["a.bin", "d.bin"]);
}

#[tokio::test]
async fn a_row_that_breaks_off_keeps_what_was_whole() {
    let studio = Studio::new().await;
    let at = format!("/u/{}/files", studio.link);
    let good = file("a.bin", b"all of it");
    let more = file("b.bin", b"half of it");
    let cut = [&good[..], &more[..more.len() - 5]].concat();
    let answer = studio
        .ask("POST", &at, &[FILES], whole(&cut))
        .await
        .expect(400);
    assert!(
        answer.text().contains("breaks off within file 2"),
        "{}",
        answer.text()
    );
    let pieces = [
        Ok(Bytes::from(file("c.bin", b"c"))),
        Err(std::io::Error::other("gone")),
    ];
    let broken = Body::from_stream(stream::iter(pieces));
    studio.ask("POST", &at, &[FILES], broken).await.expect(400);
    let paths: Vec<_> = there(&studio).await.into_iter().map(|it| it.0).collect();
    assert_eq!(paths, ["a.bin", "c.bin"]);
}

#[tokio::test]
async fn a_row_that_is_none_is_refused_in_a_sentence() {
    let studio = Studio::new().await;
    let at = format!("/u/{}/files", studio.link);
    let part = framed(r#"{"path": "a.bin", "length": "9"}"#, b"abc");
    let large = file("a.bin", &vec![0; (256 << 10) + 1]);
    let many = file("a.bin", b"").repeat(257);
    for (body, kind, status, word) in [
        (part, FILES, 400, "small files come whole"),
        (large, FILES, 400, "at most 262144"),
        (many, FILES, 413, "several requests"),
        (
            file("a.bin", b"a"),
            "Content-Type: text/plain",
            400,
            "vnd.stemvault.files",
        ),
    ] {
        let answer = studio.ask("POST", &at, &[kind], whole(&body)).await;
        let answer = answer.expect(status);
        assert!(answer.text().contains(word), "{}", answer.text());
    }
    studio
        .ask("POST", "/u/nothing/files", &[FILES], whole(b"no row"))
        .await
        .expect(404);
    // Nothing to send is nothing wrong.
    let answer = studio
        .ask("POST", &at, &[FILES], whole(b""))
        .await
        .expect(200);
    assert_eq!(answer.json(), serde_json::json!({"files": []}));
}
