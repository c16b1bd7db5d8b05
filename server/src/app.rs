//! What every request handler shares.

use std::sync::Arc;

use stemvault_config::Settings;
use stemvault_storage::Vault;
use stemvault_storage::clock::{MovableClock, SharedClock};
use tokio::sync::watch;
use url::Url;

/// The running server, as handlers see it.
#[derive(Debug)]
pub struct App {
    /// Catalog, stores and keys.
    pub vault: Arc<Vault>,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// The clock; the vault's.
    pub clock: SharedClock,
    /// The hands of the clock, where `serve --demo-clock` lets them be moved.
    pub hands: Option<Arc<MovableClock>>,
    /// How clients reach the server; links begin with it.
    pub public_url: Url,
    /// True once the server is to end: bodies are cut short, commit what arrived, and answer.
    pub ending: watch::Receiver<bool>,
}

/// The shared state of the router.
pub type SharedApp = Arc<App>;
