//! Single steps of an order's life that went wrong once, and that a random run (`life/`) meets only
//! by luck.

mod deletion;
mod many;
mod mirror;
mod runs;
mod studio;
mod time;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use stemvault_scheduler::{Job, Outcome, Run, RunRequest};
use stemvault_storage::catalog::{
    Batch, Catalog, CatalogError, CommitError, Key, KeyRange, MemoryCatalog, Row,
};
use stemvault_storage::error::Error;
use stemvault_storage::ids::UploadId;
use stemvault_storage::intake::NewUpload;
use stemvault_storage::link::Scope;
use stemvault_storage::mirror::Mirror;
use stemvault_storage::order::{Client, Policy, Stage};
use stemvault_storage::path::SessionPath;
use stemvault_storage::paths;
use stemvault_storage::refusal::RefusalKind;
use stemvault_storage::session::{Form, Kind, Rules};
use stemvault_storage::store::Store;
use stemvault_storage::tables;
use stemvault_storage::upload::Role;
use url::Url;

use studio::Studio;

const AT_ONCE: Policy = Policy {
    working_days: 0,
    archive_months: 0,
    time_zone: chrono_tz::Tz::UTC,
};

fn job(name: &str) -> Job {
    Job::named(name).expect("a job that runs by itself")
}

fn only(name: &str) -> RunRequest {
    RunRequest {
        job: Some(job(name)),
        ..RunRequest::default()
    }
}

/// Flips a bit of every object below a folder.
async fn spoil(bucket: &InMemory, folder: &Path) {
    let store = Store::of("test", Arc::new(bucket.clone()));
    for (path, _) in store.list(folder).await.unwrap() {
        let mut bytes = bucket
            .get(&path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bucket
            .put(&path, PutPayload::from_bytes(bytes.into()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_read_without_its_manifest_is_not_proven() {
    let (studio, bucket) = Studio::in_memory().await;
    studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    // It is remembered in memory, and the store has lost it.
    spoil(&bucket, &paths::sessions(studio.order)).await;
    let runs = studio.run().await;
    assert_eq!(runs[0].outcome, Outcome::Failed);
    assert!(
        runs[0].orders[0].detail.contains("the manifest"),
        "{:?}",
        runs[0]
    );
    assert_eq!(studio.stage().await, Stage::Completed);
}

#[tokio::test]
async fn attempts_that_fail_do_not_add_up() {
    let (studio, bucket) = Studio::in_memory().await;
    let upload = studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    spoil(&bucket, &paths::upload(studio.order, upload)).await;
    for _ in 0..3 {
        assert_eq!(studio.run().await[0].outcome, Outcome::Failed);
        // The next run sees what this one left, and waits until nothing of it can land any more.
        assert_eq!(studio.run().await[0].outcome, Outcome::Waiting);
        studio.clock.advance(Duration::from_secs(121));
    }
    // The same attempt is gone on with, and there is nothing in it yet.
    let attempts = tables::attempts(studio.order);
    let attempts = studio.vault.core.catalog().scan_prefix(&attempts).await;
    assert_eq!(attempts.unwrap().len(), 1);
    let archive = paths::archive(studio.order);
    assert_eq!(
        studio.vault.core.archive().list(&archive).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn a_purge_that_is_due_waits_for_the_release_and_for_nothing_else() {
    let (studio, _) = Studio::in_memory().await;
    studio.upload(b"boom").await;
    let (link, _) = studio
        .vault
        .access
        .create_link(studio.order, Scope::Upload, None)
        .await
        .unwrap();
    studio.submit_and_complete().await;
    let mut stages = Vec::new();
    for _ in 0..4 {
        let runs = studio.run().await;
        assert!(
            runs.iter().all(|run| run.outcome != Outcome::Failed),
            "{runs:?}"
        );
        stages.push(studio.stage().await.name());
        if studio.stage().await == Stage::Purging {
            // Its record could not be sealed any more: the purge would wait for it for ever.
            let refused = studio.vault.access.revoke_link(link.id).await;
            let Err(Error::Refused(refusal)) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(refusal.kind, RefusalKind::Gone);
        }
        studio.clock.advance(Duration::from_secs(121));
    }
    assert_eq!(stages, ["releasing", "purging", "purged", "purged"]);
}

#[tokio::test]
async fn a_draft_of_the_form_is_no_plain_text_and_goes_with_the_order() {
    let (studio, _) = Studio::in_memory().await;
    let (vault, order) = (&studio.vault, studio.order);
    let form = |word: &str| Form::from([("notes".to_owned(), word.to_owned())]);
    studio.upload(b"boom").await;
    vault
        .drafts
        .keep(order, &form("for the session"))
        .await
        .unwrap();
    vault
        .sessions
        .submit(order, Kind::Material, form("submitted"), Rules::new())
        .await
        .unwrap();
    // The submit took it along; what is written afterwards is another one.
    assert_eq!(vault.drafts.draft(order).await.unwrap(), None);
    assert_eq!(
        vault.drafts.known_form(order).await.unwrap(),
        form("submitted")
    );
    vault.drafts.keep(order, &form("personal")).await.unwrap();
    assert_eq!(
        vault.drafts.known_form(order).await.unwrap(),
        form("personal")
    );
    let row = vault
        .core
        .catalog()
        .get(&tables::draft(order))
        .await
        .unwrap();
    let row = row.unwrap().value;
    assert!(!row.windows(8).any(|it| it == b"personal"));
    vault.orders.complete(order, AT_ONCE).await.unwrap();
    let refused = vault.drafts.keep(order, &form("late")).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    while studio.stage().await != Stage::Purged {
        let runs = studio.run().await;
        let failed = runs.iter().any(|run| run.outcome == Outcome::Failed);
        assert!(!failed, "{runs:?}");
        studio.clock.advance(Duration::from_secs(121));
    }
    let row = vault
        .core
        .catalog()
        .get(&tables::draft(order))
        .await
        .unwrap();
    assert_eq!(row, None);
}

#[tokio::test]
async fn an_archive_in_doubt_is_not_released_and_a_whole_reading_ends_it() {
    let (studio, bucket) = Studio::in_memory().await;
    let upload = studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    studio.jobs.run(only("archive")).await.unwrap();
    let order = studio.vault.core.order(studio.order).await.unwrap();
    let attempt = paths::attempt(studio.order, order.proof().unwrap().attempt);
    spoil(&bucket, &attempt).await;
    spoil(&bucket, &paths::upload(studio.order, upload)).await;
    for _ in 0..2 {
        let runs = studio.jobs.run(only("prove")).await.unwrap();
        assert_eq!(runs[0].outcome, Outcome::Failed, "{runs:?}");
        assert!(runs[0].orders[0].detail.contains("index"), "{runs:?}");
        let released = studio.jobs.run(only("release")).await.unwrap();
        assert_eq!(released[0].orders, [], "{released:?}");
        assert_eq!(studio.stage().await, Stage::Archived);
    }
    spoil(&bucket, &attempt).await;
    let runs = studio.jobs.run(only("prove")).await.unwrap();
    assert_eq!(runs[0].outcome, Outcome::Done, "{runs:?}");
    assert!(
        runs[0].orders[0].detail.contains("proven again"),
        "{runs:?}"
    );
    studio.jobs.run(only("release")).await.unwrap();
    assert_eq!(studio.stage().await, Stage::Releasing);
}

/// A catalog that says once that an upload has no row yet, while it gets one, and its first block.
#[derive(Debug)]
struct Meanwhile {
    inner: MemoryCatalog,
    working: Store,
    begins: Mutex<Option<(Key, Path)>>,
}

#[async_trait]
impl Catalog for Meanwhile {
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        let begins = self.begins.lock().unwrap().take_if(|(row, _)| row == key);
        let Some((_, block)) = begins else {
            return self.inner.get(key).await;
        };
        let bytes = Bytes::from_static(b"acknowledged");
        self.working.put_now(&block, bytes).await.unwrap();
        Ok(None)
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError> {
        self.inner.scan(range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.inner.commit(batch).await
    }
}

#[tokio::test]
async fn a_sweep_leaves_an_upload_that_begins_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    // Only a local folder shows an upload's folder before there is anything in it.
    let store = |name| Store::open(name, &url, Vec::new()).unwrap();
    let catalog = Arc::new(Meanwhile {
        inner: MemoryCatalog::new(),
        working: store("working"),
        begins: Mutex::default(),
    });
    let shared = Arc::clone(&catalog) as Arc<dyn Catalog>;
    let studio = Studio::over(store("working"), store("archive"), shared).await;
    let upload = studio.create(4).await;
    let block = paths::upload(studio.order, upload).join("block");
    let row = tables::upload(studio.order, upload);
    *catalog.begins.lock().unwrap() = Some((row, block.clone()));
    studio.vault.sweep.sweep(studio.order).await.unwrap();
    assert!(catalog.begins.lock().unwrap().is_none(), "the sweep looked");
    assert!(catalog.working.get_opt(&block).await.unwrap().is_some());
}
