//! Snapshots in memory: when they count, how long they are kept, what a purge leaves of them.

use chrono::TimeDelta;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::error::Error;
use crate::keys::KeyError;
use crate::paths;
use crate::rebuild::tests::world::World;
use crate::snapshot::SnapshotName;

#[test]
fn names_print_parse_and_are_ordered_by_time() {
    let at = |text: &str| SnapshotName::new(text.parse().unwrap());
    let (early, late) = (at("2026-01-05T09:00:00.7Z"), at("2026-01-05T10:00:00Z"));
    assert_eq!(early.to_string().parse(), Ok(early));
    assert!(early.to_string().starts_with("20260105T090000Z-"));
    assert!(early < late && early.to_string() < late.to_string());
    assert!("20260105T090000Z-x".parse::<SnapshotName>().is_err());
}

#[tokio::test]
async fn the_last_of_each_day_is_kept_for_thirty_days_and_the_newest_always() {
    let world = World::new().await;
    world.order("2026-0001").await;
    let count = async || world.vault.snapshots.snapshots().await.unwrap().len();
    for _ in 0..40 {
        world.vault.snapshots.take().await.unwrap();
        world.vault.snapshots.take().await.unwrap();
        world.vault.snapshots.remove_old_snapshots().await.unwrap();
        world.days(1);
    }
    // The day's other one was too young to go with its own run.
    assert_eq!(
        count().await,
        32,
        "thirty days back, and two of the day itself"
    );
    world.vault.snapshots.remove_old_snapshots().await.unwrap();
    assert_eq!(count().await, 30, "the last of each of thirty days");
    world.days(400);
    world.vault.snapshots.remove_old_snapshots().await.unwrap();
    assert_eq!(count().await, 1);
    let left = world.objects("snapshots").await;
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn one_of_a_wrong_clock_is_not_the_newest_for_ever() {
    let world = World::new().await;
    world.order("2026-0001").await;
    let year = TimeDelta::days(365);
    world.clock.jump(year);
    let ahead = world.restarted().snapshots.take().await.unwrap().name;
    world.clock.jump(-year);
    let newest = async || {
        let newest = world
            .vault
            .snapshots
            .newest_snapshot(&mut Vec::new())
            .await
            .unwrap();
        newest.unwrap().name
    };
    assert_eq!(newest().await, ahead);
    world.order("2026-0002").await;
    let right = world.vault.snapshots.take().await.unwrap().name;
    assert!(right < ahead);
    assert_eq!(
        newest().await,
        right,
        "a rebuild takes the one that was taken last"
    );
    assert_eq!(
        world.vault.snapshots.remove_old_snapshots().await.unwrap(),
        1
    );
    assert_eq!(world.vault.snapshots.snapshots().await.unwrap(), [right]);
}

#[tokio::test]
async fn one_without_an_index_does_not_count_and_goes_after_a_day() {
    let world = World::new().await;
    world.order("2026-0001").await;
    let whole = world.vault.snapshots.take().await.unwrap().name;
    world.clock.advance(std::time::Duration::from_secs(60));
    let killed = world.vault.snapshots.take().await.unwrap().name;
    world.remove(&paths::snapshot_index(&killed)).await;
    let mut problems = Vec::new();
    let newest = world
        .vault
        .snapshots
        .newest_snapshot(&mut problems)
        .await
        .unwrap();
    assert_eq!((newest.unwrap().name, problems.len()), (whole, 0));
    // Somebody else may be writing it.
    assert_eq!(
        world.vault.snapshots.remove_old_snapshots().await.unwrap(),
        0
    );
    world.days(2);
    assert_eq!(
        world.vault.snapshots.remove_old_snapshots().await.unwrap(),
        1
    );
    assert_eq!(world.vault.snapshots.snapshots().await.unwrap(), [whole]);
}

#[tokio::test]
async fn damage_is_named_and_costs_no_order() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let name = world.vault.snapshots.take().await.unwrap().name;
    world.clock.advance(std::time::Duration::from_secs(60));
    let newer = world.vault.snapshots.take().await.unwrap().name;
    world.damage(&paths::snapshot_page(&newer, 0)).await;
    let (vault, rebuilt) = world.rebuilt().await;
    assert!(vault.core.order(order).await.is_ok());
    assert!(
        rebuilt.problems[0].contains(&newer.to_string()),
        "{rebuilt:?}"
    );
    world.damage(&paths::snapshot_index(&newer)).await;
    let mut problems = Vec::new();
    let used = world
        .vault
        .snapshots
        .newest_snapshot(&mut problems)
        .await
        .unwrap();
    assert_eq!(used.unwrap().name, name);
    assert!(problems[0].contains(&newer.to_string()), "{problems:?}");
}

#[tokio::test]
async fn a_purge_ends_what_old_snapshots_say_of_an_order() {
    let world = World::new().await;
    let (purged, kept) = (
        world.order("2026-0001").await,
        world.order("2026-0002").await,
    );
    let before = world.vault.snapshots.take().await.unwrap();
    assert_eq!(before.orders, 2);
    world.purge(purged).await;
    let after = world.vault.snapshots.take().await.unwrap();
    assert_eq!((after.orders, after.problems.len()), (1, 0));

    // Whoever has the records key and every key that is left opens the page, and no more.
    let vault = world.without_catalog().await;
    let page = vault
        .snapshots
        .snapshot_page(&before.name, 0)
        .await
        .unwrap()
        .unwrap();
    for section in &page.orders {
        let opened = vault.snapshots.open_section(&before.name, section).await;
        match opened {
            Ok(section) => assert_eq!(section.record.order.id, kept),
            Err(Error::Key(KeyError::Missing { .. })) => assert_eq!(section.order, purged),
            Err(error) => panic!("{error}"),
        }
    }
    let page = vault
        .snapshots
        .snapshot_page(&after.name, 0)
        .await
        .unwrap()
        .unwrap();
    assert!(page.orders.iter().all(|section| section.order == kept));
    // And a page that is passed off as another does not open.
    let (from, to) = (
        paths::snapshot_page(&before.name, 0),
        paths::snapshot_page(&after.name, 0),
    );
    let bytes = world.read(&from).await;
    world.bucket.put(&to, bytes.into()).await.unwrap();
    assert!(
        vault
            .snapshots
            .snapshot_page(&after.name, 0)
            .await
            .unwrap()
            .is_err()
    );
    assert_eq!(to, Path::from(format!("snapshots/{}/000000", after.name)));
}
