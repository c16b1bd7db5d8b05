//! Where values come from and what they become: precedence, defaults, stores, secrets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{
    Days, LogFormat, MasterKeySource, Months, Origin, Overrides, Problems, Rule, Secret, Settings,
    Severity,
};

/// A folder to load settings from; its own path is the data folder.
struct Case {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Case {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("stemvault.toml"), text).expect("a writable folder");
        let mut case = Self {
            environment: Vec::new(),
            folder,
        };
        let path = case.folder.path().display().to_string();
        case.set("STEMVAULT_DATA_DIR", &path);
        case
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn load(&self) -> Result<Settings, Problems> {
        self.load_with(&Overrides::default())
    }

    fn load_with(&self, flags: &Overrides) -> Result<Settings, Problems> {
        Settings::load(None, self.environment.clone(), flags)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn shown(settings: &Settings, key: &str) -> (String, Origin) {
    let found = settings
        .describe()
        .iter()
        .find(|setting| setting.key == key);
    let found = found.unwrap_or_else(|| panic!("{key} is described"));
    (found.value.clone(), found.origin.clone())
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let settings = Settings::defaults(Path::new("/d")).expect("the defaults are valid");
    assert_eq!(settings.server.listen, ["127.0.0.1:8443".parse().unwrap()]);
    assert_eq!(settings.server.header_timeout, Duration::from_secs(15));
    assert_eq!(settings.server.idle_timeout, Duration::from_secs(60));
    assert_eq!(settings.server.shutdown_timeout, Duration::from_secs(30));
    assert_eq!(settings.log.format, LogFormat::Human);
    assert_eq!(settings.stores.working.url.as_str(), "file:///d/bucket");
    assert_eq!(settings.stores.archive, settings.stores.working);
    assert_eq!(
        settings.stores.keys.local_path(),
        Some(PathBuf::from("/d/keys"))
    );
    assert_eq!(
        settings.keys.master_key,
        MasterKeySource::File(PathBuf::from("/d/master.key"))
    );
    assert_eq!(settings.orders.time_zone, chrono_tz::Tz::UTC);
    assert!(settings.orders.number_pattern.is_match("2026-0117"));
    assert_eq!(settings.uploads.max_file, 100_000_000_000);
    assert_eq!(settings.uploads.max_order, 200_000_000_000);
    assert_eq!(settings.uploads.max_files, 20_000);
    assert_eq!(
        settings.uploads.expire_after,
        Duration::from_secs(14 * 86_400)
    );
    assert_eq!(settings.uploads.memory, 256 << 20);
    assert_eq!(
        settings.uploads.free_disk_floor.of(100_000_000_000),
        20_000_000_000
    );
    assert_eq!(
        settings.uploads.free_disk_floor.of(1_000_000_000_000),
        50_000_000_000
    );
    assert_eq!(settings.intake.rules.len(), Rule::ALL.len());
    assert_eq!(settings.intake.severity(Rule::LossyFormat), Severity::Warn);
    assert_eq!(settings.retention.working_kept, Days(90));
    assert_eq!(settings.retention.archive_kept, Months(24));
    assert_eq!(settings.retention.recall_kept, Days(14));
    assert_eq!(settings.retention.brake_orders, 5);
    assert_eq!(settings.retention.brake_percent, 20);
    assert_eq!(settings.retention.clock_jump, Duration::from_secs(3_600));
    assert_eq!(settings.jobs.purge.to_string(), "0 4 * * *");
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let mut case = Case::new("server.max_connections = 1\n");
    let key = "server.max_connections";
    let at = |case: &Case, flags: &Overrides| shown(&case.load_with(flags).unwrap(), key);
    let none = Overrides::default();
    let file = Origin::File {
        path: case.path("stemvault.toml"),
        line: Some(1),
    };
    assert_eq!(at(&case, &none), ("1".to_owned(), file));
    case.set("STEMVAULT_SERVER_MAX_CONNECTIONS", "2");
    let variable = Origin::Environment("STEMVAULT_SERVER_MAX_CONNECTIONS".to_owned());
    assert_eq!(at(&case, &none), ("2".to_owned(), variable));
    let flags = none
        .with("--connections", key, "9")
        .with("--connections", key, "3");
    let flag = Origin::Flag("--connections".to_owned());
    assert_eq!(at(&case, &flags), ("3".to_owned(), flag));
    assert_eq!(
        at(&Case::new(""), &Overrides::default()),
        ("1024".to_owned(), Origin::Default)
    );
}

#[test]
fn an_empty_variable_is_not_set_and_a_list_has_commas() {
    let mut case = Case::new("");
    case.set("STEMVAULT_LOG_LEVEL", "");
    case.set("STEMVAULT_SERVER_LISTEN", "127.0.0.1:0, [::1]:8443");
    let settings = case.load().expect("valid settings");
    assert_eq!(settings.log.level, "info");
    assert_eq!(settings.server.listen.len(), 2);
}

#[test]
fn the_data_folder_follows_xdg_and_then_home() {
    let load = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Settings::load(None, pairs.collect::<Vec<_>>(), &Overrides::default())
    };
    let home = load(&[("HOME", "/no/home")]).expect("valid settings");
    assert_eq!(home.data_dir, Path::new("/no/home/.local/share/stemvault"));
    let xdg = load(&[("HOME", "/no/home"), ("XDG_DATA_HOME", "/no/xdg")]);
    assert_eq!(
        xdg.expect("valid settings").data_dir,
        Path::new("/no/xdg/stemvault")
    );
    let unreadable = load(&[("HOME", "/no/home"), ("XDG_DATA_HOME", "/\u{FFFD}")]);
    let unreadable = unreadable.expect("valid settings");
    assert_eq!(
        unreadable.data_dir,
        Path::new("/no/home/.local/share/stemvault")
    );
    let relative = load(&[("HOME", "/no/home"), ("XDG_DATA_HOME", "xdg")]);
    let relative = relative.expect("valid settings");
    assert_eq!(
        relative.data_dir,
        Path::new("/no/home/.local/share/stemvault")
    );
    let folder = load(&[("STEMVAULT_DATA_DIR", "here")]).expect("valid settings");
    assert!(folder.data_dir.is_absolute() && folder.data_dir.ends_with("here"));
}

#[test]
fn a_named_file_may_move_the_data_folder_and_must_exist() {
    let case = Case::new("data_dir = \"/elsewhere\"\n");
    let file = case.path("stemvault.toml");
    let settings = Settings::load(Some(&file), [], &Overrides::default()).unwrap();
    assert_eq!(settings.data_dir, Path::new("/elsewhere"));
    let missing = Settings::load(Some(&case.path("none")), [], &Overrides::default());
    let problems = missing.expect_err("the file is missing").to_string();
    assert!(problems.contains("none: cannot be read"), "{problems}");
}

#[test]
fn a_folder_with_odd_letters_becomes_a_store_and_comes_back() {
    let folder = Path::new("/srv/Studio Süd #1?");
    let settings = Settings::defaults(folder).expect("valid settings");
    assert_eq!(
        settings.stores.working.local_path(),
        Some(folder.join("bucket"))
    );
}

#[test]
fn a_store_takes_its_secrets_from_files_and_never_shows_them() {
    let case = Case::new("");
    std::fs::write(case.path("secret"), "hush-hush\n").unwrap();
    let text = format!(
        "[stores]\nworking = \"s3://stems/one\"\n[stores.working_options]\nregion = \"eu\"\n\
         allow_http = true\nendpoint = \"http://garage:3900\"\naccess_key_id = \"me\"\n\
         secret_access_key_file = \"{}\"\n",
        case.path("secret").display()
    );
    std::fs::write(case.path("stemvault.toml"), text).unwrap();
    let settings = case.load().expect("valid settings");
    let options = &settings.stores.working.options;
    assert_eq!(options["secret_access_key"].expose(), "hush-hush");
    assert_eq!(options["allow_http"].expose(), "true");
    assert_eq!(settings.stores.archive, settings.stores.working);
    let (value, _) = shown(&settings, "stores.working_options.secret_access_key");
    assert_eq!(value, "(set)");
    assert_eq!(
        shown(&settings, "stores.working_options.region").0,
        "\"eu\""
    );
    assert!(!format!("{settings:?}").contains("hush"));
}

#[test]
fn the_providers_variables_count_unless_a_store_has_credentials_of_its_own() {
    let mut case = Case::new("stores.working = \"s3://stems\"\nstores.keys = \"s3://keys\"\n");
    case.set("AWS_ACCESS_KEY_ID", "theirs");
    case.set("AWS_SECRET_ACCESS_KEY", "their secret");
    case.set("AWS_SESSION_TOKEN", "their token");
    case.set("AWS_DEFAULT_REGION", "eu");
    case.set("STEMVAULT_STORES_KEYS_OPTIONS_ACCESS_KEY_ID", "ours");
    case.set(
        "STEMVAULT_STORES_KEYS_OPTIONS_SECRET_ACCESS_KEY",
        "our secret",
    );
    let settings = case.load().expect("valid settings");
    let option = |store: &crate::StoreUrl, name| store.options.get(name).cloned();
    let working = &settings.stores.working;
    assert_eq!(
        option(working, "access_key_id"),
        Some(Secret::new("theirs"))
    );
    assert_eq!(
        option(working, "session_token"),
        Some(Secret::new("their token"))
    );
    let keys = &settings.stores.keys;
    assert_eq!(option(keys, "access_key_id"), Some(Secret::new("ours")));
    assert_eq!(
        option(keys, "secret_access_key"),
        Some(Secret::new("our secret"))
    );
    assert_eq!(option(keys, "session_token"), None);
    assert_eq!(option(keys, "region"), Some(Secret::new("eu")));
}

#[test]
fn the_master_key_may_come_from_the_environment() {
    let mut case = Case::new("");
    case.set("STEMVAULT_MASTER_KEY", "open sesame");
    let settings = case.load().expect("valid settings");
    let key = Secret::new("open sesame");
    assert_eq!(settings.keys.master_key, MasterKeySource::Environment(key));
    let origin = Origin::Environment("STEMVAULT_MASTER_KEY".to_owned());
    let expected = ("\"environment\"".to_owned(), origin);
    assert_eq!(shown(&settings, "keys.master_key"), expected);
    assert!(!format!("{settings:?}").contains("sesame"));
}

#[test]
fn variables_of_the_client_and_of_kubernetes_are_left_alone() {
    let mut case = Case::new("");
    for name in [
        "STEMVAULT_SERVER",
        "STEMVAULT_TOKEN",
        "STEMVAULT_CA",
        "STEMVAULT_VERSION",
        "STEMVAULT_PORT",
        "STEMVAULT_SERVER_SERVICE_HOST",
        "STEMVAULT_SERVER_SERVICE_PORT_HTTPS",
        "STEMVAULT_SERVER_PORT_8443_TCP_ADDR",
    ] {
        case.set(name, "x");
    }
    case.load().expect("none of these is a setting");
}
