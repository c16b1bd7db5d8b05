//! Batches of many rows, and deaths in the middle of one.

use super::*;
use crate::sled::{large, writer};

const ROWS: usize = 3 * large::STEP + 7;

/// Every row anew, every third one deleted, and one that is new.
fn second() -> Batch {
    let rows = (0..ROWS).fold(Batch::new(), |batch, row| match row % 3 {
        0 => batch.delete(name(row)),
        _ => batch.put(name(row), format!("second {row}")),
    });
    rows.put(key("new"), "second").delete(key("never there"))
}

fn name(row: usize) -> Key {
    key(&format!("row {row:05}"))
}

/// A catalog with the rows of a first large batch.
fn with_rows(root: &Path) -> (SledCatalog, Writer) {
    let (catalog, mut writer) = by_hand(root);
    let first = (0..ROWS).fold(Batch::new(), |batch, row| batch.put(name(row), "first"));
    let answers = writer.commit_group(&group(first)).unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    (catalog, writer)
}

async fn rows(catalog: &SledCatalog) -> Vec<(Key, Row)> {
    catalog.scan(KeyRange::all(), usize::MAX).await.unwrap()
}

/// Whether the second batch is there whole (or else not at all), all of one version.
fn is_second(rows: &[(Key, Row)]) -> bool {
    let first = rows.iter().filter(|(_, row)| row.value == "first").count();
    if first > 0 {
        assert_eq!((first, rows.len()), (ROWS, ROWS), "half a batch");
        return false;
    }
    assert_eq!(rows.len(), ROWS - ROWS.div_ceil(3) + 1);
    let version = rows[0].1.version;
    assert!(rows.iter().all(|(_, row)| row.version == version));
    true
}

/// The second batch as a process left it that died after so many steps.
fn die_after(writer: &Writer, steps: usize) {
    let batch = second();
    let before = writer.before(&batch).unwrap();
    let version = Version(1000);
    let root = &writer.shared.root;
    let hash = large::write(root, writer::changes(version, &batch, &before)).unwrap();
    writer.files.begin_large(root, 2000, hash).unwrap();
    for step in before.chunks(large::STEP).take(steps) {
        writer
            .give(large::step(writer::changes(version, &batch, step)))
            .unwrap();
    }
}

#[tokio::test]
async fn a_large_batch_is_seen_whole_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, mut writer) = with_rows(directory.path());
    let before = rows(&catalog).await;
    assert!(!is_second(&before));
    // In a group with others, which are there with it.
    let [one] = group(put("new", "one"));
    let [two] = group(second());
    let stale = Expect::At(before[0].1.version);
    let [three] = group(put("x", "x").expect(name(1), stale));
    let answers = writer.commit_group(&[one, two, three]).unwrap();
    assert!(answers[0].is_ok() && answers[1].is_ok());
    assert!(matches!(answers[2], Err(CommitError::Conflict(_))));
    assert!(is_second(&rows(&catalog).await));
    assert!(!directory.path().join("large").exists());
}

#[tokio::test]
async fn whoever_dies_in_a_large_batch_has_done_it() {
    for steps in 0..=4 {
        let directory = tempfile::tempdir().unwrap();
        let (catalog, writer) = with_rows(directory.path());
        die_after(&writer, steps);
        drop((catalog, writer));
        for _ in 0..2 {
            let catalog = SledCatalog::open(directory.path()).await.unwrap();
            assert!(is_second(&rows(&catalog).await), "{steps} steps");
            assert!(!directory.path().join("large").exists());
            // It is applied once: what is written later stays.
            catalog.commit(put("later", "1")).await.unwrap();
            catalog
                .commit(Batch::new().delete(key("later")))
                .await
                .unwrap();
            let later = catalog.get(&name(1)).await.unwrap().unwrap();
            assert!(later.version.0 < 2000, "a version came back");
            catalog.close().await;
        }
    }
}

#[tokio::test]
async fn a_large_batch_that_nobody_began_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, writer) = with_rows(directory.path());
    let batch = second();
    let before = writer.before(&batch).unwrap();
    large::write(
        directory.path(),
        writer::changes(Version(1000), &batch, &before),
    )
    .unwrap();
    drop((catalog, writer));
    let catalog = SledCatalog::open(directory.path()).await.unwrap();
    assert!(!is_second(&rows(&catalog).await));
    assert!(!directory.path().join("large").exists());
}

#[tokio::test]
async fn a_large_batch_that_cannot_be_put_beside_keeps_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, mut writer) = with_rows(directory.path());
    // Where the file goes there is something that is no file.
    let in_the_way = directory.path().join("large");
    fs::create_dir(&in_the_way).unwrap();
    let [large] = group(second());
    let [other] = group(put("row 00001", "other"));
    let answers = writer.commit_group(&[large, other]).unwrap();
    let refused = answers[0].as_ref().unwrap_err().to_string();
    assert!(refused.contains("large"), "{refused}");
    assert!(answers[1].is_ok());
    let row = catalog.get(&name(1)).await.unwrap().unwrap();
    assert_eq!(row.value, "other");
    fs::remove_dir(&in_the_way).unwrap();
    writer.commit_group(&group(second())).unwrap();
    assert!(is_second(&rows(&catalog).await));
}

#[tokio::test]
async fn a_damaged_large_batch_is_damage() {
    for damage in [
        |path: &Path| fs::write(path, "half").unwrap(),
        |path: &Path| fs::remove_file(path).unwrap(),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (catalog, writer) = with_rows(directory.path());
        die_after(&writer, 1);
        drop((catalog, writer));
        damage(&directory.path().join("large"));
        let error = SledCatalog::open(directory.path()).await.unwrap_err();
        assert!(error.to_string().contains("large"), "{error}");
    }
}
