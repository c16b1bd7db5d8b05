//! `stemvault serve`: from the settings to a running server, and down again in order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rustix::process::{Resource, getrlimit, setrlimit};
use stemvault_config::Settings;
use stemvault_scheduler::Jobs;
use stemvault_scheduler::beat::Beat;
use stemvault_storage::clock::{Clock, SharedClock, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use url::Url;

use crate::app::{App, SharedApp};
use crate::demo::{self, Hands};
use crate::first_start::{CliFile, Told, put_readme};
use crate::installation::{Installation, catalog_folder};
use crate::listen::{Reached, Speaks};
use crate::pace::Spending;
use crate::preflight::Paces;
use crate::tls::{self, Certificate, Keeper};
use crate::tries::Tries;
use crate::{assets, listen, log, private, ready, router};
use stemvault_client::terminal;

/// How often measured times are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often the way down looks whether the last append has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Open files beside one for every connection: catalog, stores, logs.
const FILES_BESIDE: u64 = 256;

/// What the command line adds to the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Whether the clock may be moved.
    pub demo_clock: bool,
    /// Whether a settings file was read.
    pub configured: bool,
}

/// Runs the server until it is told to end (SIGTERM, SIGINT, SIGHUP).
///
/// # Errors
/// When it cannot start; in words.
pub async fn serve(settings: Settings, how: How) -> anyhow::Result<()> {
    log::begin(&settings.log)?;
    // Before anything is made: who is refused here has changed nothing.
    let listeners = listen::bind(&settings.server.listen).await?;
    let plain = listen::bind(&settings.server.plain_http).await?;
    let (addresses, for_proxies) = (local(&listeners)?, local(&plain)?);
    allow_files(settings.server.max_connections);
    let first = !catalog_folder(&settings).exists();
    demo::check(&settings.data_dir, how.demo_clock, first)?;

    let machine: SharedClock = Arc::new(SystemClock);
    let metrics = begin_metrics()?;
    let names = names(&settings, &addresses);
    let public_url = public_url(&settings, &addresses)?;

    private::data_folder(&settings.data_dir)?;
    let (clock, hands) = clock(&settings, how, &machine)?;
    let opened = Box::pin(Installation::open(&settings, Arc::clone(&clock), None)).await?;
    let keeper = Arc::new(Keeper::new(&settings, &names, Arc::clone(&machine))?);
    let certificate = keeper.certificate();
    let tls = tls::server_config(Arc::clone(&keeper))?;
    // Before anything is written: a store whose disk is away must not get what belongs on it.
    ready::name_away(&opened.vault).await;
    if let Err(error) = opened.vault.recover().await {
        tracing::error!(%error, "what an earlier process left is not cleaned up: it is tried again later");
    }
    if let Err(error) = opened.vault.appends.resume_joins().await {
        tracing::error!(%error, "files made of parts are not being joined: each goes on when somebody asks for it");
    }
    if let Err(error) = put_readme(&opened.vault).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "README.txt was not put into the bucket"
        );
    }
    leave_cli_file(&settings, &opened, &certificate, &addresses, clock.as_ref()).await?;

    let jobs = Arc::new(Jobs::new(Arc::clone(&opened.vault), &settings));
    let beat = Beat::start(Arc::clone(&jobs)).await?;
    let (end, ending) = watch::channel(false);
    let app: SharedApp = Arc::new(App {
        vault: Arc::clone(&opened.vault),
        jobs,
        tries: Tries::new(&settings.server),
        paces: Paces::default(),
        spending: Spending::default(),
        settings: Arc::new(settings),
        clock: Arc::clone(opened.vault.core.clock()),
        hands,
        public_url,
        metrics,
        readiness: Default::default(),
        certificate: Some(Arc::clone(&keeper)),
        ending: ending.clone(),
    });
    say(&app, &certificate, how, first, &addresses);
    for odd in keeper.odd() {
        terminal::tell(&odd);
        tracing::warn!("{odd}");
    }
    keeper.watch();
    for address in for_proxies {
        terminal::tell(&format!(
            "listening on http://{address}, for a proxy on this machine"
        ));
        tracing::info!(%address, "listening without encryption, for a proxy on this machine");
    }
    ready::say_if_full(&app.vault).await;
    opened.started();
    // A store that is out of order, or named wrongly since the last start, is in the log at once and
    // not when somebody meets it. It may be back in a minute, so it keeps nobody from starting.
    let vault = Arc::clone(&app.vault);
    tokio::spawn(async move { ready::look(&vault).await });
    let jobs = Arc::clone(&app.jobs);
    tokio::spawn(async move {
        if let Err(error) = jobs.resume().await {
            tracing::error!(%error, "interrupted deletions were not gone on with; their jobs will");
        }
        if let Err(error) = jobs.resume_scrub().await {
            tracing::error!(%error, "an interrupted scrub was not gone on with; begin it again");
        }
        if let Err(error) = jobs.measure().await {
            tracing::error!(%error, "how archives and mirror stand is not in the metrics yet");
        }
    });

    let rules = listen::Rules {
        header_timeout: app.settings.server.header_timeout,
        idle_timeout: app.settings.server.idle_timeout,
        max_connections: app.settings.server.max_connections,
        long_lines: app.settings.uploads.memory,
        trusted_proxies: app.settings.server.trusted_proxies.clone(),
        reached: Reached {
            url: app.public_url.clone(),
            is_set: app.settings.server.public_url.is_some(),
        },
        clock: machine,
        ending,
    };
    let speaking = |tls: Speaks| move |listener| (listener, tls.clone());
    let listeners = listeners.into_iter().map(speaking(Speaks::Tls(tls)));
    let listeners = listeners.chain(plain.into_iter().map(speaking(Speaks::Plain)));
    let serving = listen::serve(listeners.collect(), router::router(Arc::clone(&app)), rules);
    run(serving, &app, &end).await?;
    if let Err(error) = beat.stop().await {
        tracing::warn!(%error, "the beat did not stop");
    }
    opened.close().await;
    tracing::info!("ended");
    Ok(())
}

/// Serves until a signal comes, then goes down: no new connections, bodies cut and committed,
/// answers finished, all within the shutdown timeout.
async fn run(
    serving: impl Future<Output = ()> + Send + 'static,
    app: &App,
    end: &watch::Sender<bool>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut serving = tokio::spawn(serving);
    let name = tokio::select! {
        ended = &mut serving => return ended.context("the accept loop failed"),
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        // The terminal that it was started in is closed.
        _ = hangup.recv() => "SIGHUP",
    };
    tracing::info!(signal = name, "ending");
    end.send_replace(true);
    let down = async {
        app.vault.intake().stop_all();
        let served = (&mut serving).await;
        while app.vault.intake().running() > 0 {
            tokio::time::sleep(LOOK).await;
        }
        served
    };
    tokio::select! {
        ended = tokio::time::timeout(app.settings.server.shutdown_timeout, down) => match ended {
            Ok(served) => served.context("the accept loop failed")?,
            Err(_) => tracing::warn!("some requests did not end in time and are cut"),
        },
        _ = interrupt.recv() => tracing::warn!("told twice: requests under way are cut"),
        _ = terminate.recv() => tracing::warn!("told twice: requests under way are cut"),
    }
    serving.abort();
    Ok(())
}

fn clock(
    settings: &Settings,
    how: How,
    machine: &SharedClock,
) -> anyhow::Result<(SharedClock, Option<Arc<Hands>>)> {
    if !how.demo_clock {
        return Ok((Arc::clone(machine), None));
    }
    let hands = Hands::open(&settings.data_dir, Arc::clone(machine))?;
    let words = "DEMO: the clock of this server can be moved, and what is due is then deleted; never keep real orders in this data directory";
    tracing::warn!(now = %hands.now(), "{words}");
    terminal::tell(&format!("{words}\n"));
    Ok((Arc::clone(&hands) as SharedClock, Some(hands)))
}

fn begin_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .context("metrics cannot begin")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

async fn leave_cli_file(
    settings: &Settings,
    opened: &Installation,
    certificate: &Certificate,
    addresses: &[SocketAddr],
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let mut file = CliFile::read(&settings.data_dir)?;
    file.server = addresses
        .first()
        .map(|address| url(&reached(*address).to_string()))
        .transpose()?;
    // Whoever signed it: commands on this machine trust what this machine serves.
    file.ca = Some(certificate.chain.clone());
    let catalog = opened.vault.core.catalog();
    if file.renew_token(&**catalog, clock.now()).await? {
        tracing::info!("made an API token for commands on this machine");
    }
    file.write(&settings.data_dir)
}

fn say(app: &App, certificate: &Certificate, how: How, first: bool, addresses: &[SocketAddr]) {
    let told = Told {
        settings: &app.settings,
        certificate,
        configured: how.configured,
        public_url: &app.public_url,
    };
    if first {
        terminal::tell(&told.whole());
    } else {
        terminal::tell(&told.short());
        if certificate.made {
            terminal::tell(&format!(
                "the self-signed certificate was made anew: who trusts it by its file needs {}",
                certificate.chain.display()
            ));
        }
    }
    if !assets::is_built() {
        let words = "this server was built without its upload page (server/web/dist): clients upload with `stemvault push` or a tus client";
        terminal::tell(words);
        tracing::warn!("{words}");
    }
    for address in addresses {
        terminal::tell(&format!("listening on https://{address}"));
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    }
}

fn local(listeners: &[TcpListener]) -> std::io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

/// Asks the system for as many open files as it gives, and says so where that is too few for the
/// connections that the settings allow.
fn allow_files(connections: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
        limit.current = before;
    }
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX);
    let wanted = wanted.saturating_add(FILES_BESIDE);
    if let Some(files) = limit.current.filter(|files| *files < wanted) {
        tracing::warn!(
            files,
            connections,
            "the system lets this process open fewer files than server.max_connections needs: raise its limit (LimitNOFILE of the service, ulimit -n) to {wanted}, or lower the setting"
        );
    }
}

/// An address as it is reached from this machine.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What links begin with: the setting, or the first address, by this machine's name where it
/// stands for all of them.
fn public_url(settings: &Settings, addresses: &[SocketAddr]) -> anyhow::Result<Url> {
    if let Some(url) = &settings.server.public_url {
        return Ok(url.clone());
    }
    let address = addresses.first().context("no address to listen on")?;
    match host_name().filter(|_| address.ip().is_unspecified()) {
        Some(name) => url(&format!("{name}:{}", address.port())),
        None => url(&reached(*address).to_string()),
    }
}

fn url(host: &str) -> anyhow::Result<Url> {
    Url::parse(&format!("https://{host}")).with_context(|| format!("{host} is no host"))
}

/// The names that a self-signed certificate bears.
fn names(settings: &Settings, addresses: &[SocketAddr]) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    names.extend(host_name());
    let public = settings.server.public_url.as_ref().and_then(Url::host_str);
    names.extend(public.map(|host| host.trim_matches(['[', ']']).to_owned()));
    let ours = addresses
        .iter()
        .filter(|address| !address.ip().is_unspecified());
    names.extend(ours.map(|address| address.ip().to_string()));
    let mut known = std::collections::HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    names
}

/// This machine's name, if it is one that a certificate can bear.
fn host_name() -> Option<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_str()
        .ok()?
        .to_ascii_lowercase();
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_sound =
        edge(name.chars().next()) && edge(name.chars().last()) && name.chars().all(sound);
    is_sound.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::defaults(std::path::Path::new("/srv/stemvault")).unwrap()
    }

    #[test]
    fn an_address_for_everyone_is_reached_by_loopback() {
        let reached = |text: &str| reached(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8443"), "127.0.0.1:8443");
        assert_eq!(reached("[::]:8443"), "[::1]:8443");
        assert_eq!(reached("192.0.2.1:443"), "192.0.2.1:443");
    }

    #[test]
    fn links_begin_with_the_real_port_unless_the_settings_say_otherwise() {
        let mut settings = settings();
        let addresses = ["127.0.0.1:45123".parse().unwrap()];
        let url = |settings: &Settings| public_url(settings, &addresses).unwrap().to_string();
        assert_eq!(url(&settings), "https://127.0.0.1:45123/");
        settings.server.public_url = Some(Url::parse("https://vault.example").unwrap());
        assert_eq!(url(&settings), "https://vault.example/");
        let names = names(&settings, &addresses);
        assert!(names.contains(&"vault.example".to_owned()));
        assert_eq!(names.iter().filter(|name| *name == "127.0.0.1").count(), 1);
    }
}
