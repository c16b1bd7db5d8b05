//! A catalog that is lost, in memory: what comes back, from what, and what does not.

pub(crate) mod world;

use object_store::ObjectStoreExt;

use self::world::{AT_ONCE, World, held, rows};
use crate::catalog::{Batch, Key};
use crate::ids::{LinkId, OrderId, Token};
use crate::link::{ApiToken, Digest, Scope};
use crate::order::{Hold, Order, Stage};
use crate::paths;
use crate::session::{Form, Review};
use crate::tables::{self, put};

fn form(song: &str) -> Form {
    [("song".to_owned(), song.to_owned())].into()
}

fn hold(world: &World) -> Hold {
    Hold {
        reason: "a lawyer asked".into(),
        at: world.vault.core.clock().now(),
    }
}

/// Orders in every state that a record can bear.
async fn a_studio(world: &World) {
    let vault = &world.vault;
    let returned = world.order("2026-0001").await;
    world.upload(returned, "kick.wav", b"boom").await;
    let session = world.submit(returned).await;
    let reasons = vec!["too quiet".to_owned()];
    vault
        .sessions
        .return_session(returned, session, reasons)
        .await
        .unwrap();
    let (link, _) = vault
        .access
        .create_link(returned, Scope::Upload, None)
        .await
        .unwrap();
    vault.access.revoke_link(link.id).await.unwrap();
    vault
        .access
        .create_link(returned, Scope::Session { session }, None)
        .await
        .unwrap();
    let kept = world.order("2026-0002").await;
    world.upload(kept, "snare.wav", b"crack").await;
    let session = world.submit(kept).await;
    vault.sessions.accept(kept, session, None).await.unwrap();
    vault.orders.complete(kept, AT_ONCE).await.unwrap();
    vault
        .core
        .change(kept, |order| order.hold(hold(world)))
        .await
        .unwrap();
    let completed = world.order("2026-0003").await;
    vault.orders.complete(completed, AT_ONCE).await.unwrap();
}

#[tokio::test]
async fn everything_sealed_comes_back() {
    let world = World::new().await;
    a_studio(&world).await;
    for with_snapshot in [false, true] {
        if with_snapshot {
            world.vault.snapshots.take().await.unwrap();
        }
        let (vault, rebuilt) = world.rebuilt().await;
        assert_eq!(rebuilt.problems, Vec::<String>::new());
        assert_eq!((rebuilt.orders, rebuilt.sessions, rebuilt.files), (3, 2, 2));
        // Of uploads only those of returned sessions come back, and not all that was known of them;
        // the current master key is the first at hand again, whose the stores are is asked anew; audit
        // logs come from a snapshot alone.
        let unlike: &[u8] = if with_snapshot {
            b"uUeamk"
        } else {
            b"uUeamkhH"
        };
        assert_eq!(rows(&vault, unlike).await, rows(&world.vault, unlike).await);
    }
}

#[tokio::test]
async fn a_snapshot_adds_what_records_do_not_say() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    world
        .vault
        .drafts
        .keep(order, &form("Nachtzug"))
        .await
        .unwrap();
    let big = world.upload(order, "Drums/kick.wav", &[7; 40_000]).await;
    world.upload(order, "notes.txt", b"loud").await;
    let run = Key([&tables::runs().0[..], b"\x01x"].concat());
    let token = Token::random();
    let row = ApiToken {
        id: LinkId::random(),
        name: "the mixing desk".into(),
        created_at: world.vault.core.clock().now(),
        expires_at: None,
    };
    let batch = Batch::new().put(run.clone(), r#"{"job":"archive","v":1}"#);
    let batch = put(batch, tables::token(Digest(token.digest())), &row);
    world.vault.core.catalog().commit(batch).await.unwrap();

    let (_, without) = world.rebuilt().await;
    assert_eq!((without.drafts, without.runs), (0, 0));
    let told: Vec<_> = without.lost.iter().map(|it| (&it.file, it.bytes)).collect();
    assert_eq!(
        told,
        [(&None, 4), (&None, 40_000)],
        "the store knows no names"
    );

    world.vault.snapshots.take().await.unwrap();
    let (vault, with) = world.rebuilt().await;
    assert_eq!((with.drafts, with.runs), (1, 1));
    assert_eq!(
        vault.drafts.draft(order).await.unwrap(),
        Some(form("Nachtzug"))
    );
    assert!(vault.core.catalog().get(&run).await.unwrap().is_some());
    assert_eq!(with.tokens, ["the mixing desk"]);
    let tokens = vault
        .core
        .catalog()
        .scan_prefix(&tables::tokens())
        .await
        .unwrap();
    assert!(
        tokens.is_empty(),
        "what may have been taken back stays shut"
    );
    let told = with.lost.iter().map(|it| (it.file.as_deref(), it.bytes));
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [(Some("Drums/kick.wav"), 40_000), (Some("notes.txt"), 4)]
    );
    assert!(
        vault.rows.upload(order, big).await.is_err(),
        "it starts again"
    );

    // What is submitted afterwards makes the draft old, and nothing is lost.
    world.submit(order).await;
    let (vault, later) = world.rebuilt().await;
    assert_eq!((later.drafts, later.lost.len()), (0, 0));
    assert_eq!(vault.drafts.draft(order).await.unwrap(), None);
}

#[tokio::test]
async fn a_newer_record_and_a_tombstone_win_over_a_snapshot() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let purged = world.order("2026-0002").await;
    world.vault.snapshots.take().await.unwrap();
    let held_then = world
        .vault
        .core
        .change(order, |order| order.hold(hold(&world)));
    held_then.await.unwrap();
    world.purge(purged).await;
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!(rebuilt.problems, Vec::<String>::new());
    assert_eq!((rebuilt.orders, rebuilt.purging), (1, 1));
    assert_eq!(held(&vault, order).await.as_deref(), Some("a lawyer asked"));
    let purged = vault.core.order(purged).await.unwrap();
    assert_eq!(
        (purged.stage(), purged.client.name),
        (Stage::Purging, String::new())
    );
}

#[tokio::test]
async fn a_damaged_record_is_healed_by_a_snapshot_that_is_as_new() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    world
        .vault
        .access
        .create_link(order, Scope::Upload, None)
        .await
        .unwrap();
    world.vault.snapshots.take().await.unwrap();
    let newest = paths::record(order, 2);
    world.damage(&newest).await;
    let (vault, rebuilt) = world.rebuilt().await;
    assert!(
        rebuilt
            .problems
            .iter()
            .any(|it| it.contains("order record 2")),
        "{rebuilt:?}"
    );
    assert_eq!(held(&vault, order).await, None);
    assert_eq!(vault.core.links(order).await.unwrap().len(), 1);

    // One that is older cannot know what the damaged one said.
    world.damage(&newest).await;
    world
        .vault
        .access
        .create_link(order, Scope::Upload, None)
        .await
        .unwrap();
    world.damage(&paths::record(order, 3)).await;
    let (vault, _) = world.rebuilt().await;
    assert!(held(&vault, order).await.unwrap().contains("damaged"));
}

#[tokio::test]
async fn an_order_whose_records_are_gone_comes_back_held_from_the_snapshot() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    world.upload(order, "kick.wav", b"boom").await;
    let session = world.submit(order).await;
    world.vault.snapshots.take().await.unwrap();
    for path in world.objects(paths::records(order).as_ref()).await {
        world.remove(&path).await;
    }
    world.remove(&paths::manifest(order, session)).await;
    let (vault, rebuilt) = world.rebuilt().await;
    assert!(held(&vault, order).await.unwrap().contains("snapshot"));
    for word in [
        "is missing from the bucket",
        &format!("manifest of session {session} is missing"),
    ] {
        assert!(
            rebuilt.problems.iter().any(|it| it.contains(word)),
            "{word}: {rebuilt:?}"
        );
    }
    assert_eq!(vault.core.sessions(order).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_the_newest_of_many_records_is_read() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    world.upload(order, "kick.wav", b"boom").await;
    let session = world.submit(order).await;
    for turn in 0..100 {
        let reasons = vec![format!("reason {turn}")];
        world
            .vault
            .sessions
            .return_session(order, session, reasons)
            .await
            .unwrap();
    }
    let records = world.objects(paths::records(order).as_ref()).await;
    assert!(records.len() > 100);
    let (newest, older) = records.split_last().unwrap();
    for path in older {
        world.damage(path).await;
    }
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!(rebuilt.problems, Vec::<String>::new(), "{newest}");
    let row = vault.manifests.session_row(order, session).await.unwrap();
    assert!(matches!(row.review, Review::Returned { reasons, .. } if reasons == ["reason 99"]));
}

#[tokio::test]
async fn three_hundred_orders_come_back_and_two_of_one_number_do_not() {
    let world = World::new().await;
    let mut twin = None;
    for number in 0..300 {
        let order = world.order(&format!("2026-{number:04}")).await;
        if number % 3 == 0 {
            world.upload(order, "kick.wav", b"boom").await;
            world.submit(order).await;
        }
        twin = Some(order);
    }
    // No two orders of one catalog can have the same number; two buckets in one place can.
    let stranger = World::new().await.order("2026-0299").await;
    adopt(&world, stranger, twin.unwrap()).await;
    world.vault.snapshots.take().await.unwrap();
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!((rebuilt.orders, rebuilt.sessions), (300, 100));
    assert_eq!(vault.orders.all().await.unwrap().len(), 300);
    assert_eq!(rebuilt.problems.len(), 1);
    assert!(rebuilt.problems[0].contains("2026-0299"), "{rebuilt:?}");
}

/// Gives the stores an order with the number of `twin`.
async fn adopt(world: &World, stranger: OrderId, twin: OrderId) {
    let vault = &world.vault;
    let lease = crate::store::Lease::new(&vault.core.clock, &stranger);
    let master = vault.rotation.current_master().await.unwrap().id;
    let keys = vault
        .core
        .keys
        .create(stranger, &master, &lease)
        .await
        .unwrap();
    let mut record = vault.core.read_record(twin, 1).await.unwrap();
    record.order.id = stranger;
    let what = crate::block::Logical::Record(1);
    let sealed = crate::block::seal_copy(&keys, stranger, &what, &tables::encode(&record));
    let path = paths::record(stranger, 1);
    world.bucket.put(&path, sealed.into()).await.unwrap();
}

#[tokio::test]
async fn of_many_records_the_newest_stay_and_none_goes_before_the_newest_opens() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let at = world.vault.core.clock().now();
    for nth in 0..40 {
        let hold = Hold {
            reason: format!("{nth}"),
            at,
        };
        let held = |order: &Order| order.hold(hold.clone());
        world.vault.core.change(order, held).await.unwrap();
        world
            .vault
            .core
            .change(order, Order::release_hold)
            .await
            .unwrap();
    }
    let count = async || world.objects(paths::records(order).as_ref()).await.len();
    assert_eq!(count().await, 81);
    let newest = paths::record(order, 81);
    let whole = world.read(&newest).await;
    world.damage(&newest).await;
    world.vault.sweep.sweep(order).await.unwrap();
    assert_eq!(count().await, 81, "the newest does not open");
    world.bucket.put(&newest, whole.into()).await.unwrap();
    assert_eq!(world.vault.sweep.sweep(order).await.unwrap().objects, 31);
    assert_eq!(world.vault.sweep.sweep(order).await.unwrap().objects, 0);
    let (vault, rebuilt) = world.rebuilt().await;
    assert_eq!(rebuilt.problems, Vec::<String>::new());
    assert_eq!(vault.core.order(order).await.unwrap().version, 81);
}
