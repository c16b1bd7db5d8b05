//! The options of object stores: `[stores.working_options]` and its two siblings.
//!
//! Names are those of `object_store`'s configuration keys. A secret is never written into the
//! settings file: it comes from the environment, or from a file of its own that `<name>_file`
//! names (decision 0001). The providers' own variables (`AWS_REGION`, ...) count as well; those that
//! hold credentials only where the store was given no credentials of its own, so that no key is
//! ever paired with somebody else's secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use url::Url;

use crate::file::{Given, Raw};
use crate::kind::{Kind, WholePath, Wrong, quoted};
use crate::reader::Reader;
use crate::secret::Secret;

/// How much an option gives away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    Plain,
    /// Part of who we are to the provider, but no secret.
    Credential,
    /// Never shown, never in the settings file.
    Hidden,
}
use Nature::{Credential, Hidden, Plain};

/// Name, nature, and the provider's own variables, strongest first.
struct Known(&'static str, Nature, &'static [&'static str]);

const S3: &[Known] = &[
    Known("region", Plain, &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    Known(
        "endpoint",
        Plain,
        &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
    ),
    Known("allow_http", Plain, &["AWS_ALLOW_HTTP"]),
    Known(
        "virtual_hosted_style_request",
        Plain,
        &["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"],
    ),
    Known("access_key_id", Credential, &["AWS_ACCESS_KEY_ID"]),
    Known("secret_access_key", Hidden, &["AWS_SECRET_ACCESS_KEY"]),
    Known("session_token", Hidden, &["AWS_SESSION_TOKEN"]),
    Known("role_arn", Credential, &["AWS_ROLE_ARN"]),
    Known("role_session_name", Credential, &["AWS_ROLE_SESSION_NAME"]),
    Known(
        "web_identity_token_file",
        Credential,
        &["AWS_WEB_IDENTITY_TOKEN_FILE"],
    ),
    Known(
        "container_credentials_relative_uri",
        Credential,
        &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    ),
    Known(
        "container_credentials_full_uri",
        Credential,
        &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    ),
    Known(
        "container_authorization_token_file",
        Credential,
        &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
    ),
];
const AZ: &[Known] = &[
    Known("account_name", Plain, &["AZURE_STORAGE_ACCOUNT_NAME"]),
    Known("endpoint", Plain, &["AZURE_STORAGE_ENDPOINT"]),
    Known("allow_http", Plain, &["AZURE_ALLOW_HTTP"]),
    Known(
        "account_key",
        Hidden,
        &["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"],
    ),
    Known(
        "sas_token",
        Hidden,
        &["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"],
    ),
    Known("tenant_id", Credential, &["AZURE_TENANT_ID"]),
    Known("client_id", Credential, &["AZURE_CLIENT_ID"]),
    Known("client_secret", Hidden, &["AZURE_CLIENT_SECRET"]),
    Known(
        "federated_token_file",
        Credential,
        &["AZURE_FEDERATED_TOKEN_FILE"],
    ),
];
const GS: &[Known] = &[
    Known(
        "service_account",
        Credential,
        &["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"],
    ),
    Known(
        "application_credentials",
        Credential,
        &["GOOGLE_APPLICATION_CREDENTIALS"],
    ),
    Known(
        "service_account_key",
        Hidden,
        &["GOOGLE_SERVICE_ACCOUNT_KEY"],
    ),
];

const ABOUT: &str = "An option of the store, under its name in object_store's configuration.";

fn known(scheme: &str) -> &'static [Known] {
    match scheme {
        "s3" => S3,
        "az" => AZ,
        "gs" => GS,
        _ => &[],
    }
}

/// Reads the options of the store whose URL is the setting `store` (`stores.working`). `url` is
/// `None` if that setting is missing and takes its options from elsewhere.
pub(crate) fn read(
    reader: &mut Reader,
    store: &str,
    url: Option<&Url>,
) -> BTreeMap<String, Secret> {
    let scheme = url.map_or("", Url::scheme);
    let here = known(scheme);
    let prefix = format!("{store}_options");
    let mut elsewhere = names(&["s3", "az", "gs"]);
    for name in names(&[scheme]) {
        elsewhere.remove(&name);
    }
    let store_is_bad = reader.is_bad(store);
    for name in elsewhere {
        let key = format!("{prefix}.{name}");
        for given in reader.given(&key) {
            if !store_is_bad {
                let wrong = match url {
                    Some(_) => format!("is not an option of {scheme}: stores"),
                    None => format!("is set, but {store} is not"),
                };
                let instead = format!("take it out, or set {store} to the store it is meant for");
                reader.refuse(&key, given.at, Wrong::new(wrong, instead));
            }
        }
    }
    bring_in_variables(reader, &prefix, here);
    let mut options = BTreeMap::new();
    for Known(name, nature, _) in here {
        let key = format!("{prefix}.{name}");
        let value = match nature {
            Hidden => secret(reader, &key),
            _ => plain(reader, &key, name),
        };
        if let Some(value) = value {
            options.insert((*name).to_owned(), Secret::new(value));
        }
    }
    options
}

/// Every name that may be written for stores of these schemes.
fn names(schemes: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for Known(name, nature, _) in schemes.iter().flat_map(|scheme| known(scheme)) {
        names.insert((*name).to_owned());
        if *nature == Hidden {
            names.insert(format!("{name}_file"));
        }
    }
    names
}

/// Every key that a settings file may hold for the options of a store, for the sample's test.
#[cfg(test)]
pub(crate) fn in_settings_file(store: &str) -> BTreeSet<String> {
    let all = ["s3", "az", "gs"].iter().flat_map(|scheme| known(scheme));
    all.map(|Known(name, nature, _)| match nature {
        Hidden => format!("{store}_options.{name}_file"),
        _ => format!("{store}_options.{name}"),
    })
    .collect()
}

/// Offers the provider's own variables to the reader.
fn bring_in_variables(reader: &mut Reader, prefix: &str, options: &[Known]) {
    let own_credentials = options.iter().any(|Known(name, nature, _)| {
        let key = format!("{prefix}.{name}");
        match nature {
            Plain => false,
            Credential => !reader.given(&key).is_empty(),
            Hidden => {
                let by_file = format!("{key}_file");
                !reader.given(&key).is_empty() || !reader.given(&by_file).is_empty()
            }
        }
    });
    for Known(name, nature, variables) in options {
        if *nature != Plain && own_credentials {
            continue;
        }
        let found = variables.iter().find_map(|name| reader.variable(name));
        if let Some(given) = found {
            reader.ambient(&format!("{prefix}.{name}"), given);
        }
    }
}

fn plain(reader: &mut Reader, key: &str, name: &str) -> Option<String> {
    let mut chosen = None;
    for Given { raw, at } in reader.given(key) {
        match parse(name, &raw) {
            Ok(value) if chosen.is_none() => {
                reader.record(key, quoted(&value), at, ABOUT);
                chosen = Some(value);
            }
            Ok(_) => {}
            Err(wrong) => reader.refuse(key, at, wrong),
        }
    }
    chosen
}

fn parse(name: &str, raw: &Raw) -> Result<String, Wrong> {
    let value = match raw {
        Raw::Plain(text) | Raw::Text(text) => text.trim().to_owned(),
        Raw::Integer(number) => number.to_string(),
        Raw::Boolean(yes) => yes.to_string(),
        Raw::List(_) | Raw::Other(_) => return Err(Wrong::new("is not a text", "write a text")),
    };
    match name {
        "allow_http" | "virtual_hosted_style_request"
            if !["true", "false"].contains(&value.as_str()) =>
        {
            let wrong = format!("{} is neither true nor false", quoted(&value));
            Err(Wrong::new(wrong, "write true or false"))
        }
        "endpoint" => match Url::parse(&value) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(Wrong::new(
                "holds a user name or a password",
                "take it out and use access_key_id and secret_access_key_file",
            )),
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(value),
            _ => Err(Wrong::new(
                "is not an https address",
                "write an address as in \"https://s3.example.com\"",
            )),
        },
        _ if value.is_empty() => Err(Wrong::new("is empty", "write a value or take it out")),
        _ => Ok(value),
    }
}

/// A secret from the environment or, weaker, from the file that `<key>_file` names.
fn secret(reader: &mut Reader, key: &str) -> Option<String> {
    let mut found = Vec::new();
    let name = key.rsplit('.').next().unwrap_or(key).to_owned();
    for Given { raw, at } in reader.given(key) {
        match (raw, &at) {
            (Raw::Plain(value), _) => found.push((value.trim().to_owned(), at)),
            _ => reader.refuse(
                key,
                at,
                Wrong::new(
                    "is a secret and does not belong in this file",
                    format!("put it in a file of its own and write {name}_file = \"/path/to/it\""),
                ),
            ),
        }
    }
    let by_file = format!("{key}_file");
    for Given { raw, at } in reader.given(&by_file) {
        match WholePath("/path/to/it")
            .parse(&raw)
            .and_then(|path| read_secret(&path))
        {
            Ok(value) => found.push((value, at)),
            Err(wrong) => reader.refuse(&by_file, at, wrong),
        }
    }
    let (value, origin) = found.into_iter().next()?;
    reader.record(key, "(set)".to_owned(), origin, ABOUT);
    Some(value)
}

fn read_secret(path: &Path) -> Result<String, Wrong> {
    let shown = quoted(&path.display().to_string());
    let text = std::fs::read_to_string(path).map_err(|error| {
        Wrong::new(
            format!("{shown} cannot be read: {error}"),
            "name a file that this user may read and that holds the secret alone",
        )
    })?;
    match text.trim() {
        "" => Err(Wrong::new(
            format!("{shown} is empty"),
            "put the secret in it",
        )),
        secret => Ok(secret.to_owned()),
    }
}
