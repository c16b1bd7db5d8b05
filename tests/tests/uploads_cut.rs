//! Uploads that break off, byte for byte: what had arrived is kept, nobody has to wait for a dead
//! client, and what was acknowledged survives kill -9.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Job, b3, text};
use stemvault_tests::studio::{PATIENCE, Stores, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";
const BLOCK: usize = 4 << 20;

fn stem() -> Result<Bytes> {
    let folder = fixtures::cached(Scale::Small)?;
    let path = format!("{}/Gitarren & Stimmen/Akustik links.wav", fixtures::TAKE_96);
    let one = std::fs::read(folder.join(&path))?;
    // Four times over: a WAV whose header does not know of most of it, which must cost nothing.
    Ok(one.repeat(4).into())
}

async fn wait_for_offset(studio: &Studio, path: &str, offset: usize) -> Result<()> {
    wait_until(studio, path, |seen| seen == offset).await
}

async fn wait_until(studio: &Studio, path: &str, enough: impl Fn(usize) -> bool) -> Result<()> {
    let wait = async {
        loop {
            // HEAD would stop a running append; the list only looks.
            let list = studio
                .door()
                .get(&format!("orders/{NUMBER}/uploads"))
                .await?;
            let uploads = list["uploads"].as_array().context("a list")?.clone();
            let upload = uploads
                .iter()
                .find(|upload| upload["path"] == path)
                .context("listed")?;
            if enough(text(upload, "offset")?.parse()?) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.with_context(|| format!("{path}: what arrived was not kept"))?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_keeps_every_byte() -> Result<()> {
    cut(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_keeps_every_byte_on_s3() -> Result<()> {
    cut(Stores::S3).await
}

async fn cut(stores: Stores) -> Result<()> {
    let studio = Studio::on(stores).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    let place = Place::link(studio.door(), &link)?;
    let stem = stem()?;
    let mut seeded = StdRng::seed_from_u64(4);
    let edges = [
        1,
        43,
        44,
        45,
        65_536,
        BLOCK - 1,
        BLOCK,
        BLOCK + 1,
        stem.len() - 1,
    ];
    let random: Vec<_> = (0..8).map(|_| seeded.random_range(1..stem.len())).collect();
    for (nth, cut) in edges.iter().chain(&random).copied().enumerate() {
        let path = format!("{nth}.wav");
        let upload = place.create(&path, stem.len() as u64).await?;
        let total = stem.len() as u64;
        place
            .begin_patch(&upload, 0, total, &stem[..cut])
            .await?
            .cut()
            .await?;
        wait_for_offset(&studio, &path, cut).await?;
        ensure!(
            place.head(&upload).await?.offset == cut as u64,
            "HEAD and the list differ"
        );
        // A second cut in the rest, where there is room for one.
        let second = seeded.random_range(cut..=stem.len() - 1);
        let rest = total - cut as u64;
        let hanging = place
            .begin_patch(&upload, cut as u64, rest, &stem[cut..second])
            .await?;
        hanging.cut().await?;
        wait_for_offset(&studio, &path, second).await?;
        let hash = place.finish(&upload, &stem, BLOCK / 3).await?;
        ensure!(hash == b3(&stem), "cut at {cut} and {second}: {hash}");
    }
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_silent_client() -> Result<()> {
    let studio = Studio::start().await?;
    Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let stem = stem()?;
    let total = stem.len() as u64;
    let upload = place.create("a.wav", total).await?;
    let sent = 2 * BLOCK + 12_345;
    let mut silent = place.begin_patch(&upload, 0, total, &stem[..sent]).await?;
    // Its first blocks are committed while the connection is open and says nothing more.
    wait_until(&studio, "a.wav", |seen| seen > 0).await?;
    let head = tokio::time::timeout(PATIENCE, place.head(&upload)).await;
    let head = head.context("a silent client blocks everybody")??;
    ensure!(head.offset <= sent as u64, "more than was sent: {head:?}");
    // Whatever the silent client says now comes too late: its place was taken.
    let taken = place
        .patch(
            &upload,
            head.offset,
            stem.slice(head.offset as usize..sent + 1),
        )
        .await?;
    let late = silent.send(&[0xAA; 100_000]).await;
    let hash = place.finish(&upload, &stem, usize::MAX / 2).await?;
    ensure!(hash == b3(&stem), "after {taken:?} and {late:?}: {hash}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_appends_is_refused_with_the_offset() -> Result<()> {
    let studio = Studio::start().await?;
    Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let bytes = stem()?.slice(..100_000);
    let upload = place.create("a.wav", bytes.len() as u64).await?;
    place.patch(&upload, 0, bytes.slice(..40_000)).await?;
    for wrong in [0, 39_999, 40_001, 100_000] {
        let answer = place
            .try_patch(&upload, wrong, bytes.slice(..10))
            .await?
            .expect(409)?;
        ensure!(!answer.text().is_empty(), "a refusal without a word");
    }
    ensure!(
        place.head(&upload).await?.offset == 40_000,
        "a refused append moved the offset"
    );
    let whole = place.finish(&upload, &bytes, 7_777).await?;
    ensure!(whole == b3(&bytes), "{whole}");
    // A complete upload answers a late PATCH with what it is, not with an error.
    let again = place
        .try_patch(&upload, 100_000, Bytes::new())
        .await?
        .expect(204)?;
    ensure!(again.header("stemvault-hash") == whole, "{again:?}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_acknowledged() -> Result<()> {
    killed(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_acknowledged_on_s3() -> Result<()> {
    killed(Stores::S3).await
}

async fn killed(stores: Stores) -> Result<()> {
    let mut studio = Studio::on(stores).await?;
    Job::create(studio.door(), NUMBER).await?;
    let mut place = Place::files(studio.door(), NUMBER)?;
    let stem = stem()?;
    let mut seeded = StdRng::seed_from_u64(9);
    let upload = place.create("a.wav", stem.len() as u64).await?;
    let mut acknowledged = 0;
    for _ in 0..6 {
        let piece = seeded.random_range(1..BLOCK);
        let end = stem.len().min(acknowledged + piece);
        let body = stem.slice(acknowledged..end);
        acknowledged = place
            .patch(&upload, acknowledged as u64, body)
            .await?
            .offset as usize;
        // More is under way when the process dies.
        let rest = (stem.len() - acknowledged) as u64;
        let more = stem.len().min(acknowledged + seeded.random_range(1..BLOCK));
        let hanging = place
            .begin_patch(
                &upload,
                acknowledged as u64,
                rest,
                &stem[acknowledged..more],
            )
            .await;
        studio.kill9()?;
        drop(hanging);
        studio.restart().await?;
        place = place.through(studio.door())?;
        let url = studio.door().url(upload.as_str())?;
        let kept = place.head(&url).await?.offset as usize;
        ensure!(
            kept >= acknowledged,
            "{acknowledged} bytes were acknowledged, {kept} are there"
        );
        ensure!(
            kept <= more,
            "{more} bytes were sent, the server has {kept}"
        );
        acknowledged = kept;
    }
    let hash = place.finish(&upload, &stem, usize::MAX / 2).await?;
    ensure!(hash == b3(&stem), "{hash}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_before_the_first_byte_and_say_why() -> Result<()> {
    let studio = Studio::start().await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let stem = stem()?;
    let unknown = Place::files(studio.door(), "2026-9999")?;
    let place = Place::files(studio.door(), NUMBER)?;
    let huge = 101 << 30;
    for (place, path, length, status) in [
        (&unknown, "a.wav", 10, 404),
        (&place, "../a.wav", 10, 400),
        (&place, "Drums/../../a.wav", 10, 400),
        (&place, "/etc/a.wav", 10, 400),
        (&place, "a.wav", huge, 413),
    ] {
        let answer = place.try_create(path, length, Bytes::new()).await?;
        ensure!(
            answer.status == status,
            "{path} {length}: {} {}",
            answer.status,
            answer.text()
        );
        ensure!(
            answer.text().len() > 20,
            "a refusal that does not say why: {:?}",
            answer.text()
        );
    }
    place.upload("a.wav", &stem.slice(..1000), 1000).await?;
    let session = job.submit().await?["session"]
        .as_str()
        .context("a session")?
        .to_owned();
    // A stem that ends before its header says breaks a rule: accepted with a reason, or not at all.
    ensure!(
        job.accept(&session).await.is_err(),
        "accepted without a reason"
    );
    job.accept_because(&session, "the client has no other")
        .await?;
    // What is in no session would never reach the archive: an order is not completed over it.
    place.create("left.wav", 10).await?;
    let refused = job.verb("complete", json!({})).await;
    ensure!(
        refused.is_err_and(|error| format!("{error:#}").contains("left.wav")),
        "completed over an unfinished upload"
    );
    studio
        .cli(&["upload", "remove", NUMBER, "left.wav"])?
        .ok()?;
    job.verb("complete", json!({})).await?;
    let answer = place.try_create("b.wav", 10, Bytes::new()).await?;
    ensure!(
        matches!(answer.status, 403 | 409) && answer.text().contains(NUMBER),
        "{answer:?}"
    );
    studio.done().await
}
