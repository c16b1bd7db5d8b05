//! What runs leave behind: written before they act, closed whatever becomes of their process, every
//! step noted, and kept by a rule.

use chrono::TimeDelta;
use stemvault_storage::ids::RunId;
use stemvault_storage::tables::{decode, put};

use super::*;

/// A catalog that fails every commit once it is told to: the process of its user dies.
#[derive(Debug, Default)]
pub(super) struct Dying {
    inner: MemoryCatalog,
    pub(super) after: Mutex<Option<usize>>,
}

#[async_trait]
impl Catalog for Dying {
    async fn get(&self, key: &Key) -> Result<Option<Row>, CatalogError> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<(Key, Row)>, CatalogError> {
        self.inner.scan(range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        {
            let mut after = self.after.lock().unwrap();
            match after.as_mut() {
                Some(0) => return Err(CommitError::Failed(CatalogError::Closed)),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        self.inner.commit(batch).await
    }
}

fn accepted(job: &str) -> RunRequest {
    RunRequest {
        accept_clock: true,
        ..only(job)
    }
}

pub(super) async fn many_that_expire(studio: &Studio, count: usize) {
    for nth in 0..count {
        let new = NewUpload {
            id: UploadId::random(),
            link: None,
            kind: Kind::Material,
            path: SessionPath::parse(&format!("take {nth:03}.wav")).unwrap(),
            metadata: [].into(),
            length: Some(4),
            role: Role::File,
            sum: None,
            at_once: false,
        };
        studio
            .vault
            .uploads
            .create(studio.order, new)
            .await
            .unwrap();
    }
    studio.clock.advance(Duration::from_secs(15 * 86400));
}

#[tokio::test]
async fn every_step_is_noted_and_none_is_only_counted() {
    let (studio, _) = Studio::in_memory().await;
    many_that_expire(&studio, 150).await;
    let runs = studio.jobs.run(only("expire")).await.unwrap();
    assert_eq!((runs[0].noted, runs[0].outcome), (150, Outcome::Done));
    let listed = studio.jobs.runs(None, 5).await.unwrap();
    assert_eq!(listed[0].id, runs[0].id);
    assert!(listed[0].orders.len() < 150 && listed[0].noted == 150);
    let found = Run::find(&studio.vault, runs[0].id).await.unwrap().unwrap();
    let mut notes = found.notes(&studio.vault, 0, 100).await.unwrap();
    notes.extend(found.notes(&studio.vault, 100, 100).await.unwrap());
    for nth in 0..150 {
        let name = format!("take {nth:03}.wav");
        assert!(
            notes.iter().any(|note| note.detail.contains(&name)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_run_whose_process_died_is_on_record_with_all_that_it_did() {
    let bucket = Arc::new(InMemory::new());
    let store = |name| Store::of(name, Arc::clone(&bucket) as Arc<dyn ObjectStore>);
    let catalog = Arc::new(Dying::default());
    let shared = Arc::clone(&catalog) as Arc<dyn Catalog>;
    let studio = Studio::over(store("working"), store("archive"), shared).await;
    many_that_expire(&studio, 9).await;
    // Its row; then an upload, its order's record and its note in turn, and death before the end.
    *catalog.after.lock().unwrap() = Some(13);
    studio.jobs.run(only("expire")).await.unwrap_err();
    *catalog.after.lock().unwrap() = None;
    let left = studio.jobs.runs(None, 5).await.unwrap();
    assert_eq!((left.len(), left[0].outcome), (1, Outcome::Running));
    assert_eq!(left[0].orders.len(), 4, "{left:?}");

    // The next start finds it.
    studio.jobs.resume().await.unwrap();
    let left = studio.jobs.runs(None, 5).await.unwrap();
    assert_eq!((left.len(), left[0].outcome), (1, Outcome::Interrupted));
    assert!(left[0].message.contains("after 4 steps"), "{left:?}");
    let states = studio.jobs.states().await.unwrap();
    let expire = states
        .iter()
        .find(|state| state.job == job("expire"))
        .unwrap();
    let last = expire.last.as_ref().unwrap();
    assert_eq!(
        (last.outcome, expire.at_work_since),
        (Outcome::Interrupted, None)
    );
    let next = studio.jobs.run(only("expire")).await.unwrap();
    assert_eq!((next[0].outcome, next[0].noted), (Outcome::Done, 5));
}

#[tokio::test]
async fn without_a_start_the_next_run_closes_it() {
    let catalog = Arc::new(Dying::default());
    let bucket = Arc::new(InMemory::new());
    let store = |name| Store::of(name, Arc::clone(&bucket) as Arc<dyn ObjectStore>);
    let shared = Arc::clone(&catalog) as Arc<dyn Catalog>;
    let studio = Studio::over(store("working"), store("archive"), shared).await;
    *catalog.after.lock().unwrap() = Some(1);
    studio.jobs.run(only("sweep")).await.unwrap_err();
    *catalog.after.lock().unwrap() = None;
    studio.clock.advance(Duration::from_secs(1));
    studio.jobs.run(only("sweep")).await.unwrap();
    let runs = studio.jobs.runs(None, 5).await.unwrap();
    let outcomes: Vec<_> = runs.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Outcome::Done, Outcome::Interrupted]);
}

#[tokio::test]
async fn runs_are_kept_by_a_rule_and_listed_by_the_page() {
    let (studio, _) = Studio::in_memory().await;
    many_that_expire(&studio, 1).await;
    studio.jobs.run(only("expire")).await.unwrap();
    for _ in 0..260 {
        studio.clock.advance(Duration::from_secs(3600));
        studio.jobs.run(only("sweep")).await.unwrap();
    }
    let all = studio.jobs.runs(None, 1000).await.unwrap();
    assert_eq!(all.len(), 261);
    let mut paged = studio.jobs.runs(None, 100).await.unwrap();
    while let Some(last) = paged.last().cloned() {
        let more = studio.jobs.runs(Some(&last), 100).await.unwrap();
        if more.is_empty() {
            break;
        }
        paged.extend(more);
    }
    assert_eq!(paged, all);
    studio.jobs.run(only("snapshot")).await.unwrap();
    let left = studio.jobs.runs(None, 1000).await.unwrap();
    let of = |job| left.iter().filter(|run| run.job == job).count();
    assert_eq!(
        (of(job("sweep")), of(job("expire"))),
        (200, 1),
        "what removed stays"
    );
}

#[tokio::test]
async fn a_run_of_the_future_is_the_newest_and_an_old_row_is_read() {
    let (studio, _) = Studio::in_memory().await;
    let id = RunId::random();
    let now = studio.vault.core.clock().now();
    // As it was written before notes had rows of their own.
    let old = serde_json::json!({
        "v": 1, "id": id, "job": "purge", "started_at": now, "ended_at": now, "outcome": "done",
        "dry_run": false, "message": "1 done",
        "orders": [{"order": "2026-0117", "action": "purge", "detail": "key destroyed"}],
    });
    let row = tables::run(now.timestamp_micros(), id);
    let old = Batch::new().put(row, old.to_string());
    studio.vault.core.catalog().commit(old).await.unwrap();
    studio.clock.jump(TimeDelta::days(400));
    studio.jobs.run(accepted("sweep")).await.unwrap();
    studio.clock.jump(TimeDelta::days(-400));
    studio.vault.timekeeper.accept_time().await.unwrap();
    let runs = studio.jobs.runs(None, 10).await.unwrap();
    let jobs: Vec<_> = runs.iter().map(|run| run.job).collect();
    assert_eq!(jobs, [job("sweep"), job("purge")]);
    assert_eq!((runs[1].noted, runs[1].orders.len()), (1, 1));
    let found = Run::find(&studio.vault, id).await.unwrap().unwrap();
    let notes = found.notes(&studio.vault, 0, 10).await.unwrap();
    assert_eq!(notes[0].detail, "key destroyed");
    let again = put(Batch::new(), tables::job("test"), &found);
    studio.vault.core.catalog().commit(again).await.unwrap();
    let row = studio
        .vault
        .core
        .catalog()
        .get(&tables::job("test"))
        .await
        .unwrap();
    assert_eq!(decode::<Run>(&row.unwrap().value).unwrap(), found);
}
