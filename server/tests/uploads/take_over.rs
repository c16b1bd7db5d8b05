//! Whoever comes later wins, whatever became of the one before: over real connections, both
//! protocols, seeded. The idle timeout is an hour here: nothing but taking over ends anybody.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stemvault_storage::upload::Upload;
use tokio::sync::watch;

use crate::line::{Client, Http, Line, PATIENCE};
use crate::studio::{OCTETS, Studio, b3, noise};

const MIB: usize = 1 << 20;
const TUS: &str = "Tus-Resumable: 1.0.0";

async fn studio() -> Studio {
    Studio::with(|settings, _| settings.server.idle_timeout = Duration::from_secs(3600)).await
}

async fn stands(studio: &Studio, at: &str) -> Upload {
    let id = at.rsplit('/').next().unwrap().parse().unwrap();
    studio
        .app
        .vault
        .rows
        .upload(studio.order.id, id)
        .await
        .unwrap()
}

/// Begins a PATCH that announces the rest of the file and brings less; the server has begun it as well:
/// what is asked from now on comes later.
async fn begin(
    studio: &Studio,
    line: &Line,
    http: Http,
    at: &str,
    offset: usize,
    rest: usize,
    sent: &[u8],
) -> Client {
    let patch = format!("PATCH {at}");
    let (offset, rest) = (
        format!("Upload-Offset: {offset}"),
        format!("Content-Length: {rest}"),
    );
    let client = Client::begin(line, http, &[&patch, TUS, OCTETS, &offset, &rest], sent).await;
    let id = at.rsplit('/').next().unwrap().parse().unwrap();
    within(async {
        while !studio.app.vault.intake().is_running(id) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client
}

async fn head(line: &Line, http: Http, at: &str) -> usize {
    let answer = line.ask(http, &[&format!("HEAD {at}"), TUS], &[]).await;
    usize::try_from(answer.expect(200).offset()).unwrap()
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// A file in many requests, each of which goes silent and is taken over, half-closed, or reset; at
/// places and in an order that the seed says.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_go_silent() {
    for seed in 0..6 {
        let mut seeded = StdRng::seed_from_u64(seed);
        let studio = studio().await;
        let line = Line::open(&studio).await;
        let file = noise(seed, 11 * MIB + 17);
        let at = studio.create("take.bin", file.len() as u64).await;
        let mut offset = 0;
        for step in 0..8 {
            let http = |odd: bool| if odd { Http::One } else { Http::Two };
            let (first, second) = (http(seeded.random()), http(seeded.random()));
            let rest = file.len() - offset;
            let most = rest.min(3 * MIB) - 1;
            let sent = seeded.random_range(0..most);
            let piece = &file[offset..offset + sent];
            // Who comes second takes over; a request that comes later still takes over from it.
            let mut client = begin(&studio, &line, first, &at, offset, rest, piece).await;
            let way = seeded.random_range(0..4);
            let said = format!("seed {seed}, step {step}: {first:?}, way {way}, {second:?}");
            match way {
                // Silent; HEAD asks.
                0 => {
                    let now = head(&line, second, &at).await;
                    assert!((offset..=offset + sent).contains(&now), "{said}: {now}");
                    offset = now;
                    let told = within(client.answer()).await.expect(409);
                    assert!(told.text().contains("another request"), "{said}");
                    assert_eq!(told.offset(), offset as u64, "{said}");
                }
                // Silent; another PATCH comes, at an offset that is no longer true.
                1 => {
                    let wrong = offset + sent + 1;
                    let patch = [
                        &format!("PATCH {at}"),
                        TUS,
                        OCTETS,
                        &format!("Upload-Offset: {wrong}"),
                    ];
                    let told = line.ask(second, &patch, b"x").await.expect(409);
                    offset = usize::try_from(told.offset()).unwrap();
                    within(client.answer()).await.expect(409);
                }
                // Everything that was sent before the end of a connection is kept.
                2 => {
                    client.half_close().await;
                    let end = (offset + sent) as u64;
                    within(async {
                        while first == Http::One && stands(&studio, &at).await.offset < end {
                            tokio::task::yield_now().await;
                        }
                    })
                    .await;
                    offset = head(&line, second, &at).await;
                    assert!(
                        first == Http::Two || offset as u64 == end,
                        "{said}: {offset}"
                    );
                }
                _ => {
                    client.reset().await;
                    let now = head(&line, second, &at).await;
                    assert!((offset..=offset + sent).contains(&now), "{said}: {now}");
                    offset = now;
                }
            }
        }
        let patch = [
            &format!("PATCH {at}"),
            TUS,
            OCTETS,
            &format!("Upload-Offset: {offset}"),
        ];
        let done = line
            .ask(Http::Two, &patch, &file[offset..])
            .await
            .expect(204);
        assert_eq!(done.header("stemvault-hash"), b3(&file), "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_does_not_wait_for_a_silent_client() {
    let studio = studio().await;
    let line = Line::open(&studio).await;
    for (first, second) in [(Http::One, Http::Two), (Http::Two, Http::One)] {
        let at = studio.create("a.bin", 9 << 20).await;
        let client = begin(&studio, &line, first, &at, 0, 9 * MIB, &noise(1, 5 * MIB)).await;
        let delete = format!("DELETE {at}");
        line.ask(second, &[&delete, TUS], &[]).await.expect(204);
        let told = within(client.answer()).await;
        assert!(matches!(told.status.as_u16(), 404 | 409), "{told:?}");
        studio.head(&at).await.expect(404);
        assert!(studio.objects().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_one_says_afterwards_is_not_heard() {
    let studio = studio().await;
    let line = Line::open(&studio).await;
    for http in [Http::One, Http::Two] {
        let file = noise(2, 2 * MIB);
        let at = studio.create("a.bin", file.len() as u64).await;
        let mut old = begin(&studio, &line, http, &at, 0, file.len(), &file[..MIB]).await;
        let now = head(&line, http, &at).await;
        match &mut old {
            Client::One(stream) => {
                // It may find the connection closed; that is as good.
                let _ = tokio::io::AsyncWriteExt::write_all(stream, &[0xAA; 100_000]).await;
            }
            Client::Two { body, .. } => {
                let _ = body.send_data(vec![0xAA; 10_000].into(), false);
            }
        }
        let patch = [
            &format!("PATCH {at}"),
            TUS,
            OCTETS,
            &format!("Upload-Offset: {now}"),
        ];
        let done = line.ask(http, &patch, &file[now..]).await.expect(204);
        assert_eq!(done.header("stemvault-hash"), b3(&file));
        drop(old);
    }
}

/// The store takes a block and never answers: whoever asks is told where the upload stands, while
/// the one before still waits for the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_holds_nobody_who_asks() {
    let (hang, hangs) = watch::channel(false);
    let studio = Studio::over_bucket(hangs, |settings, _| {
        settings.server.idle_timeout = Duration::from_secs(3600);
    })
    .await;
    let line = Line::open(&studio).await;
    let file = noise(3, 9 * MIB);
    let at = studio.create("a.bin", file.len() as u64).await;
    let small = format!("PATCH {at}");
    let patch = [&small, TUS, OCTETS, "Upload-Offset: 0"];
    // What is small is in the catalog at once.
    line.ask(Http::One, &patch, &file[..100]).await.expect(204);
    hang.send_replace(true);
    let stuck = begin(
        &studio,
        &line,
        Http::One,
        &at,
        100,
        file.len() - 100,
        &file[100..5 * MIB],
    )
    .await;
    for http in [Http::One, Http::Two] {
        assert_eq!(head(&line, http, &at).await, 100);
        let wrong = [&small, TUS, OCTETS, "Upload-Offset: 99"];
        let told = line.ask(http, &wrong, b"x").await.expect(409);
        assert_eq!(told.offset(), 100);
    }
    // Nobody was answered by the store all the while.
    let mut stuck = std::pin::pin!(stuck.answer());
    assert!(futures::poll!(stuck.as_mut()).is_pending());
}
