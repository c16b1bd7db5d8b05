//! Bodies with a checksum: all of one counts, or nothing.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Digest;

use crate::studio::{OCTETS, Studio, b3, broken, noise, stalled, until, whole};

const TUS: &str = "Tus-Resumable: 1.0.0";

fn sums(bytes: &[u8]) -> [String; 4] {
    [
        (
            "sha1",
            digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec(),
        ),
        ("sha256", digest(&SHA256, bytes).as_ref().to_vec()),
        ("md5", md5::Md5::digest(bytes).to_vec()),
        ("crc32", crc32fast::hash(bytes).to_be_bytes().to_vec()),
    ]
    .map(|(name, sum)| format!("Upload-Checksum: {name} {}", STANDARD.encode(sum)))
}

async fn patch(
    studio: &Studio,
    at: &str,
    offset: usize,
    sum: &str,
    body: Body,
) -> crate::studio::Answer {
    let offset = format!("Upload-Offset: {offset}");
    let headers = [TUS, OCTETS, &offset, sum];
    studio.ask("PATCH", at, &headers, body).await
}

#[tokio::test]
async fn every_sum_is_compared() {
    let studio = Studio::new().await;
    // The first piece ends in the middle of a block, and so does the second.
    let bytes = noise(70, (11 << 20) + 5);
    let cuts = [0, 100, (9 << 20) + 1, bytes.len()];
    for algorithm in 0..4 {
        let at = studio
            .create(&format!("{algorithm}.bin"), bytes.len() as u64)
            .await;
        for cut in cuts.windows(2) {
            let piece = &bytes[cut[0]..cut[1]];
            let sum = &sums(piece)[algorithm];
            let mut wrong = piece.to_vec();
            *wrong.last_mut().unwrap() ^= 1;
            let no = patch(&studio, &at, cut[0], sum, whole(&wrong))
                .await
                .expect(460);
            assert_eq!(no.offset(), cut[0] as u64);
            assert!(
                no.text().contains("nothing of it was kept"),
                "{}",
                no.text()
            );
            let no = patch(&studio, &at, cut[0], sum, broken(&piece[1..]))
                .await
                .expect(400);
            assert_eq!(no.offset(), cut[0] as u64);
            assert!(no.text().contains("nothing is kept"), "{}", no.text());
            assert_eq!(studio.head(&at).await.offset(), cut[0] as u64);
            let yes = patch(&studio, &at, cut[0], sum, whole(piece))
                .await
                .expect(204);
            assert_eq!(yes.offset(), cut[1] as u64);
        }
        let there = studio.head(&at).await;
        assert_eq!(there.header("stemvault-hash"), b3(&bytes));
    }
    let receipt = studio.submit().await;
    let link = studio.session_link(&receipt).await;
    let got = studio.get(&format!("{link}/2.bin"), &[]).await.expect(200);
    assert!(got.body == bytes);
    // Blocks of the refused bodies went with them.
    let before = studio.objects();
    studio.app.vault.sweep.sweep(studio.order.id).await.unwrap();
    assert_eq!(studio.objects(), before);
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_unread() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 100 << 20).await;
    for (sum, status, says) in [
        ("blake3 AAAA", 400, "sha1,sha256,md5,crc32"),
        ("sha1 AAAA", 400, "20 bytes"),
        ("sha1", 400, "cannot be read"),
        ("crc32 %%%%%%==", 400, "cannot be read"),
    ] {
        let sum = format!("Upload-Checksum: {sum}");
        let no = patch(&studio, &at, 0, &sum, Body::from("a"))
            .await
            .expect(status);
        assert!(no.text().contains(says), "{}", no.text());
        let no = studio
            .post("b.bin", 1, &[OCTETS, &sum], Body::from("a"))
            .await;
        assert!(no.expect(status).text().contains(says));
    }
    // Too long, said and not said.
    let sum = "Upload-Checksum: crc32 AAAAAA==";
    let headers = [
        TUS,
        OCTETS,
        "Upload-Offset: 0",
        sum,
        "Content-Length: 67108865",
    ];
    let no = studio.ask("PATCH", &at, &headers, Body::from("a")).await;
    assert!(no.expect(413).text().contains("67108864 bytes"));
    let long = noise(71, (64 << 20) + 1);
    let no = patch(&studio, &at, 0, sum, whole(&long)).await.expect(413);
    assert!(no.text().contains("67108864 bytes"), "{}", no.text());
    assert_eq!(no.offset(), 0);
    let _vault = &studio.app.vault;
    assert_eq!(studio.uploads().await.len(), 1);
}

#[tokio::test]
async fn a_creation_may_bring_a_checksum() {
    let studio = Studio::new().await;
    let bytes = noise(72, 50_000);
    let right = &sums(&bytes)[0];
    let made = studio
        .post("a.bin", 50_000, &[OCTETS, right], whole(&bytes))
        .await;
    assert_eq!(made.expect(201).header("stemvault-hash"), b3(&bytes));
    let no = studio
        .post("b.bin", 50_000, &[OCTETS, right], whole(&bytes[1..]))
        .await;
    let no = no.expect(460);
    assert_eq!(no.offset(), 0);
    let at = no.header("location").to_owned();
    patch(&studio, &at, 0, right, whole(&bytes))
        .await
        .expect(204);
    let cut = studio
        .post("c.bin", 50_000, &[OCTETS, right], broken(&bytes[..9]))
        .await;
    assert_eq!(cut.expect(201).offset(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_of_checked_bodies_stop_nobody() {
    let studio = Studio::with(|_, limits| limits.memory = 16 << 20).await;
    let studio = std::sync::Arc::new(studio);
    // More of them than there is memory for.
    let mut slow = Vec::new();
    for number in 0..6 {
        let at = studio.create(&format!("slow-{number}.bin"), 9 << 20).await;
        let (body, taken) = stalled(&noise(number, 5000));
        let studio = std::sync::Arc::clone(&studio);
        let task = tokio::spawn(async move {
            let sum = "Upload-Checksum: crc32 AAAAAA==";
            patch(&studio, &at, 0, sum, body).await
        });
        // A link has one turn of two.
        if number < 1 {
            until(|| taken.load(std::sync::atomic::Ordering::Relaxed) == 5000).await;
        }
        slow.push(task);
    }
    let bytes = noise(73, 20 << 20);
    let at = studio.create("fast.bin", bytes.len() as u64).await;
    studio.patch(&at, 0, None, whole(&bytes)).await.expect(204);
    for task in slow {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_count_is_gone_at_once_and_what_counts_stays() {
    let studio = Studio::new().await;
    let block = noise(74, 4 << 20);
    let bytes = [&block[..], &block, &noise(75, 4 << 20), b"end"].concat();
    let at = studio.create("a.bin", bytes.len() as u64).await;
    studio.patch(&at, 0, None, whole(&block)).await.expect(204);
    let before = studio.objects();
    assert!(!before.is_empty());
    // A block that counts comes once more, and one that never does.
    let wrong = "Upload-Checksum: crc32 AAAAAA==";
    let rest = &bytes[block.len()..];
    for body in [whole(rest), broken(rest), whole(&rest[..8 << 20])] {
        let no = patch(&studio, &at, block.len(), wrong, body).await;
        assert!([460, 400].contains(&no.status.as_u16()), "{no:?}");
        assert_eq!(studio.objects(), before);
    }
    // The same again, right behind it: nothing of it is taken for what had to go.
    for _ in 0..3 {
        let sum = &sums(rest)[3];
        let no = patch(&studio, &at, block.len(), wrong, whole(rest));
        no.await.expect(460);
        let cut = broken(&rest[..5 << 20]);
        let no = patch(&studio, &at, block.len(), sum, cut).await;
        no.expect(400);
    }
    let sum = &sums(rest)[3];
    let done = patch(&studio, &at, block.len(), sum, whole(rest)).await;
    assert_eq!(done.expect(204).header("stemvault-hash"), b3(&bytes));
    let receipt = studio.submit().await;
    let link = studio.session_link(&receipt).await;
    let got = studio.get(&format!("{link}/a.bin"), &[]).await.expect(200);
    assert!(got.body == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_from_a_checked_body_keeps_what_it_sends() {
    let studio = std::sync::Arc::new(Studio::new().await);
    let bytes = noise(76, 9 << 20);
    let at = studio.create("a.bin", bytes.len() as u64).await;
    let (body, taken) = stalled(&bytes[..8 << 20]);
    let held = tokio::spawn({
        let (studio, at) = (std::sync::Arc::clone(&studio), at.clone());
        async move { patch(&studio, &at, 0, "Upload-Checksum: crc32 AAAAAA==", body).await }
    });
    until(|| taken.load(std::sync::atomic::Ordering::Relaxed) == 8 << 20).await;
    let done = patch(&studio, &at, 0, &sums(&bytes)[0], whole(&bytes)).await;
    assert_eq!(done.expect(204).header("stemvault-hash"), b3(&bytes));
    held.await.unwrap().expect(409);
    let receipt = studio.submit().await;
    let link = studio.session_link(&receipt).await;
    let got = studio.get(&format!("{link}/a.bin"), &[]).await.expect(200);
    assert!(got.body == bytes);
}
