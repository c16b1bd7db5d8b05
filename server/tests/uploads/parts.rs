//! Files made of parts (tus 1.0, concatenation).

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::studio::{Answer, Studio, b3, broken, noise, until, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";

/// A part at the link, without a word of its file, as clients make them.
async fn part(studio: &Studio, bytes: &[u8]) -> String {
    let at = begin_part(studio, bytes.len()).await;
    studio.patch(&at, 0, None, whole(bytes)).await.expect(204);
    at
}

async fn begin_part(studio: &Studio, length: usize) -> String {
    let length = format!("Upload-Length: {length}");
    let headers = [TUS, "Upload-Concat: partial", &length];
    let path = format!("/u/{}", studio.link);
    let made = studio.ask("POST", &path, &headers, Body::empty()).await;
    made.expect(201).header("location").to_owned()
}

async fn join(studio: &Studio, name: &str, parts: &[&str]) -> Answer {
    let concat = format!("Upload-Concat: final;{}", parts.join(" "));
    let metadata = format!("Upload-Metadata: filename {}", STANDARD.encode(name));
    let path = format!("/u/{}", studio.link);
    studio
        .ask("POST", &path, &[TUS, &concat, &metadata], Body::empty())
        .await
}

/// HEAD until the file is whole.
async fn whole_at(studio: &Studio, at: &str) -> Answer {
    let waiting = async {
        loop {
            let there = studio.head(at).await.expect(200);
            if !there.header("stemvault-hash").is_empty() {
                return there;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap()
}

fn wav(samples: usize, seed: u64) -> Vec<u8> {
    let data = noise(seed, samples * 6);
    let mut file = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    file.extend(16_u32.to_le_bytes());
    file.extend([1, 0, 2, 0, 0x80, 0xBB, 0, 0, 0, 0x65, 4, 0, 6, 0, 24, 0]);
    file.extend(b"data");
    file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    file.extend(data);
    let size = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
    file[4..8].copy_from_slice(&size);
    file
}

#[tokio::test]
async fn a_file_is_its_parts_one_after_another() {
    let studio = Studio::new().await;
    // Nine million bytes in three parts, cut in the middle of the header and of samples.
    let bytes = wav(1_500_000, 60);
    let cuts = [0, 21, 5_000_001, bytes.len()];
    let mut parts = Vec::new();
    for cut in cuts.windows(2) {
        parts.push(part(&studio, &bytes[cut[0]..cut[1]]).await);
    }
    let there = studio.head(&parts[0]).await.expect(200);
    assert_eq!(there.header("upload-concat"), "partial");
    let token = format!("Authorization: Bearer {}", studio.token);
    // Relative, on another host, and behind a proxy that took the start of the path away.
    let id = |at: &str| at.rsplit('/').next().unwrap().to_owned();
    let said = [
        parts[0].clone(),
        format!("https://elsewhere.example{}/", parts[1]),
        format!("http://x/prefix/files/{}?a=b", id(&parts[2])),
    ];
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    let made = join(&studio, "mix.wav", &said).await.expect(201);
    let at = made.header("location").to_owned();
    let there = whole_at(&studio, &at).await;
    assert_eq!(there.offset(), bytes.len() as u64);
    assert_eq!(there.header("upload-length"), bytes.len().to_string());
    assert_eq!(there.header("stemvault-hash"), b3(&bytes));
    assert_eq!(
        there.header("upload-concat"),
        format!("final;{}", said.join(" "))
    );
    // The other mount makes the same file of the same parts.
    let concat = format!("Upload-Concat: final;{}", said.join(" "));
    let [name, order, kind] = ["again.wav", "2026-0117", "material"].map(|it| STANDARD.encode(it));
    let metadata = format!("Upload-Metadata: filename {name},order {order},kind {kind}");
    let headers = [TUS, &token, &concat, &metadata];
    let again = studio.ask("POST", "/files/", &headers, Body::empty()).await;
    let again = again.expect(201).header("location").to_owned();
    let id = id(&again);
    whole_at(&studio, &format!("/u/{}/{id}", studio.link)).await;

    // A final takes no bytes, and its parts may go.
    let no = studio
        .patch(&at, 0, None, Body::from("x"))
        .await
        .expect(403);
    assert!(no.text().contains("made of parts"), "{}", no.text());
    for part in &parts {
        studio
            .ask("DELETE", part, &[TUS], Body::empty())
            .await
            .expect(204);
        studio.head(part).await.expect(404);
        studio
            .ask("DELETE", part, &[TUS], Body::empty())
            .await
            .expect(404);
    }
    let no = join(&studio, "third.wav", &[&parts[0]]).await.expect(404);
    assert!(no.text().contains("send the parts again"), "{}", no.text());

    let receipt = studio.submit().await;
    let files = receipt["files"].as_array().unwrap();
    assert_eq!(files.len(), 2, "{receipt}");
    assert!(
        receipt["findings"].as_array().unwrap().is_empty(),
        "{receipt}"
    );
    let link = studio.session_link(&receipt).await;
    for name in ["mix.wav", "again.wav"] {
        let got = studio.get(&format!("{link}/{name}"), &[]).await.expect(200);
        assert!(got.body == bytes && !got.broken, "{name}");
    }
    let range = ["Range: bytes=4999990-5000009"];
    let got = studio.get(&format!("{link}/mix.wav"), &range).await;
    assert_eq!(got.expect(206).body, bytes[4_999_990..5_000_010]);
    let zip = studio.get(&format!("{link}.zip"), &[]).await;
    assert!(!zip.broken);
}

#[tokio::test]
async fn parts_may_still_be_on_their_way() {
    let studio = Studio::new().await;
    let bytes = noise(61, 300_000);
    let first = begin_part(&studio, 100_000).await;
    let last = begin_part(&studio, 200_000).await;
    studio
        .patch(&last, 0, None, broken(&bytes[100_000..150_000]))
        .await
        .expect(400);
    let made = join(&studio, "a.bin", &[&first, &last]).await.expect(201);
    assert_eq!(made.header("upload-offset"), "");
    let at = made.header("location").to_owned();
    let there = studio.head(&at).await.expect(200);
    assert_eq!(there.header("upload-offset"), "");
    assert_eq!(there.header("upload-length"), "300000");
    let submit = format!("/u/{}/submit", studio.link);
    let no = studio.ask("POST", &submit, &[], Body::empty()).await;
    let no = no.expect(400);
    assert!(no.text().contains("made of parts"), "{}", no.text());
    studio
        .patch(&first, 0, None, whole(&bytes[..100_000]))
        .await
        .expect(204);
    studio
        .patch(&last, 50_000, None, whole(&bytes[150_000..]))
        .await
        .expect(204);
    let there = whole_at(&studio, &at).await;
    assert_eq!(there.header("stemvault-hash"), b3(&bytes));
    let receipt = studio.submit().await;
    assert_eq!(receipt["files"][0]["hash"], b3(&bytes), "{receipt}");
    // What made it is no more; it says so as of anything that never was.
    studio.head(&first).await.expect(404);
    assert_eq!(studio.head(&at).await.expect(200).offset(), 300_000);
}

#[tokio::test]
async fn parts_are_no_files() {
    let studio = Studio::with(|_, limits| limits.max_files = 2).await;
    for _ in 0..2 {
        part(&studio, b"abc").await;
    }
    let submit = format!("/u/{}/submit", studio.link);
    let no = studio.ask("POST", &submit, &[], Body::empty()).await;
    assert!(no.expect(400).text().contains("no material to submit"));
    assert!(studio.uploads().await.is_empty());
    studio.create("a.bin", 3).await;
    studio.create("b.bin", 3).await;
    studio
        .post("c.bin", 3, &[], Body::empty())
        .await
        .expect(413);
    let headers = [TUS, "Upload-Concat: partial", "Upload-Length: 3"];
    let path = format!("/u/{}", studio.link);
    let no = studio.ask("POST", &path, &headers, Body::empty()).await;
    assert!(no.expect(413).text().contains("2 parts of files"));
}

#[tokio::test]
async fn a_part_goes_unless_a_file_needs_it() {
    let studio = Studio::new().await;
    let day = Duration::from_secs(24 * 3600);
    let (kept, lost) = (part(&studio, b"abc").await, part(&studio, b"def").await);
    let other = part(&studio, b"ghi").await;
    let twice = join(&studio, "a.bin", &[&kept, &kept]).await.expect(400);
    assert!(twice.text().contains("once"), "{}", twice.text());
    let at = join(&studio, "a.bin", &[&kept, &other]).await.expect(201);
    let at = at.header("location").to_owned();
    assert_eq!(whole_at(&studio, &at).await.offset(), 6);
    studio.hands.advance(15 * day);
    studio.head(&lost).await.expect(410);
    studio.head(&kept).await.expect(200);
    join(&studio, "b.bin", &[&lost]).await.expect(404);
    // The last that needs it takes it along, if it was removed before.
    for needed in [&kept, &other] {
        let removed = studio.ask("DELETE", needed, &[TUS], Body::empty()).await;
        removed.expect(204);
    }
    assert!(!studio.objects().is_empty());
    let removed = studio.ask("DELETE", &at, &[TUS], Body::empty()).await;
    removed.expect(204);
    for gone in [&kept, &other, &at] {
        let left = std::fs::read_dir(studio.folder_of(gone));
        assert_eq!(left.into_iter().flatten().count(), 0, "{gone}");
    }
    let left = studio.objects().len();
    assert_eq!(left, 1, "only what nobody asked to remove");
}

#[tokio::test]
async fn foreign_parts_are_not_there() {
    let studio = Studio::new().await;
    let vault = &studio.app.vault;
    let number = "2026-0118".to_owned().try_into().unwrap();
    let other = vault
        .orders
        .create(number, stemvault_storage::order::Client::default())
        .await
        .unwrap();
    let scope = stemvault_storage::link::Scope::Upload;
    let (_, token) = vault
        .access
        .create_link(other.id, scope, None)
        .await
        .unwrap();
    let headers = [TUS, "Upload-Concat: partial", "Upload-Length: 0"];
    let path = format!("/u/{}", token.reveal());
    let theirs = studio.ask("POST", &path, &headers, Body::empty()).await;
    let theirs = theirs.expect(201).header("location").to_owned();
    let id = theirs.rsplit('/').next().unwrap();
    let bearer = format!("Authorization: Bearer {}", studio.token);
    let metadata = |kind: &str| {
        let [number, kind] = ["2026-0117", kind].map(|it| STANDARD.encode(it));
        format!("Upload-Metadata: order {number},kind {kind}")
    };
    let delivery = metadata("delivery");
    let headers = [
        TUS,
        &bearer,
        &delivery,
        "Upload-Concat: partial",
        "Upload-Length: 0",
    ];
    let mix = studio.ask("POST", "/files/", &headers, Body::empty()).await;
    let mix = mix.expect(201).header("location").to_owned();
    let mine = part(&studio, b"abc").await;
    let nobody = "0".repeat(32);
    for said in [
        theirs.clone(),
        format!("/u/{}/{id}", studio.link),
        format!("/files/{id}"),
        id.to_owned(),
        mix.clone(),
        format!("/files/{nobody}"),
        format!("/u/nobody/{}", mine.rsplit('/').next().unwrap()),
        "/somewhere/else".to_owned(),
    ] {
        let no = join(&studio, "a.bin", &[&mine, &said]).await.expect(404);
        assert_eq!(
            no.text(),
            format!(
                "there is no part {said} here: it was removed or has expired, send the parts again\n"
            )
        );
    }
    // A file is no part.
    let file = studio.create("b.bin", 0).await;
    let no = join(&studio, "a.bin", &[&file]).await.expect(400);
    assert!(no.text().contains("a file and no part"), "{}", no.text());
    assert_eq!(studio.uploads().await.len(), 1);
}

#[tokio::test]
async fn limits_hold_for_the_whole() {
    let studio = Studio::with(|_, limits| (limits.max_file, limits.max_order) = (10, 16)).await;
    let part = part(&studio, b"abcdef").await;
    let no = join(&studio, "a.bin", &[&part, &part]).await.expect(400);
    assert!(no.text().contains("name each part once"), "{}", no.text());
    join(&studio, "a.bin", &[&part]).await.expect(201);
    join(&studio, "b.bin", &[&part]).await.expect(201);
    let no = join(&studio, "c.bin", &[&part]).await.expect(413);
    assert!(no.text().contains("18 bytes"), "{}", no.text());
    let path = format!("/u/{}", studio.link);
    let concat = format!("Upload-Concat: final;{part}");
    let name = format!("Upload-Metadata: filename {}", STANDARD.encode("d"));
    let headers = [TUS, &concat, &name, "Upload-Length: 6"];
    let no = studio.ask("POST", &path, &headers, Body::empty()).await;
    assert!(no.expect(400).text().contains("neither"));
}

#[tokio::test]
async fn a_part_makes_a_few_files_and_not_a_hundred() {
    let studio = Studio::new().await;
    let part = part(&studio, b"abcdef").await;
    for nth in 0..4 {
        let name = format!("{nth}.bin");
        join(&studio, &name, &[&part]).await.expect(201);
    }
    let no = join(&studio, "more.bin", &[&part]).await.expect(400);
    assert!(no.text().contains("send the part again"), "{}", no.text());
}

#[tokio::test]
async fn joining_goes_on_after_a_restart() {
    let studio = Studio::new().await;
    let bytes = noise(62, 70 << 20);
    let (front, back) = bytes.split_at(66 << 20);
    let first = part(&studio, front).await;
    let last = begin_part(&studio, back.len()).await;
    let at = join(&studio, "a.bin", &[&first, &last]).await.expect(201);
    let at = at.header("location").to_owned();
    // What is whole is read while the rest is under way, and that is durable.
    let id = at.rsplit('/').next().unwrap().parse().unwrap();
    let vault = &studio.app.vault;
    let waiting = async {
        while vault.rows.upload(studio.order.id, id).await.unwrap().offset < front.len() as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap();
    // Nobody tells the file that its last part came: as after a crash in between.
    vault.intake().stop_all();
    until(|| vault.intake().running() == 0).await;
    studio.patch(&last, 0, None, whole(back)).await.expect(204);
    vault.appends.resume_joins().await.unwrap();
    let there = whole_at(&studio, &at).await;
    assert_eq!(there.header("stemvault-hash"), b3(&bytes));
}
