//! A clock that cannot be believed, and jobs that take long or hang: nothing is lost, nothing waits.

use std::fmt;

use chrono::TimeDelta;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutResult,
};
use stemvault_storage::upload::UploadState;
use tokio::sync::watch;

use super::runs::many_that_expire;
use super::*;

/// Removes nothing, ends nothing, completes nothing.
async fn is_in_doubt(studio: &Studio) {
    for job in ["release", "purge", "expire", "end_recall"] {
        let runs = studio.jobs.run(only(job)).await.unwrap();
        assert_eq!(runs[0].outcome, Outcome::Stopped, "{runs:?}");
        assert!(runs[0].message.contains("--accept-clock"), "{runs:?}");
    }
    let refused = studio.vault.orders.complete(studio.order, AT_ONCE).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_ends_no_upload_and_neither_does_a_restart() {
    let (mut studio, _) = Studio::in_memory().await;
    let upload = studio.create(9).await;
    let mut writer = Box::pin(studio.vault.appends.begin_append(studio.order, upload, 0))
        .await
        .unwrap();
    writer.push(b"half").await.unwrap();
    writer.flush().await.unwrap();
    drop(writer);
    studio.jobs.tick().await.unwrap();
    studio.clock.jump(TimeDelta::days(15));
    for _ in 0..3 {
        studio.jobs.tick().await.unwrap();
        is_in_doubt(&studio).await;
        let row = studio
            .vault
            .rows
            .upload(studio.order, upload)
            .await
            .unwrap();
        assert!(
            !studio.vault.rows.is_expired(&row).await.unwrap(),
            "{row:?}"
        );
        studio.clock.advance(Duration::from_secs(3600));
        studio = studio.restarted().await;
    }
    // The client goes on meanwhile, and what it is told lasts by either clock.
    let mut writer = Box::pin(studio.vault.appends.begin_append(studio.order, upload, 4))
        .await
        .unwrap();
    writer.push(b"more").await.unwrap();
    writer.flush().await.unwrap();
    drop(writer);
    studio
        .jobs
        .run(RunRequest {
            accept_clock: true,
            ..only("expire")
        })
        .await
        .unwrap();
    let row = studio
        .vault
        .rows
        .upload(studio.order, upload)
        .await
        .unwrap();
    assert_eq!((row.offset, row.state), (8, UploadState::Open));
    studio.clock.advance(Duration::from_secs(15 * 86400));
    let runs = studio.jobs.run(only("expire")).await.unwrap();
    assert_eq!(runs[0].noted, 1, "{runs:?}");
}

#[tokio::test]
async fn a_start_with_a_clock_years_ahead_deletes_no_order() {
    let (studio, _) = Studio::in_memory().await;
    studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    studio.jobs.run(only("archive")).await.unwrap();
    studio.clock.jump(TimeDelta::days(3 * 365));
    let studio = studio.restarted().await;
    studio.jobs.resume().await.unwrap();
    studio.jobs.tick().await.unwrap();
    is_in_doubt(&studio).await;
    assert_eq!(studio.stage().await, Stage::Archived);
    // The right time ends it, without a word.
    studio.clock.jump(TimeDelta::days(-3 * 365));
    studio.run().await;
    assert_eq!(studio.stage().await, Stage::Releasing);
}

#[tokio::test]
async fn no_order_is_completed_before_what_was_decided_about_it() {
    let (studio, _) = Studio::in_memory().await;
    studio.upload(b"boom").await;
    let (kind, form, rules) = (Kind::Material, Form::new(), Rules::new());
    studio
        .vault
        .sessions
        .submit(studio.order, kind, form, rules)
        .await
        .unwrap();
    // Too little for a jump, and still before the submit.
    studio.clock.jump(TimeDelta::minutes(-30));
    let refused = studio.vault.orders.complete(studio.order, AT_ONCE).await;
    let Err(Error::Refused(refusal)) = refused else {
        panic!("{refused:?}");
    };
    assert!(refusal.message.contains("set the clock"), "{refusal:?}");
    studio.clock.advance(Duration::from_secs(1800));
    studio
        .vault
        .orders
        .complete(studio.order, AT_ONCE)
        .await
        .unwrap();
}

/// A store that takes nothing while it hangs.
#[derive(Debug)]
struct Hanging {
    inner: InMemory,
    hangs: watch::Sender<bool>,
}

impl Hanging {
    async fn pass(&self) {
        let mut hangs = self.hangs.subscribe();
        hangs.wait_for(|hangs| !hangs).await.unwrap();
    }
}

impl fmt::Display for Hanging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hanging")
    }
}

#[async_trait]
impl ObjectStore for Hanging {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.pass().await;
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn what_takes_long_delays_no_decision_and_leaves_no_ticks_behind() {
    let bucket = Arc::new(InMemory::new());
    let archive = Arc::new(Hanging {
        inner: InMemory::new(),
        hangs: watch::channel(false).0,
    });
    let working = Store::of("working", bucket as Arc<dyn ObjectStore>);
    let hangs = Store::of("archive", Arc::clone(&archive) as Arc<dyn ObjectStore>);
    let studio = Studio::over(working, hangs, Arc::new(MemoryCatalog::new())).await;
    studio.jobs.tick().await.unwrap();
    studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    let number = "2026-0118".to_owned().try_into().unwrap();
    let other = studio
        .vault
        .orders
        .create(number, Client::default())
        .await
        .unwrap()
        .id;
    let studio = Studio {
        order: other,
        ..studio
    };
    many_that_expire(&studio, 1).await;
    archive.hangs.send_replace(true);
    // Every minute for three hours.
    let mut ticks = Vec::new();
    for _ in 0..180 {
        studio.clock.advance(Duration::from_secs(60));
        let jobs = Arc::clone(&studio.jobs);
        ticks.push(tokio::spawn(async move { jobs.tick().await.unwrap() }));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        decided(&studio).await;
    }
    let runs = studio.jobs.runs(None, 1000).await.unwrap();
    let of = |job| runs.iter().filter(|run| run.job == job).collect::<Vec<_>>();
    assert_eq!(of(job("expire")).len(), 1, "it was due once");
    assert_eq!(
        (of(job("expire"))[0].noted, of(job("expire"))[0].outcome),
        (1, Outcome::Done)
    );
    assert!(of(job("end_recall")).len() >= 3, "hourly: {runs:?}");
    let at_work = of(job("archive"));
    assert_eq!((at_work.len(), at_work[0].outcome), (1, Outcome::Running));
    let states = studio.jobs.states().await.unwrap();
    let state = states
        .iter()
        .find(|state| state.job == job("archive"))
        .unwrap();
    assert!(state.at_work_since.is_some());
    archive.hangs.send_replace(false);
    for tick in ticks {
        tick.await.unwrap();
    }
    let runs = studio.jobs.runs(None, 1000).await.unwrap();
    let archived = runs.iter().filter(|run| run.job == job("archive"));
    assert!(archived.count() <= 2, "no backlog: {runs:?}");
}

/// Waits for what decides, however busy the machine is; not for the archive.
async fn decided(studio: &Studio) {
    let done = async {
        loop {
            let states = studio.jobs.states().await.unwrap();
            let mut others = states.iter().filter(|state| state.job != job("archive"));
            if others.all(|state| state.at_work_since.is_none()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done)
        .await
        .expect("what decides waits for the archive");
}

#[tokio::test]
async fn a_job_that_does_not_run_is_heard_of() {
    let catalog = Arc::new(runs::Dying::default());
    let bucket = Arc::new(InMemory::new());
    let store = |name| Store::of(name, Arc::clone(&bucket) as Arc<dyn ObjectStore>);
    let shared = Arc::clone(&catalog) as Arc<dyn Catalog>;
    let studio = Studio::over(store("working"), store("archive"), shared).await;
    let silent = async || studio.jobs.silent(&studio.jobs.states().await.unwrap());
    let tick = async || drop(studio.jobs.tick().await);
    tick().await;
    studio.clock.advance(Duration::from_secs(2 * 3600));
    tick().await;
    assert_eq!(silent().await, Vec::<String>::new());
    // Nothing can be begun any more.
    *catalog.after.lock().unwrap() = Some(0);
    for _ in 0..2 {
        studio.clock.advance(Duration::from_secs(2 * 3600));
        tick().await;
    }
    let said = silent().await;
    assert!(
        said.iter().any(|it| it.starts_with("archive has not done")),
        "{said:?}"
    );
    *catalog.after.lock().unwrap() = None;
    tick().await;
    assert_eq!(silent().await, Vec::<String>::new());
    // The beat itself has died.
    studio.clock.advance(Duration::from_secs(3600));
    let said = silent().await;
    assert!(
        said[0].starts_with("no job has been looked at for 60 minutes"),
        "{said:?}"
    );
}

#[tokio::test]
async fn who_only_asks_what_would_be_done_has_accepted_no_clock() {
    let (studio, _) = Studio::in_memory().await;
    studio.upload(b"boom").await;
    studio.submit_and_complete().await;
    studio.jobs.run(only("archive")).await.unwrap();
    studio.clock.jump(TimeDelta::days(731));
    let asked = RunRequest {
        dry_run: true,
        accept_clock: true,
        ..only("release")
    };
    // It says what would go if the clock were taken ...
    let said = studio.jobs.run(asked).await.unwrap();
    assert_eq!(said[0].outcome, Outcome::Done, "{said:?}");
    assert!(said[0].orders[0].detail.contains("would go"), "{said:?}");
    // ... and the clock is still in doubt.
    let stopped = studio.jobs.run(only("release")).await.unwrap();
    assert_eq!(stopped[0].outcome, Outcome::Stopped, "{stopped:?}");
    assert_eq!(studio.stage().await, Stage::Archived);
}

#[tokio::test]
async fn a_job_that_last_ran_in_the_future_is_heard_of_after_a_restart_as_well() {
    let catalog = Arc::new(runs::Dying::default());
    let bucket = Arc::new(InMemory::new());
    let store = |name| Store::of(name, Arc::clone(&bucket) as Arc<dyn ObjectStore>);
    let shared = Arc::clone(&catalog) as Arc<dyn Catalog>;
    let studio = Studio::over(store("working"), store("archive"), shared).await;
    studio.clock.jump(TimeDelta::days(400));
    studio.vault.timekeeper.accept_time().await.unwrap();
    studio.jobs.run(only("sweep")).await.unwrap();
    studio.clock.jump(TimeDelta::days(-400));
    studio.vault.timekeeper.accept_time().await.unwrap();
    // From now on nothing can be begun, and the process that knew is gone.
    let studio = studio.restarted().await;
    *catalog.after.lock().unwrap() = Some(0);
    let silent = async || studio.jobs.silent(&studio.jobs.states().await.unwrap());
    assert_eq!(silent().await, Vec::<String>::new(), "no beat was yet");
    drop(studio.jobs.tick().await);
    let said = silent().await;
    assert_eq!(said.len(), 1, "{said:?}");
    let words = "sweep has not done its work: when it last did, the clock said 2027-02-09";
    assert!(said[0].starts_with(words), "{said:?}");
    // And as soon as it does its work, all is well.
    *catalog.after.lock().unwrap() = None;
    drop(studio.jobs.tick().await);
    assert_eq!(silent().await, Vec::<String>::new());
}
