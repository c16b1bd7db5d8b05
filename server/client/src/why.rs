//! Why a request got no answer, in one sentence that names the cause and says what to do.
//!
//! What the libraries say is a chain of causes for programmers. The few that people really meet have a
//! sentence of their own here; the rest is shown as it is.

use std::error::Error;
use std::io::ErrorKind;

use rustls::CertificateError;
use url::Url;

use super::answer::{Failure, printable};
use super::proxy::through;

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let address = error.url().cloned();
        let host = address
            .as_ref()
            .and_then(named)
            .unwrap_or_else(|| "the server".to_owned());
        let causes = causes(&error);
        let deepest = printable(&causes.last().map(ToString::to_string).unwrap_or_default());
        let tls = causes.iter().find_map(|cause| of_tls(*cause));
        if let Some(rustls::Error::InvalidCertificate(problem)) = tls {
            return Self::Untrusted(untrusted(&host, problem));
        }
        if error.is_builder() {
            return Self::Unreadable(deepest);
        }
        let through = address.as_ref().and_then(through);
        if let Some(through) = through
            && (error.is_connect() || error.is_timeout())
        {
            return Self::Unreachable(format!(
                "cannot reach {host} through {through}: {deepest}; if there is no such proxy, unset that variable, or name the host in NO_PROXY"
            ));
        }
        if let Some(tls) = tls
            && error.is_connect()
        {
            return Self::Unreachable(no_tls(&host, tls));
        }
        if error.is_timeout() {
            return Self::Unreachable(format!("{host} did not answer in time"));
        }
        if error.is_connect() {
            return Self::Unreachable(unconnected(&host, &causes, &deepest));
        }
        if let Some(address) = address.filter(|address| address.scheme() == "http") {
            return Self::Unreachable(format!(
                "{host} does not answer to http:// ({deepest}); the studio's address begins with https://: try {}",
                with_https(&address)
            ));
        }
        let io = causes
            .last()
            .and_then(|cause| cause.downcast_ref::<std::io::Error>());
        // What TLS says about a missing goodbye is a lesson for programmers.
        let how = match io.map(std::io::Error::kind) {
            Some(ErrorKind::UnexpectedEof) => "it ended in the middle".to_owned(),
            _ => deepest,
        };
        Self::Unreachable(format!("the connection to {host} broke: {how}"))
    }
}

type Cause<'a> = &'a (dyn Error + 'static);

/// An error and what is behind it, the deepest last.
fn causes(error: &reqwest::Error) -> Vec<Cause<'_>> {
    let mut all: Vec<Cause<'_>> = vec![error];
    while let Some(cause) = all.last().and_then(|last| behind(*last)) {
        all.push(cause);
    }
    all
}

/// What is behind an error. An `io::Error` hides what it carries from `source()`.
fn behind<'a>(error: Cause<'a>) -> Option<Cause<'a>> {
    let carried = error
        .downcast_ref::<std::io::Error>()
        .and_then(|io| io.get_ref());
    match carried {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

fn of_tls<'a>(error: Cause<'a>) -> Option<&'a rustls::Error> {
    error.downcast_ref::<rustls::Error>()
}

/// Why a certificate was refused.
fn untrusted(host: &str, problem: &CertificateError) -> String {
    let day = |at: &rustls::pki_types::UnixTime| {
        let at = i64::try_from(at.as_secs()).ok();
        let at = at.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
        at.map_or_else(String::new, |at| at.format(" (%F)").to_string())
    };
    match problem {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the certificate of {host} has ended{}: the studio has to renew it, unless this machine's clock is wrong",
            day(not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the certificate of {host} is not valid yet{}: is this machine's clock right?",
            day(not_before)
        ),
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            // As rustls names them: DnsName("a"), IpAddress(1.2.3.4).
            let names = presented.iter().map(|name| {
                let inner = name
                    .split_once('(')
                    .map_or(name.as_str(), |(_, inner)| inner);
                inner.trim_matches([')', '"'])
            });
            let names = printable(&names.collect::<Vec<_>>().join(", "));
            format!(
                "{host} shows the certificate of another: it speaks for {names}; use one of those as the address if it is the studio's, and pass on nothing if you do not know it (in a hotel or train, log in to the network first)"
            )
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate of {host} does not speak for that address; ask the studio for the right one"
            )
        }
        CertificateError::UnknownIssuer => format!(
            "the certificate of {host} is not trusted here; if it is the studio's own, pass it with --ca FILE (a new one, if the studio has made it anew)"
        ),
        other => format!(
            "the certificate of {host} is not trusted here ({}); if it is the studio's own, pass it with --ca FILE",
            printable(&other.to_string())
        ),
    }
}

/// Why there is no TLS with what answers.
fn no_tls(host: &str, problem: &rustls::Error) -> String {
    match problem {
        rustls::Error::InvalidMessage(_) => {
            format!("what answers at {host} does not speak https: is the port right?")
        }
        other => format!(
            "no secure connection to {host}: {}",
            printable(&other.to_string())
        ),
    }
}

/// Why there is no connection.
fn unconnected(host: &str, causes: &[Cause<'_>], deepest: &str) -> String {
    if causes.iter().any(|cause| cause.to_string() == "dns error") {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        return format!(
            "nobody knows the name {name} here ({deepest}): is it written right, and is this machine online?"
        );
    }
    let kind = causes
        .iter()
        .rev()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    match kind {
        Some(ErrorKind::ConnectionRefused) => format!(
            "nothing listens at {host} ({deepest}): does the server run, and is the port right?"
        ),
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => {
            format!("there is no way to {host} ({deepest}): is this machine online?")
        }
        Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => format!(
            "what answers at {host} ends the connection at once ({deepest}): is the port right, and does it speak https?"
        ),
        _ => format!("cannot connect to {host}: {deepest}"),
    }
}

fn named(address: &Url) -> Option<String> {
    let host = address.host_str()?;
    Some(format!("{host}:{}", address.port_or_known_default()?))
}

/// The same with https, without what may be a secret.
fn with_https(address: &Url) -> String {
    let port = address.port().map(|port| format!(":{port}"));
    format!(
        "https://{}{}/...",
        address.host_str().unwrap_or_default(),
        port.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("dns error")]
    struct Dns(#[source] std::io::Error);

    #[test]
    fn who_cannot_be_reached_is_named_with_the_likely_cause() {
        let io = |kind| std::io::Error::new(kind, "so it is");
        let said = |kind| {
            let cause = io(kind);
            unconnected("vault.example:8443", &[&cause], "so it is")
        };
        assert!(
            said(ErrorKind::ConnectionRefused).contains("nothing listens at vault.example:8443")
        );
        assert!(said(ErrorKind::NetworkUnreachable).contains("online?"));
        assert!(said(ErrorKind::ConnectionReset).contains("is the port right"));
        let dns = Dns(io(ErrorKind::Other));
        let said = unconnected("vault.example:8443", &[&dns], "so it is");
        assert!(said.contains("the name vault.example here"), "{said}");
    }

    #[test]
    fn a_certificate_is_refused_in_words() {
        let said = untrusted(
            "vault.example:443",
            &CertificateError::NotValidForNameContext {
                expected: "vault.example".try_into().unwrap(),
                presented: vec!["DnsName(\"portal.hotel.example\")".to_owned()],
            },
        );
        assert!(
            said.contains("it speaks for portal.hotel.example;"),
            "{said}"
        );
        let said = untrusted("vault.example:443", &CertificateError::UnknownIssuer);
        assert!(said.contains("--ca FILE"), "{said}");
    }
}
