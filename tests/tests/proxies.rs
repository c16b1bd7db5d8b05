//! Behind nginx, Caddy and HAProxy, each with its sample from `deploy/proxies`: uploads that break
//! off keep what arrived, refusals arrive, overrides, links and downloads work, at the top and
//! under a path.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use stemvault_tests::door::Door;
use stemvault_tests::fixtures::{self, Scale};
use stemvault_tests::order::{Job, b3, text};
use stemvault_tests::proxy::{Kind, Proxied, Under};
use stemvault_tests::studio::PATIENCE;
use stemvault_tests::tus::Place;

const NUMBER: &str = "2026-0117";
const MIB: usize = 1 << 20;
const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const OCTETS: (&str, &str) = ("content-type", "application/offset+octet-stream");

/// Over 28 MiB of a recording, whatever its header says of it.
fn stem() -> Result<Bytes> {
    let folder = fixtures::cached(Scale::Small)?;
    let path = format!("{}/Gitarren & Stimmen/Akustik links.wav", fixtures::TAKE_96);
    let mut bytes = std::fs::read(folder.join(&path))?;
    while bytes.len() < 28 * MIB {
        bytes.extend_from_within(..);
    }
    bytes.truncate(28 * MIB);
    Ok(bytes.into())
}

/// Waits until something of a file is there, without stopping who sends it; how much.
async fn something(door: &Door, path: &str) -> Result<u64> {
    let seen = async {
        loop {
            let list = door.get(&format!("orders/{NUMBER}/uploads")).await?;
            let uploads = list["uploads"].as_array().context("a list")?;
            let upload = uploads.iter().find(|upload| upload["path"] == path);
            let offset: u64 = text(upload.context("listed")?, "offset")?.parse()?;
            if offset > 0 {
                return anyhow::Ok(offset);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    seen.with_context(|| format!("nothing of {path} came through while it was being sent"))?
}

/// Breaks off at seeded bytes, and goes on.
async fn uploads(kind: Kind, proxied: &Proxied, link: &str, rounds: u64) -> Result<()> {
    let place = Place::link(&proxied.door, link)?;
    let stem = stem()?;
    for seed in 0..rounds {
        let mut seeded = StdRng::seed_from_u64(seed);
        let path = format!("{seed}.wav");
        let total = stem.len() as u64;
        let upload = place.create(&path, total).await?;
        // So many blocks that the first are committed while it goes on.
        let sent = seeded.random_range(17 * MIB..27 * MIB);
        let hanging = place.begin_patch(&upload, 0, total, &stem[..sent]).await?;
        // It comes through while the request still goes on: nobody gathers it.
        something(proxied.studio.door(), &path).await?;
        if seeded.random() {
            hanging.cut().await?;
        } else {
            // Silent: whoever asks takes over, and it is told so.
            let head = place.head(&upload).await?;
            ensure!(head.offset > 0, "seed {seed}: {head:?}");
            // Caddy passes an answer on only once it has read more of the body.
            if kind != Kind::Caddy {
                let told = tokio::time::timeout(PATIENCE, hanging.answer()).await??;
                ensure!(told.contains(" 409 "), "seed {seed}: {told}");
            }
        }
        let head = place.head(&upload).await?;
        ensure!(
            (1..=sent as u64).contains(&head.offset),
            "seed {seed}: {head:?}"
        );
        let mut hash = place.finish(&upload, &stem, 5 * MIB + 1).await;
        if hash
            .as_ref()
            .is_err_and(|why| format!("{why:#}").contains("ask where"))
        {
            // On a slow disk the last commit of the one before lands late: a client asks again.
            hash = place.finish(&upload, &stem, 5 * MIB + 1).await;
        }
        let hash = hash?;
        ensure!(hash == b3(&stem), "seed {seed}, {sent} bytes: {hash}");
    }
    Ok(())
}

/// A refusal arrives although the client waits to be asked for its body; whether it was asked.
async fn refusal(proxied: &Proxied, link: &str) -> Result<bool> {
    let url = proxied.door.url(link)?;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-length: 1000\r\n\
         tus-resumable: 1.0.0\r\nupload-length: 1000\r\nupload-metadata: filename Li4vYQ==\r\n\
         content-type: application/offset+octet-stream\r\nconnection: close\r\n\r\n",
        url.path()
    );
    let place = Place::link(&proxied.door, link)?;
    let mut waiting = place.say(head.as_bytes()).await?;
    let first = tokio::time::timeout(PATIENCE, waiting.head()).await??;
    let asked = first.contains(" 100 ");
    let told = if asked && !first.contains(" 400 ") {
        waiting.send(&[0; 1000]).await?;
        tokio::time::timeout(PATIENCE, waiting.head()).await??
    } else {
        first
    };
    ensure!(told.contains(" 400 "), "{told}");
    Ok(asked)
}

/// POST with the method in a header.
async fn overrides(proxied: &Proxied, link: &str) -> Result<()> {
    let place = Place::link(&proxied.door, link)?;
    let upload = place.create("override.bin", 5).await?;
    let meant = async |method, more: &[(&str, &str)], body: &'static [u8]| {
        let mut headers = vec![TUS, ("x-http-method-override", method)];
        headers.extend(more);
        let body = Some(Bytes::from_static(body));
        let url = upload.as_str();
        proxied.door.ask(Method::POST, url, &headers, body).await
    };
    let patch = [OCTETS, ("upload-offset", "0")];
    meant("PATCH", &patch, b"hello").await?.expect(204)?;
    let head = meant("HEAD", &[], b"").await?.expect(200)?;
    ensure!(head.header("upload-offset") == "5", "{head:?}");
    meant("DELETE", &[], b"").await?.expect(204)?;
    Ok(())
}

/// The link's page, the submit, and parts of what was submitted.
async fn pages_and_downloads(proxied: &Proxied, job: &Job<'_>, link: &str) -> Result<()> {
    let html = [("accept", "text/html")];
    let page = proxied.door.ask(Method::GET, link, &html, None).await?;
    let page = page.expect(200)?.text();
    ensure!(page.contains("order 2026-0117"), "{page}");
    let stem = stem()?;
    let receipt = job.submit().await?;
    let session = text(&receipt, "session")?;
    let scope = json!({"scope": "file", "session": session, "path": "0.wav"});
    let file = job.link(scope).await?;
    ensure!(file.starts_with(proxied.door.base.as_str()), "{file}");
    let (from, to) = (4 * MIB - 3, 9 * MIB + 1);
    let range = format!("bytes={from}-{to}");
    let etag = format!("\"{}\"", b3(&stem));
    let headers = [("range", range.as_str()), ("if-range", &etag)];
    let part = proxied.door.ask(Method::GET, &file, &headers, None).await?;
    let part = part.expect(206)?;
    ensure!(
        part.body == stem[from..=to],
        "another part than was asked for"
    );
    let whole = proxied.door.ask(Method::GET, &file, &[], None).await?;
    ensure!(whole.expect(200)?.body == stem, "another file");
    // What it measures is for this machine, and not for everybody whom a proxy on it lets in.
    let metrics = proxied.door.ask(Method::GET, "metrics", &[], None).await?;
    metrics.expect(401)?;
    Ok(())
}

/// HTTP/2 in front.
fn speaks_two(proxied: &Proxied) -> Result<()> {
    let asked = Command::new("curl")
        .args([
            "-sS",
            "--http2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
        ])
        .arg("--cacert")
        .arg(&proxied.door.ca)
        .arg(proxied.door.url("healthz")?.as_str())
        .output()?;
    let said = String::from_utf8_lossy(&asked.stdout);
    ensure!(
        said == "2 200",
        "{said} {}",
        String::from_utf8_lossy(&asked.stderr)
    );
    Ok(())
}

async fn through(kind: Kind, under: Under, rounds: u64) -> Result<()> {
    let proxied = Proxied::start(kind, under).await?;
    let job = Job::create(proxied.studio.door(), NUMBER).await?;
    let link = job.link(json!({"scope": "upload"})).await?;
    ensure!(link.starts_with(proxied.door.base.as_str()), "{link}");
    speaks_two(&proxied)?;
    uploads(kind, &proxied, &link, rounds).await?;
    let asked = refusal(&proxied, &link).await?;
    // nginx asks for every body by itself, as its sample says.
    ensure!(
        asked == (kind == Kind::Nginx),
        "{kind:?} asked for the body: {asked}"
    );
    overrides(&proxied, &link).await?;
    pages_and_downloads(&proxied, &job, &link).await?;
    proxied.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx() -> Result<()> {
    through(Kind::Nginx, Under::Nothing, 4).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_caddy() -> Result<()> {
    through(Kind::Caddy, Under::Nothing, 4).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy() -> Result<()> {
    through(Kind::Haproxy, Under::Nothing, 4).await
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_path_that_the_proxy_takes_off() -> Result<()> {
    for kind in [Kind::Nginx, Kind::Caddy, Kind::Haproxy] {
        let told = through(kind, Under::Stripped, 1).await;
        told.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_path_that_the_proxy_passes_on() -> Result<()> {
    for kind in [Kind::Nginx, Kind::Caddy, Kind::Haproxy] {
        let told = through(kind, Under::Kept, 1).await;
        told.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}
