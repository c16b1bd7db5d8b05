//! SIGTERM in the middle of uploads, over both protocols: what arrived is committed, everybody is
//! told to come back, and every offset that was answered is on disk.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Body, Url};
use stemvault_tests::door::{Door, client};
use stemvault_tests::order::{Job, b3};
use stemvault_tests::process::signal;
use stemvault_tests::studio::{PATIENCE, Setup, Studio};
use stemvault_tests::tus::{Hanging, Place};

const NUMBER: &str = "2026-0117";
const LENGTH: usize = 21 << 20;

/// What an upload was told: status, when to come back, offset.
type Told = (u16, String, u64);

/// Bytes that nothing makes smaller.
fn noise(seed: u64) -> Bytes {
    let mut bytes = vec![0; LENGTH];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes.into()
}

/// HTTP/1.1: the answer as it stands on the wire.
async fn one(hanging: Hanging) -> Result<Told> {
    let said = tokio::time::timeout(PATIENCE, hanging.answer()).await??;
    let line = |name: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(name));
        found.map(|value| value.trim_start_matches(':').trim().to_owned())
    };
    let status = said.split(' ').nth(1).context("a status")?.parse()?;
    let offset = line("upload-offset").with_context(|| said.clone())?;
    Ok((
        status,
        line("retry-after").unwrap_or_default(),
        offset.parse()?,
    ))
}

/// HTTP/2: a PATCH whose body never ends.
async fn two(studio: &Studio, upload: &Url, bearer: &str, sent: Bytes) -> Result<Told> {
    let pieces: Vec<_> = sent
        .chunks(100_000)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let body = futures::stream::iter(pieces).chain(futures::stream::pending());
    let answer = client(&studio.door().ca, false)?
        .patch(upload.clone())
        .header("authorization", bearer)
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", "0")
        .header("content-type", "application/offset+octet-stream")
        .body(Body::wrap_stream(body))
        .send();
    let answer = tokio::time::timeout(PATIENCE, answer).await??;
    ensure!(answer.version() == reqwest::Version::HTTP_2, "{answer:?}");
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map_or(String::new(), |value| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        })
    };
    let offset = header("upload-offset").parse()?;
    Ok((answer.status().as_u16(), header("retry-after"), offset))
}

/// Waits until something of every upload is committed, without stopping anybody.
async fn all_under_way(studio: &Studio, count: usize) -> Result<()> {
    let seen = async {
        loop {
            let list = studio
                .door()
                .get(&format!("orders/{NUMBER}/uploads"))
                .await?;
            let uploads = list["uploads"].as_array().context("a list")?;
            let begun = uploads.iter().filter(|upload| upload["offset"] != "0");
            if begun.count() == count {
                return anyhow::Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    seen.context("the uploads do not begin")?
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_uploads() -> Result<()> {
    // Nothing but the signal ends these uploads.
    let settings = "[server]\nidle_timeout = \"1 h\"\n".to_owned();
    let mut studio = Studio::open(Setup {
        settings,
        ..Setup::default()
    })
    .await?;
    Job::create(studio.door(), NUMBER).await?;
    let mut seeded = StdRng::seed_from_u64(11);
    let mut before: Vec<(String, Url)> = Vec::new();
    for round in 0..3_u64 {
        let place = Place::files(studio.door(), NUMBER)?;
        let bearer = studio.door().bearer();
        let mut uploads = Vec::new();
        for nth in 0..6_u64 {
            // So many blocks that the first are committed while it goes on.
            let sent = seeded.random_range((16 << 20) + 1..LENGTH);
            let path = format!("{round}-{nth}.bin");
            let upload = place.create(&path, LENGTH as u64).await?;
            uploads.push((path, upload, sent, noise(round * 10 + nth)));
        }
        let mut ones = Vec::new();
        for (_, upload, sent, bytes) in &uploads[..3] {
            let hanging = place.begin_patch(upload, 0, LENGTH as u64, &bytes[..*sent]);
            ones.push(hanging.await?);
        }
        let twos = uploads[3..].iter();
        let twos = twos
            .map(|(_, upload, sent, bytes)| two(&studio, upload, &bearer, bytes.slice(..*sent)));
        let answers = async {
            let ones = join_all(ones.into_iter().map(one));
            let (mut all, twos) = tokio::join!(ones, join_all(twos));
            all.extend(twos);
            all.into_iter().collect::<Result<Vec<Told>>>()
        };
        let stopping = async {
            all_under_way(&studio, uploads.len() + before.len()).await?;
            studio.server()?.signal("TERM")
        };
        let (answers, stopped) = tokio::join!(answers, stopping);
        stopped?;
        let answers = answers?;
        let status = tokio::task::block_in_place(|| studio.wait_for_end())?;
        ensure!(status.success(), "told to stop, it ended with {status}");
        studio.restart().await?;
        let place = Place::files(studio.door(), NUMBER)?;
        for ((path, upload, sent, bytes), told) in uploads.into_iter().zip(answers) {
            let (status, again, offset) = told;
            ensure!(status == 503 && again == "1", "{path}: {status}, {again:?}");
            ensure!(
                offset <= sent as u64,
                "{path}: more than was sent: {offset}"
            );
            let head = place.head(&upload).await?;
            ensure!(
                head.offset == offset,
                "{path}: {offset} was answered, {head:?}"
            );
            let hash = place.finish(&upload, &bytes, LENGTH).await?;
            ensure!(hash == b3(&bytes), "{path}: {hash}");
            before.push((path, upload));
        }
    }
    studio.done().await
}

/// Where the log goes is full from the start: everything works, and a closed terminal (SIGHUP) is a
/// clean end.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_log_and_by_a_closed_terminal() -> Result<()> {
    let studio = Studio::closed(Setup::default())?;
    let config = studio.config();
    let config = config.to_str().context("a path in UTF-8")?;
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--demo-clock",
        "--config",
        config,
    ];
    let full = || std::fs::File::options().write(true).open("/dev/full");
    // A disk that is full, and a reader that goes.
    let (reader, writer) = std::io::pipe()?;
    let mut reader = Some(reader);
    for round in 0..2_usize {
        let mut serve = studio.command(&words);
        if round == 0 {
            serve.stdout(full()?).stderr(full()?);
        } else {
            serve
                .stdout(writer.try_clone()?)
                .stderr(writer.try_clone()?);
        }
        let mut server = serve.spawn()?;
        drop(serve);
        let file = studio.data_dir().join("cli.toml");
        let known = || -> Option<u16> {
            let text = std::fs::read_to_string(&file).ok()?;
            let (_, rest) = text.split_once("https://127.0.0.1:")?;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        };
        let answers = async {
            loop {
                ensure!(
                    server.try_wait()?.is_none(),
                    "round {round}: the server ended"
                );
                if let Some(port) = known()
                    && let Ok(door) = Door::open(&studio.data_dir(), port)
                    && door.get("orders").await.is_ok()
                {
                    return Ok(door);
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let door = tokio::time::timeout(PATIENCE, answers).await??;
        if round == 1 {
            drop(reader.take());
        }
        for _ in 0..3 {
            door.get("orders").await?;
        }
        Job::create(&door, ["2026-0117", "2026-0118"][round]).await?;
        signal(server.id(), "HUP")?;
        let ended = tokio::task::block_in_place(|| server.wait())?;
        ensure!(
            ended.success(),
            "round {round}: with SIGHUP it ended with {ended}"
        );
    }
    studio.done().await
}
