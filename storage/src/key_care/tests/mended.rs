//! A key comes back from the mirror only where it may.

use std::sync::Arc;

use object_store::memory::InMemory;

use super::house::{House, create, purging};
use crate::key_care::mend::KeyFound;
use crate::keys::MasterKeys;
use crate::mirror::Mirror;
use crate::paths;
use crate::store::Store;

fn is_bad(found: &KeyFound, words: &str) -> bool {
    matches!(found, KeyFound::Bad(why) if why.contains(words))
}

#[tokio::test]
async fn no_key_comes_back_that_was_destroyed_by_decision_or_that_opens_nothing() {
    let house = House::new();
    let mirror = Mirror {
        bucket: Store::of("mirror", Arc::new(InMemory::new())),
        keys: Store::of("mirror_keys", Arc::new(InMemory::new())),
    };
    let vault = house.start().await.unwrap();
    let vault = vault.with_mirror(Some(mirror.clone()));
    let (gone, lives) = (create(&vault, 1).await, create(&vault, 2).await);
    for order in [&gone, &lives] {
        let at = vault.core.settled(order.id).await.unwrap();
        let found = vault.key_care.look_after_key(&at, true).await.unwrap();
        assert_eq!(found, KeyFound::CopyMended);
    }

    purging(&house, &vault, gone.id).await;
    let at = vault.core.settled(gone.id).await.unwrap();
    vault.core.keys().destroy(gone.id).await.unwrap();
    let found = vault.key_care.look_after_key(&at, true).await.unwrap();
    assert!(is_bad(&found, "it is being purged"), "{found:?}");
    assert!(!vault.core.keys().holds(gone.id).await.unwrap());

    // A key of this order by its wrapping, and of nothing that the bucket holds.
    let path = paths::order_key(lives.id);
    let whose = format!("order {}", lives.id);
    let other = MasterKeys::wrap(&house.masters[0], &[9; 32], &whose);
    mirror
        .keys
        .put_now(&path, other.bytes().into())
        .await
        .unwrap();
    house.put_object(&path, "{}".into()).await;
    let at = vault.core.settled(lives.id).await.unwrap();
    let found = vault.key_care.look_after_key(&at, true).await.unwrap();
    assert!(is_bad(&found, "opens no record"), "{found:?}");
    assert_eq!(house.object(&path).await.unwrap(), "{}");
}
