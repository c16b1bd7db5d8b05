//! What every engine must do, whatever it is built on: one set of checks, run on each of them.

mod load;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Batch, Catalog, CommitError, Expect, Key, KeyRange, MemoryCatalog, Row, Version};

/// A catalog under test, and how to close it and open it again with what it kept.
#[async_trait]
pub(crate) trait Engine: Send + Sync + Sized {
    fn catalog(&self) -> Arc<dyn Catalog>;
    async fn reopen(self) -> Self;
}

/// One test per check, each on a new `$engine`.
macro_rules! conformance {
    ($engine:expr) => {
        $crate::suite::conformance!($engine;
            expectations_decide, rows_not_written_count_too, all_or_nothing,
            the_last_word_of_a_batch_counts, an_empty_batch_changes_nothing,
            versions_never_repeat, scans_are_ordered_and_bounded, prefixes_are_exact,
            concurrent_increments_lose_nothing, of_conflicting_writers_one_wins,
            scans_see_one_moment, a_batch_of_20000_rows, too_large_is_refused,
            random_work_matches_a_model
        );
    };
    ($engine:expr; $($check:ident),+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $check() {
            $crate::suite::$check($engine.await).await;
        }
    )+};
}
pub(crate) use conformance;
pub(crate) use load::*;

mod memory {
    use super::*;

    struct Copied(Arc<MemoryCatalog>);

    #[async_trait]
    impl Engine for Copied {
        fn catalog(&self) -> Arc<dyn Catalog> {
            Arc::clone(&self.0) as Arc<dyn Catalog>
        }

        async fn reopen(self) -> Self {
            Self(Arc::new(self.0.copy()))
        }
    }

    conformance!(async { Copied(Arc::default()) });
}

fn key(text: impl AsRef<[u8]>) -> Key {
    Key(text.as_ref().to_vec())
}

fn numbered(table: char, number: u32) -> Key {
    key(format!("{table}{number:08}"))
}

async fn row(catalog: &dyn Catalog, name: &str) -> Row {
    catalog
        .get(&key(name))
        .await
        .unwrap()
        .unwrap_or_else(|| panic!("row {name} is there"))
}

async fn version(catalog: &dyn Catalog, name: &str) -> Version {
    row(catalog, name).await.version
}

fn conflict(result: Result<(), CommitError>) -> String {
    match result {
        Err(CommitError::Conflict(key)) => key.to_string(),
        other => panic!("a conflict, not {other:?}"),
    }
}

pub(crate) async fn expectations_decide(engine: impl Engine) {
    let catalog = engine.catalog();
    let put = |expect, value: &'static str| {
        catalog.commit(Batch::new().expect(key("a"), expect).put(key("a"), value))
    };

    assert_eq!(conflict(put(Expect::At(Version(1)), "0").await), "a");
    assert_eq!(catalog.get(&key("a")).await.unwrap(), None);
    put(Expect::Absent, "1").await.unwrap();
    let first = version(&*catalog, "a").await;
    assert_eq!(conflict(put(Expect::Absent, "2").await), "a");
    assert_eq!(
        row(&*catalog, "a").await,
        Row {
            version: first,
            value: "1".into()
        }
    );

    put(Expect::At(first), "2").await.unwrap();
    let second = version(&*catalog, "a").await;
    assert_ne!(first, second);
    assert_eq!(conflict(put(Expect::At(first), "3").await), "a");

    // Writing the same value again is a write.
    put(Expect::At(second), "2").await.unwrap();
    let third = version(&*catalog, "a").await;
    assert_ne!(second, third);

    let delete = |version| {
        catalog.commit(
            Batch::new()
                .expect(key("a"), Expect::At(version))
                .delete(key("a")),
        )
    };
    assert_eq!(conflict(delete(second).await), "a");
    delete(third).await.unwrap();
    assert_eq!(catalog.get(&key("a")).await.unwrap(), None);
    assert_eq!(conflict(delete(third).await), "a");
}

pub(crate) async fn rows_not_written_count_too(engine: impl Engine) {
    let catalog = engine.catalog();
    catalog
        .commit(Batch::new().put(key("gate"), "open"))
        .await
        .unwrap();
    let gate = version(&*catalog, "gate").await;
    let append = |expect, number| {
        catalog.commit(
            Batch::new()
                .expect(key("gate"), expect)
                .put(numbered('u', number), "bytes"),
        )
    };

    append(Expect::At(gate), 1).await.unwrap();
    assert_eq!(
        version(&*catalog, "gate").await,
        gate,
        "reading a gate does not move it"
    );
    append(Expect::At(gate), 2).await.unwrap();
    catalog
        .commit(Batch::new().put(key("gate"), "shut"))
        .await
        .unwrap();
    assert_eq!(conflict(append(Expect::At(gate), 3).await), "gate");
    assert_eq!(conflict(append(Expect::Absent, 3).await), "gate");
    catalog
        .commit(Batch::new().delete(key("gate")))
        .await
        .unwrap();
    append(Expect::Absent, 4).await.unwrap();

    let uploads = catalog.scan_prefix(&key("u")).await.unwrap();
    let uploads: Vec<_> = uploads.into_iter().map(|(key, _)| key).collect();
    assert_eq!(uploads, [1, 2, 4].map(|number| numbered('u', number)));

    // A batch may only ask.
    catalog
        .commit(Batch::new().expect(key("gate"), Expect::Absent))
        .await
        .unwrap();
    let ask = Batch::new().expect(numbered('u', 1), Expect::Absent);
    conflict(catalog.commit(ask).await);
}

pub(crate) async fn all_or_nothing(engine: impl Engine) {
    let catalog = engine.catalog();
    catalog
        .commit(Batch::new().put(key("a"), "1").put(key("b"), "1"))
        .await
        .unwrap();
    let a = version(&*catalog, "a").await;

    let refused = Batch::new()
        .expect(key("a"), Expect::At(a))
        .put(key("a"), "2")
        .delete(key("b"))
        .put(key("c"), "2")
        .expect(key("z"), Expect::At(a));
    assert_eq!(conflict(catalog.commit(refused).await), "z");
    let rows = catalog.scan(KeyRange::all(), 10).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|(key, row)| (key.to_string(), &row.value[..]))
        .collect();
    assert_eq!(rows, [("a".into(), &b"1"[..]), ("b".into(), b"1")]);

    let made = Batch::new()
        .expect(key("a"), Expect::At(a))
        .put(key("a"), "2")
        .delete(key("b"))
        .put(key("c"), "2");
    catalog.commit(made).await.unwrap();
    let engine = engine.reopen().await;
    let rows = engine.catalog().scan(KeyRange::all(), 10).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|(key, row)| (key.to_string(), &row.value[..]))
        .collect();
    assert_eq!(rows, [("a".into(), &b"2"[..]), ("c".into(), b"2")]);
}

pub(crate) async fn the_last_word_of_a_batch_counts(engine: impl Engine) {
    let catalog = engine.catalog();
    let batch = Batch::new()
        .put(key("a"), "1")
        .delete(key("a"))
        .delete(key("b"))
        .put(key("b"), "2")
        .put(key("b"), "3");
    catalog
        .commit(batch.expect(key("b"), Expect::Absent))
        .await
        .unwrap();
    assert_eq!(catalog.get(&key("a")).await.unwrap(), None);
    assert_eq!(row(&*catalog, "b").await.value, "3");
}

pub(crate) async fn an_empty_batch_changes_nothing(engine: impl Engine) {
    assert!(Batch::new().is_empty());
    assert!(!Batch::new().delete(key("a")).is_empty());
    assert!(!Batch::new().expect(key("a"), Expect::Absent).is_empty());
    let catalog = engine.catalog();
    catalog.commit(Batch::new()).await.unwrap();
    catalog.commit(Batch::new().delete(key("a"))).await.unwrap();
    assert_eq!(catalog.scan(KeyRange::all(), 10).await.unwrap(), []);
}

pub(crate) async fn versions_never_repeat(mut engine: impl Engine) {
    let mut seen = HashSet::new();
    for round in 0..4 {
        let catalog = engine.catalog();
        for step in 0..5 {
            catalog
                .commit(Batch::new().put(key("a"), "x"))
                .await
                .unwrap();
            let version = version(&*catalog, "a").await;
            assert!(
                seen.insert(version),
                "{version:?} again in round {round}, step {step}"
            );
            if step % 2 == 0 {
                catalog.commit(Batch::new().delete(key("a"))).await.unwrap();
            }
        }
        drop(catalog);
        engine = engine.reopen().await;
    }
    // An old version does not match a row that was made anew.
    let catalog = engine.catalog();
    catalog.commit(Batch::new().delete(key("a"))).await.unwrap();
    catalog
        .commit(Batch::new().put(key("a"), "x"))
        .await
        .unwrap();
    for old in seen {
        conflict(
            catalog
                .commit(Batch::new().expect(key("a"), Expect::At(old)))
                .await,
        );
    }
}

pub(crate) async fn scans_are_ordered_and_bounded(engine: impl Engine) {
    let catalog = engine.catalog();
    let names: [&[u8]; 8] = [
        b"",
        b"\0",
        b"a",
        b"a\0",
        b"a\xff",
        b"b",
        b"\xff",
        b"\xff\xff",
    ];
    for name in names.iter().rev() {
        catalog
            .commit(Batch::new().put(key(name), name.to_vec()))
            .await
            .unwrap();
    }
    let scan = async |range: KeyRange, limit| -> Vec<Vec<u8>> {
        let rows = catalog.scan(range, limit).await.unwrap();
        assert!(rows.iter().all(|(key, row)| key.0 == row.value));
        rows.into_iter().map(|(key, _)| key.0).collect()
    };
    assert_eq!(scan(KeyRange::all(), 100).await, names);
    assert_eq!(scan(KeyRange::all(), 3).await, names[..3]);
    assert!(scan(KeyRange::all(), 0).await.is_empty());
    assert_eq!(scan((key("a")..key("b")).into(), 100).await, names[2..5]);
    assert_eq!(scan((key("a")..).into(), 100).await, names[2..]);
    assert_eq!(scan(KeyRange::all().after(key("a")), 2).await, names[3..5]);
    assert_eq!(
        scan(KeyRange::from(key("a")..key("b")).after(key("a")), 9).await,
        names[3..5]
    );
    assert!(scan((key("b")..key("a")).into(), 100).await.is_empty());
    assert!(scan((key("a")..key("a")).into(), 100).await.is_empty());
    assert!(
        scan(KeyRange::from(key("a")..key("b")).after(key("b")), 9)
            .await
            .is_empty()
    );
    assert!(
        scan(KeyRange::from(key("a")..key("b")).after(key("c")), 9)
            .await
            .is_empty()
    );
}

pub(crate) async fn prefixes_are_exact(engine: impl Engine) {
    let catalog = engine.catalog();
    let names: [&[u8]; 7] = [
        b"o",
        b"p",
        b"p\xff",
        b"p\xff\0",
        b"p\xff\xff",
        b"q",
        b"\xff\xff",
    ];
    let batch = names
        .iter()
        .fold(Batch::new(), |batch, name| batch.put(key(name), "x"));
    catalog.commit(batch).await.unwrap();
    let under = async |prefix: &[u8]| -> Vec<Vec<u8>> {
        let rows = catalog.scan_prefix(&key(prefix)).await.unwrap();
        rows.into_iter().map(|(key, _)| key.0).collect()
    };
    assert_eq!(under(b"").await, names);
    assert_eq!(under(b"p").await, names[1..5]);
    assert_eq!(under(b"p\xff").await, names[2..5]);
    assert_eq!(under(b"\xff").await, names[6..]);
    assert!(under(b"r").await.is_empty());

    // More rows than a page, and exactly two pages.
    for count in [2000, 2500] {
        let batch = (0..count).fold(Batch::new(), |batch, n| batch.put(numbered('t', n), "x"));
        catalog.commit(batch).await.unwrap();
        let found = catalog.scan_prefix(&key("t")).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            found,
            (0..count).map(|n| numbered('t', n)).collect::<Vec<_>>()
        );
    }
}
