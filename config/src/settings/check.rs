//! Contradictions: settings that are valid one by one and wrong together.
//!
//! Promise: nothing is said about a setting that was already refused for itself, and each
//! contradiction is reported once, at the setting that somebody wrote.

use super::Settings;
use crate::keys::MasterKeySource;
use crate::kind::{Kind, Months, Wrong, quoted, size};
use crate::problem::Origin;
use crate::reader::Reader;
use crate::secret::Secret;
use crate::store::StoreUrl;

pub(crate) fn contradictions(settings: &Settings, reader: &mut Reader) {
    let mut book = Book { reader };
    book.certificate(settings);
    book.places(settings);
    book.mirror(settings);
    for (key, store) in stores(settings) {
        book.options(key, store);
    }
    for (key, store) in mirrors(settings) {
        book.options(key, store);
    }
    book.master_key(settings);
    book.numbers(settings);
}

/// The three stores under their keys.
fn stores(settings: &Settings) -> [(&'static str, &StoreUrl); 3] {
    let stores = &settings.stores;
    [
        ("stores.working", &stores.working),
        ("stores.archive", &stores.archive),
        ("stores.keys", &stores.keys),
    ]
}

/// The stores of the mirror that are set, under their keys.
fn mirrors(settings: &Settings) -> Vec<(&'static str, &StoreUrl)> {
    let stores = &settings.stores;
    let mirror = stores.mirror.as_ref().map(|it| ("stores.mirror", it));
    let keys = stores.mirror_keys.as_ref();
    let keys = keys.map(|it| ("stores.mirror_keys", it));
    mirror.into_iter().chain(keys).collect()
}

struct Book<'a> {
    reader: &'a mut Reader,
}

impl Book<'_> {
    /// Reports at the first of `keys` that somebody set, unless one of them was refused before.
    fn report(&mut self, keys: &[&str], wrong: impl Into<String>, instead: impl Into<String>) {
        if keys.iter().any(|key| self.reader.is_bad(key)) {
            return;
        }
        let set = |key: &&&str| self.reader.origin(key) != Origin::Default;
        let key = keys.iter().find(set).unwrap_or(&keys[0]);
        let at = self.reader.origin(key);
        self.reader.report(key, at, Wrong::new(wrong, instead));
    }

    fn certificate(&mut self, settings: &Settings) {
        let (certificate, key) = ("server.certificate", "server.private_key");
        let (set, missing) = match (&settings.server.certificate, &settings.server.private_key) {
            (Some(_), None) => (certificate, key),
            (None, Some(_)) => (key, certificate),
            _ => return,
        };
        self.report(
            &[set, missing],
            format!("is set, but {missing} is not"),
            "set both, or neither for a self-signed certificate",
        );
    }

    /// No store inside another but working and archive in one place; no data folder and no master
    /// key in a store.
    fn places(&mut self, settings: &Settings) {
        let [working, archive, keys] = stores(settings);
        let one_place = working.1.holds(archive.1) && archive.1.holds(working.1);
        let tiers = if one_place {
            &[working][..]
        } else {
            &[working, archive]
        };
        for (key, tier) in tiers {
            let nested = tier.holds(keys.1) || keys.1.holds(tier) || tier.same_bucket(keys.1);
            let said_below = [tier, keys.1].map(|store| self.holds_data(settings, store));
            if nested && said_below == [false, false] {
                self.report(
                    &["stores.keys", key],
                    format!(
                        "stores.keys {} and {key} {} are not apart",
                        keys.1.url, tier.url
                    ),
                    "keep the keys where no copy of the bucket takes them along: in a folder \
                     or bucket of their own",
                );
            }
        }
        let (w, a) = (working.1, archive.1);
        if !one_place && w.holds(a) != a.holds(w) {
            self.report(
                &["stores.archive", "stores.working"],
                format!(
                    "stores.archive {} and stores.working {} lie one in the other",
                    a.url, w.url
                ),
                "use the same place for both, or two places side by side",
            );
        }
        for (key, store) in tiers.iter().chain([&keys]) {
            if self.holds_data(settings, store) {
                self.report(
                    &[key, "data_dir"],
                    format!("{} holds the data folder itself", store.url),
                    "use a folder inside the data folder or a folder elsewhere",
                );
            } else if let MasterKeySource::File(path) = &settings.keys.master_key
                && store
                    .local_path()
                    .is_some_and(|folder| path.starts_with(folder))
            {
                self.report(
                    &["keys.master_key", key],
                    format!(
                        "the master key {} lies inside {key}",
                        quoted(&path.display().to_string())
                    ),
                    "keep the master key outside all stores, or one copy of a store gives away \
                     everything",
                );
            }
        }
    }

    /// Both or neither; apart from everything that they are copies of, and the keys from the bucket.
    fn mirror(&mut self, settings: &Settings) {
        let (bucket, keys) = ("stores.mirror", "stores.mirror_keys");
        let set = mirrors(settings);
        if let [(one, _)] = set[..] {
            let other = if one == bucket { keys } else { bucket };
            self.report(
                &[one, other],
                format!("is set, but {other} is not"),
                "set both, or neither: recordings without their keys are noise",
            );
        }
        let same = |a: &StoreUrl, b: &StoreUrl| a.holds(b) || b.holds(a);
        for (key, store) in &set {
            for (first_key, first) in stores(settings) {
                if same(store, first) || store.same_bucket(first) {
                    self.report(
                        &[key, first_key],
                        format!(
                            "{key} {} and {first_key} {} are not apart",
                            store.url, first.url
                        ),
                        "give the mirror a disk or bucket of its own, and its keys another",
                    );
                    return;
                }
            }
            if self.holds_data(settings, store) {
                self.report(
                    &[key, "data_dir"],
                    format!("{} holds the data folder itself", store.url),
                    "use a folder on another disk",
                );
                return;
            }
        }
        if let [(_, a), (_, b)] = set[..]
            && (same(a, b) || a.same_bucket(b))
        {
            self.report(
                &[keys, bucket],
                format!("{keys} {} and {bucket} {} are not apart", b.url, a.url),
                "keep the keys where no copy of the mirror takes them along",
            );
        }
    }

    fn holds_data(&self, settings: &Settings, store: &StoreUrl) -> bool {
        store
            .local_path()
            .is_some_and(|folder| settings.data_dir.starts_with(folder))
    }

    /// Options that a store needs beside those it has.
    fn options(&mut self, key: &str, store: &StoreUrl) {
        let taken_over = key == "stores.archive" && self.reader.origin(key) == Origin::Default;
        if taken_over {
            return;
        }
        let has = |name| store.options.contains_key(name);
        let option = |name: &str| format!("{key}_options.{name}");
        let file = |name: &str| format!("{key}_options.{name}_file");
        for (one, other) in [
            ("access_key_id", "secret_access_key"),
            ("secret_access_key", "access_key_id"),
        ] {
            if has(one) && !has(other) {
                self.report(
                    &[&option(one), &option(other), &file(one), &file(other)],
                    format!("is set, but {other} is not"),
                    "set both, or neither to use a role",
                );
            }
        }
        if store.url.scheme() == "az" && !has("account_name") {
            self.report(
                &[key, &option("account_name")],
                format!("{} does not say whose container it is", store.url),
                format!("set {}", option("account_name")),
            );
        }
        let value = |name| store.options.get(name).map(Secret::expose);
        let plain = value("endpoint").is_some_and(|url| url.starts_with("http:"));
        if plain && value("allow_http") != Some("true") {
            self.report(
                &[&option("endpoint"), &option("allow_http")],
                "is an http address, which anybody on the way can read",
                "write https, or allow_http = true if all of that network is yours",
            );
        }
    }

    fn master_key(&mut self, settings: &Settings) {
        let in_variable = self
            .reader
            .variable(crate::environment::MASTER_KEY)
            .is_some();
        if in_variable && matches!(settings.keys.master_key, MasterKeySource::File(_)) {
            self.report(
                &["keys.master_key"],
                "names a file, but STEMVAULT_MASTER_KEY is set as well",
                "unset the variable, or write keys.master_key = \"environment\"",
            );
        }
    }

    fn numbers(&mut self, settings: &Settings) {
        let orders = &settings.orders;
        if !is_number(&orders.number_example) {
            self.report(
                &["orders.number_example", "orders.number_pattern"],
                format!(
                    "number_example {} can be no order number: one has 1 to 64 characters, no space, no slash and no control character, and is not . or ..",
                    quoted(&orders.number_example)
                ),
                "write an example without them, as in 2026-0117, and a pattern that it matches",
            );
        } else if !orders.number_pattern.is_match(&orders.number_example) {
            self.report(
                &["orders.number_example", "orders.number_pattern"],
                format!(
                    "number_example {} does not match number_pattern {}",
                    quoted(&orders.number_example),
                    quoted(orders.number_pattern.as_str())
                ),
                "write an order number of your studio as the example and a pattern that it matches",
            );
        }
        let uploads = &settings.uploads;
        if uploads.max_file > uploads.max_order {
            let show = |bytes| size("GB", "0 B", "0 B").show(bytes);
            self.report(
                &["uploads.max_file", "uploads.max_order"],
                format!(
                    "max_file {} is more than max_order {}",
                    show(&uploads.max_file),
                    show(&uploads.max_order)
                ),
                "a file is part of an order: lower max_file or raise max_order",
            );
        }
        let retention = &settings.retention;
        if u64::from(retention.working_kept.0) > shortest(retention.archive_kept) {
            self.report(
                &["retention.archive_kept", "retention.working_kept"],
                format!(
                    "archive_kept \"{}\" may end before working_kept \"{}\"",
                    retention.archive_kept, retention.working_kept
                ),
                "keep the archive for at least as long as the working files",
            );
        }
    }
}

/// Whether a text can be the number of an order at all, whatever the studio's pattern.
fn is_number(text: &str) -> bool {
    let sound = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    (1..=64).contains(&text.chars().count())
        && text.chars().all(sound)
        && !matches!(text, "." | "..")
}

/// The fewest days that so many calendar months in a row can have.
fn shortest(months: Months) -> u64 {
    const DAYS: [u64; 12] = [0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334];
    let (years, rest) = (months.0 / 12, months.0 % 12);
    u64::from(years) * 365 + DAYS[rest as usize]
}
