//! What every request handler shares.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use stemvault_config::Settings;
use stemvault_scheduler::Jobs;
use stemvault_storage::Vault;
use stemvault_storage::clock::SharedClock;
use stemvault_storage::ids::Token;
use stemvault_storage::intake::checks;
use stemvault_storage::link::Scope;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::{Form, Rules};
use tokio::sync::watch;
use url::Url;

use crate::demo::Hands;
use crate::ready::Readiness;

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
    /// True once the server is to end: bodies are cut short, commit what arrived, and answer.
    pub ending: watch::Receiver<bool>,
}

/// The shared state of the router.
pub type SharedApp = Arc<App>;

impl App {
    /// The intake rules in force, for a submit of material.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let severity = |rule| match self.settings.intake.severity(rule) {
            stemvault_config::Severity::Ignore => checks::Severity::Ignore,
            stemvault_config::Severity::Warn => checks::Severity::Warn,
            stemvault_config::Severity::Refuse => checks::Severity::Refuse,
        };
        stemvault_config::Rule::ALL
            .into_iter()
            .map(|rule| (rule_of(rule), severity(rule)))
            .collect()
    }

    /// Whether a form has everything that the studio asks for.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn check_form(&self, form: &Form) -> Result<(), Refusal> {
        let wanted = self.settings.orders.required_form.iter();
        let missing: Vec<_> = wanted
            .filter(|name| form.get(*name).is_none_or(|said| said.trim().is_empty()))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the studio also needs {}: fill that in, then submit again",
            missing.join(", ")
        );
        Err(Refusal::new(RefusalKind::BadMetadata, message))
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

fn rule_of(rule: stemvault_config::Rule) -> checks::Rule {
    use stemvault_config::Rule as Set;
    match rule {
        Set::UnreadableAudio => checks::Rule::UnreadableAudio,
        Set::NameMismatch => checks::Rule::NameMismatch,
        Set::LossyFormat => checks::Rule::LossyFormat,
        Set::EmptyFile => checks::Rule::EmptyFile,
        Set::MixedSampleRates => checks::Rule::MixedSampleRates,
        Set::MixedBitDepths => checks::Rule::MixedBitDepths,
        Set::Truncated => checks::Rule::Truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_name_in_settings_and_receipts() {
        for rule in stemvault_config::Rule::ALL {
            assert_eq!(rule.name(), rule_of(rule).name());
        }
    }
}
