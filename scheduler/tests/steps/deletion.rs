//! Deleting: what is read before, what stops it, and what is looked at again afterwards.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use stemvault_scheduler::Outcome;
use stemvault_storage::audit::What;
use stemvault_storage::error::Error;
use stemvault_storage::ids::UploadId;
use stemvault_storage::order::{Hold, Order, Stage};
use stemvault_storage::paths;
use stemvault_storage::refusal::RefusalKind;

use super::{AT_ONCE, Studio, job, only, spoil};

/// A studio whose only order is archived and due to be released; its folder in the archive.
async fn archived() -> (Studio, Arc<InMemory>, Path) {
    let (studio, bucket) = Studio::in_memory().await;
    studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    studio.jobs.run(only("archive")).await.unwrap();
    let order = studio.vault.core.order(studio.order).await.unwrap();
    let attempt = paths::attempt(studio.order, order.proof().unwrap().attempt);
    (studio, bucket, attempt)
}

/// What is wrong with an archive when its working files are due.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    NoIndex,
    NoBlock,
    ShortBlock,
    Nothing,
}

#[tokio::test]
async fn a_release_reads_the_archive_before_it_decides_anything() {
    for wrong in [
        Wrong::NoIndex,
        Wrong::NoBlock,
        Wrong::ShortBlock,
        Wrong::Nothing,
    ] {
        let (studio, bucket, attempt) = archived().await;
        let index = attempt.clone().join("index");
        let objects = studio.vault.core.archive().list(&attempt).await.unwrap();
        let block = objects
            .into_iter()
            .find(|(path, _)| *path != index)
            .unwrap()
            .0;
        // No copy that could mend it.
        spoil(&bucket, &paths::working(studio.order)).await;
        match wrong {
            Wrong::NoIndex => bucket.delete(&index).await.unwrap(),
            Wrong::NoBlock => bucket.delete(&block).await.unwrap(),
            Wrong::ShortBlock => {
                let whole = bucket.get(&block).await.unwrap().bytes().await.unwrap();
                let cut = PutPayload::from_bytes(whole.slice(..whole.len() - 1));
                bucket.put(&block, cut).await.unwrap();
            }
            Wrong::Nothing => {}
        }
        let working = paths::working(studio.order);
        let before = studio.vault.core.working().list(&working).await.unwrap();
        let runs = studio.jobs.run(only("release")).await.unwrap();
        if let Wrong::Nothing = wrong {
            assert_eq!(studio.stage().await, Stage::Releasing, "{runs:?}");
            continue;
        }
        assert_eq!(studio.stage().await, Stage::Archived, "{wrong:?}: {runs:?}");
        assert_eq!(runs[0].outcome, Outcome::Failed, "{wrong:?}: {runs:?}");
        let said = runs[0].orders.iter().any(|note| {
            note.order == "2026-0117" && note.detail.contains("stemvault prove 2026-0117")
        });
        assert!(said, "{wrong:?}: {runs:?}");
        let now = studio.vault.core.working().list(&working).await.unwrap();
        assert_eq!(now, before, "{wrong:?}");
        assert!(
            studio
                .vault
                .core
                .order(studio.order)
                .await
                .unwrap()
                .unproven()
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_release_that_was_decided_reads_again_before_it_deletes_in_a_later_run() {
    let (studio, bucket, attempt) = archived().await;
    let now = studio.vault.core.clock().now();
    let sessions = studio.vault.core.sessions(studio.order).await.unwrap();
    let sessions: Vec<_> = sessions.into_iter().map(|row| row.session).collect();
    // As a run decided it that died then.
    let decided = studio
        .vault
        .core
        .change(studio.order, |order| order.releasing(now, &sessions));
    decided.await.unwrap();
    spoil(&bucket, &attempt).await;
    let working = paths::working(studio.order);
    let before = studio.vault.core.working().list(&working).await.unwrap();
    let runs = studio.jobs.run(only("release")).await.unwrap();
    assert_eq!(runs[0].outcome, Outcome::Failed, "{runs:?}");
    let now = studio.vault.core.working().list(&working).await.unwrap();
    assert_eq!(now, before);
    // And no word of it says what is not so.
    let order = studio.vault.core.order(studio.order).await.unwrap();
    let row = &studio.vault.core.sessions(studio.order).await.unwrap()[0];
    let said = studio
        .vault
        .leave
        .check_may_leave(&order, row)
        .await
        .unwrap_err()
        .message;
    assert!(said.contains("stopped half way"), "{said}");
    let said = order
        .recall(studio.vault.core.clock().now())
        .unwrap_err()
        .message;
    assert!(said.contains("stemvault order show"), "{said}");
    let said = studio.vault.leave.stands_still(&order).await.unwrap();
    assert!(said.contains("stemvault prove 2026-0117"), "{said}");
}

#[tokio::test]
async fn a_hold_stops_expiry_sweep_and_whoever_removes_an_upload() {
    let (studio, _) = Studio::in_memory().await;
    let upload = studio.create(4).await;
    let attempt = paths::archive(studio.order).join("0f".repeat(16));
    let left = attempt.join("block");
    let bytes = Bytes::from_static(b"of an attempt that a newer record named");
    studio
        .vault
        .core
        .archive()
        .put_now(&left, bytes)
        .await
        .unwrap();
    let hold = |order: &Order| {
        order.hold(Hold {
            reason: "a lawyer asked".to_owned(),
            at: order.created_at,
        })
    };
    studio.vault.core.change(studio.order, hold).await.unwrap();
    studio.clock.advance(Duration::from_secs(15 * 86_400));
    let expired = studio.jobs.run(only("expire")).await.unwrap();
    assert_eq!(expired[0].orders[0].action, "kept", "{expired:?}");
    studio.jobs.run(only("sweep")).await.unwrap();
    let refused = studio.vault.uploads.terminate(studio.order, upload).await;
    let Err(Error::Refused(refusal)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refusal.kind, RefusalKind::Held);
    // Why is not for the client.
    assert!(!refusal.message.contains("lawyer"), "{}", refusal.message);
    assert!(studio.vault.rows.upload(studio.order, upload).await.is_ok());
    assert!(
        studio
            .vault
            .core
            .archive()
            .get_opt(&left)
            .await
            .unwrap()
            .is_some()
    );

    let lifted = studio.vault.core.change(studio.order, Order::release_hold);
    lifted.await.unwrap();
    let plan = studio
        .jobs
        .plan(studio.vault.core.clock().now())
        .await
        .unwrap();
    assert_eq!(plan.actions[0].verb.name(), "expire", "{plan:?}");
    let expired = studio.jobs.run(only("expire")).await.unwrap();
    assert!(
        expired[0].orders[0].detail.contains("kick.wav"),
        "{expired:?}"
    );
    let log = studio.vault.audit.log(studio.order).await.unwrap();
    let last = log.entries.last().unwrap();
    assert_eq!(last.0.what, What::Expired(upload), "{log:?}");
    studio.jobs.run(only("sweep")).await.unwrap();
    assert_eq!(
        studio.vault.core.archive().get_opt(&left).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn what_lands_after_a_purge_is_found_weeks_later() {
    let (studio, bucket) = Studio::in_memory().await;
    studio
        .vault
        .orders
        .complete(studio.order, AT_ONCE)
        .await
        .unwrap();
    let key = paths::order_key(studio.order);
    let secret = studio.vault.core.keys().wrapped_bytes(&key).await.unwrap();
    while studio.stage().await != Stage::Purged {
        studio.run().await;
        studio.clock.advance(Duration::from_secs(121));
    }
    studio.clock.advance(Duration::from_secs(40 * 86_400));
    // A node that slept since before the purge wakes up, and what it was doing lands.
    let late = paths::upload(studio.order, UploadId([5; 16])).join("block");
    bucket.put(&late, "late".into()).await.unwrap();
    studio
        .key_objects
        .put(&key, secret.unwrap().into())
        .await
        .unwrap();
    let runs = studio.jobs.run(only("sweep")).await.unwrap();
    assert!(runs[0].orders[0].detail.contains("2 objects"), "{runs:?}");
    assert!(bucket.get(&late).await.is_err());
    assert!(studio.key_objects.get(&key).await.is_err());
    studio.clock.advance(Duration::from_secs(21 * 86_400));
    studio.jobs.run(only("sweep")).await.unwrap();
    assert_eq!(studio.vault.late.watched().await.unwrap(), []);
}

#[tokio::test]
async fn an_order_that_cannot_be_purged_is_named_and_its_archive_is_written_again_in_time() {
    let (studio, bucket, attempt) = archived().await;
    bucket.delete(&attempt.join("index")).await.unwrap();
    let runs = studio.run().await;
    let purge = runs.iter().find(|run| run.job == job("purge")).unwrap();
    let said = &purge.orders[0].detail;
    for word in ["overdue", "archive-again 2026-0117", "prove 2026-0117"] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    assert_eq!(studio.jobs.overdue().await.unwrap().len(), 1);
    let before = studio.vault.core.order(studio.order).await.unwrap();
    let again = studio.vault.core.change(studio.order, Order::archive_again);
    assert_eq!(again.await.unwrap().completed_at(), before.completed_at());
    let mut stages = Vec::new();
    for _ in 0..3 {
        studio.run().await;
        stages.push(studio.stage().await.name());
        studio.clock.advance(Duration::from_secs(121));
    }
    assert_eq!(stages, ["releasing", "purging", "purged"]);
    assert_eq!(studio.jobs.overdue().await.unwrap(), []);
}
