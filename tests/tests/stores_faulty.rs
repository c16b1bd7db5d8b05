//! A store that is slow, fails, lies, or is gone for a while: clients wait or are told when to come
//! back, no acknowledged byte is lost, and nothing is deleted on its word.
//!
//! Waits for stores are a tenth of what they are elsewhere: a request may last 2.5 seconds, and is
//! given up after 6.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use stemvault_tests::clients::Client;
use stemvault_tests::door::{Answer, Door};
use stemvault_tests::faulty::{Fault, Rule};
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Files, Job, b3, check_receipt, escape, read, text};
use stemvault_tests::patience::{patiently, persist, says_when};
use stemvault_tests::scenes::Scene;
use stemvault_tests::studio::{PATIENCE, Setup, Stores, Studio};
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";
const SLOW_DOWN: Fault = Fault::Status(503, "SlowDown");

fn files() -> Result<Files> {
    read(&fixtures::cached(Scale::Tiny)?)
}

/// The longest stem: more than one block.
fn stem() -> Result<Bytes> {
    let longest = files()?.into_values().max_by_key(Bytes::len);
    longest.context("files")
}

/// A session comes in and goes out again through a store that fails all the while.
async fn survive(seed: u64, rule: Rule) -> Result<()> {
    let studio = Studio::on(Stores::Faulty(seed)).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let files = files()?;
    studio.faulty()?.set(Some(rule.clone()));
    for (path, bytes) in &files {
        let created =
            patiently(|| place.try_create(path, bytes.len() as u64, Bytes::new())).await?;
        let upload = studio.door().url(created.expect(201)?.header("location"))?;
        let hash = persist(&place, &upload, bytes, 1_700_000).await?;
        ensure!(hash == b3(bytes), "{path}: {hash}");
    }
    let path = format!("orders/{NUMBER}/submit");
    let material = json!({"kind": "material"});
    let submit = || job.door.api(Method::POST, &path, Some(material.clone()));
    let receipt = patiently(submit).await?.json()?;
    check_receipt(&receipt, &files)?;
    let session = text(&receipt, "session")?.to_owned();
    for (path, sent) in &files {
        let path = format!("orders/{NUMBER}/sessions/{session}/files/{}", escape(path));
        let got = patiently(|| job.door.api(Method::GET, &path, None)).await?;
        ensure!(got.expect(200)?.body == *sent, "{path}: other bytes");
    }
    let faults = studio.faulty()?.faults();
    ensure!(faults > 0, "nothing failed");
    studio.faulty()?.set(None);
    job.compare(&session, &files).await?;
    println!("{faults} faults of {:?}", rule.fault);
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_its_own() -> Result<()> {
    let fault = Fault::Status(500, "InternalError");
    survive(
        1,
        Rule {
            percent: 30,
            ..Rule::all(fault)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_down() -> Result<()> {
    survive(
        2,
        Rule {
            percent: 40,
            ..Rule::all(SLOW_DOWN)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer() -> Result<()> {
    survive(3, Rule::some(Fault::Silence, Method::PUT, 20)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_before_the_body() -> Result<()> {
    survive(
        4,
        Rule {
            percent: 30,
            ..Rule::all(Fault::ResetBefore)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset_after_the_body() -> Result<()> {
    survive(
        5,
        Rule {
            percent: 30,
            ..Rule::all(Fault::ResetAfter)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost() -> Result<()> {
    survive(
        6,
        Rule {
            percent: 30,
            ..Rule::all(Fault::AnswerLost)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn success_that_comes_when_nobody_waits_for_it() -> Result<()> {
    let late = Fault::Late(Duration::from_secs(4));
    survive(7, Rule::some(late, Method::PUT, 20)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_break_off() -> Result<()> {
    survive(8, Rule::some(Fault::Truncated, Method::GET, 40)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bytes() -> Result<()> {
    survive(9, Rule::all(Fault::Slow(3_000_000))).await
}

/// What a put was given up for must not be taken for what was put after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_lands_late_replaces_nothing() -> Result<()> {
    let studio = Studio::on(Stores::Faulty(10)).await?;
    let job = Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let stem = stem()?;
    let upload = place.create("a.wav", stem.len() as u64).await?;
    studio
        .faulty()?
        .set(Some(Rule::some(Fault::Held, Method::PUT, 100)));
    let refused = place.try_patch(&upload, 0, stem.slice(..1_000_000)).await?;
    says_when(&refused)?;
    studio.faulty()?.set(None);
    // Other bytes under the same number, acknowledged.
    place.patch(&upload, 0, stem.slice(..2_000_000)).await?;
    let (faults, faulty) = (studio.faulty()?.faults(), studio.faulty()?);
    ensure!(faults > 0, "nothing was late");
    faulty.let_go();
    let landed = async {
        while faulty.landed() < faults {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let landed = tokio::time::timeout(PATIENCE, landed).await;
    landed.context("what was late never landed")?;
    let hash = place.finish(&upload, &stem, usize::MAX / 2).await?;
    ensure!(hash == b3(&stem), "{hash}");
    let session = text(&job.submit().await?, "session")?.to_owned();
    ensure!(job.file(&session, "a.wav").await? == stem, "other bytes");
    studio.done().await
}

/// What readiness says when it says no; a yes may be a second old.
async fn no_longer_ready(door: &Door) -> Result<Answer> {
    let asking = async {
        loop {
            let ready = door.ask(Method::GET, "readyz", &[], None).await?;
            if ready.status == 503 {
                return anyhow::Ok(ready);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.context("ready without its stores")?
}

/// Gone for longer than we try: clients are told, readiness is red, ops are told what to check; and
/// everything goes on when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage() -> Result<()> {
    let mut studio = Studio::on(Stores::Faulty(11)).await?;
    Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let stem = stem()?;
    let upload = place.create("a.wav", stem.len() as u64).await?;
    place.patch(&upload, 0, stem.slice(..1_000_000)).await?;
    for gone in [false, true] {
        let door = studio.door().clone();
        if gone {
            studio.s3()?.stop()?;
        } else {
            studio.faulty()?.set(Some(Rule::all(SLOW_DOWN)));
        }
        let refused = place.try_patch(&upload, 1_000_000, stem.slice(1_000_000..));
        let submit = format!("orders/{NUMBER}/submit");
        let submit = door.api(Method::POST, &submit, Some(json!({"kind": "material"})));
        let ready = no_longer_ready(&door);
        let (refused, submit, ready) = tokio::try_join!(refused, submit, ready)?;
        says_when(&refused)?;
        ensure!(
            submit.status / 100 == 4 || submit.status == 503,
            "{submit:?}"
        );
        for store in ["working", "archive", "key"] {
            ensure!(ready.text().contains(store), "{}", ready.text());
        }
        let kept = place.head(&upload).await?.offset;
        ensure!(
            kept == 1_000_000,
            "1000000 bytes were acknowledged, {kept} are there"
        );
        if gone {
            studio.s3()?.go_on()?;
        } else {
            studio.faulty()?.set(None);
        }
        tokio::time::timeout(PATIENCE, door.wait_until_ready()).await?;
    }
    let log = studio.log();
    ensure!(
        log.contains("the working store could not"),
        "no word for ops: {log}"
    );
    ensure!(
        log.contains("takes no more requests"),
        "no word on what to check: {log}"
    );
    let failed = studio
        .door()
        .ask(Method::GET, "metrics", &[], None)
        .await?
        .text();
    let failed = failed.lines().any(|line| {
        line.starts_with("stemvault_store_requests_total{")
            && line.contains("\"working\"")
            && line.contains("\"failed\"")
    });
    ensure!(failed, "failed requests are not counted");
    let retries = studio
        .door()
        .metric("stemvault_store_retries_total")
        .await?;
    ensure!(retries > 2.0, "{retries} retries");
    let hash = persist(&place, &upload, &stem, usize::MAX / 2).await?;
    ensure!(hash == b3(&stem), "{hash}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn tus_js_client_does_not_notice() -> Result<()> {
    let scene = Scene::set_on(Stores::Faulty(12)).await?;
    let rule = Rule {
        percent: 40,
        ..Rule::all(SLOW_DOWN)
    };
    scene.studio().faulty()?.set(Some(rule));
    scene.whole(Client::TusJs).await
}

/// A slow store holds clients back; what they would send waits with them and not in memory.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_while_the_store_is_slow() -> Result<()> {
    const CLIENTS: usize = 10;
    let studio = Studio::open(Setup {
        stores: Stores::Faulty(13),
        settings: "memory = \"64 MiB\"\n".to_owned(),
        ..Setup::default()
    })
    .await?;
    Job::create(studio.door(), NUMBER).await?;
    let place = Place::files(studio.door(), NUMBER)?;
    let bytes = Bytes::from(stem()?.repeat(5));
    let expected = b3(&bytes);
    let slow = Fault::Slow(2_800_000);
    studio
        .faulty()?
        .set(Some(Rule::some(slow, Method::PUT, 100)));
    let uploads = (0..CLIENTS).map(|nth| {
        let (place, bytes) = (place.clone(), bytes.clone());
        async move {
            let upload = place
                .create(&format!("{nth}.wav"), bytes.len() as u64)
                .await?;
            persist(&place, &upload, &bytes, usize::MAX / 2).await
        }
    });
    for hash in try_join_all(uploads).await? {
        ensure!(hash == expected, "{hash}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", studio.pid()?))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .context("VmHWM")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    let sent = (CLIENTS * bytes.len()) >> 20;
    println!(
        "peak {} MiB while {sent} MiB came in for a slow store",
        peak >> 10
    );
    ensure!(peak < 192 << 10, "{peak} KiB at the peak");
    studio.done().await
}
