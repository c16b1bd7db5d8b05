//! A catalog that comes from a file, over stores that may know better; and a drill's sample.

use super::tests::world::{World, held, rows};
use crate::catalog::portable;
use crate::ids::OrderId;
use crate::order::{Hold, Stage};
use crate::paths;
use crate::rebuild::Imported;
use crate::vault::Vault;

async fn exported(world: &World) -> Vec<u8> {
    let mut file = Vec::new();
    let catalog = &**world.vault.core.catalog();
    let now = world.vault.core.clock().now();
    portable::export(catalog, now, &mut file).await.unwrap();
    file
}

/// The file's rows over the stores as they are now.
async fn imported(world: &World, file: &[u8]) -> (std::sync::Arc<Vault>, Imported) {
    let vault = world.without_catalog().await;
    let ported = portable::import(&**vault.core.catalog(), &mut &file[..]).await;
    ported.unwrap();
    let imported = vault.import.check_imported().await.unwrap();
    (vault, imported)
}

async fn hold(world: &World, order: OrderId) {
    let hold = Hold {
        reason: "a lawyer asked".into(),
        at: world.vault.core.clock().now(),
    };
    let held = world
        .vault
        .core
        .change(order, |order| order.hold(hold.clone()));
    held.await.unwrap();
}

#[tokio::test]
async fn a_move_takes_everything_along_uploads_as_well() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    world.upload(order, "kick.wav", b"boom").await;
    world.submit(order).await;
    let finished = world.upload(order, "snare.wav", &[7; 40_000]).await;
    let (vault, told) = imported(&world, &exported(&world).await).await;
    assert_eq!((told.kept, told.problems.len(), told.lost.len()), (1, 0, 0));
    assert_eq!(rows(&vault, b"").await, rows(&world.vault, b"").await);
    assert_eq!(
        vault.rows.upload(order, finished).await.unwrap().offset,
        40_000
    );
}

#[tokio::test]
async fn what_the_stores_know_better_wins() {
    let world = World::new().await;
    let held_since = world.order("2026-0001").await;
    let purged_since = world.order("2026-0002").await;
    let purged_before = world.order("2026-0003").await;
    world.purge(purged_before).await;
    let file = exported(&world).await;
    hold(&world, held_since).await;
    world.purge(purged_since).await;
    let unknown = world.order("2026-0004").await;
    let (vault, told) = imported(&world, &file).await;
    assert_eq!(told.problems, Vec::<String>::new());
    let newer: Vec<_> = told.newer.iter().map(ToString::to_string).collect();
    assert_eq!(
        (newer, told.unknown, told.purged, told.kept),
        (vec!["2026-0001".to_owned()], 1, 1, 1)
    );
    assert!(held(&vault, held_since).await.is_some());
    // The file knew the first entry of both logs, and not what was decided since.
    for (order, lost) in [
        (held_since, "entry 2 is lost with the catalog"),
        (purged_since, "entries 2 to 3 are lost with the catalog"),
    ] {
        let log = vault.audit.log(order).await.unwrap();
        assert_eq!((log.entries.len(), log.problems.len()), (1, 0), "{log:?}");
        assert!(log.remarks.iter().any(|it| it.starts_with(lost)), "{log:?}");
    }
    assert_eq!(
        vault.core.order(purged_since).await.unwrap().stage(),
        Stage::Purging
    );
    assert_eq!(
        vault.core.order(purged_before).await.unwrap().stage(),
        Stage::Purged
    );
    assert_eq!(
        vault.core.order(unknown).await.unwrap().number.to_string(),
        "2026-0004"
    );
}

#[tokio::test]
async fn an_upload_whose_bytes_went_starts_again_and_stores_that_are_older_are_named() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    let upload = world.upload(order, "kick.wav", &[7; 40_000]).await;
    let whole = world.upload(order, "snare.wav", &[8; 40_000]).await;
    hold(&world, order).await;
    let file = exported(&world).await;
    world
        .remove(&world.objects(paths::upload(order, upload).as_ref()).await[0])
        .await;
    world.remove(&paths::record(order, 2)).await;
    let (vault, told) = imported(&world, &file).await;
    assert!(
        vault.rows.upload(order, upload).await.is_err()
            && vault.rows.upload(order, whole).await.is_ok()
    );
    assert_eq!(told.lost[0].file.as_deref(), Some("kick.wav"));
    assert!(told.problems[0].contains("record 2 is missing"), "{told:?}");
}

#[tokio::test]
async fn a_sample_opens_blocks_and_names_what_it_cannot_open() {
    let world = World::new().await;
    let order = world.order("2026-0001").await;
    world.order("2026-0002").await;
    let upload = world.upload(order, "kick.wav", &[7; 40_000]).await;
    world.submit(order).await;
    let sample = world.vault.drill.sample_blocks(5).await.unwrap();
    assert_eq!((sample.blocks, sample.bytes), (5, 200_000));
    let block = &world.objects(paths::upload(order, upload).as_ref()).await[0];
    world.damage(block).await;
    let sample = world.vault.drill.sample_blocks(5).await.unwrap();
    assert_eq!((sample.blocks, sample.problems.len()), (0, 1));
    assert!(sample.problems[0].contains("kick.wav"), "{sample:?}");
}

#[tokio::test]
async fn what_may_only_read_writes_nothing() {
    let world = World::new().await;
    let store = world.vault.core.working().clone().read_only();
    let path = object_store::path::Path::from("x");
    assert!(store.put_now(&path, "x".into()).await.is_err());
    world
        .vault
        .core
        .working()
        .put_now(&path, "x".into())
        .await
        .unwrap();
    assert!(store.delete(&path).await.is_err());
    assert!(store.get_opt(&path).await.unwrap().is_some());
}
