//! Limits over a whole vault in memory: exact under parallel creations, after a restart, and
//! after everything that takes a file away.

mod studio;

use futures::stream::{FuturesUnordered, StreamExt};

use self::studio::Studio;
use super::*;
use crate::intake::Use;
use crate::link::Scope;
use crate::session::{Form, Kind, Rules};

fn refusal<T: std::fmt::Debug>(done: Result<T>) -> Refusal {
    match done.unwrap_err() {
        crate::Error::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

fn limit(refusal: &Refusal) -> (&'static str, u64) {
    let limit = refusal.limit.as_deref().unwrap();
    assert_eq!(refusal.order.as_deref(), Some("2026-0117"));
    assert!(refusal.file.is_some());
    assert!(refusal.message.contains("2026-0117"), "{refusal}");
    (limit.name, limit.value)
}

#[tokio::test]
async fn each_limit_says_its_name_its_value_and_what_to_do() {
    let studio = Studio::new(|limits| {
        limits.max_file = 100;
        limits.max_order = 250;
        limits.max_files = 6;
        limits.max_link = 220;
        limits.max_open = 3;
    })
    .await;
    let no = studio.no(Some(101)).await;
    assert_eq!(
        (limit(&no), no.kind),
        (("max_file", 100), RefusalKind::TooLarge)
    );
    for _ in 0..2 {
        studio.create(Some(100)).await.unwrap();
    }
    assert_eq!(limit(&studio.no(Some(51)).await), ("max_order", 250));
    assert_eq!(limit(&studio.no(Some(21)).await), ("max_link", 220));
    studio.create(Some(1)).await.unwrap();
    let no = studio.no(Some(1)).await;
    assert_eq!(limit(&no), ("max_open", 3));
    assert!(matches!(no.kind, RefusalKind::TooMany { .. }));
    assert!(no.message.contains("finish or remove"), "{no}");
    // What is whole needs no place among the unfinished.
    for _ in 0..3 {
        studio.create(Some(0)).await.unwrap();
    }
    assert_eq!(limit(&studio.no(Some(0)).await), ("max_files", 6));
}

#[tokio::test]
async fn what_comes_whole_in_its_first_request_is_not_unfinished_while_that_runs() {
    let studio = Studio::new(|limits| limits.max_open = 2).await;
    let mut coming = Vec::new();
    for _ in 0..40 {
        coming.push(studio.at_once(4).await.unwrap());
    }
    assert_eq!(
        (studio.used().await.open, studio.used().await.at_once),
        (0, 40)
    );
    // Others have their places all the same, and no more of them.
    for _ in 0..2 {
        studio.create(Some(9)).await.unwrap();
    }
    assert_eq!(limit(&studio.no(Some(9)).await), ("max_open", 2));
    let whole = coming.split_off(30);
    for (upload, at_once) in whole {
        studio.fill(&upload, b"whol").await.unwrap();
        drop(at_once);
    }
    assert_eq!(
        (studio.used().await.open, studio.used().await.at_once),
        (2, 30)
    );
    // One that breaks off is unfinished, also after a restart.
    let (broken, at_once) = coming.pop().unwrap();
    studio.fill(&broken, b"bro").await.unwrap();
    drop(at_once);
    assert_eq!(studio.used().await.open, 3);
    studio.at_once(4).await.unwrap();
    drop(coming);
    assert_eq!(studio.restarted().used().await.open, 33);
}

#[tokio::test]
async fn a_link_of_its_own_takes_less_and_others_still_take_more() {
    let studio = Studio::new(|_| {}).await;
    let most = LinkMost {
        max_bytes: Some(10),
        max_files: Some(2),
    };
    let made = studio
        .vault
        .access
        .create_link_with(studio.order.id, Scope::Upload, None, most);
    let narrow = Studio {
        link: made.await.unwrap().0,
        ..studio
    };
    assert_eq!(limit(&narrow.no(Some(11)).await), ("max_link", 10));
    narrow.create(Some(4)).await.unwrap();
    assert_eq!(limit(&narrow.no(Some(7)).await), ("max_link", 10));
    narrow.create(None).await.unwrap();
    assert_eq!(limit(&narrow.no(Some(0)).await), ("max_link_files", 2));
    let other = narrow
        .vault
        .access
        .create_link(narrow.order.id, Scope::Upload, None);
    let wide = Studio {
        link: other.await.unwrap().0,
        ..narrow
    };
    wide.create(Some(1000)).await.unwrap();
}

#[tokio::test]
async fn of_many_that_begin_at_once_exactly_as_many_get_in_as_may() {
    for (seed, most) in [(1, 7), (2, 16), (3, 1)] {
        let studio = Studio::new(|limits| {
            limits.max_open = most;
            limits.max_open_total = 3 * most;
        })
        .await;
        let mut begun: FuturesUnordered<_> = (0..40)
            .map(|n| {
                let studio = &studio;
                async move {
                    for _ in 0..(n * seed) % 5 {
                        tokio::task::yield_now().await;
                    }
                    studio.create(Some(n)).await
                }
            })
            .collect();
        let (mut created, mut refused) = (0, 0);
        while let Some(done) = begun.next().await {
            match done {
                // The one without bytes is whole at once.
                Ok(upload) if upload.length == Some(0) => {}
                Ok(_) => created += 1,
                no => {
                    assert_eq!(limit(&refusal(no)), ("max_open", most));
                    refused += 1;
                }
            }
        }
        drop(begun);
        assert_eq!((created, refused), (most, 39 - most));
        assert_eq!(studio.used().await.open, most);
    }
}

#[tokio::test]
async fn what_goes_makes_room_and_a_restart_counts_the_same() {
    let studio = Studio::new(|limits| limits.max_open_total = 3).await;
    let kept = studio.whole(b"kept").await;
    let gone = studio.whole(b"gone for good").await;
    let open = studio.create(Some(50)).await.unwrap();
    let open = studio.fill(&open, b"0123456789").await.unwrap();
    let unknown = studio.create(None).await.unwrap();
    studio.fill(&unknown, b"abc").await.unwrap();
    let expect = |files, bytes, open| Use {
        files,
        bytes,
        open,
        parts: 0,
        at_once: 0,
    };
    assert_eq!(studio.used().await, expect(4, 4 + 13 + 50 + 3, 2));
    let promised = studio.vault.quota.unfinished();
    assert_eq!(
        promised,
        Total {
            open: 2,
            bytes: 53,
            promised: 40
        }
    );
    let studio = studio.restarted();
    studio.vault.recover().await.unwrap();
    assert_eq!(studio.vault.quota.unfinished(), promised);
    assert_eq!(studio.used().await, expect(4, 70, 2));
    studio.create(Some(1)).await.unwrap();
    assert_eq!(limit(&studio.no(Some(1)).await), ("max_open_total", 3));

    let order = studio.order.id;
    studio
        .vault
        .uploads
        .terminate(order, gone.id)
        .await
        .unwrap();
    studio
        .vault
        .uploads
        .terminate(order, unknown.id)
        .await
        .unwrap();
    assert_eq!(studio.used().await, expect(3, 55, 2));
    let again = studio.create(Some(1)).await.unwrap();
    studio
        .vault
        .uploads
        .terminate(order, again.id)
        .await
        .unwrap();
    studio.fill(&open, &[0; 40]).await.unwrap();
    assert_eq!(studio.used().await, expect(3, 55, 1));
    for upload in studio.vault.rows.uploads(order).await.unwrap() {
        if upload.length == Some(1) {
            studio
                .vault
                .uploads
                .terminate(order, upload.id)
                .await
                .unwrap();
        }
    }
    let (kind, form, rules) = (Kind::Material, Form::new(), Rules::new());
    studio
        .vault
        .sessions
        .submit(order, kind, form, rules)
        .await
        .unwrap();
    assert_eq!(studio.used().await, expect(2, 54, 0));
    assert_eq!(studio.vault.quota.unfinished(), Total::default());
    assert!(kept.state.hash().is_some());
}

#[tokio::test]
async fn a_file_of_unknown_length_stops_at_the_limit_and_what_arrived_stays() {
    let studio = Studio::new(|limits| {
        limits.max_file = 10;
        limits.max_link = 14;
        limits.max_unfinished = 100;
    })
    .await;
    let first = studio.create(None).await.unwrap();
    let no = refusal(studio.fill(&first, b"0123456789ab").await);
    assert_eq!(
        (limit(&no), no.kind),
        (("max_file", 10), RefusalKind::TooLarge)
    );
    assert!(no.message.contains("first 10 bytes are safe"), "{no}");
    let order = studio.order.id;
    let offset = async |id| studio.vault.rows.upload(order, id).await.unwrap().offset;
    assert_eq!(offset(first.id).await, 10);
    let second = studio.create(None).await.unwrap();
    let no = refusal(studio.fill(&second, b"01234").await);
    assert_eq!(limit(&no), ("max_link", 14));
    assert_eq!(offset(second.id).await, 4);
    studio
        .vault
        .uploads
        .terminate(order, first.id)
        .await
        .unwrap();
    let second = studio.vault.rows.upload(order, second.id).await.unwrap();
    studio.fill(&second, b"45").await.unwrap();
    assert_eq!(studio.used().await.bytes, 6);
}

#[tokio::test]
async fn a_link_begins_so_many_files_a_minute_and_then_waits_for_the_next() {
    let studio = Studio::new(|limits| limits.max_new_per_minute = 3).await;
    for _ in 0..3 {
        studio.create(Some(0)).await.unwrap();
        studio.clock.advance(Duration::from_secs(10));
    }
    let no = studio.no(Some(0)).await;
    assert_eq!(limit(&no), ("max_new_per_minute", 3));
    assert_eq!(no.kind.retry(), Some(Duration::from_secs(30)));
    studio.clock.advance(Duration::from_secs(30));
    studio.create(Some(0)).await.unwrap();
}

#[test]
fn sizes_that_differ_look_different() {
    let shown = [0, 999, 100_000_000_000, 100_000_000_001, 20_000_000];
    let shown = shown.map(|size| super::super::no::Exact(size).to_string());
    assert_eq!(
        shown,
        [
            "0 bytes",
            "999 bytes",
            "100 GB",
            "100000000001 bytes",
            "20 MB"
        ]
    );
}
