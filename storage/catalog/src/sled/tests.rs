//! The suite on sled, and what only sled can do wrong.

mod large;

use std::fs::{self, File};
use std::panic::catch_unwind;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::*;
use crate::suite::{Engine, conformance};
use crate::{Expect, MAX_KEY, MAX_VALUE};

struct InDirectory(TempDir, Arc<SledCatalog>);

async fn new() -> InDirectory {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SledCatalog::open(directory.path().join("catalog"))
        .await
        .unwrap();
    InDirectory(directory, Arc::new(catalog))
}

#[async_trait]
impl Engine for InDirectory {
    fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::clone(&self.1) as Arc<dyn Catalog>
    }

    async fn reopen(self) -> Self {
        self.1.close().await;
        let catalog = SledCatalog::open(&self.1.shared.root).await.unwrap();
        Self(self.0, Arc::new(catalog))
    }
}

conformance!(new());

fn key(text: &str) -> Key {
    Key(text.into())
}

fn put(name: &str, value: &str) -> Batch {
    Batch::new().put(key(name), value.to_owned())
}

/// A catalog whose writer is driven by hand, a step at a time.
fn by_hand(root: &Path) -> (SledCatalog, Writer) {
    let files = files::open(root).unwrap();
    let open = Open {
        db: files.db.clone(),
        before: BTreeMap::new(),
    };
    let shared = Arc::new(Shared {
        root: root.to_owned(),
        state: RwLock::new(Ok(open)),
    });
    let writer = Writer::new(Arc::clone(&shared), files);
    (
        SledCatalog {
            shared,
            batches: Mutex::new(None),
            writer: Mutex::new(None),
        },
        writer,
    )
}

/// A group of one, of which nobody awaits the answer.
fn group(batch: Batch) -> [Waiting; 1] {
    [Waiting {
        batch,
        answer: oneshot::channel().0,
    }]
}

#[tokio::test]
async fn reads_see_only_what_is_synced() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, mut writer) = by_hand(directory.path());
    let first = Batch::new()
        .put(key("a"), "1")
        .put(key("b"), "1")
        .put(key("c"), "1");
    writer.commit_group(&group(first)).unwrap();
    let durable = catalog.scan(KeyRange::all(), 10).await.unwrap();
    assert_eq!(durable.len(), 3);

    // Two batches of a group are applied, and not synced yet.
    let change = Batch::new()
        .put(key("a"), "2")
        .delete(key("b"))
        .put(key("0"), "2");
    assert!(writer.apply(&change).unwrap());
    assert!(
        writer
            .apply(&Batch::new().put(key("b"), "3").put(key("z"), "3"))
            .unwrap()
    );
    assert_eq!(catalog.scan(KeyRange::all(), 10).await.unwrap(), durable);
    assert_eq!(
        catalog.scan(KeyRange::all(), 2).await.unwrap(),
        durable[..2]
    );
    assert_eq!(
        catalog
            .scan(KeyRange::all().after(key("a")), 1)
            .await
            .unwrap(),
        durable[1..2]
    );
    for (key, row) in &durable {
        assert_eq!(catalog.get(key).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(catalog.get(&key("z")).await.unwrap(), None);
    // But the next batch of the group is checked against them.
    let absent = Batch::new().expect(key("z"), Expect::Absent);
    assert_eq!(writer.first_conflict(&absent).unwrap(), Some(key("z")));

    writer.commit_group(&group(put("y", "4"))).unwrap();
    let rows = catalog.scan(KeyRange::all(), 10).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|(key, row)| (key.to_string(), &row.value[..]))
        .collect();
    let expected = [
        ("0", "2"),
        ("a", "2"),
        ("b", "3"),
        ("c", "1"),
        ("y", "4"),
        ("z", "3"),
    ];
    assert_eq!(
        rows,
        expected.map(|(key, value)| (key.to_owned(), value.as_bytes()))
    );
}

#[tokio::test]
async fn after_a_failed_sync_nothing_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (mut catalog, mut writer) = by_hand(directory.path());
    writer.commit_group(&group(put("a", "1"))).unwrap();
    // A file that cannot be synced.
    writer.files.data = File::open("/dev/null").unwrap();
    let (sender, receiver) = mpsc::channel(GROUP);
    *catalog.batches.get_mut().unwrap() = Some(sender);
    *catalog.writer.get_mut().unwrap() = Some(std::thread::spawn(|| writer.run(receiver)));

    let error = catalog.commit(put("a", "2")).await.unwrap_err();
    assert!(
        matches!(
            error,
            CommitError::Failed(CatalogError::Io { what: "sync", .. })
        ),
        "{error}"
    );
    let later = catalog.commit(put("b", "1")).await.unwrap_err();
    assert_eq!(later.to_string(), error.to_string());
    let read = catalog.get(&key("a")).await.unwrap_err();
    assert_eq!(read.to_string(), error.to_string());
    catalog.scan(KeyRange::all(), 1).await.unwrap_err();
    catalog.close().await;
}

#[tokio::test]
async fn closed_is_closed_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("some/where/catalog");
    let catalog = SledCatalog::open(&root).await.unwrap();
    catalog.commit(put("a", "1")).await.unwrap();
    catalog.close().await;
    catalog.close().await;
    assert!(matches!(
        catalog.get(&key("a")).await,
        Err(CatalogError::Closed)
    ));
    let refused = catalog.commit(put("a", "2")).await;
    assert!(matches!(
        refused,
        Err(CommitError::Failed(CatalogError::Closed))
    ));
    for _ in 0..3 {
        let catalog = SledCatalog::open(&root).await.unwrap();
        assert_eq!(catalog.get(&key("a")).await.unwrap().unwrap().value, "1");
    }
}

#[tokio::test]
async fn a_second_stemvault_is_refused() {
    let engine = new().await;
    let error = SledCatalog::open(&engine.1.shared.root).await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("another stemvault uses the catalog in /"),
        "{error}"
    );
    engine.1.commit(put("a", "1")).await.unwrap();
}

/// What `kill -9` during sled's open leaves behind bricks sled, and not us.
#[tokio::test]
async fn a_half_written_snapshot_does_not_brick_it() {
    let engine = new().await;
    let root = engine.1.shared.root.clone();
    for number in 0..500 {
        engine
            .1
            .commit(put(&format!("a{number}"), "x"))
            .await
            .unwrap();
    }
    let engine = engine.reopen().await;
    engine.1.close().await;

    let home = root.join("sled");
    let open_plain = || loop {
        match sled::Config::new().path(&home).segment_size(2 << 20).open() {
            // Its threads still hold the lock of the last time.
            Err(sled::Error::Io(_)) => std::thread::yield_now(),
            opened => break opened.map(drop),
        }
    };
    assert_eq!(open_plain(), Ok(()));
    let names = fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let newest = names.filter(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("snap.")
    });
    let newest = fs::read(newest.max().expect("sled wrote a snapshot")).unwrap();
    let half = home.join("snap.7FFFFFFFFFFFFFF0.generating");
    fs::write(&half, &newest[..newest.len() / 2]).unwrap();

    let bricked = catch_unwind(|| matches!(open_plain(), Err(sled::Error::Corruption { .. })));
    assert!(
        bricked.unwrap_or(true),
        "sled is cured of it: the rule may go"
    );
    assert!(half.exists());
    let catalog = SledCatalog::open(&root).await.unwrap();
    assert_eq!(catalog.scan_prefix(&key("a")).await.unwrap().len(), 500);
}

#[tokio::test]
async fn an_interrupted_first_start_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let making = directory.path().join("sled.creating");
    fs::create_dir_all(making.join("blobs")).unwrap();
    fs::write(making.join("conf"), "segm").unwrap();
    fs::write(making.join("db"), "half").unwrap();
    let catalog = SledCatalog::open(directory.path()).await.unwrap();
    catalog.commit(put("a", "1")).await.unwrap();
    assert!(!making.exists());
}

#[tokio::test]
async fn a_lost_or_damaged_database_is_not_taken_for_a_new_one() {
    let open_damaged = async |damage: &dyn Fn(&Path)| {
        let engine = new().await;
        engine.1.commit(put("a", "1")).await.unwrap();
        engine.1.close().await;
        damage(&engine.1.shared.root.join("sled"));
        SledCatalog::open(&engine.1.shared.root)
            .await
            .unwrap_err()
            .to_string()
    };
    let rebuild = "move that directory away and run `stemvault rebuild`";
    let zeroed = open_damaged(&|home| {
        let length = fs::metadata(home.join("db")).unwrap().len();
        fs::write(home.join("db"), vec![0; length as usize]).unwrap();
    });
    assert!(zeroed.await.contains(rebuild));
    let emptied = open_damaged(&|home| {
        for entry in fs::read_dir(home).unwrap() {
            let path = entry.unwrap().path();
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        File::create(home.join("db")).unwrap();
    });
    let emptied = emptied.await;
    assert!(emptied.contains(rebuild), "{emptied}");
    let removed = open_damaged(&|home| fs::remove_file(home.join("db")).unwrap()).await;
    assert!(
        removed.contains("cannot open") && removed.contains("sled/db"),
        "{removed}"
    );
}

/// sled keeps pages over a quarter of a segment in `blobs/`, which nobody syncs.
#[tokio::test]
async fn the_largest_rows_need_no_unsynced_files() {
    let mut random = StdRng::seed_from_u64(4);
    let mut name = vec![0; MAX_KEY];
    let mut largest = || {
        random.fill(&mut name[..4]);
        (Key(name.clone()), vec![9; MAX_VALUE])
    };
    let blobs = |home: &Path| fs::read_dir(home.join("blobs")).unwrap().count();

    let engine = new().await;
    let mut keys = Vec::new();
    for _ in 0..60 {
        let batch = (0..10).fold(Batch::new(), |batch, _| {
            let (key, value) = largest();
            keys.push(key.clone());
            batch.put(key, value)
        });
        engine.1.commit(batch).await.unwrap();
        // Leaves that run empty are joined to their neighbours.
        let gone = keys.iter().skip(keys.len() - 10).step_by(3);
        engine
            .1
            .commit(gone.cloned().fold(Batch::new(), Batch::delete))
            .await
            .unwrap();
        assert_eq!(blobs(&engine.1.shared.root.join("sled")), 0);
    }
    let engine = engine.reopen().await;
    assert_eq!(blobs(&engine.1.shared.root.join("sled")), 0);
    assert_eq!(engine.1.scan_prefix(&key("")).await.unwrap().len(), 360);

    // The usual segments are the reason for ours: the same rows end in blobs.
    let directory = tempfile::tempdir().unwrap();
    let usual = sled::Config::new()
        .path(directory.path())
        .flush_every_ms(None)
        .open()
        .unwrap();
    for _ in 0..60 {
        let (key, value) = largest();
        usual.insert(key.0, value).unwrap();
    }
    usual.flush().unwrap();
    assert_ne!(blobs(directory.path()), 0);
}
