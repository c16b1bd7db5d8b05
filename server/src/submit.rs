//! Submitting, whoever presses the button: the studio's form and intake rules, then the seal.

use stemvault_config::{Rule, Settings, Severity};
use stemvault_storage::ids::OrderId;
use stemvault_storage::intake::checks;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::{Form, Kind, Receipt, Rules};

use crate::app::App;
use crate::error::Answer;

/// The longest form, names and values together, in bytes: it travels in the order's row.
const FORM_MAX: usize = 4096;

/// Seals what was uploaded of this kind.
///
/// # Errors
/// A form that lacks what the studio requires; those of
/// [`Vault::submit`](stemvault_storage::Vault::submit).
pub async fn submit(app: &App, order: OrderId, kind: Kind, form: Form) -> Answer<Receipt> {
    check_form(&form)?;
    if kind == Kind::Material {
        check_required(&form, &app.settings.orders.required_form)?;
    }
    let rules = rules(&app.settings);
    Ok(app.vault.submit(order, kind, form, rules).await?)
}

fn check_form(form: &Form) -> Result<(), Refusal> {
    let length: usize = form
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if length > FORM_MAX {
        return Err(bad(format!(
            "the form has {length} bytes, at most {FORM_MAX} fit: shorten it, or send the text as a file"
        )));
    }
    let odd = |text: &str| {
        text.chars()
            .any(|c| c.is_control() && !"\r\n\t".contains(c))
    };
    match form.iter().find(|(name, value)| odd(name) || odd(value)) {
        Some((name, _)) => Err(bad(format!(
            "{name:?} in the form has control characters in it: write it as plain text"
        ))),
        None => Ok(()),
    }
}

fn check_required(form: &Form, required: &[String]) -> Result<(), Refusal> {
    let missing: Vec<_> = required
        .iter()
        .filter(|name| form.get(*name).is_none_or(|value| value.trim().is_empty()))
        .map(|name| format!("{name:?}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(bad(format!(
        "the studio's form wants {} as well: fill it in, then submit",
        missing.join(", ")
    )))
}

fn bad(message: String) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, message)
}

/// The intake rules in force.
fn rules(settings: &Settings) -> Rules {
    let rule = |rule| match rule {
        Rule::UnreadableAudio => checks::Rule::UnreadableAudio,
        Rule::NameMismatch => checks::Rule::NameMismatch,
        Rule::LossyFormat => checks::Rule::LossyFormat,
        Rule::EmptyFile => checks::Rule::EmptyFile,
        Rule::MixedSampleRates => checks::Rule::MixedSampleRates,
        Rule::MixedBitDepths => checks::Rule::MixedBitDepths,
        Rule::Truncated => checks::Rule::Truncated,
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

    fn form(pairs: &[(&str, &str)]) -> Form {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_the_form_lacks_is_named() {
        let required = ["artist".to_owned(), "song".to_owned()];
        let said = check_required(&form(&[("artist", " ")]), &required).unwrap_err();
        assert!(said.message.contains("\"artist\", \"song\""), "{said}");
        assert!(check_required(&form(&[("artist", "x"), ("song", "y")]), &required).is_ok());
    }

    #[test]
    fn a_form_is_short_and_plain() {
        assert!(check_form(&form(&[("notes", "two\nlines\t")])).is_ok());
        assert!(check_form(&form(&[("notes", "\u{1b}[31m")])).is_err());
        assert!(check_form(&form(&[("notes", &"x".repeat(FORM_MAX))])).is_err());
    }

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
