//! What comes back of a log with a rebuilt order, and what a purge leaves of it.

use super::{row, six, sound, words, write};
use crate::audit::{Actor, Entry, Head};
use crate::catalog::Batch;
use crate::order::{Hold, Order, Stage};
use crate::paths;
use crate::rebuild::tests::world::{AT_ONCE, World, rows};
use crate::tables::{self, decode, encode};

#[tokio::test]
async fn after_a_rebuild_the_chain_goes_on_from_the_head() {
    let world = World::new().await;
    let order = six(&world).await;
    let before = sound(&world.vault, order).await;
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!((rebuilt.entries, rebuilt.lost_entries), (0, 6));
    let log = sound(&vault, order).await;
    assert_eq!(log.head, before.head);
    assert_eq!(
        log.remarks,
        ["entries 1 to 6 are lost with the catalog; the chain goes on from their hash"]
    );
    vault.core.change(order, Order::reopen).await.unwrap();
    let log = sound(&vault, order).await;
    assert_eq!((words(&log), log.remarks.len()), (vec!["reopened"], 1));
    assert_eq!(log.entries[0].0.previous, before.head.hash);
    // What was lost is lost for good; what came after is not.
    vault
        .core
        .catalog()
        .commit(Batch::new().delete(tables::entry(order, 7)))
        .await
        .unwrap();
    let log = vault.audit.log(order).await.unwrap();
    assert_eq!(
        log.problems,
        ["entry 7 is missing: it was removed from the catalog"]
    );
}

#[tokio::test]
async fn a_snapshot_brings_entries_back_as_far_as_they_hang_together() {
    let world = World::new().await;
    let order = six(&world).await;
    let before = sound(&world.vault, order).await;
    world.vault.snapshots.take().await.unwrap();
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!((rebuilt.entries, rebuilt.lost_entries), (6, 0));
    assert_eq!(sound(&vault, order).await, before);

    // Two decisions later the snapshot lacks two entries, and records vouch for the rest.
    world.vault.core.change(order, Order::reopen).await.unwrap();
    world.vault.orders.complete(order, AT_ONCE).await.unwrap();
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!((rebuilt.entries, rebuilt.lost_entries), (6, 2));
    let log = sound(&vault, order).await;
    assert_eq!(
        log.remarks,
        ["entries 7 to 8 are lost with the catalog; the chain goes on from their hash"]
    );
    assert_eq!(log.entries, before.entries);
    let key = tables::entry(order, 6);
    let forged = Entry {
        who: Actor::job("nobody"),
        ..log.entries[5].0.clone()
    };
    write(&vault, key, Some(encode(&forged))).await;
    let log = vault.audit.log(order).await.unwrap();
    assert!(
        log.problems[0].starts_with("entry 6 is not what was decided"),
        "{log:?}"
    );

    // What was changed before a snapshot was taken stays out, and so does what hangs on it.
    let forged = Entry {
        who: Actor::job("nobody"),
        ..before.entries[2].0.clone()
    };
    write(&world.vault, tables::entry(order, 3), Some(encode(&forged))).await;
    world.clock.advance(std::time::Duration::from_secs(60));
    world.vault.snapshots.take().await.unwrap();
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!(
        (rebuilt.entries, rebuilt.lost_entries),
        (5, 3),
        "{rebuilt:?}"
    );
    assert!(
        rebuilt.problems[0].contains("entry 3 of its audit log"),
        "{rebuilt:?}"
    );
    let log = sound(&vault, order).await;
    assert_eq!(
        log.remarks,
        ["entries 1 to 3 are lost with the catalog; the chain goes on from their hash"]
    );
}

#[tokio::test]
async fn a_purge_leaves_the_log_and_nothing_about_a_person() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let now = world.vault.core.clock().now();
    let hold = Hold {
        reason: "the band quarrels".into(),
        at: now,
    };
    world
        .vault
        .core
        .change(order, |order| order.hold(hold.clone()))
        .await
        .unwrap();
    world
        .vault
        .core
        .change(order, Order::release_hold)
        .await
        .unwrap();
    world.purge(order).await;
    let log = sound(&world.vault, order).await;
    let expected = [
        "created",
        "held",
        "hold_lifted",
        "completed",
        "purging",
        "purged",
    ];
    assert_eq!((words(&log), log.remarks.len()), (expected.to_vec(), 0));
    let rows = rows(&world.vault, b"").await;
    for (key, row) in rows.iter().filter(|(key, _)| key[0] == b'h') {
        for word in ["Band", "quarrel"] {
            assert!(!row.contains(word), "{key:?}: {row}");
        }
    }
    let tombstone = world.vault.core.tombstone(order).await.unwrap().unwrap();
    assert_eq!(tombstone.audit, log.entries[4].0.head(order));

    let (vault, _) = world.rebuilt().await;
    let at = vault.core.settled(order).await.unwrap();
    assert_eq!(
        (at.order.audit, at.order.stage().name()),
        (tombstone.audit, "purging")
    );
    vault.deletion.destroy(&at.order).await.unwrap();
    let at = vault.core.settled(order).await.unwrap();
    vault.deletion.close_purge(&at).await.unwrap().unwrap();
    let log = sound(&vault, order).await;
    assert_eq!(words(&log), ["purged"]);
    assert_eq!(
        log.remarks,
        ["entries 1 to 5 are lost with the catalog; the chain goes on from their hash"]
    );
}

#[tokio::test]
async fn an_order_of_before_there_was_a_log_begins_one() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let key = tables::order(order);
    let mut old: Order = decode(&row(&world.vault, &key).await).unwrap();
    old.audit = Head::default();
    let text = String::from_utf8(encode(&old)).unwrap();
    assert!(!text.contains("audit"), "{text}");
    write(&world.vault, key, Some(text.into_bytes())).await;
    write(&world.vault, tables::entry(order, 1), None).await;
    world.remove(&paths::record(order, 1)).await;
    let log = sound(&world.vault, order).await;
    assert!(
        log.remarks
            .iter()
            .any(|it| it.contains("no decision was logged yet")),
        "{log:?}"
    );
    world.vault.orders.complete(order, AT_ONCE).await.unwrap();
    let log = sound(&world.vault, order).await;
    assert_eq!(words(&log), ["completed"]);
    assert!(
        log.remarks[0].starts_with("the order is older than its log"),
        "{log:?}"
    );
    let stage = world.vault.core.order(order).await.unwrap().stage();
    assert_eq!(stage, Stage::Completed);
}
