//! The proxies that the environment names: which one an address goes through, and which variable
//! says so. This machine's own addresses go through none: a proxy would look for them at itself.

use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

use super::answer::printable;

/// A proxy before an address.
#[derive(Debug)]
pub(super) struct Through {
    /// As the environment names it.
    value: String,
    /// Without what may be a password.
    shown: String,
    variable: &'static str,
}

impl std::fmt::Display for Through {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the proxy {} that {} names", self.shown, self.variable)
    }
}

/// The proxy that an address goes through.
pub(super) fn through(address: &Url) -> Option<Through> {
    if is_this_machine(address) {
        return None;
    }
    let uri = address.as_str().parse().ok()?;
    let proxy = Matcher::from_env().intercept(&uri)?.uri().to_string();
    let variables = match address.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    variables.into_iter().find_map(|variable| {
        let value = std::env::var(variable).ok()?;
        (!value.is_empty()).then(|| Through {
            value,
            shown: printable(proxy.trim_end_matches('/')),
            variable,
        })
    })
}

/// The same for the HTTP client.
pub(super) fn of_environment() -> reqwest::Proxy {
    reqwest::Proxy::custom(|address| Some(through(address)?.value))
}

fn is_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}
