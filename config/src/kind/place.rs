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

/// The address that goes into links: https, a host, perhaps a port and a path, nothing else.
pub(crate) struct PublicUrl;

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
