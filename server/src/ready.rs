//! Whether the server lives, whether it can do its work, and what it measured.
//!
//! `/healthz` says that the process answers. `/readyz` asks the catalog, both stores and the key
//! store, and the three stores whose they are, at most once a second however often it is asked, and
//! names what does not answer or is not the one it should be.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use indicatif::DecimalBytes;
use stemvault_storage::Vault;
use stemvault_storage::checks::room::DiskSpace;
use stemvault_storage::error::Error;
use stemvault_storage::tables;

use crate::api::auth::Staff;
use crate::app::SharedApp;
use crate::error::Answer;
use crate::route::{Routes, media, nothing, route};
use stemvault_client::terminal;

/// How long an answer of `/readyz` is repeated.
const FRESH: Duration = Duration::from_secs(1);

/// How long catalog and stores may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was last found out, and when.
#[derive(Debug, Default)]
pub struct Readiness(tokio::sync::Mutex<Option<(Duration, Vec<Wrong>)>>);

/// Something that is not as it should be.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    /// For strangers: names a part and no details.
    pub(crate) brief: String,
    /// For staff: with what to do.
    pub(crate) says: String,
}

impl Readiness {
    /// What was found out is no longer so.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// `/healthz`, `/readyz`, `/metrics`.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .on(
            route!(get "/healthz" Open nothing() => 200 media("text/plain"); "Whether the process answers"),
            async || "alive\n",
        )
        .on(
            route!(get "/readyz" Open nothing() => 200 media("text/plain"); "Whether catalog, stores and keys answer, and the stores are this installation's; 503 names what is not"),
            ready,
        )
        .on(
            route!(get "/metrics" Open nothing() => 200 media("text/plain"); "Prometheus metrics; from another machine with an API token only"),
            metrics,
        )
}

async fn ready(State(app): State<SharedApp>) -> Response {
    if *app.ending.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is ending\n").into_response();
    }
    let mut known = app.readiness.0.lock().await;
    let now = app.clock.monotonic();
    let fresh = known
        .as_ref()
        .filter(|(at, _)| now.saturating_sub(*at) < FRESH);
    let wrong = match fresh {
        Some((_, wrong)) => wrong.clone(),
        None => {
            let wrong = look(&app.vault).await;
            *known = Some((app.clock.monotonic(), wrong.clone()));
            wrong
        }
    };
    if wrong.is_empty() {
        return "ready\n".into_response();
    }
    let brief: Vec<_> = wrong.into_iter().map(|wrong| wrong.brief).collect();
    (StatusCode::SERVICE_UNAVAILABLE, brief.join("\n") + "\n").into_response()
}

/// Everything that does not answer, and every store that is not the one it should be.
pub(crate) async fn look(vault: &Vault) -> Vec<Wrong> {
    let catalog = async {
        vault
            .core
            .catalog()
            .get(&tables::orders())
            .await
            .map_err(Error::from)
    };
    let (catalog, working, archive, keys, away) = tokio::join!(
        within(async { catalog.await.map(drop) }),
        within(vault.core.working().answers()),
        within(vault.core.archive().answers()),
        within(vault.core.keys().answers()),
        within(vault.core.marks.stores_away()),
    );
    let answers = [
        ("the catalog", catalog),
        ("the working store", working),
        ("the archive store", archive),
        ("the key store", keys),
    ];
    let silent = answers.into_iter().filter_map(|(what, found)| {
        let why = found.err()?;
        tracing::error!(why, "{what} does not answer");
        let brief = format!("{what} does not answer");
        Some(Wrong {
            says: brief.clone(),
            brief,
        })
    });
    // One that does not answer is named above.
    let away = away.unwrap_or_default().into_iter().map(|away| {
        tracing::error!(store = away.store, "{}", away.says);
        Wrong {
            brief: format!("the {} store is not the one it should be", away.store),
            says: away.says,
        }
    });
    silent.chain(away).collect()
}

/// Says which stores are not the ones they should be. They may be back in a minute, so that keeps
/// nobody from starting; nothing is deleted meanwhile.
pub(crate) async fn name_away(vault: &Vault) {
    match vault.core.marks.stores_away().await {
        Ok(away) => {
            for away in away {
                terminal::tell(&away.says);
                tracing::error!(store = away.store, "{}", away.says);
            }
        }
        Err(error) => tracing::error!(%error, "whose the stores are is not known"),
    }
}

/// Why nothing more can be uploaded, where the disk is too full or too small for that.
pub(crate) fn too_full(space: &DiskSpace) -> Option<String> {
    (space.free <= space.floor).then(|| {
        format!(
            "no uploads are taken: the disk of the working store has {} free, and {} have to stay free. Make room, use a larger disk, or lower uploads.free_disk_floor",
            DecimalBytes(space.free),
            DecimalBytes(space.floor)
        )
    })
}

/// Says at a start that nothing can be uploaded, where that is so.
pub(crate) async fn say_if_full(vault: &Vault) {
    let space = vault.quota.disk_space().await.ok().flatten();
    if let Some(why) = space.as_ref().and_then(too_full) {
        terminal::tell(&why);
        tracing::error!("{why}");
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

async fn metrics(
    State(app): State<SharedApp>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Answer {
    if !is_local(peer, &headers) {
        Staff::of(&app, &headers).await?;
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((kind, app.metrics.render()).into_response())
}

/// Whether a request comes from this machine, and not from elsewhere through a proxy on it.
fn is_local(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer.ip().to_canonical().is_loopback()
        && !forwarded.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_on_this_machine_does_not_make_strangers_local() {
        let local = |peer: &str, headers: &HeaderMap| is_local(peer.parse().unwrap(), headers);
        let mut headers = HeaderMap::new();
        assert!(local("127.0.0.1:1", &headers) && local("[::1]:1", &headers));
        assert!(local("[::ffff:127.0.0.1]:1", &headers));
        assert!(!local("192.0.2.1:1", &headers));
        headers.insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
        assert!(!local("127.0.0.1:1", &headers));
    }
}
