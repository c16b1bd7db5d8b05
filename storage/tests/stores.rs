//! What we ask of a store, asked of every kind that we say we work on: a folder of this machine,
//! and a bucket on a real S3 server.

#[path = "../../tests/src/s3.rs"]
mod s3;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use object_store::path::Path;
use s3::S3;
use stemvault_storage::clock::{MovableClock, SharedClock, SystemClock};
use stemvault_storage::error::Error;
use stemvault_storage::store::{Lease, Store};
use url::Url;

/// More objects than one answer of S3 lists.
const MANY: usize = 1_234;

/// A store in a folder; it goes with the first of the two.
fn folder() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let url = Url::from_file_path(home.path().join("bucket")).unwrap();
    let store = Store::open("working", &url, Vec::new()).unwrap();
    (home, store)
}

/// A store on S3, below a prefix or not.
fn bucket(url: &str) -> (S3, Store) {
    let server = S3::start(&["one"]).unwrap();
    let options = server.options(&server.address());
    let store = Store::open("working", &url.parse().unwrap(), options).unwrap();
    (server, store)
}

async fn put(store: &Store, path: &str, bytes: impl Into<Bytes>) {
    store.put_now(&path.into(), bytes.into()).await.unwrap();
}

async fn get(store: &Store, path: &str) -> Option<Bytes> {
    store.get_opt(&path.into()).await.unwrap()
}

/// One object: put, read, replaced, deleted; and what is not there.
async fn objects(store: &Store) {
    let path = Path::from("orders/a/working/b/name");
    store
        .prepare(&Path::from("orders/a/working/b"))
        .await
        .unwrap();
    assert_eq!(get(store, path.as_ref()).await, None);
    store.delete(&path).await.unwrap();
    // Nothing, a byte, and a block with what sealing adds.
    for length in [0, 1, (4 << 20) + 52] {
        let bytes: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        put(store, path.as_ref(), bytes.clone()).await;
        assert!(get(store, path.as_ref()).await.unwrap() == bytes);
    }
    store.delete(&path).await.unwrap();
    store
        .settle(&Path::from("orders/a/working/b"))
        .await
        .unwrap();
    assert_eq!(get(store, path.as_ref()).await, None);
    store.delete(&path).await.unwrap();
    // A folder that holds nothing may still be there, on a disk.
    store.empty(&Path::from("orders/a")).await.unwrap();
    store.answers().await.unwrap();
}

/// A lease that is over starts no put.
async fn leases(store: &Store) {
    let clock = Arc::new(MovableClock::new(Arc::new(SystemClock)));
    let shared: SharedClock = clock.clone();
    let lease = Lease::new(&shared, &"2026-0117");
    let path = Path::from("leased");
    store.put(&path, "x".into(), &lease).await.unwrap();
    clock.advance(std::time::Duration::from_secs(31));
    let late = store.put(&Path::from("late"), "x".into(), &lease).await;
    assert!(matches!(late, Err(Error::TooLate { .. })), "{late:?}");
    assert_eq!(get(store, "late").await, None);
    store.delete(&path).await.unwrap();
}

/// More than a page of objects: listed whole, by folder, and emptied.
async fn lists(store: &Store) {
    let nothing = Path::from("orders/none");
    assert_eq!(store.list(&nothing).await.unwrap(), []);
    assert_eq!(store.folders(&nothing).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.empty(&nothing).await.unwrap(), (0, 0));
    for batch in (0..MANY).collect::<Vec<_>>().chunks(16) {
        let puts = batch.iter().map(|nth| async move {
            let path = format!("orders/o/archive/f{:03}/n{nth}", nth % 1_100);
            store
                .put_now(&path.as_str().into(), vec![0; nth % 3].into())
                .await
        });
        try_join_all(puts).await.unwrap();
    }
    // A neighbour whose name begins the same is another folder.
    put(store, "orders/other/x", "x").await;
    let folder = Path::from("orders/o");
    let mut listed = store.list(&folder).await.unwrap();
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len(), MANY);
    let bytes: u64 = listed.iter().map(|(_, size)| size).sum();
    assert_eq!(bytes, (0..MANY as u64).map(|nth| nth % 3).sum::<u64>());
    let attempts = store.folders(&Path::from("orders/o/archive")).await;
    let mut attempts = attempts.unwrap();
    attempts.sort();
    assert_eq!(attempts.len(), 1_100);
    assert_eq!(attempts[7], "f007");
    let mut orders = store.folders(&Path::from("orders")).await.unwrap();
    orders.sort();
    assert_eq!(orders, ["o", "other"]);
    assert_eq!(store.empty(&folder).await.unwrap(), (MANY as u64, bytes));
    assert_eq!(store.list(&folder).await.unwrap(), []);
    assert_eq!(get(store, "orders/other/x").await, Some("x".into()));
}

async fn all(store: &Store) {
    objects(store).await;
    leases(store).await;
    lists(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_does_what_we_ask() {
    let (_home, store) = folder();
    assert!(store.is_local());
    assert!(store.space().await.unwrap().is_some());
    all(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_does_what_we_ask() {
    let (_server, store) = bucket("s3://one");
    assert!(!store.is_local());
    assert_eq!(store.space().await.unwrap(), None);
    all(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_of_a_bucket_is_a_store_of_its_own() {
    let (server, store) = bucket("s3://one/studio/a");
    objects(&store).await;
    put(&store, "orders/x/record/1", "one").await;
    assert!(server.folder("one/studio/a/orders/x/record/1").is_file());
    let options = server.options(&server.address());
    let url = "s3://one/studio".parse().unwrap();
    let other = Store::open("archive", &url, options).unwrap();
    assert_eq!(get(&other, "orders/x/record/1").await, None);
    assert_eq!(
        store.folders(&Path::from("orders")).await.unwrap(),
        ["x"],
        "paths are told without the prefix"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_apart() {
    let (server, _) = bucket("s3://one");
    let refused = async |url: &str, option: &str, value: &str| {
        let mut options = server.options(&server.address());
        options.retain(|(known, _)| known != option);
        options.push((option.to_owned(), value.to_owned()));
        let store = Store::open("working", &url.parse().unwrap(), options).unwrap();
        let told = store.answers().await.unwrap_err().to_string();
        assert!(told.contains("the working store could not"), "{told}");
        told
    };
    let told = refused("s3://one", "secret_access_key", "another").await;
    assert!(told.contains("check its access_key_id"), "{told}");
    let told = refused("s3://two", "region", "us-east-1").await;
    assert!(told.contains("bucket's name"), "{told}");
}
