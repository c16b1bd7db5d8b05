//! Archiving that is interrupted: by a store that fails, by a death, by another node, by an order
//! that changes. The next run goes on where it was, and nothing is proven that was not read back.

mod studio;

use std::sync::atomic::Ordering;
use std::time::Duration;

use stemvault_scheduler::Outcome;
use stemvault_storage::archive::Turn;
use stemvault_storage::error::Error;
use stemvault_storage::order::{Order, Stage};
use stemvault_storage::paths;
use stemvault_storage::refusal::RefusalKind;

use studio::{Files, Node, POLICY, Studio};

/// Many small files, among them empty and equal ones.
fn small(count: usize) -> Files {
    let content = |nth: usize| nth.to_string().repeat(nth % 5).into_bytes();
    (0..count)
        .map(|nth| (format!("{nth:04}.txt"), content(nth)))
        .collect()
}

/// One file of several blocks, and a small one.
fn large() -> Files {
    let noise = |length: usize| {
        (0..length as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
    };
    [("a.bin", 9 << 20), ("b.txt", 10)]
        .map(|(path, length)| (path.to_owned(), noise(length).collect()))
        .into()
}

/// The next run waits for what may still land, and the one after it comes to the end.
async fn to_the_end(studio: &Studio, node: &Node) {
    let before = node.archive.puts.lock().unwrap().len();
    let run = node.archive().await;
    assert_eq!(run.outcome, Outcome::Waiting, "{run:?}");
    assert_eq!(node.archive.puts.lock().unwrap().len(), before);
    studio.minutes_pass();
    let run = node.archive().await;
    assert_eq!(run.outcome, Outcome::Done, "{run:?}");
}

/// Puts of an undisturbed run.
async fn undisturbed(files: &Files) -> usize {
    let studio = Studio::new();
    let node = studio.node(u64::MAX, false).await;
    let (order, session) = node.completed(files).await;
    assert_eq!(node.archive().await.outcome, Outcome::Done);
    node.comes_back(order, session, files).await;
    node.archive.puts.lock().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_at_any_put_costs_none_that_went_well() {
    let files = large();
    let all = undisturbed(&files).await;
    assert!(all >= 5, "blocks and the index: {all}");
    for good in 0..all {
        let studio = Studio::new();
        let first = studio.node(good as u64, false).await;
        let (order, session) = first.completed(&files).await;
        let run = first.archive().await;
        assert_eq!(run.outcome, Outcome::Failed, "{run:?}");
        assert_eq!(first.stage(order).await, Stage::Completed);
        // The same process goes on as well as another one.
        let again = if good % 2 == 0 {
            first.archive.good.store(u64::MAX, Ordering::SeqCst);
            first
        } else {
            studio.node(u64::MAX, false).await
        };
        to_the_end(&studio, &again).await;
        let puts = again.archive.puts.lock().unwrap().len();
        let before = if good % 2 == 0 { 0 } else { good };
        // Blocks that were on their way when another failed are put once more.
        assert!(puts + before <= all + 4, "{good} of {all}, then {puts}");
        again.comes_back(order, session, &files).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_costs_a_stretch_at_most() {
    let files = small(300);
    let all = undisturbed(&files).await;
    for good in [0, 1, 70, 150, all - 1] {
        let studio = Studio::new();
        let first = studio.node(good as u64, true).await;
        let (order, session) = first.completed(&files).await;
        // It dies where the store hangs, with whatever else is on its way by then.
        tokio::select! {
            run = first.archive() => panic!("it did not hang at put {good}: {run:?}"),
            () = first.archive.hung.notified() => {}
        }
        // A new process; the lease of the dead one's run is no hindrance.
        let second = studio.node(u64::MAX, false).await;
        to_the_end(&studio, &second).await;
        let puts = second.archive.puts.lock().unwrap().len();
        assert!(
            puts <= all.min(all - good + 64 + 6),
            "{good} of {all}, then {puts}"
        );
        second.comes_back(order, session, &files).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_back_is_written_again_and_nothing_else() {
    let files = large();
    let studio = Studio::new();
    let node = studio.node(u64::MAX, false).await;
    let (order, session) = node.completed(&files).await;
    let all = undisturbed(&files).await;
    // The first block of the first file.
    *node.archive.rotten.lock().unwrap() = Some(0);
    let run = node.archive().await;
    assert_eq!(run.outcome, Outcome::Done, "{run:?}");
    // Everything of that file and the index once more, under the same names; the other file is not
    // touched.
    assert_eq!(node.puts().len(), all);
    let puts = node.archive.puts.lock().unwrap().len();
    assert_eq!(puts, all + all - 1);
    node.comes_back(order, session, &files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_attempt_cannot_prove_it() {
    let files = large();
    let studio = Studio::new();
    let (a, b) = (
        studio.node(u64::MAX, false).await,
        studio.node(u64::MAX, false).await,
    );
    let (order, session) = a.completed(&files).await;
    let at = a.vault.core.settled(order).await.unwrap();
    let Turn::Ours(claim) = a.turn(order).await else {
        panic!("nobody else is there");
    };
    let written = a
        .vault
        .archiver
        .write_attempt(&at.order, &claim)
        .await
        .unwrap();
    let proof = a
        .vault
        .archiver
        .read_back(&at.order, &claim, &written)
        .await
        .unwrap();
    // As long as the first one is at it the other one waits.
    for _ in 0..3 {
        assert!(matches!(b.turn(order).await, Turn::Wait));
        studio.clock.advance(Duration::from_secs(60));
        a.vault
            .archiver
            .read_back(&at.order, &claim, &written)
            .await
            .unwrap();
    }
    assert!(matches!(b.turn(order).await, Turn::Wait));
    studio.minutes_pass();
    let Turn::Ours(taken) = b.turn(order).await else {
        panic!("nobody was at it for minutes");
    };
    assert_eq!(taken.attempt, claim.attempt);
    assert!(
        a.vault
            .archiver
            .prove(&claim, &proof)
            .await
            .unwrap()
            .is_none()
    );
    for refused in [
        a.vault
            .archiver
            .write_attempt(&at.order, &claim)
            .await
            .map(drop),
        a.vault
            .archiver
            .read_back(&at.order, &claim, &written)
            .await
            .map(drop),
    ] {
        let Err(Error::Refused(refusal)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(refusal.kind, RefusalKind::TakenOver);
    }
    assert_eq!(a.stage(order).await, Stage::Completed);
    let again = b
        .vault
        .archiver
        .write_attempt(&at.order, &taken)
        .await
        .unwrap();
    assert_eq!(b.puts().len(), 1, "the index");
    let proof = b
        .vault
        .archiver
        .read_back(&at.order, &taken, &again)
        .await
        .unwrap();
    assert!(
        b.vault
            .archiver
            .prove(&taken, &proof)
            .await
            .unwrap()
            .is_some()
    );
    b.comes_back(order, session, &files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_changed_is_archived_anew_and_the_old_attempt_is_swept() {
    let files = large();
    let studio = Studio::new();
    let node = studio.node(2, false).await;
    let (order, session) = node.completed(&files).await;
    assert_eq!(node.archive().await.outcome, Outcome::Failed);
    let begun = node.puts();
    let reopened = node.vault.core.change(order, Order::reopen).await;
    reopened.unwrap();
    node.vault.orders.complete(order, POLICY).await.unwrap();
    node.archive.good.store(u64::MAX, Ordering::SeqCst);
    let run = node.archive().await;
    // Nothing of another run can land in an attempt that this one began.
    assert_eq!(run.outcome, Outcome::Done, "{run:?}");
    let left = node
        .vault
        .core
        .archive()
        .list(&paths::archive(order))
        .await
        .unwrap();
    assert!(
        left.iter().all(|(path, _)| !begun.contains(path)),
        "{left:?}"
    );
    node.comes_back(order, session, &files).await;
}
