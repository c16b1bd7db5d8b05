//! The first start: no configuration, no arguments but the port, and words a newcomer understands.

use anyhow::{Result, ensure};
use stemvault_tests::studio::{Setup, Studio};

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
    for secret in ["master.key", "cli.toml", "tls/key.pem"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = home.join(secret).metadata()?.permissions().mode() & 0o777;
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

    let before = studio.log().len();
    studio.stop()?;
    studio.restart().await?;
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
