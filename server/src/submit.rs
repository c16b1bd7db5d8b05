//! Submitting, whoever presses the button: the studio's form and intake rules, then the seal.

use stemvault_config::{Rule, Settings, Severity};
use stemvault_storage::audit::Actor;
use stemvault_storage::checks;
use stemvault_storage::ids::OrderId;
use stemvault_storage::session::{Form, Kind, Receipt, Rules};

use crate::app::App;
use crate::error::Answer;
use crate::form::{INCOMPLETE, LEFT_OUT, LeftOut, check_complete, check_plain, trimmed};

/// What the one who submits says of the form.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// The form; `None` takes the draft, or what was submitted before.
    pub form: Option<Form>,
    /// Why an engineer submits although required fields are empty.
    pub incomplete: Option<String>,
    /// What the sender left out, for the receipt.
    pub left_out: LeftOut,
}

/// Seals what was uploaded of this kind.
///
/// # Errors
/// A form that lacks what the studio requires; those of
/// [`Sessions::submit`](stemvault_storage::sessions::Sessions::submit).
pub async fn submit(
    app: &App,
    order: OrderId,
    kind: Kind,
    filled: Filled,
    who: Actor,
) -> Answer<Receipt> {
    let mut form = match filled.form {
        Some(form) => {
            check_plain(&form)?;
            trimmed(form)
        }
        None if kind == Kind::Material => known_form(app, order).await?,
        None => Form::new(),
    };
    if kind == Kind::Material {
        match filled.incomplete {
            Some(reason) => {
                form.insert(INCOMPLETE.to_owned(), reason);
            }
            None => check_complete(&form, &app.settings.orders.required_form)?,
        }
        if let Some(paths) = filled.left_out.told() {
            form.insert(LEFT_OUT.to_owned(), paths);
        }
    }
    let rules = rules(&app.settings);
    let vault = app.vault.by(who);
    Ok(vault.sessions.submit(order, kind, form, rules).await?)
}

/// What is known of the form: the client's draft, or what was submitted last.
///
/// # Errors
/// Those of the catalog and the stores.
pub async fn known_form(app: &App, order: OrderId) -> Answer<Form> {
    let mut form = app.vault.drafts.known_form(order).await?;
    form.remove(INCOMPLETE);
    form.remove(LEFT_OUT);
    Ok(form)
}

/// The intake rules in force.
#[must_use]
pub fn rules(settings: &Settings) -> Rules {
    let rule = |rule| match rule {
        Rule::UnreadableAudio => checks::Rule::UnreadableAudio,
        Rule::NameMismatch => checks::Rule::NameMismatch,
        Rule::LossyFormat => checks::Rule::LossyFormat,
        Rule::EmptyFile => checks::Rule::EmptyFile,
        Rule::MixedSampleRates => checks::Rule::MixedSampleRates,
        Rule::MixedBitDepths => checks::Rule::MixedBitDepths,
        Rule::Truncated => checks::Rule::Truncated,
        Rule::OddHeader => checks::Rule::OddHeader,
        Rule::Placeholder => checks::Rule::Placeholder,
        Rule::Names => checks::Rule::Names,
    };
    let severity = |severity| match severity {
        Severity::Ignore => checks::Severity::Ignore,
        Severity::Warn => checks::Severity::Warn,
        Severity::Refuse => checks::Severity::Refuse,
    };
    let rules = Rule::ALL.into_iter();
    rules
        .map(|known| (rule(known), severity(settings.intake.severity(known))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_settings_is_applied() {
        let settings = Settings::defaults(std::path::Path::new("/srv/stemvault")).unwrap();
        let rules = rules(&settings);
        let names =
            |names: Vec<&'static str>| names.into_iter().collect::<std::collections::BTreeSet<_>>();
        let of_settings = names(Rule::ALL.into_iter().map(Rule::name).collect());
        let of_checks = names(
            checks::Rule::ALL
                .into_iter()
                .map(checks::Rule::name)
                .collect(),
        );
        assert_eq!(of_settings, of_checks);
        for (rule, severity) in rules {
            let set = Rule::ALL
                .into_iter()
                .find(|set| set.name() == rule.name())
                .expect("same names");
            assert_eq!(
                format!("{severity:?}"),
                format!("{:?}", settings.intake.severity(set))
            );
        }
    }
}
