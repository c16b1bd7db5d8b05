//! The first start: no configuration, no arguments but the port, and words a newcomer understands.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use reqwest::Url;
use stemvault_tests::door::client;
use stemvault_tests::studio::{PATIENCE, Setup, Studio};

fn newcomer() -> Setup {
    Setup {
        bare: true,
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_made_and_what_to_do_next() -> Result<()> {
    let mut studio = Studio::open(newcomer()).await?;
    let told = studio.log().to_lowercase();
    for word in [
        "master.key",
        "keys",
        "backup",
        "certificate",
        "stemvault order create",
    ] {
        ensure!(
            told.contains(word),
            "the first start does not mention {word:?}:\n{told}"
        );
    }
    let home = studio.data_dir();
    for made in [
        "master.key",
        "keys",
        "bucket",
        "catalog",
        "tls/cert.pem",
        "cli.toml",
    ] {
        ensure!(home.join(made).exists(), "{made} was not made");
    }
    let mode = |path: &Path| Ok::<_, Error>(path.metadata()?.permissions().mode() & 0o777);
    for secret in ["master.key", "cli.toml", "tls/key.pem"] {
        let mode = mode(&home.join(secret))?;
        ensure!(mode == 0o600, "{secret} can be read by others: {mode:o}");
    }
    let key = std::fs::read_to_string(home.join("master.key"))?;
    ensure!(
        !studio.log().contains(key.trim()),
        "the log shows the master key"
    );

    // The command it names works on the same machine, with nothing else said.
    studio
        .cli(&["order", "create", "2026-0117", "--client", "Demo-Band"])?
        .ok()?;
    let link = studio
        .cli(&["link", "create", "2026-0117", "--upload"])?
        .ok()?;
    ensure!(
        link.contains("https://") && link.contains("/u/"),
        "no link to send: {link}"
    );

    // Somebody's chmod in between; the server closes what it would have closed.
    let before = studio.log().len();
    studio.stop()?;
    for opened in [home.clone(), home.join("master.key")] {
        std::fs::set_permissions(opened, Permissions::from_mode(0o755))?;
    }
    studio.restart().await?;
    ensure!(mode(&home)? == 0o700, "the data folder stays open");
    ensure!(
        mode(&home.join("master.key"))? == 0o700,
        "the master key stays open"
    );
    let again = studio.log().split_off(before).to_lowercase();
    ensure!(
        !again.contains("order create"),
        "a second start is no first start:\n{again}"
    );
    ensure!(
        std::fs::read_to_string(home.join("master.key"))? == key,
        "another master key"
    );
    studio.cli(&["order", "show", "2026-0117"])?.ok()?;
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_per_data_directory() -> Result<()> {
    let studio = Studio::open(newcomer()).await?;
    let second = studio
        .cli(&["serve", "--listen", "127.0.0.1:0"])?
        .refused()?;
    let words = second.to_lowercase();
    ensure!(
        words.contains("another") || words.contains("already"),
        "it says why: {second}"
    );
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let studio = Studio::open(newcomer()).await?;
    let other = tempfile::tempdir()?;
    let listen = format!("127.0.0.1:{port}");
    let folder = other.path().join("data");
    let words = [
        "serve",
        "--listen",
        &listen,
        "--data-dir",
        folder.to_str().unwrap_or_default(),
    ];
    let refused = studio.cli(&words)?.refused()?;
    ensure!(refused.contains(&port), "it names the address: {refused}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_told_all_at_once() -> Result<()> {
    let studio = Studio::closed(newcomer())?;
    let file = studio.scratch().join("wrong.toml");
    std::fs::write(
        &file,
        "[retention]\nworking_kept = \"ninety days\"\n[server]\nidle_timeot = \"60s\"\n",
    )?;
    let words = [
        "config",
        "check",
        "--config",
        file.to_str().unwrap_or_default(),
    ];
    let told = studio.cli(&words)?.refused()?;
    for word in ["working_kept", "idle_timeot"] {
        ensure!(told.contains(word), "{word} is not named: {told}");
    }
    let sample = studio.scratch().join("sample.toml");
    std::fs::write(&sample, studio.cli(&["config", "sample"])?.ok()?)?;
    let words = [
        "config",
        "check",
        "--config",
        sample.to_str().unwrap_or_default(),
    ];
    studio.cli(&words)?.ok()?;
    let unknown = studio.cli(&["no-such-command"])?;
    ensure!(unknown.code == Some(2), "{unknown:?}");
    studio.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_without_a_restart() -> Result<()> {
    let studio = Studio::open(newcomer()).await?;
    let other = Studio::open(newcomer()).await?;
    let tls = |studio: &Studio, name: &str| studio.data_dir().join("tls").join(name);
    let kept = ["cert.pem", "key.pem"].map(|name| (name, std::fs::read(tls(&studio, name))));
    std::fs::copy(tls(&studio, "cert.pem"), studio.scratch().join("first.pem"))?;
    let of = |ca: &Path| -> Result<_> { Ok((client(ca, true)?, studio.door().url("/healthz")?)) };
    let (first, second) = (
        of(&studio.scratch().join("first.pem"))?,
        of(&tls(&other, "cert.pem"))?,
    );
    // A new connection each time: one that is there already goes on.
    let answers = async |(client, url): &(reqwest::Client, Url)| {
        let asked = client.get(url.clone()).header("connection", "close");
        asked.send().await.is_ok()
    };
    ensure!(!answers(&second).await, "two studios with one certificate");
    let status = studio.cli(&["status"])?.out;
    ensure!(status.contains("valid until"), "{status}");
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(tls(&other, name), tls(&studio, name))?;
    }
    until("the new certificate is served", async || {
        answers(&second).await
    })
    .await?;
    let log = studio.log();
    ensure!(log.contains("a renewed certificate is served"), "{log}");
    // Commands on this machine trust the file, whatever is in it.
    let status = studio.cli(&["status"])?.out;
    ensure!(status.contains("valid until"), "{status}");

    std::fs::write(tls(&studio, "cert.pem"), "")?;
    let ca = tls(&other, "cert.pem");
    let named = async || {
        let status = studio.cli(&["status", "--ca", &ca.to_string_lossy()]);
        status.is_ok_and(|ran| ran.out.contains("cert.pem is empty"))
    };
    until("status names the file", named).await?;
    ensure!(answers(&second).await, "the old one does not go on");
    for (name, bytes) in kept {
        std::fs::write(tls(&studio, name), bytes?)?;
    }
    until("the first one is served again", async || {
        answers(&first).await
    })
    .await?;
    other.done().await?;
    studio.done().await
}

/// Asks again until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Result<()> {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .with_context(|| format!("not within patience: {what}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_reach_the_server_learns_why() -> Result<()> {
    let studio = Studio::open(newcomer()).await?;
    let port = studio.door().url("/")?.port().context("a port")?;
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let nobody = silent.local_addr()?.port();
    drop(silent);
    let shell = speaking(b"SSH-2.0-OpenSSH_10.0\r\n")?;
    let page = "<html>Welcome to our hotel</html>";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
    let portal =
        speaking(format!("{head}Content-Length: {}\r\n\r\n{page}", page.len()).as_bytes())?;
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let moved = speaking(moved.as_bytes())?;
    for (address, proxy, words) in [
        (format!("http://127.0.0.1:{port}"), None, "https://"),
        (
            format!("https://127.0.0.1:{nobody}"),
            None,
            "nothing listens at 127.0.0.1",
        ),
        (
            format!("https://127.0.0.1:{shell}"),
            None,
            "is the port right?",
        ),
        (
            format!("http://127.0.0.1:{portal}"),
            None,
            "log in to it first",
        ),
        (
            format!("http://127.0.0.1:{moved}"),
            None,
            "login.hotel.example",
        ),
        (
            "https://vault.example".to_owned(),
            Some(nobody),
            "HTTPS_PROXY",
        ),
    ] {
        let file = studio.scratch().join("a.wav");
        std::fs::write(&file, "a")?;
        let push = [
            "push",
            &file.to_string_lossy(),
            "--to",
            &format!("{address}/u/x"),
        ]
        .map(str::to_owned);
        let pull = ["pull", &format!("{address}/d/x"), "--into", "there"].map(str::to_owned);
        let list = [
            "order",
            "list",
            "--server",
            &address,
            "--token-file",
            &file.to_string_lossy(),
        ]
        .map(str::to_owned);
        for command in [&push[..], &pull[..], &list[..]] {
            let mut command = studio.command(command);
            if let Some(port) = proxy {
                command.env("HTTPS_PROXY", format!("http://127.0.0.1:{port}"));
            }
            let ran = tokio::task::block_in_place(|| command.output())?;
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            ensure!(
                ran.status.code() == Some(1) && said.contains(words),
                "{words}: {said}"
            );
        }
    }
    // A proxy in the environment does not stand before this machine.
    let mut command = studio.command(&["status"]);
    command.env("HTTPS_PROXY", format!("http://127.0.0.1:{nobody}"));
    let ran = tokio::task::block_in_place(|| command.output())?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    ensure!(said.contains("certificate"), "{said}");
    studio.done().await
}

/// A port of this machine that says the same to everybody, once they have said something or in two seconds.
fn speaking(words: &[u8]) -> Result<u16> {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let words = words.to_vec();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Who has gone already does not hear it.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(&words);
        }
    });
    Ok(port)
}
