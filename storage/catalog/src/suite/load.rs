//! The suite, second part: many writers at once, large batches, and long random work.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Engine, key, numbered, row, version};
use crate::{
    Batch, Catalog, CatalogError, CommitError, Expect, Key, KeyRange, MAX_KEY, MAX_VALUE, Row,
    Version,
};

async fn increment(catalog: &dyn Catalog) {
    loop {
        let old = catalog.get(&key("n")).await.unwrap();
        let (expect, count) = match &old {
            Some(row) => (
                Expect::At(row.version),
                str::from_utf8(&row.value).unwrap().parse().unwrap(),
            ),
            None => (Expect::Absent, 0_u32),
        };
        let next = (count + 1).to_string();
        match catalog
            .commit(Batch::new().expect(key("n"), expect).put(key("n"), next))
            .await
        {
            Ok(()) => return,
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Failed(error)) => panic!("{error}"),
        }
    }
}

pub(crate) async fn concurrent_increments_lose_nothing(engine: impl Engine) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let catalog = engine.catalog();
        tasks.spawn(async move {
            for _ in 0..10 {
                increment(&*catalog).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        row(&*engine.reopen().await.catalog(), "n").await.value,
        "160"
    );
}

pub(crate) async fn of_conflicting_writers_one_wins(engine: impl Engine) {
    engine
        .catalog()
        .commit(Batch::new().put(key("a"), "start"))
        .await
        .unwrap();
    for _ in 0..10 {
        let seen = version(&*engine.catalog(), "a").await;
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..16 {
            let catalog = engine.catalog();
            tasks.spawn(async move {
                let name = writer.to_string();
                let batch = Batch::new().expect(key("a"), Expect::At(seen));
                match catalog.commit(batch.put(key("a"), name.clone())).await {
                    Ok(()) => Some(name),
                    Err(CommitError::Conflict(_)) => None,
                    Err(CommitError::Failed(error)) => panic!("{error}"),
                }
            });
        }
        let winners: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(row(&*engine.catalog(), "a").await.value, winners[0]);
    }
}

pub(crate) async fn scans_see_one_moment(engine: impl Engine) {
    let rounds = 40;
    let writing = engine.catalog();
    let writer = tokio::spawn(async move {
        for round in 1..=rounds {
            // The odd rows come and go, the even ones only change.
            let batch = (0..200).fold(Batch::new(), |batch, n| match (round + n) % 2 {
                0 if n % 2 == 1 => batch.delete(numbered('m', n)),
                _ => batch.put(numbered('m', n), format!("{round}")),
            });
            writing.commit(batch).await.unwrap();
        }
    });
    let catalog = engine.catalog();
    let mut last = 0_u32;
    while last < rounds {
        let rows = catalog
            .scan(KeyRange::prefix(&key("m")), 1000)
            .await
            .unwrap();
        let Some((_, first)) = rows.first() else {
            continue;
        };
        let round: u32 = str::from_utf8(&first.value).unwrap().parse().unwrap();
        assert!(round >= last, "what was read is never taken back");
        let expected = (0..200).filter(|n| n % 2 == 0 || (round + n) % 2 == 1);
        let expected: Vec<_> = expected.map(|n| numbered('m', n)).collect();
        let found: Vec<_> = rows.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(found, expected, "the rows of round {round}");
        assert!(
            rows.iter().all(|(_, row)| *row == *first),
            "a scan saw two moments"
        );
        last = round;
    }
    writer.await.unwrap();
}

pub(crate) async fn a_batch_of_20000_rows(engine: impl Engine) {
    let all = || (0..20_000).map(|n| numbered('f', n));
    let batch = all().fold(Batch::new(), |batch, key| {
        let value = key.0.repeat(10);
        batch.put(key, value)
    });
    engine.catalog().commit(batch).await.unwrap();
    let engine = engine.reopen().await;
    let rows = engine.catalog().scan_prefix(&key("f")).await.unwrap();
    assert_eq!(rows.len(), 20_000);
    for ((found, row), key) in rows.iter().zip(all()) {
        assert_eq!((found, &row.value[..]), (&key, &key.0.repeat(10)[..]));
    }
    let batch = all().fold(Batch::new(), Batch::delete);
    engine.catalog().commit(batch).await.unwrap();
    let engine = engine.reopen().await;
    assert_eq!(engine.catalog().scan_prefix(&key("f")).await.unwrap(), []);
}

pub(crate) async fn too_large_is_refused(engine: impl Engine) {
    let catalog = engine.catalog();
    let longest = Key(vec![7; MAX_KEY]);
    let fits = Batch::new().put(longest.clone(), vec![1; MAX_VALUE]);
    catalog.commit(fits).await.unwrap();
    assert_eq!(
        catalog.get(&longest).await.unwrap().unwrap().value.len(),
        MAX_VALUE
    );

    let value = Batch::new()
        .put(key("b"), "fits")
        .put(key("a"), vec![1; MAX_VALUE + 1]);
    let error = catalog.commit(value).await.unwrap_err();
    assert!(matches!(
        &error,
        CommitError::Failed(CatalogError::TooLarge {
            length: 16_385,
            limit: 16_384,
            ..
        })
    ));
    assert!(
        error.to_string().contains("value of row a has 16385 bytes"),
        "{error}"
    );
    let name = Batch::new().put(Key(vec![7; MAX_KEY + 1]), "x");
    catalog.commit(name).await.unwrap_err();

    // Nothing of it was written, and the catalog goes on.
    assert_eq!(catalog.get(&key("b")).await.unwrap(), None);
    catalog
        .commit(Batch::new().put(key("b"), "x"))
        .await
        .unwrap();
    assert_eq!(catalog.scan(KeyRange::all(), 9).await.unwrap().len(), 2);
}

pub(crate) async fn random_work_matches_a_model(mut engine: impl Engine) {
    let mut random = StdRng::seed_from_u64(20_260_117);
    let mut model: BTreeMap<Key, Row> = BTreeMap::new();
    let mut used: HashSet<(Key, Version)> = HashSet::new();
    for step in 0..400 {
        let catalog = engine.catalog();
        let mut batch = Batch::new();
        let mut refused = false;
        for _ in 0..random.random_range(0..3) {
            let key = numbered('r', random.random_range(0..60));
            let current = model.get(&key).map(|row| row.version);
            let expect = match (random.random_range(0..10), current) {
                (0, _) => Expect::Absent,
                (1, _) => Expect::At(Version(random.random_range(0..500))),
                (_, Some(version)) => Expect::At(version),
                (_, None) => Expect::Absent,
            };
            refused |= match expect {
                Expect::Absent => current.is_some(),
                Expect::At(version) => current != Some(version),
            };
            batch = batch.expect(key, expect);
        }
        let mut writes: BTreeMap<Key, Option<Bytes>> = BTreeMap::new();
        for _ in 0..random.random_range(0..12) {
            let key = numbered('r', random.random_range(0..60));
            let length = random.random_range(0..10_usize).pow(4);
            let value = random
                .random_bool(0.7)
                .then(|| Bytes::from(vec![step as u8; length]));
            batch = match value.clone() {
                Some(value) => batch.put(key.clone(), value),
                None => batch.delete(key.clone()),
            };
            writes.insert(key, value);
        }
        match catalog.commit(batch).await {
            Ok(()) => assert!(!refused, "step {step} should have been refused"),
            Err(CommitError::Conflict(_)) => assert!(refused, "step {step} should have passed"),
            Err(CommitError::Failed(error)) => panic!("{error}"),
        }
        if !refused {
            for (key, value) in writes {
                let Some(value) = value else {
                    model.remove(&key);
                    continue;
                };
                let row = catalog.get(&key).await.unwrap().expect("just written");
                assert_eq!(row.value, value);
                assert!(
                    used.insert((key.clone(), row.version)),
                    "a version was used again"
                );
                model.insert(key, row);
            }
        }
        if step % 20 == 0 {
            drop(catalog);
            engine = engine.reopen().await;
        }
        let from = numbered('r', random.random_range(0..60));
        let limit = random.random_range(0..70);
        let found = engine
            .catalog()
            .scan((from.clone()..).into(), limit)
            .await
            .unwrap();
        let expected: Vec<_> = model.range(from..).take(limit).collect();
        assert!(
            found.iter().map(|(key, row)| (key, row)).eq(expected),
            "step {step}"
        );
    }
}
