//! The certificate: the studio's own, or a self-signed one made here; TLS 1.2 and 1.3, HTTP/2 by
//! ALPN.
//!
//! A self-signed certificate lasts 825 days, the most that Apple's systems take from one, and is
//! made anew when fewer than 30 are left or the names it should bear have changed. Whoever trusts
//! the old one by its file must then take the new one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use serde::{Deserialize, Serialize};
use stemvault_config::Settings;

use crate::first_start::{make_private_folder, write_durably};
pub(crate) use keeper::out_of_time;
pub use keeper::{Keeper, Standing};
pub use stemvault_client::certificate::Certificate;

mod keeper;

/// How long a self-signed certificate lasts, in days.
const DAYS: i64 = 825;

/// How many days before its end it is made anew.
const RENEW: i64 = 30;

/// What stands beside a certificate that was made here.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    names: Vec<String>,
    ends: DateTime<Utc>,
}

/// The certificate that the settings name, or a self-signed one for `names`. `today` is the
/// machine's, which browsers go by, not a demo's.
///
/// # Errors
/// When one cannot be made or stored.
pub fn certificate(
    settings: &Settings,
    names: &[String],
    today: DateTime<Utc>,
) -> anyhow::Result<Certificate> {
    if let (Some(chain), Some(key)) = (&settings.server.certificate, &settings.server.private_key) {
        return Ok(Certificate {
            chain: chain.clone(),
            key: key.clone(),
            self_signed: false,
            made: false,
        });
    }
    let folder = settings.data_dir.join("tls");
    let wanted = |made| Certificate {
        chain: folder.join("cert.pem"),
        key: folder.join("key.pem"),
        self_signed: true,
        made,
    };
    let about = folder.join("made.toml");
    let paths = wanted(false);
    if paths.chain.exists() && paths.key.exists() && is_good(&about, names, today) {
        return Ok(paths);
    }
    make_private_folder(&folder)?;
    make(&paths, &about, names, today).context("making a self-signed certificate")?;
    Ok(wanted(true))
}

/// A certificate that someone put there instead of ours is good as long as they leave it.
fn is_good(about: &Path, names: &[String], today: DateTime<Utc>) -> bool {
    match std::fs::read_to_string(about).map(|text| toml::from_str::<About>(&text)) {
        Ok(Ok(about)) => about.names == names && today + TimeDelta::days(RENEW) < about.ends,
        Ok(Err(_)) => false,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn make(
    paths: &Certificate,
    about: &Path,
    names: &[String],
    today: DateTime<Utc>,
) -> anyhow::Result<()> {
    let day = |at: DateTime<Utc>| {
        let (month, day) = (at.month(), at.day());
        let small = |n: u32| u8::try_from(n).expect("months and days are small");
        date_time_ymd(at.year(), small(month), small(day))
    };
    // A day back: the clocks of clients differ.
    let (begins, ends) = (
        today - TimeDelta::days(1),
        today + TimeDelta::days(DAYS - 1),
    );
    let mut params = CertificateParams::new(names)?;
    params.not_before = day(begins);
    params.not_after = day(ends);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Stemvault, self-signed");
    // No key usage: OpenSSL takes a certificate that may not sign others for no root of its own.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write_durably(&paths.key, key.serialize_pem().as_bytes(), 0o600)?;
    write_durably(&paths.chain, certificate.pem().as_bytes(), 0o644)?;
    let told = About {
        names: names.to_vec(),
        ends,
    };
    write_durably(about, toml::to_string(&told)?.as_bytes(), 0o644)
}

/// What the accept loop shakes hands with.
///
/// # Errors
/// When the TLS library has none of what we ask it for.
pub fn server_config(keeper: Arc<Keeper>) -> anyhow::Result<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(keeper);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_anew_when_it_must_be() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::defaults(home.path()).unwrap();
        let today: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().unwrap();
        let names = [
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        let first = certificate(&settings, &names, today).unwrap();
        assert!(first.made && first.self_signed);
        let pem = std::fs::read(&first.chain).unwrap();
        let later = today + TimeDelta::days(DAYS - RENEW - 2);
        assert!(!certificate(&settings, &names, later).unwrap().made);
        assert_eq!(std::fs::read(&first.chain).unwrap(), pem);
        assert!(
            certificate(&settings, &names, later + TimeDelta::days(2))
                .unwrap()
                .made
        );
        assert_ne!(std::fs::read(&first.chain).unwrap(), pem);
        assert!(certificate(&settings, &names[..1], later).unwrap().made);
    }
}
