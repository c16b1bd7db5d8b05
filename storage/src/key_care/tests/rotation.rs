//! A new master key: nothing is lost on the way, and the old one opens nothing afterwards.

use std::time::Duration;

use super::house::{House, create, purging};
use crate::error::Error;
use crate::keys::KeyError;
use crate::order::{Client, OrderNumber};
use crate::paths;
use crate::vault::Vault;

async fn opens_all(vault: &Vault) {
    for order in vault.orders.all().await.unwrap() {
        vault.core.keys().order(order.id).await.unwrap();
    }
}

#[tokio::test]
async fn after_a_rotation_only_the_new_master_key_opens_anything() {
    let mut house = House::new();
    let vault = house.start().await.unwrap();
    let old = create(&vault, 1).await;
    let to = house.new_master();
    let rotation = vault.rotation.rotate_keys(&to).await.unwrap();
    assert_eq!((rotation.wrapped, rotation.problems.len()), (2, 0));
    let new = create(&vault, 2).await;
    assert_eq!(vault.rotation.rotate_keys(&to).await.unwrap().wrapped, 0);
    let state = vault.rotation.key_state().await.unwrap();
    assert_eq!((state.current, state.masters[&to]), (to.clone(), 3));
    assert_eq!(state.masters[house.masters[1].id()], 0);
    drop(vault);

    let first = house.masters[0].clone();
    house.masters = vec![house.masters[1].clone()];
    house.write_masters();
    let refused = house.start().await.unwrap_err();
    assert!(matches!(
        refused,
        Error::Key(KeyError::UnknownMaster { .. })
    ));
    house.masters = vec![first];
    house.write_masters();
    let vault = house.start().await.unwrap();
    for order in [old.id, new.id] {
        vault.core.keys().order(order).await.unwrap();
        let beside = paths::prepared(&paths::order_key(order));
        assert!(house.object(&beside).await.is_none());
    }
}

#[tokio::test]
async fn a_master_key_is_retired_late_and_for_good() {
    let mut house = House::new();
    let vault = house.start().await.unwrap();
    create(&vault, 1).await;
    let old = house.masters[0].id().to_owned();
    let kept = house.object(&paths::records_key()).await.unwrap();
    let refused = |error: Error| error.to_string();
    let said = refused(vault.rotation.retire_master(&old).await.unwrap_err());
    assert!(said.contains("keys rotate"), "{said}");
    let to = house.new_master();
    vault.rotation.rotate_keys(&to).await.unwrap();
    let said = refused(vault.rotation.retire_master(&old).await.unwrap_err());
    assert!(
        said.contains("120 seconds") || said.contains("121 seconds"),
        "{said}"
    );
    house.clock.advance(Duration::from_secs(121));
    vault.rotation.retire_master(&old).await.unwrap();
    vault.rotation.retire_master(&old).await.unwrap();
    let said = refused(vault.rotation.retire_master(&to).await.unwrap_err());
    assert!(said.contains("new orders"), "{said}");

    // Somebody puts an old object back while the old master key is still in the file.
    let order = create(&vault, 2).await;
    let path = paths::order_key(order.id);
    let bad = String::from_utf8(kept.to_vec()).unwrap();
    house.put_object(&path, bad.into()).await;
    drop(vault);
    let vault = house.start().await.unwrap();
    let error = vault.core.keys().order(order.id).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Key(KeyError::RetiredMaster { .. } | KeyError::Damaged { .. })
        ),
        "{error}"
    );
    house.masters.swap(0, 1);
    house.write_masters();
    let said = refused(vault.rotation.rotate_keys(&old).await.unwrap_err());
    assert!(said.contains("retired"), "{said}");
}

#[tokio::test]
async fn whoever_comes_first_no_order_fails_and_every_key_ends_under_the_new_master_key() {
    for seed in 0..300 {
        let mut house = House::new();
        let vault = house.start().await.unwrap();
        create(&vault, 1).await;
        let to = house.new_master();
        house.frail.shuffles(seed);
        let third = || {
            let number: OrderNumber = "2026-0003".to_owned().try_into().unwrap();
            vault.orders.create(number, Client::default())
        };
        let (rotation, _, one, other) = tokio::join!(
            vault.rotation.rotate_keys(&to),
            create(&vault, 2),
            third(),
            third(),
        );
        let rotation = rotation.unwrap();
        assert!(rotation.problems.is_empty(), "seed {seed}: {rotation:?}");
        // The one that comes second is no order, and leaves no key.
        let error = match (one, other) {
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => error.to_string(),
            both => panic!("seed {seed}: {both:?}"),
        };
        assert!(error.contains("exists already"), "seed {seed}: {error}");
        let state = vault.rotation.key_state().await.unwrap();
        let old = state.masters[house.masters[1].id()];
        assert_eq!((state.masters[&to], old), (4, 0), "seed {seed}");
        opens_all(&vault).await;
    }
}

#[tokio::test]
async fn cut_at_any_write_every_key_opens_and_the_next_rotation_ends() {
    let mut died = 0;
    for writes in 0.. {
        let mut house = House::new();
        let vault = house.start().await.unwrap();
        create(&vault, 1).await;
        create(&vault, 2).await;
        let to = house.new_master();
        house.frail.dies_after(writes);
        let cut = vault.rotation.rotate_keys(&to).await.is_err();
        drop(vault);
        house.frail.sound();
        let vault = house.start().await.unwrap();
        opens_all(&vault).await;
        create(&vault, 3).await;
        let rotation = vault.rotation.rotate_keys(&to).await.unwrap();
        assert!(rotation.problems.is_empty(), "{rotation:?}");
        drop(vault);
        house.forget_old_masters();
        let vault = house.start().await.unwrap();
        opens_all(&vault).await;
        assert_eq!(vault.rotation.key_state().await.unwrap().masters.len(), 1);
        if !cut {
            break;
        }
        died += 1;
    }
    // Three keys, each put beside, put in its place, and deleted beside.
    assert_eq!(died, 9);
}

#[tokio::test]
async fn a_store_that_garbles_a_write_costs_no_key() {
    for garbled in 0..9 {
        let mut house = House::new();
        let vault = house.start().await.unwrap();
        let order = create(&vault, 1).await;
        let to = house.new_master();
        house.frail.garbles_after(garbled);
        let first = vault.rotation.rotate_keys(&to).await.unwrap();
        assert!(first.problems.len() < 2, "{first:?}");
        drop(vault);
        house.frail.sound();
        let vault = house.start().await.unwrap();
        vault.core.keys().order(order.id).await.unwrap();
        let again = vault.rotation.rotate_keys(&to).await.unwrap();
        assert!(again.problems.is_empty(), "write {garbled}: {again:?}");
        drop(vault);
        house.forget_old_masters();
        let vault = house.start().await.unwrap();
        vault.core.keys().order(order.id).await.unwrap();
    }
}

#[tokio::test]
async fn orders_that_are_created_meanwhile_have_the_new_master_key() {
    let mut house = House::new();
    let vault = house.start().await.unwrap();
    // A node that has not read the file since.
    let other = house.start().await.unwrap();
    for round in 0..5 {
        let to = house.new_master();
        let created = async {
            for n in 0..6 {
                create(&vault, round * 100 + n).await;
                create(&other, round * 100 + 50 + n).await;
            }
        };
        let (rotation, ()) = tokio::join!(vault.rotation.rotate_keys(&to), created);
        assert!(rotation.unwrap().problems.is_empty());
        vault.rotation.rotate_keys(&to).await.unwrap();
        house.forget_old_masters();
        let fresh = house.start().await.unwrap();
        opens_all(&fresh).await;
    }
    assert_eq!(vault.orders.all().await.unwrap().len(), 60);
}

#[tokio::test]
async fn a_key_that_a_rotation_read_before_the_purge_does_not_come_back() {
    let mut house = House::new();
    let vault = house.start().await.unwrap();
    let order = create(&vault, 1).await;
    let path = paths::order_key(order.id);
    let old = house.object(&path).await.unwrap();
    let at = purging(&house, &vault, order.id).await;
    vault.deletion.destroy(&at).await.unwrap();
    assert!(!vault.core.keys().holds(order.id).await.unwrap());
    // A put that was allowed before the purge was decided lands now.
    for late in [paths::prepared(&path), path] {
        house.put_object(&late, old.clone()).await;
        let to = house.new_master();
        vault.rotation.rotate_keys(&to).await.unwrap();
        let settled = vault.core.settled(order.id).await.unwrap();
        assert!(
            vault
                .deletion
                .close_purge(&settled)
                .await
                .unwrap()
                .is_none()
        );
        vault.deletion.destroy(&at).await.unwrap();
        assert!(house.object(&late).await.is_none());
    }
    let settled = vault.core.settled(order.id).await.unwrap();
    assert!(
        vault
            .deletion
            .close_purge(&settled)
            .await
            .unwrap()
            .is_some()
    );
}
