//! Backups say when they end, and a restore brings back what lives and nothing else.

use chrono::TimeDelta;

use super::house::{House, create, purging};
use crate::clock::Clock;
use crate::error::Error;
use crate::key_care::KEPT;
use crate::key_care::backup::Backup;
use crate::keys::KeyError;
use crate::paths;
use crate::refusal::RefusalKind;
use crate::store::Store;
use crate::vault::Vault;

async fn made(vault: &Vault) -> Backup {
    let (note, file) = vault.key_backup.back_up_keys().await.unwrap();
    let backup = Backup::parse(&file).unwrap();
    assert!(backup.problems.is_empty(), "{:?}", backup.problems);
    assert_eq!(
        (backup.note.name.as_str(), backup.note.keys),
        (note.name.as_str(), None)
    );
    backup
}

async fn lose(house: &House, vault: Vault, order: crate::ids::OrderId) -> Vault {
    drop(vault);
    let keys = Store::of("keys", house.frail.clone());
    keys.delete(&paths::order_key(order)).await.unwrap();
    house.start().await.unwrap()
}

#[tokio::test]
async fn what_is_missing_or_damaged_comes_back_and_the_rest_is_left_alone() {
    let mut house = House::new();
    let vault = house.start().await.unwrap();
    let (first, second) = (create(&vault, 1).await, create(&vault, 2).await);
    let backup = made(&vault).await;
    let to = house.new_master();
    vault.rotation.rotate_keys(&to).await.unwrap();
    let newer = house.object(&paths::order_key(second.id)).await.unwrap();
    let vault = lose(&house, vault, first.id).await;
    let restored = vault
        .key_restore
        .restore_keys(&backup, false)
        .await
        .unwrap();
    assert_eq!(restored.restored, [format!("order {}", first.id)]);
    assert_eq!((restored.here, restored.left_out.len()), (2, 0));
    assert_eq!(
        house.object(&paths::order_key(second.id)).await.unwrap(),
        newer
    );
    // It came back under the master key of today.
    assert_eq!(vault.rotation.key_state().await.unwrap().masters[&to], 3);
    vault.core.read_record(first.id, 1).await.unwrap();

    let damaged = "{}".into();
    house.put_object(&paths::order_key(first.id), damaged).await;
    drop(vault);
    let vault = house.start().await.unwrap();
    let restored = vault
        .key_restore
        .restore_keys(&backup, false)
        .await
        .unwrap();
    assert_eq!(restored.restored.len(), 1);
    vault.core.read_record(first.id, 1).await.unwrap();
}

#[tokio::test]
async fn a_key_store_that_is_lost_whole_comes_back() {
    let mut house = House::new();
    let vault = house.start().await.unwrap();
    let order = create(&vault, 1).await;
    let older = made(&vault).await;
    house.pass(1);
    let backup = made(&vault).await;
    drop(vault);
    house.frail = Default::default();
    house.frail.sound();
    let keys = Store::of("keys", house.frail.clone());
    let masters = house.masters[0].clone().into();
    for expected in [true, false] {
        let put = crate::key_care::restore_records(&keys, &masters, &backup).await;
        assert_eq!(put.unwrap(), expected);
    }
    let vault = house.start().await.unwrap();
    let restored = vault
        .key_restore
        .restore_keys(&backup, false)
        .await
        .unwrap();
    assert_eq!((restored.restored.len(), restored.here), (1, 1));
    vault.core.read_record(order.id, 1).await.unwrap();
    let known = vault.backups.backups().await.unwrap();
    assert_eq!(known[0].name, older.note.name);
    assert_eq!(known[1].ends_at, backup.note.ends_at);
}

#[tokio::test]
async fn a_purged_order_stays_purged_whatever_backup_there_is() {
    let house = House::new();
    let vault = house.start().await.unwrap();
    let (gone, lives) = (create(&vault, 1).await, create(&vault, 2).await);
    let old = made(&vault).await;
    let at = purging(&house, &vault, gone.id).await;
    let between = made(&vault).await;
    assert_eq!(between.keys.len(), 2, "no key of an order in purge");
    // Decided, and its key lost before the tombstone: nor does it come back by its record.
    vault.core.keys().destroy(gone.id).await.unwrap();
    let restored = vault.key_restore.restore_keys(&old, true).await.unwrap();
    assert_eq!(restored.left_out[0].1, "it is being purged");
    vault.deletion.destroy(&at).await.unwrap();
    let stone = vault.core.tombstone(gone.id).await.unwrap().unwrap();
    assert_eq!(stone.last_backup_ends_at, Some(between.note.ends_at));
    let vault = lose(&house, vault, lives.id).await;
    let refused = vault
        .key_restore
        .restore_keys(&old, false)
        .await
        .unwrap_err();
    assert!(matches!(&refused, Error::Refused(no) if no.kind == RefusalKind::Gone));
    assert!(refused.to_string().contains("2026-02-04"), "{refused}");
    let restored = vault.key_restore.restore_keys(&old, true).await.unwrap();
    assert_eq!(restored.restored, [format!("order {}", lives.id)]);
    assert_eq!(restored.left_out[0].1, "it was purged");
    assert!(!vault.core.keys().holds(gone.id).await.unwrap());
}

#[tokio::test]
async fn backups_are_known_until_they_are_of_no_interest() {
    let house = House::new();
    let vault = house.start().await.unwrap();
    let first = made(&vault).await;
    let now = house.clock.now();
    let end = vault.backups.last_backup_ends(now).await.unwrap();
    assert_eq!(end, Some(now + KEPT));
    house.pass(31);
    let now = house.clock.now();
    assert_eq!(vault.backups.last_backup_ends(now).await.unwrap(), None);
    let second = made(&vault).await;
    let names = |notes: Vec<crate::key_care::BackupNote>| {
        notes.into_iter().map(|note| note.name).collect::<Vec<_>>()
    };
    let known = names(vault.backups.backups().await.unwrap());
    assert_eq!(known, [first.note.name, second.note.name.clone()]);
    house.pass(30);
    let third = made(&vault).await;
    assert_eq!(third.note.ends_at - third.note.made_at, TimeDelta::days(30));
    let known = names(vault.backups.backups().await.unwrap());
    assert_eq!(known, [second.note.name, third.note.name]);
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_none() {
    let house = House::new();
    let vault = house.start().await.unwrap();
    create(&vault, 1).await;
    let (_, file) = vault.key_backup.back_up_keys().await.unwrap();
    let text = String::from_utf8(file.to_vec()).unwrap();
    assert!(!text.contains(house.masters[0].reveal().trim()));
    for end in 0..file.len() - 1 {
        let cut = Backup::parse(&file[..end]);
        assert!(matches!(cut, Err(KeyError::BadBackup { .. })), "{end}");
    }
    for at in (0..file.len() - 1).step_by(7) {
        let mut bytes = file.to_vec();
        bytes[at] ^= 1;
        assert!(Backup::parse(&bytes).is_err(), "{at}");
    }
    assert_eq!(Backup::parse(&file).unwrap().keys.len(), 2);
}
