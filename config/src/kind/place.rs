//! Where things are: folders and files, network addresses, the address that clients see.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use super::{Kind, Wrong, items, quoted, quoted_list, text};
use crate::file::Raw;

/// The path of a folder or file, with an example. In a settings file it is absolute; the
/// environment and flags may give one relative to the folder in which the server was started.
pub(crate) struct WholePath(pub(crate) &'static str);

impl Kind for WholePath {
    type Value = PathBuf;

    fn parse(&self, raw: &Raw) -> Result<PathBuf, Wrong> {
        absolute(raw, self.0)
    }

    fn show(&self, value: &PathBuf) -> String {
        quoted(&value.display().to_string())
    }
}

fn absolute(raw: &Raw, example: &str) -> Result<PathBuf, Wrong> {
    let typed = text(raw, example)?;
    let refuse = |why| {
        let wrong = format!("{} {why}", quoted(typed));
        Err(Wrong::new(
            wrong,
            format!("write the whole path, as in {}", quoted(example)),
        ))
    };
    if typed.is_empty() {
        return refuse("is no path");
    }
    if typed.contains(['\0', '\u{FFFD}']) {
        return refuse("has characters that are not readable text");
    }
    if typed.starts_with('~') {
        return refuse("starts with ~, which only a shell understands");
    }
    let path = Path::new(typed);
    match raw {
        _ if path.is_absolute() => Ok(path.to_owned()),
        Raw::Plain(_) => std::path::absolute(path).or_else(|_| refuse("is not a whole path")),
        _ => refuse("does not start with /"),
    }
}

/// Addresses to listen on: at least one, none twice.
pub(crate) struct Addresses;

impl Kind for Addresses {
    type Value = Vec<SocketAddr>;

    fn parse(&self, raw: &Raw) -> Result<Vec<SocketAddr>, Wrong> {
        const EXAMPLE: &str = "[\"127.0.0.1:8443\"] for this machine only, \
                               [\"0.0.0.0:8443\"] for everybody";
        let mut addresses = Vec::new();
        for item in items(raw, EXAMPLE)? {
            let address: SocketAddr = item.parse().map_err(|_| {
                Wrong::new(
                    format!("{} is not an IP address with a port", quoted(&item)),
                    format!("write {EXAMPLE}"),
                )
            })?;
            if addresses.contains(&address) {
                return Err(Wrong::new(
                    format!("{} is there twice", quoted(&item)),
                    "take one of them out",
                ));
            }
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(Wrong::new(
                "is empty, so nobody could reach the server",
                format!("write {EXAMPLE}"),
            ));
        }
        Ok(addresses)
    }

    fn show(&self, value: &Vec<SocketAddr>) -> String {
        quoted_list(value)
    }
}

/// Addresses for plain HTTP, perhaps none; of this machine only, because whoever can listen in
/// between reads links and tokens.
pub(crate) struct PlainAddresses;

impl Kind for PlainAddresses {
    type Value = Vec<SocketAddr>;

    fn parse(&self, raw: &Raw) -> Result<Vec<SocketAddr>, Wrong> {
        const EXAMPLE: &str = "[\"127.0.0.1:8080\"], or [] for none";
        if items(raw, EXAMPLE)?.is_empty() {
            return Ok(Vec::new());
        }
        let addresses = Addresses.parse(raw)?;
        match addresses.iter().find(|address| !address.ip().is_loopback()) {
            Some(open) => Err(Wrong::new(
                format!(
                    "{} is not an address of this machine alone",
                    quoted(&open.to_string())
                ),
                "write an address that begins with 127. or [::1], or let the proxy speak https to \
                 an address of server.listen",
            )),
            None => Ok(addresses),
        }
    }

    fn show(&self, value: &Vec<SocketAddr>) -> String {
        quoted_list(value)
    }
}

/// Web origins, perhaps none: scheme, host, perhaps a port, exactly as browsers send them.
pub(crate) struct Origins;

impl Kind for Origins {
    type Value = Vec<String>;

    fn parse(&self, raw: &Raw) -> Result<Vec<String>, Wrong> {
        const EXAMPLE: &str = "[\"https://www.example.com\"]";
        let mut origins = Vec::new();
        for item in items(raw, EXAMPLE)? {
            if item.contains('*') {
                return Err(Wrong::new(
                    format!("{} has a wildcard", quoted(&item)),
                    format!("write every origin in full, as in {EXAMPLE}"),
                ));
            }
            let url = Url::parse(&item).ok();
            let url = url.filter(|url| ["https", "http"].contains(&url.scheme()));
            let Some(origin) = url.map(|url| url.origin().ascii_serialization()) else {
                return Err(Wrong::new(
                    format!("{} is not the origin of a web page", quoted(&item)),
                    format!("write {EXAMPLE}"),
                ));
            };
            if item.strip_suffix('/').unwrap_or(&item) != origin {
                return Err(Wrong::new(
                    format!("{} is not what a browser sends as an origin", quoted(&item)),
                    format!("write {}", quoted(&origin)),
                ));
            }
            if origins.contains(&origin) {
                return Err(Wrong::new(
                    format!("{} is there twice", quoted(&origin)),
                    "take one of them out",
                ));
            }
            origins.push(origin);
        }
        Ok(origins)
    }

    fn show(&self, value: &Vec<String>) -> String {
        quoted_list(value)
    }
}

/// The address that goes into links: https, a host, perhaps a port and a path, nothing else.
pub(crate) struct PublicUrl;

/// What paths of the server itself begin with: behind one of these nobody could tell a prefix from
/// an address.
const OURS: [&str; 8] = [
    "api", "assets", "d", "files", "healthz", "metrics", "readyz", "u",
];

impl Kind for PublicUrl {
    type Value = Url;

    fn parse(&self, raw: &Raw) -> Result<Url, Wrong> {
        const EXAMPLE: &str = "https://upload.example.com";
        let typed = text(raw, EXAMPLE)?;
        let instead = format!("write {}", quoted(EXAMPLE));
        if typed.contains('@') {
            return Err(Wrong::new("holds a user name or a password", instead));
        }
        let wrong = match Url::parse(typed) {
            Ok(url) if url.scheme() == "https" && url.host_str().is_some() => {
                let first = url.path().split('/').nth(1).unwrap_or_default();
                if OURS.contains(&first) {
                    return Err(Wrong::new(
                        format!(
                            "the path of {} begins with /{first}, which is an address of the server itself",
                            quoted(typed)
                        ),
                        "put it under another path, for example \"https://example.com/vault\"",
                    ));
                }
                if url.query().is_none() && url.fragment().is_none() {
                    return Ok(url);
                }
                "has something after the path"
            }
            _ => "is not an https address",
        };
        Err(Wrong::new(format!("{} {wrong}", quoted(typed)), instead))
    }

    fn show(&self, value: &Url) -> String {
        quoted(value.as_str())
    }
}
