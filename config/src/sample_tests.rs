//! The sample is complete and true: it lists every setting, and its values are the defaults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{InForce, Origin, Overrides, Problems, Settings};

const DATA_DIR: &str = "/srv/stemvault";

/// Settings whose default is nothing or depends on the data folder: the sample shows an example
/// behind a #.
const EXAMPLES: [&str; 12] = [
    "data_dir",
    "server.public_url",
    "server.certificate",
    "server.private_key",
    "stores.working",
    "stores.archive",
    "stores.keys",
    "keys.master_key",
    "uploads.max_link",
    "uploads.max_link_files",
    "archive.threads",
    "archive.bandwidth",
];

fn load(text: &str) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("sample.toml");
    std::fs::write(&file, text).expect("a writable folder");
    let flags = Overrides::default().with("--data-dir", "data_dir", DATA_DIR);
    Settings::load(Some(&file), [], &flags)
}

fn defaults() -> Settings {
    Settings::defaults(Path::new(DATA_DIR)).expect("the defaults are valid")
}

fn key_and_value(setting: &InForce) -> (&str, &str) {
    (&setting.key, &setting.value)
}

/// The sample with every example in force.
fn with_examples() -> String {
    let example = regex::Regex::new(r"^# ([a-z_.]+ = \S.*)$").expect("a pattern");
    let lines: Vec<&str> = Settings::sample()
        .lines()
        .map(|line| {
            let found = example.captures(line).and_then(|found| found.get(1));
            found.map_or(line, |setting| setting.as_str())
        })
        .collect();
    lines.join("\n")
}

/// Dotted keys of a TOML text.
fn keys(text: &str) -> BTreeSet<String> {
    fn walk(prefix: &str, table: &toml::Table, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => walk(&format!("{prefix}{key}."), inner, found),
                _ => drop(found.insert(format!("{prefix}{key}"))),
            }
        }
    }
    let mut found = BTreeSet::new();
    walk("", &text.parse().expect("valid TOML"), &mut found);
    found
}

#[test]
fn the_sample_gives_exactly_the_defaults() {
    let sample = load(Settings::sample()).expect("the sample has no problem");
    let defaults = defaults();
    let sample: Vec<_> = sample.describe().iter().map(key_and_value).collect();
    let defaults: Vec<_> = defaults.describe().iter().map(key_and_value).collect();
    assert_eq!(sample, defaults);
}

#[test]
fn the_sample_sets_every_setting_that_has_a_fixed_default() {
    let sample = load(Settings::sample()).expect("the sample has no problem");
    let silent: Vec<&str> = sample
        .describe()
        .iter()
        .filter(|setting| !matches!(setting.origin, Origin::File { .. }))
        .map(|setting| setting.key.as_str())
        .collect();
    let mut expected = EXAMPLES;
    expected.sort_unstable();
    let mut silent = silent;
    silent.sort_unstable();
    assert_eq!(silent, expected);
}

#[test]
fn every_setting_is_listed_and_nothing_else() {
    let known: BTreeSet<String> = defaults()
        .describe()
        .iter()
        .map(|setting| setting.key.clone())
        .chain(crate::options::in_settings_file("stores.working"))
        .collect();
    assert_eq!(keys(&with_examples()), known);
}

#[test]
fn the_examples_behind_a_hash_are_valid_as_well() {
    let text = with_examples();
    let start = text.find("[stores.working_options]").expect("the options");
    let end = text.find("[keys]").expect("the section after the options");
    let without_options = format!("{}{}", &text[..start], &text[end..]);
    let settings = load(&without_options).expect("the examples have no problem");
    assert_eq!(
        settings.server.certificate,
        Some(PathBuf::from("/etc/stemvault/cert.pem"))
    );
}

#[test]
fn every_setting_says_what_it_is_for() {
    for setting in defaults().describe() {
        assert!(
            setting.about.ends_with('.'),
            "{}: {}",
            setting.key,
            setting.about
        );
        assert!(setting.about.len() > 15, "{}", setting.key);
    }
}

#[test]
fn what_describe_shows_loads_as_the_same_settings() {
    let defaults = defaults();
    let lines: Vec<String> = defaults
        .describe()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(lines.contains(&r#"retention.working_kept = "90 days"  # default"#.to_owned()));
    let again = load(&lines.join("\n")).expect("described settings are valid settings");
    let again: Vec<_> = again.describe().iter().map(key_and_value).collect();
    let defaults: Vec<_> = defaults.describe().iter().map(key_and_value).collect();
    assert_eq!(again, defaults);
}
