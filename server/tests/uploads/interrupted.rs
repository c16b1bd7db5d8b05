//! No byte that arrived is lost, however its body ended.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt;

use crate::breakable::Breakable;
use crate::studio::{OCTETS, Studio, b3, broken, frames, meanwhile, noise, stalled, until, whole};

const MIB: usize = 1 << 20;

/// A WAV file with a header, samples over several blocks, and a tail.
fn wav(samples: usize) -> Vec<u8> {
    let mut file = b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    file.extend(48_000u32.to_le_bytes());
    file.extend((48_000u32 * 6).to_le_bytes());
    file.extend(*b"\x06\0\x18\0data");
    let samples = samples / 6 * 6;
    file.extend(u32::try_from(samples).unwrap().to_le_bytes());
    file.extend(noise(1, samples));
    file.extend(*b"note\x04\0\0\0tail");
    let length = u32::try_from(file.len() - 8).unwrap();
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_before_a_break_is_kept() {
    let studio = Studio::new().await;
    let file = wav(13 * MIB);
    let at = studio.create("Take 1.wav", file.len() as u64).await;
    let mut offset = 0;
    // Odd places: inside the header, one byte, around 4 MiB, inside a fragment that is an object.
    for piece in [
        11,
        1,
        40,
        4 * MIB,
        3,
        70_000,
        2 * MIB + 1,
        900,
        900,
        5 * MIB,
    ] {
        let end = offset + piece;
        let length = (file.len() - offset) as u64;
        let length = (piece % 2 == 0).then_some(length);
        let answer = studio
            .patch(&at, offset as u64, length, broken(&file[offset..end]))
            .await;
        assert_eq!(answer.expect(400).offset(), end as u64);
        assert_eq!(studio.head(&at).await.expect(200).offset(), end as u64);
        offset = end;
    }
    let done = studio
        .patch(&at, offset as u64, None, whole(&file[offset..]))
        .await
        .expect(204);
    assert_eq!(done.offset(), file.len() as u64);
    assert_eq!(done.header("stemvault-hash"), b3(&file));
    assert_eq!(done.header("upload-expires"), "");
    let receipt = studio.submit().await;
    assert_eq!(receipt["files"][0]["hash"], b3(&file));
    assert_eq!(receipt["review"]["state"], "submitted", "{receipt}");
    let link = studio.session_link(&receipt).await;
    let got = studio
        .get(&format!("{link}/Take%201.wav"), &[])
        .await
        .expect(200);
    assert!(got.body == file && !got.broken);
}

#[tokio::test]
async fn single_bytes_make_a_file() {
    let studio = Studio::new().await;
    let file = noise(2, 60);
    let at = studio.create("small.bin", 60).await;
    for (offset, byte) in file.iter().enumerate() {
        let body = Body::from(vec![*byte]);
        let answer = studio
            .patch(&at, offset as u64, Some(1), body)
            .await
            .expect(204);
        assert_eq!(answer.offset(), offset as u64 + 1);
    }
    assert_eq!(studio.head(&at).await.header("stemvault-hash"), b3(&file));
    assert_eq!(
        studio.objects().len(),
        1,
        "fragments are gone, the block is there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_later_takes_over() {
    let studio = Studio::new().await;
    let file = noise(3, 9 * MIB);
    let at = studio.create("a.bin", file.len() as u64).await;
    let (body, taken) = stalled(&file[..5 * MIB]);
    let (first, looked) = tokio::join!(studio.patch(&at, 0, Some(9 << 20), body), async {
        until(|| taken.load(Ordering::Relaxed) == 5 << 20).await;
        studio.head(&at).await
    });
    assert_eq!(looked.expect(200).offset(), 5 << 20);
    let first = first.expect(409);
    assert!(first.text().contains("another request"), "{}", first.text());

    let (body, taken) = stalled(&file[5 * MIB..6 * MIB]);
    let offset = 5 << 20;
    let (second, third) = tokio::join!(studio.patch(&at, offset, None, body), async {
        until(|| taken.load(Ordering::Relaxed) == 1 << 20).await;
        // It does not know of what the second brought, and is told.
        let refused = studio
            .patch(&at, offset, None, whole(&file[5 * MIB..]))
            .await;
        let now = refused.expect(409).offset();
        assert_eq!(now, 6 << 20);
        studio.patch(&at, now, None, whole(&file[6 * MIB..])).await
    });
    second.expect(409);
    assert_eq!(third.expect(204).header("stemvault-hash"), b3(&file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_stops_a_running_append() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 9 << 20).await;
    let (body, taken) = stalled(&noise(4, 5 * MIB));
    let (first, removed) = tokio::join!(studio.patch(&at, 0, None, body), async {
        until(|| taken.load(Ordering::Relaxed) == 5 << 20).await;
        studio
            .ask("DELETE", &at, &["Tus-Resumable: 1.0.0"], Body::empty())
            .await
    });
    removed.expect(204);
    first.expect(409);
    studio.head(&at).await.expect(404);
    assert!(studio.objects().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_says_so_and_keeps_what_it_has() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 9 << 20).await;
    let (body, taken) = stalled(&noise(5, 100_000));
    let (answer, ()) = tokio::join!(studio.patch(&at, 0, None, body), async {
        until(|| taken.load(Ordering::Relaxed) == 100_000).await;
        studio.ending.send_replace(true);
    });
    let answer = answer.expect(503);
    assert_eq!(
        (answer.offset(), answer.header("retry-after")),
        (100_000, "1")
    );
    // Who comes meanwhile is told the same.
    let late = studio.head(&at).await.expect(503);
    assert_eq!(late.header("retry-after"), "1");
    studio.ending.send_replace(false);
    assert_eq!(studio.head(&at).await.offset(), 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_sender_is_not_waited_for() {
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_millis(100);
    });
    let studio = studio.await;
    let at = studio.create("a.bin", 9 << 20).await;
    let (body, _) = stalled(&noise(6, 100_000));
    let answer = studio.patch(&at, 0, None, body).await.expect(408);
    assert_eq!(answer.offset(), 100_000);
    assert_eq!(studio.head(&at).await.offset(), 100_000);
}

/// Nobody asks, and nothing but the next byte would end these appends.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_arrived_counts_before_anybody_asks() {
    let studio = Studio::with(|settings, _| {
        settings.server.idle_timeout = Duration::from_secs(3600);
    });
    let studio = studio.await;
    let file = noise(10, 5 * MIB);
    // One falls silent: all of it. One goes on byte by byte: its block.
    for (name, trickles, counts) in [("silent", false, 5 << 20), ("slow", true, 4 << 20)] {
        let at = studio.create(name, 9 << 20).await;
        let id = at.rsplit('/').next().unwrap().parse().unwrap();
        let begun = futures::stream::iter(frames(&file));
        let drops = futures::stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(Duration::from_millis(if trickles { 20 } else { 1 << 32 })).await;
            Ok(Bytes::from_static(b"x"))
        });
        let body = Body::from_stream(begun.chain(drops));
        let (answer, ()) = tokio::join!(studio.patch(&at, 0, None, body), async {
            let vault = &studio.app.vault;
            let stands = async || vault.rows.upload(studio.order.id, id).await.unwrap().offset;
            let counted = async {
                while stands().await < counts {
                    tokio::task::yield_now().await;
                }
            };
            let counted = tokio::time::timeout(Duration::from_secs(60), counted).await;
            counted.unwrap_or_else(|_| panic!("{name} does not count"));
            studio.head(&at).await.expect(200);
        });
        assert!(answer.expect(409).offset() >= counts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_leaves_no_hole() {
    let studio = Studio::new().await;
    let file = noise(9, 21 * MIB);
    let length = file.len() as u64;
    for broken_at in [1, 5, 9, 13, 17, 20] {
        let at = studio.create(&format!("{broken_at}.bin"), length).await;
        let store = Breakable(studio.folder_of(&at));
        let breaking = store.clone();
        let body = meanwhile(&file, broken_at * MIB, move || breaking.break_it());
        let answer = studio.patch(&at, 0, Some(length), body).await;
        let answer = answer.expect(503);
        assert!(
            answer.text().contains("nothing that was received is lost"),
            "{}",
            answer.text()
        );
        store.repair();
        let kept = studio.head(&at).await.expect(200).offset();
        assert!(kept <= (broken_at as u64) << 20, "{kept}");
        assert_eq!(answer.offset(), kept);
        let rest = whole(&file[usize::try_from(kept).unwrap()..]);
        let done = studio.patch(&at, kept, None, rest).await.expect(204);
        assert_eq!(done.header("stemvault-hash"), b3(&file));
    }
    let receipt = studio.submit().await;
    let link = studio.session_link(&receipt).await;
    for part in receipt["files"].as_array().unwrap() {
        let path = format!("{link}/{}", part["path"].as_str().unwrap());
        let got = studio.get(&path, &[]).await.expect(200);
        assert!(got.body == file && !got.broken, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_failed_commits_nothing_more() {
    let studio = Studio::new().await;
    let file = noise(10, 13 * MIB);
    let at = studio.create("a.bin", file.len() as u64).await;
    let id = at.rsplit('/').next().unwrap().parse().unwrap();
    let vault = &studio.app.vault;
    let mut writer = vault
        .appends
        .begin_append(studio.order.id, id, 0)
        .await
        .unwrap();
    let store = Breakable(studio.folder_of(&at));
    store.break_it();
    writer.push(&file[..5 * MIB]).await.unwrap();
    writer.flush().await.unwrap_err();
    store.repair();
    // The store is well again, but the first block is not there.
    writer.push(&file[5 * MIB..]).await.unwrap_err();
    writer.flush().await.unwrap_err();
    drop(writer);
    let done = studio.patch(&at, 0, None, whole(&file)).await.expect(204);
    assert_eq!(done.header("stemvault-hash"), b3(&file));
}

#[tokio::test(flavor = "multi_thread")]
async fn little_memory_is_shared_and_loses_nothing() {
    // Less than one block for each of six: whoever stalls is written down and lets go.
    let studio = Studio::with(|_, limits| limits.memory = 10 << 20).await;
    let file = noise(7, 6 * MIB);
    let length = file.len() as u64;
    let mut stuck = Vec::new();
    for n in 0..6 {
        stuck.push(studio.create(&format!("stuck{n}.bin"), length).await);
    }
    let at = studio.create("quick.bin", length).await;
    let waiting = stuck.iter().map(|at| {
        let (body, _) = stalled(&file[..3 * MIB]);
        studio.patch(at, 0, None, body)
    });
    let quick = async {
        let quick = studio.patch(&at, 0, None, whole(&file)).await.expect(204);
        assert_eq!(quick.header("stemvault-hash"), b3(&file));
        for at in &stuck {
            let now = studio.head(at).await.expect(200).offset();
            let rest = &file[usize::try_from(now).unwrap()..];
            let done = studio.patch(at, now, None, whole(rest)).await.expect(204);
            assert_eq!(done.header("stemvault-hash"), b3(&file));
        }
    };
    tokio::join!(futures::future::join_all(waiting), quick);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_creation_is_kept_as_well() {
    let studio = Studio::new().await;
    let file = noise(8, 9 * MIB);
    let length = file.len() as u64;
    let answer = studio
        .post("whole.bin", length, &[OCTETS], whole(&file))
        .await
        .expect(201);
    assert_eq!(
        (answer.offset(), answer.header("stemvault-hash")),
        (length, b3(&file).as_str())
    );
    let said = format!("Content-Length: {length}");
    let half = broken(&file[..5 * MIB + 3]);
    let answer = studio
        .post("half.bin", length, &[OCTETS, &said], half)
        .await
        .expect(201);
    assert_eq!(answer.offset(), 5 * (1 << 20) + 3);
    let at = answer.header("location").to_owned();
    let rest = whole(&file[5 * MIB + 3..]);
    let done = studio
        .patch(&at, answer.offset(), None, rest)
        .await
        .expect(204);
    assert_eq!(done.header("stemvault-hash"), b3(&file));
    // A body of another type says nothing, as with other servers.
    let text = "Content-Type: text/plain";
    let answer = studio
        .post("none.bin", 5, &[text], Body::from("abcde"))
        .await
        .expect(201);
    assert_eq!(answer.offset(), 0);
}

#[tokio::test]
async fn what_follows_the_end_of_a_file_is_refused_and_the_file_kept() {
    let studio = Studio::new().await;
    let at = studio.create("a.bin", 10).await;
    // Said beforehand: refused before a byte is read.
    let answer = studio
        .patch(&at, 0, Some(11), whole(&[7; 11]))
        .await
        .expect(413);
    assert!(
        answer.text().contains("begin it again"),
        "{}",
        answer.text()
    );
    assert_eq!(studio.head(&at).await.offset(), 0);
    let answer = studio
        .patch(&at, 0, None, whole(&[7; 11]))
        .await
        .expect(413);
    assert_eq!(answer.offset(), 10);
    assert_eq!(
        studio.head(&at).await.header("stemvault-hash"),
        b3(&[7; 10])
    );
    let more = ["Content-Length: 11", OCTETS];
    studio
        .post("b.bin", 10, &more, whole(&[7; 11]))
        .await
        .expect(413);
}

#[tokio::test]
async fn a_file_may_be_empty() {
    let studio = Studio::new().await;
    let at = studio.create("empty.txt", 0).await;
    let there = studio.head(&at).await.expect(200);
    assert_eq!(
        (there.offset(), there.header("stemvault-hash")),
        (0, b3(b"").as_str())
    );
    let receipt = studio.submit().await;
    assert_eq!(receipt["files"][0]["length"], "0");
    let link = studio.session_link(&receipt).await;
    let got = studio
        .get(&format!("{link}/empty.txt"), &[])
        .await
        .expect(200);
    assert_eq!((got.body.len(), got.header("content-length")), (0, "0"));
}
