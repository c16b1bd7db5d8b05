//! Downloads: any range of any file, resumable by ETag, and never a wrong byte.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::bucket;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, b3, escape, read, text};
use stemvault_tests::studio::{Stores, Studio};

const NUMBER: &str = "2026-0117";

async fn stocked(studio: &Studio) -> Result<(Files, String)> {
    let files = read(&fixtures::cached(Scale::Tiny)?)?;
    let job = Job::create(studio.door(), NUMBER).await?;
    job.upload(&files).await?;
    let receipt = job.submit().await?;
    Ok((files, text(&receipt, "session")?.to_owned()))
}

fn longest(files: &Files) -> Result<(&String, &Bytes)> {
    files
        .iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .context("files")
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_exact() -> Result<()> {
    exact_ranges(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_exact_on_s3() -> Result<()> {
    exact_ranges(Stores::S3).await
}

async fn exact_ranges(stores: Stores) -> Result<()> {
    let studio = Studio::on(stores).await?;
    let door = studio.door();
    let (files, session) = stocked(&studio).await?;
    let (path, sent) = longest(&files)?;
    let link = Job {
        door,
        number: NUMBER,
    }
    .link(json!({"scope": "file", "session": session, "path": path}))
    .await?;
    let etag = format!("\"{}\"", b3(sent));
    let head = door
        .ask(Method::HEAD, &link, &[], None)
        .await?
        .expect(200)?;
    ensure!(
        head.header("etag") == etag && head.body.is_empty(),
        "{head:?}"
    );
    ensure!(
        head.header("content-length") == sent.len().to_string(),
        "{head:?}"
    );
    ensure!(head.header("accept-ranges") == "bytes", "{head:?}");

    let last = sent.len() - 1;
    let block = 4 << 20;
    let mut ranges = vec![
        (0, 0),
        (0, last),
        (last, last),
        (43, 44),
        (block - 1, block + 100),
    ];
    let mut seeded = StdRng::seed_from_u64(7);
    for _ in 0..20 {
        let from = seeded.random_range(0..=last);
        ranges.push((from, seeded.random_range(from..=last)));
    }
    for (from, to) in ranges {
        let range = format!("bytes={from}-{to}");
        let part = door
            .ask(Method::GET, &link, &[("range", &range)], None)
            .await?
            .expect(206)?;
        let says = format!("bytes {from}-{to}/{}", sent.len());
        ensure!(
            part.header("content-range") == says,
            "{range}: {}",
            part.header("content-range")
        );
        ensure!(part.body == sent.slice(from..=to), "{range}: other bytes");
    }
    for (range, from) in [("bytes=-1000", last - 999), ("bytes=4000000-", 4_000_000)] {
        let part = door
            .ask(Method::GET, &link, &[("range", range)], None)
            .await?
            .expect(206)?;
        ensure!(part.body == sent.slice(from..), "{range}: other bytes");
    }
    let beyond = format!("bytes={}-", sent.len());
    door.ask(Method::GET, &link, &[("range", &beyond)], None)
        .await?
        .expect(416)?;

    // A resumed download goes on only if it is still the same file.
    let same = [("range", "bytes=100-"), ("if-range", &etag)];
    let part = door
        .ask(Method::GET, &link, &same, None)
        .await?
        .expect(206)?;
    ensure!(part.body == sent.slice(100..), "other bytes");
    let other = [("range", "bytes=100-"), ("if-range", "\"another\"")];
    let whole = door
        .ask(Method::GET, &link, &other, None)
        .await?
        .expect(200)?;
    ensure!(whole.body == *sent, "other bytes");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_nothing() -> Result<()> {
    let studio = Studio::start().await?;
    let door = studio.door();
    let (files, session) = stocked(&studio).await?;
    let (path, _) = longest(&files)?;
    let inside = format!(
        "api/v1/orders/{NUMBER}/sessions/{session}/files/{}",
        escape(path)
    );
    door.ask(Method::GET, &inside, &[], None)
        .await?
        .expect(401)?;
    let wrong = [(
        "authorization",
        "Bearer stemvault-0000000000000000000000000000000000000000",
    )];
    door.ask(Method::GET, &inside, &wrong, None)
        .await?
        .expect(401)?;
    // A link that never was and one that was revoked look the same.
    let made = door
        .post(
            &format!("orders/{NUMBER}/links"),
            json!({"scope": "session", "session": session}),
        )
        .await?;
    let url = text(&made, "url")?;
    door.ask(Method::GET, &format!("{url}/{}", escape(path)), &[], None)
        .await?
        .expect(200)?;
    door.ask(Method::GET, &format!("{url}/no.wav"), &[], None)
        .await?
        .expect(404)?;
    let revoke = format!("links/{}", text(&made, "id")?);
    door.api(Method::DELETE, &revoke, None).await?;
    let revoked = door.ask(Method::GET, url, &[], None).await?;
    let never = door.ask(Method::GET, &format!("{url}A"), &[], None).await?;
    ensure!(revoked.status == 404, "{revoked:?}");
    ensure!(
        (revoked.status, revoked.body) == (never.status, never.body),
        "one can tell them apart"
    );
    studio.done().await
}

/// Flips one bit in every object under `tier`, one after the other, and reads everything.
async fn flip_each(studio: &Studio, session: &str, files: &Files, tier: &str) -> Result<()> {
    let door = studio.door();
    let folder = bucket::order_folder(&studio.bucket())?.join(tier);
    let objects = bucket::objects(&folder)?;
    ensure!(
        objects.len() >= files.len(),
        "{} objects in {tier}",
        objects.len()
    );
    let mut seeded = StdRng::seed_from_u64(8);
    for object in objects {
        let at = seeded.random_range(0..usize::try_from(object.metadata()?.len())?);
        let bit = seeded.random_range(0..8);
        let before = door.metric("stemvault_damaged_blocks_total").await?;
        bucket::flip(&object, at, bit)?;
        let mut hurt = 0;
        for (path, sent) in files {
            let inside = format!(
                "api/v1/orders/{NUMBER}/sessions/{session}/files/{}",
                escape(path)
            );
            let bearer = door.bearer();
            let (got, complete) = door
                .ask_partial(&inside, &[("authorization", &bearer)])
                .await?;
            if got.status == 200 && complete {
                ensure!(
                    got.body == *sent,
                    "{path}: wrong bytes, handed out as right ones"
                );
            } else if got.status == 200 {
                ensure!(
                    sent.starts_with(&got.body),
                    "{path}: wrong bytes before the end"
                );
                hurt += 1;
            } else {
                ensure!(matches!(got.status, 0 | 500..), "{path}: {got:?}");
                hurt += 1;
            }
        }
        // The index of an archive attempt may be in memory: then nobody has met the damage yet.
        let met = door.metric("stemvault_damaged_blocks_total").await? > before;
        let index = object.file_name().is_some_and(|name| name == "index");
        ensure!(
            index || (hurt > 0 && met),
            "{}: hurt {hurt}, metric {met}",
            object.display()
        );
        bucket::flip(&object, at, bit)?;
    }
    let log = studio.log();
    ensure!(
        log.contains(NUMBER) && log.contains("damaged"),
        "the log names what is damaged"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_never_leaves_the_house() -> Result<()> {
    flipped_bits(Stores::Files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_never_leaves_s3() -> Result<()> {
    flipped_bits(Stores::S3).await
}

async fn flipped_bits(stores: Stores) -> Result<()> {
    let studio = Studio::on(stores).await?;
    let (files, session) = stocked(&studio).await?;
    flip_each(&studio, &session, &files, "working").await?;
    Job {
        door: studio.door(),
        number: NUMBER,
    }
    .compare(&session, &files)
    .await?;
    studio.done_but("repair").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_out_of_the_archive() -> Result<()> {
    let studio = Studio::start().await?;
    let (files, session) = stocked(&studio).await?;
    let job = Job {
        door: studio.door(),
        number: NUMBER,
    };
    job.accept(&session).await?;
    job.verb("complete", json!({})).await?;
    job.until("archived").await?;
    stemvault_tests::order::advance(studio.door(), "91d").await?;
    job.until("released").await?;
    job.verb("recall", json!({})).await?;
    flip_each(&studio, &session, &files, "archive").await?;
    job.compare(&session, &files).await?;
    studio.done_but("repair").await
}
