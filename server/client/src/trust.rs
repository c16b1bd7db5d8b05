//! Which server certificates are taken: those that this system trusts, those that one of the named
//! certificates has signed, and the named ones themselves.
//!
//! The last is what makes a certificate of one's own work that says it may sign others: as a root
//! it vouches for others and never for itself. Whoever names a file names exactly that certificate,
//! so it is taken as long as it is valid and speaks for the host; on this machine itself it need not
//! speak for the host, since commands go to 127.0.0.1 whatever the studio is called.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::certificate::facts::Facts;
use crate::certificate::read::certificates;

/// The certificates in a file that somebody named.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn named(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let what = || format!("the certificate file {}", path.display());
    let bytes = std::fs::read(path).with_context(what)?;
    certificates(path, &bytes)
        .map_err(anyhow::Error::msg)
        .with_context(what)
}

/// What a client shakes hands with, but for the protocols that it speaks afterwards.
///
/// # Errors
/// When nothing at all is trusted here, or a named certificate can be no root.
pub(super) fn client_config(named: Vec<CertificateDer<'static>>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let system = Verifier::new_with_extra_roots(named.clone(), Arc::clone(&provider))
        .context("cannot prepare HTTPS")?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trust { system, named }))
        .with_no_client_auth())
}

#[derive(Debug)]
struct Trust {
    system: Verifier,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.named.contains(end_entity) {
            return exactly(end_entity, server_name, now);
        }
        self.system
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// Whether a certificate that was named itself may be used for a host now.
fn exactly(
    certificate: &CertificateDer<'_>,
    host: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let facts = Facts::of(certificate).ok_or(CertificateError::BadEncoding)?;
    let unix = |at: chrono::DateTime<chrono::Utc>| {
        let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    let (not_before, not_after) = (unix(facts.begins), unix(facts.ends));
    if now < not_before {
        let time = now;
        return Err(CertificateError::NotValidYetContext { time, not_before }.into());
    }
    if not_after < now {
        let time = now;
        return Err(CertificateError::ExpiredContext { time, not_after }.into());
    }
    if !is_this_machine(host) {
        verify_server_name(&ParsedCertificate::try_from(certificate)?, host)?;
    }
    Ok(ServerCertVerified::assertion())
}

fn is_this_machine(host: &ServerName<'_>) -> bool {
    match host {
        ServerName::IpAddress(IpAddr::V4(ip)) => std::net::Ipv4Addr::from(*ip).is_loopback(),
        ServerName::IpAddress(IpAddr::V6(ip)) => std::net::Ipv6Addr::from(*ip).is_loopback(),
        ServerName::DnsName(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["vault.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn tried(named: &CertificateDer<'static>, host: &str) -> Result<(), Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let named = vec![named.clone()];
        let trust = Trust {
            system: Verifier::new_with_extra_roots(named.clone(), provider).unwrap(),
            named,
        };
        let host = ServerName::try_from(host).unwrap();
        let now = UnixTime::now();
        trust
            .verify_server_cert(&trust.named[0], &[], &host, &[], now)
            .map(drop)
    }

    #[test]
    fn a_named_certificate_is_taken_for_its_hosts_and_its_time_alone() {
        let good = made(|_| ());
        assert_eq!(tried(&good, "vault.example"), Ok(()));
        assert_eq!(tried(&good, "127.0.0.1"), Ok(()), "this machine");
        assert!(tried(&good, "evil.example").is_err());
        assert!(tried(&good, "192.0.2.1").is_err());
        let old = made(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        assert!(tried(&old, "vault.example").is_err());
        let early = made(|params| params.not_before = rcgen::date_time_ymd(2100, 1, 1));
        assert!(tried(&early, "vault.example").is_err());
    }

    #[test]
    fn another_one_of_the_same_names_is_not() {
        let (named, other) = (made(|_| ()), made(|_| ()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let trust = Trust {
            system: Verifier::new_with_extra_roots([named.clone()], provider).unwrap(),
            named: vec![named],
        };
        let host = ServerName::try_from("vault.example").unwrap();
        let tried = trust.verify_server_cert(&other, &[], &host, &[], UnixTime::now());
        assert!(tried.is_err());
    }
}
