//! Who tries credentials that open nothing is told to wait.
//!
//! Every answer to an unknown, expired or revoked link or token carries a [`Wrong`] mark; here the
//! marks of an address are counted, and one too many turns the answer into 429, in the form that
//! it had. A right credential is never counted and never refused: behind one address there may be
//! a whole office, and no number of guesses finds a secret of 256 bits (decision 0010).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use stemvault_config::Server;
use stemvault_storage::rate::Rate;
use stemvault_storage::refusal::RefusalKind;

use crate::app::{App, SharedApp};
use crate::error::Failure;
use crate::pages::{failed, only_accept};

/// The mark of an answer to a credential that opens nothing.
#[derive(Clone, Copy, Debug)]
pub struct Wrong;

/// How often each address tried.
#[derive(Debug)]
pub struct Tries(Mutex<Rate<IpAddr>>);

impl Tries {
    /// Nobody has tried yet.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        let (most, span) = (server.wrong_tries, server.wrong_tries_within);
        Self(Mutex::new(Rate::new(most.into(), span)))
    }

    /// Counts one wrong try; the refusal if it is one too many.
    fn count(&self, from: IpAddr, now: Duration) -> Result<(), Failure> {
        let mut rate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = rate.most();
        rate.count(household(from), now).map_err(|retry| {
            let minutes = retry.as_secs() / 60 + 1;
            let message = format!(
                "more than {most} links or tokens that open nothing were tried from your address: check what you use, or ask the studio for a new one; wrong ones are looked at again in {minutes} min, right ones work at once"
            );
            let kind = RefusalKind::TooMany { retry };
            Failure::refused(kind, message).at_limit("wrong_tries", most)
        })
    }
}

/// Whose address it is: of IPv6, everybody has a whole network.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let network = u128::from(six) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        four => four,
    }
}

/// Counts wrong tries and refuses who makes too many.
pub async fn layer(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let from = client(&app, &parts.extensions, &parts.headers);
    let accept = only_accept(&parts.headers);
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.extensions().get::<Wrong>().is_none() {
        return response;
    }
    let from = from.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    match app.tries.count(from, app.clock.monotonic()) {
        Ok(()) => response,
        Err(refused) => instead(response, refused, &accept, app.prefix()),
    }
}

/// The refusal in the form of the answer that it replaces, with what else that one carried.
fn instead(answer: Response, refused: Failure, accept: &HeaderMap, prefix: &str) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is = |start: &str| kind.is_some_and(|kind| kind.as_bytes().starts_with(start.as_bytes()));
    let refusal = if is("text/plain") {
        refused.as_text().into_response()
    } else if is("text/html") {
        failed(refused, accept, prefix)
    } else {
        refused.into_response()
    };
    let (mut parts, _) = answer.into_parts();
    let (head, body) = refusal.into_parts();
    parts.status = StatusCode::TOO_MANY_REQUESTS;
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::WWW_AUTHENTICATE);
    for (name, value) in &head.headers {
        parts.headers.insert(name.clone(), value.clone());
    }
    Response::from_parts(parts, Body::new(body))
}

/// The address that a request came from: the other end of the connection or, if that is a proxy
/// that the settings trust, the last one in X-Forwarded-For that is not.
#[must_use]
pub fn client(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let proxies = &app.settings.server.trusted_proxies;
    Some(behind(peer.0.ip().to_canonical(), proxies, headers))
}

fn behind(peer: IpAddr, proxies: &[IpNet], headers: &HeaderMap) -> IpAddr {
    let trusted = |address: &IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let mut nearest = lines
        .into_iter()
        .rev()
        .filter_map(|line| HeaderValue::to_str(line).ok())
        .flat_map(|line| line.rsplit(','));
    let mut address = peer;
    // Each proxy names who spoke to it; what stands before somebody we do not trust is hearsay.
    while trusted(&address) {
        let Some(before) = nearest.next().and_then(named) else {
            break;
        };
        address = before;
    }
    address
}

/// An address as proxies write it, with or without a port.
fn named(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bare).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_household_is_one_address_or_one_network() {
        assert_eq!(household(ip("192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(household(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        let six = household(ip("2001:db8:1:2:3:4:5:6"));
        assert_eq!(six, household(ip("2001:db8:1:2::")));
        assert_ne!(six, household(ip("2001:db8:1:3::")));
    }

    #[test]
    fn only_proxies_of_ours_say_who_somebody_is() {
        let proxies: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
            .map(|network| network.parse().unwrap())
            .into();
        let of = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            behind(ip(peer), &proxies, &headers)
        };
        // Nobody believes a stranger.
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), ip("192.0.2.1"));
        assert_eq!(of("127.0.0.1", &["198.51.100.7"]), ip("198.51.100.7"));
        // Nor what a stranger told the proxy, in one line or several.
        let claimed = ["203.0.113.9, 198.51.100.7"];
        assert_eq!(of("127.0.0.1", &claimed), ip("198.51.100.7"));
        let lines = ["203.0.113.9", "198.51.100.7, 10.1.2.3"];
        assert_eq!(of("127.0.0.1", &lines), ip("198.51.100.7"));
        let ports = ["198.51.100.7:4711"];
        assert_eq!(of("127.0.0.1", &ports), ip("198.51.100.7"));
        assert_eq!(of("::1", &["[2001:db8::1]:99"]), ip("2001:db8::1"));
        // A proxy that says nothing, or nothing readable, is counted itself.
        assert_eq!(of("10.9.9.9", &[]), ip("10.9.9.9"));
        assert_eq!(of("10.9.9.9", &["unknown"]), ip("10.9.9.9"));
    }
}
