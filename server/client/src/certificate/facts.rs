//! What a certificate says of itself: until when it holds, for whom, and who issued it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// The part of a certificate that decides whether clients take it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Before that it is not valid.
    pub begins: DateTime<Utc>,
    /// After that it is not valid.
    pub ends: DateTime<Utc>,
    /// The hosts that it speaks for.
    pub hosts: Vec<String>,
    /// Whether it says that it may sign others.
    pub signs_others: bool,
    /// Who issued it, in words.
    pub issued_by: String,
    /// Its own name and its issuer's, as they are compared in a chain.
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Facts {
    /// Reads them; `None` when it is no certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(certificate).ok()?;
        let names = read.subject_alternative_name().ok().flatten();
        let hosts = names.map(|names| names.value.general_names.iter().filter_map(host));
        Some(Self {
            begins: time(read.validity().not_before)?,
            ends: time(read.validity().not_after)?,
            hosts: hosts.into_iter().flatten().collect(),
            signs_others: read.is_ca(),
            issued_by: read.issuer().to_string(),
            subject: read.subject().as_raw().to_vec(),
            issuer: read.issuer().as_raw().to_vec(),
        })
    }

    /// Whether it names itself as its issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether `other` may be the one that signed this.
    pub fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer == other.subject
    }
}

/// Whether a certificate speaks for `host`, as clients see it.
pub fn speaks_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']'])) else {
        return false;
    };
    let parsed = ParsedCertificate::try_from(certificate);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

fn time(at: ASN1Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.timestamp(), 0)
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}
