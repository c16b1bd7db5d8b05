//! Cheap requests whose answers are dear: one link does not take the machine. Nothing is earned
//! meanwhile, as time stands still.

use std::time::Duration;

use futures::future::join_all;

use crate::studio::{Answer, OCTETS, Studio, noise, whole};

/// Dear requests that a link may have under way at once: what waits a moment waits together.
const AT_ONCE: usize = 4;

/// Asks again and again, until it is told to wait; how often it was answered.
async fn until_refused(
    studio: &Studio,
    method: &str,
    path: &str,
    headers: &[&str],
) -> (u32, Answer) {
    let mut answered = 0;
    while answered < 20_000 {
        let asked = (0..AT_ONCE).map(|_| studio.ask(method, path, headers, whole(b"")));
        let mut refused = None;
        for answer in join_all(asked).await {
            if answer.status == 429 {
                refused = Some(answer);
            } else {
                assert!(answer.status.is_success(), "{answer:?}");
                answered += 1;
            }
        }
        if let Some(refused) = refused {
            return (answered, refused);
        }
    }
    panic!("{method} {path} goes on for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_dear_answers_is_told_to_wait_and_nobody_else() {
    let studio = Studio::stopped().await;
    let folder = ["y"; 4].map(|letter| letter.repeat(200)).join("/");
    for number in 0..60 {
        studio
            .post(&format!("{folder}/{number}.txt"), 0, &[], whole(b""))
            .await
            .expect(201);
    }
    let state = format!("/u/{}/state", studio.link);
    let (answered, refused) = until_refused(&studio, "HEAD", &state, &[]).await;
    assert!(answered > 20, "a page asks that often: {answered}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // So are the other requests of that link; a token's are not.
    let uploads = format!("/u/{}/uploads", studio.link);
    let refused = studio.get(&uploads, &[]).await.expect(429);
    assert!(
        refused.text().contains("nothing is lost"),
        "{}",
        refused.text()
    );
    let token = format!("Authorization: Bearer {}", studio.token);
    studio.get("/api/v1/orders", &[&token]).await.expect(200);
    studio.hands.advance(Duration::from_secs(wait));
    studio.get(&uploads, &[]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_of_a_block_costs_what_is_read_for_it() {
    let studio = Studio::stopped().await;
    let bytes = noise(80, 8 << 20);
    let at = studio.create("a.bin", bytes.len() as u64).await;
    studio.patch(&at, 0, None, whole(&bytes)).await.expect(204);
    let receipt = studio.submit().await;
    let link = studio.session_link(&receipt).await;
    let file = format!("{link}/a.bin");
    // Whole files cost nothing beside their bytes.
    for _ in 0..3 {
        studio.get(&file, &[]).await.expect(200);
    }
    let range = ["Range: bytes=7-7,4194310-4194310"];
    let (answered, _) = until_refused(&studio, "GET", &file, &range).await;
    assert!((10..2_000).contains(&answered), "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_appends_behind_much_cost_what_is_read_for_them() {
    let studio = Studio::stopped().await;
    let at = studio.create("a.bin", 100 << 20).await;
    let start = 3_900_000;
    studio
        .patch(&at, 0, None, whole(&noise(81, start)))
        .await
        .expect(204);
    let mut refused = None;
    for more in 0..2_000 {
        let offset = format!("Upload-Offset: {}", start + more);
        let headers = ["Tus-Resumable: 1.0.0", OCTETS, &offset];
        let answer = studio.ask("PATCH", &at, &headers, whole(b"x")).await;
        if answer.status != 204 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("told to wait").expect(429);
    assert!(!refused.header("retry-after").is_empty());
}
