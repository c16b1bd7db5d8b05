//! What every request handler shares.

use std::sync::Arc;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use stemvault_config::Settings;
use stemvault_scheduler::Jobs;
use stemvault_storage::Vault;
use stemvault_storage::clock::SharedClock;
use stemvault_storage::ids::Token;
use stemvault_storage::link::Scope;
use tokio::sync::watch;
use url::Url;

use crate::demo::Hands;
use crate::pace::Spending;
use crate::preflight::Paces;
use crate::ready::Readiness;
use crate::tls::Keeper;
use crate::tries::Tries;

/// The running server, as handlers see it.
#[derive(Debug)]
pub struct App {
    /// Catalog, stores and keys.
    pub vault: Arc<Vault>,
    /// What is due, and doing it.
    pub jobs: Arc<Jobs>,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// The clock; the vault's.
    pub clock: SharedClock,
    /// The hands of the clock, where `serve --demo-clock` lets them be moved.
    pub hands: Option<Arc<Hands>>,
    /// How clients reach the server; links begin with it.
    pub public_url: Url,
    /// What was counted and measured.
    pub metrics: PrometheusHandle,
    /// What was last found out about stores and catalog.
    pub readiness: Readiness,
    /// The certificate that is served; none where there is no TLS.
    pub certificate: Option<Arc<Keeper>>,
    /// Who tried credentials that open nothing.
    pub tries: Tries,
    /// How often each link asked for a preflight.
    pub paces: Paces,
    /// What each link and address has asked for.
    pub spending: Spending,
    /// True once the server is to end: bodies are cut short, commit what arrived, and answer.
    pub ending: watch::Receiver<bool>,
}

/// The shared state of the router.
pub type SharedApp = Arc<App>;

impl App {
    /// An app over a vault, by the vault's clock: no demo, and metrics that nobody else sees.
    #[must_use]
    pub fn new(
        vault: Arc<Vault>,
        settings: Arc<Settings>,
        public_url: Url,
        ending: watch::Receiver<bool>,
    ) -> Self {
        Self {
            jobs: Arc::new(Jobs::new(Arc::clone(&vault), &settings)),
            clock: Arc::clone(vault.core.clock()),
            tries: Tries::new(&settings.server),
            paces: Paces::default(),
            spending: Spending::default(),
            vault,
            settings,
            hands: None,
            public_url,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            readiness: Readiness::default(),
            certificate: None,
            ending,
        }
    }

    /// What stands before every path where a proxy has put the server below one: empty, or as in
    /// `/stemvault`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.public_url.path().trim_end_matches('/')
    }

    /// The URL of a link, as it is handed out once.
    #[must_use]
    pub fn link_url(&self, scope: &Scope, token: &Token) -> String {
        let door = match scope {
            Scope::Upload => "u",
            Scope::Session { .. } | Scope::File { .. } => "d",
        };
        let base = self.public_url.as_str().trim_end_matches('/');
        format!("{base}/{door}/{}", token.reveal())
    }
}
