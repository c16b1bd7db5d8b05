//! What the mirror keeps, and what is read there.

use stemvault_scheduler::jobs::scrub::{Scrub, ScrubRequest};
use stemvault_storage::flaw::Tier;

use super::*;

/// A studio with a mirror, which has everything of its only order; the mirror's objects.
async fn mirrored() -> (Studio, Arc<InMemory>) {
    let (studio, _) = Studio::in_memory().await;
    let copies = Arc::new(InMemory::new());
    let mirror = Mirror {
        bucket: Store::of("mirror", Arc::clone(&copies) as Arc<dyn ObjectStore>),
        keys: Store::of("mirror_keys", Arc::new(InMemory::new())),
    };
    let studio = studio.restarted_with(Some(mirror)).await;
    studio.upload(b"boom").await;
    let (kind, form, rules) = (Kind::Material, Form::new(), Rules::new());
    let submitted = studio
        .vault
        .sessions
        .submit(studio.order, kind, form, rules);
    submitted.await.unwrap();
    copy(&studio).await;
    (studio, copies)
}

async fn copy(studio: &Studio) {
    let runs = studio.jobs.run(only("mirror")).await.unwrap();
    assert_eq!(runs[0].outcome, Outcome::Done, "{runs:?}");
}

async fn working_copies(studio: &Studio) -> usize {
    let mirror = &studio.vault.mirroring.mirror().unwrap().bucket;
    let working = paths::working(studio.order);
    mirror.list(&working).await.unwrap().len()
}

/// Reads everything in the mirror.
async fn scrub(studio: &Studio) -> Scrub {
    let request = ScrubRequest {
        tiers: vec![Tier::Mirror],
        order: None,
        rate: None,
    };
    studio.jobs.begin_scrub(request).await.unwrap();
    let ended = async {
        loop {
            let scrub = studio.jobs.last_scrub().await.unwrap().unwrap();
            if scrub.ended_at.is_some() {
                return scrub;
            }
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    ended.expect("the scrub does not end")
}

#[tokio::test]
async fn what_was_mirrored_is_read_there_whatever_was_decided_since() {
    let (studio, copies) = mirrored().await;
    let session = studio.vault.core.sessions(studio.order).await.unwrap()[0].session;
    // Now a download is on record of which the mirror knows nothing.
    let logged = studio.vault.downloads.downloaded(studio.order, session);
    logged.await.unwrap();
    let order = studio.vault.core.order(studio.order).await.unwrap();
    assert!(!studio.vault.mirrored.is_mirrored(&order).await.unwrap());
    spoil(&copies, &paths::working(studio.order)).await;
    spoil(&copies, &paths::sessions(studio.order)).await;
    let told = scrub(&studio).await;
    assert_eq!((told.healed, told.left), (2, 0), "{told:?}");

    // What came after the last copying is missing there, and is no flaw.
    let later = studio.create_named("snare.wav", 4).await;
    let writer = studio.vault.appends.begin_append(studio.order, later, 0);
    let mut writer = Box::pin(writer).await.unwrap();
    writer.push(b"tick").await.unwrap();
    writer.flush().await.unwrap();
    drop(writer);
    studio.submit_and_complete().await;
    studio.jobs.run(only("archive")).await.unwrap();
    let told = scrub(&studio).await;
    assert_eq!((told.healed, told.left), (0, 0), "{told:?}");
    assert!(told.blocks > 0, "{told:?}");
}

#[tokio::test]
async fn the_mirror_keeps_its_copy_until_a_release_has_come_to_its_end() {
    let (studio, copies) = mirrored().await;
    let due = studio.vault.orders.complete(studio.order, AT_ONCE);
    due.await.unwrap();
    studio.jobs.run(only("archive")).await.unwrap();
    copy(&studio).await;
    studio.jobs.run(only("release")).await.unwrap();
    assert_eq!(studio.stage().await, Stage::Releasing);
    copy(&studio).await;
    assert_eq!(working_copies(&studio).await, 1, "the last that there is");
    studio.clock.advance(Duration::from_secs(121));
    studio.jobs.run(only("release")).await.unwrap();
    assert_eq!(studio.stage().await, Stage::Released);
    // Its archive is bad, and the mirror's copy of it as well.
    let archive = paths::archive(studio.order);
    let bucket = studio.vault.core.archive().clone();
    for (path, _) in bucket.list(&archive).await.unwrap() {
        bucket.delete(&path).await.unwrap();
        copies.delete(&path).await.unwrap();
    }
    studio.jobs.run(only("prove")).await.unwrap();
    let order = studio.vault.core.order(studio.order).await.unwrap();
    assert!(order.unproven().is_some());
    studio.jobs.run(only("mirror")).await.unwrap();
    assert_eq!(working_copies(&studio).await, 1, "what may mend it");
}
