//! The two files of a certificate, read: what can be served, or in one sentence what is wrong with
//! them and what to do. Every form in which certificates and keys are handed around has its own.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys};

use super::Certificate;
use super::facts::Facts;

/// A certificate with its key, in order.
#[derive(Debug)]
pub struct Pair {
    /// The chain and the key, for the TLS library.
    pub key: Arc<CertifiedKey>,
    /// What stands in the server's own.
    pub facts: Facts,
    /// What works all the same and should be known.
    pub odd: Vec<String>,
}

/// The bytes of both files.
#[derive(Debug)]
pub struct Files {
    /// Of the chain.
    pub chain: Vec<u8>,
    /// Of the private key.
    pub key: Vec<u8>,
}

impl Files {
    /// Reads both.
    pub fn read(certificate: &Certificate) -> Result<Self, String> {
        Ok(Self {
            chain: bytes(&certificate.chain, "certificate")?,
            key: bytes(&certificate.key, "private key")?,
        })
    }

    /// Makes a pair of them.
    pub fn pair(&self, certificate: &Certificate) -> Result<Pair, String> {
        let chain = certificates(&certificate.chain, &self.chain)?;
        let key = private_key(&certificate.key, &self.key)?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|_| {
            format!(
                "the private key {} is damaged, or of a kind that TLS does not take here: RSA with 2048 bits or more, ECDSA (P-256, P-384, P-521) and Ed25519 work",
                certificate.key.display()
            )
        })?;
        let own = own(&chain, &key, certificate)?;
        let (chain, facts, odd) = in_order(chain, own, &certificate.chain)?;
        Ok(Pair {
            key: Arc::new(CertifiedKey::new(chain, key)),
            facts,
            odd,
        })
    }
}

fn bytes(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    let at = path.display();
    match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Err(format!("the {what} {at} is empty: write it anew")),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!(
                    "the {what} {at} is not there: server.{} names it",
                    what.replace(' ', "_")
                )
            }
            std::io::ErrorKind::PermissionDenied => format!(
                "the {what} {at} cannot be read by the account that the server runs as: give that account the right to read it, and to enter its folders"
            ),
            std::io::ErrorKind::IsADirectory => {
                format!("the {what} {at} is a folder: name the file in it")
            }
            _ => format!("the {what} {at} cannot be read: {error}"),
        }),
    }
}

/// The certificates of a file in PEM form, or what the file is instead.
pub fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let at = path.display();
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(without_mark(bytes)).collect();
    let labels = labels(bytes);
    let has = |word: &str| labels.iter().any(|label| label.contains(word));
    let convert =
        |what: &str, how: &str| Err(format!("{at} is {what}: `{how}` makes one in PEM form"));
    match read {
        Ok(chain) if !chain.is_empty() => {
            let bad = chain.iter().position(|one| Facts::of(one).is_none());
            match bad {
                None => Ok(chain),
                Some(place) => Err(format!(
                    "certificate {} in {at} is damaged: copy the file anew from where it was issued",
                    place + 1
                )),
            }
        }
        Err(pem::Error::MissingSectionEnd { .. }) => Err(cut(path)),
        Err(_) => Err(damaged(path)),
        Ok(_) if Facts::of(&CertificateDer::from(bytes)).is_some() => convert(
            "a certificate in DER form",
            &format!("openssl x509 -inform der -in {at} -out cert.pem"),
        ),
        Ok(_) if is_pkcs12(bytes) => convert(
            "a PKCS#12 file",
            &format!("openssl pkcs12 -in {at} -nokeys -out cert.pem"),
        ),
        Ok(_) if has("PKCS7") => convert(
            "a PKCS#7 file",
            &format!("openssl pkcs7 -print_certs -in {at} -out cert.pem"),
        ),
        Ok(_) if has("TRUSTED CERTIFICATE") => convert(
            "a certificate in OpenSSL's own form",
            &format!("openssl x509 -in {at} -out cert.pem"),
        ),
        Ok(_) if has("CERTIFICATE REQUEST") => Err(format!(
            "{at} is the request for a certificate: name the file that came back for it"
        )),
        Ok(_) if has("PRIVATE KEY") => Err(format!(
            "{at} holds a private key and no certificate: are the two files exchanged?"
        )),
        Ok(_) => Err(format!(
            "{at} holds no certificate in PEM form{}",
            utf_16(bytes)
        )),
    }
}

fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let at = path.display();
    let labels = labels(bytes);
    let has = |word: &str| labels.iter().any(|label| label.contains(word));
    let text = String::from_utf8_lossy(bytes);
    if has("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(format!(
            "the private key {at} is protected by a passphrase, which nobody could type when the server starts by itself: `openssl pkey -in {at} -out key.pem` takes it off; let nobody else read the new file (chmod 600)"
        ));
    }
    match PrivateKeyDer::from_pem_slice(without_mark(bytes)) {
        Ok(key) => Ok(key),
        Err(pem::Error::MissingSectionEnd { .. }) => Err(cut(path)),
        Err(pem::Error::NoItemsFound) if is_pkcs12(bytes) => Err(format!(
            "{at} is a PKCS#12 file: `openssl pkcs12 -in {at} -nocerts -nodes -out key.pem` makes a key in PEM form"
        )),
        Err(pem::Error::NoItemsFound) if bytes.first() == Some(&0x30) => Err(format!(
            "{at} is in DER form: `openssl pkey -inform der -in {at} -out key.pem` makes one in PEM form"
        )),
        Err(pem::Error::NoItemsFound) if has("OPENSSH") => Err(format!(
            "{at} is a key for SSH: name the one that the certificate was asked for with"
        )),
        Err(pem::Error::NoItemsFound) if has("PUBLIC KEY") => {
            Err(format!("{at} is the public key: name the private one"))
        }
        Err(pem::Error::NoItemsFound) if has("CERTIFICATE") => Err(format!(
            "{at} holds a certificate and no private key: are the two files exchanged?"
        )),
        Err(pem::Error::NoItemsFound) => Err(format!(
            "{at} holds no private key in PEM form{}",
            utf_16(bytes)
        )),
        Err(_) => Err(damaged(path)),
    }
}

/// Which of the certificates the key belongs to.
fn own(
    chain: &[CertificateDer<'static>],
    key: &Arc<dyn rustls::sign::SigningKey>,
    certificate: &Certificate,
) -> Result<usize, String> {
    for (place, one) in chain.iter().enumerate() {
        match CertifiedKey::new(vec![one.clone()], Arc::clone(key)).keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => return Ok(place),
            Err(Error::InvalidCertificate(CertificateError::Other(why))) if place == 0 => {
                return Err(format!(
                    "the certificate {} cannot be served ({why:?}): have it issued anew, as X.509 version 3",
                    certificate.chain.display()
                ));
            }
            Err(_) => {}
        }
    }
    Err(format!(
        "the private key {} does not belong to the certificate {}: name the key that the certificate was asked for with, or have it issued anew",
        certificate.key.display(),
        certificate.chain.display()
    ))
}

/// The chain as clients want it: first the server's own, then who issued the one before.
fn in_order(
    mut rest: Vec<CertificateDer<'static>>,
    own: usize,
    path: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Facts, Vec<String>), String> {
    let as_written = rest.clone();
    let mut chain = vec![rest.remove(own)];
    let facts = Facts::of(&chain[0]).ok_or_else(|| damaged(path))?;
    let mut last = facts.clone();
    while !last.is_self_issued() {
        let issuer = rest.iter().enumerate().find_map(|(place, one)| {
            let other = Facts::of(one)?;
            last.is_issued_by(&other).then_some((place, other))
        });
        let Some((place, issuer)) = issuer else { break };
        chain.push(rest.remove(place));
        last = issuer;
    }
    let mut odd = Vec::new();
    if chain.len() == 1 && !facts.is_self_issued() {
        odd.push(format!(
            "{} holds only the server's own certificate, which was issued by {}: clients that do not know that one themselves refuse it; name the file with the whole chain (certbot's is fullchain.pem)",
            path.display(),
            facts.issued_by
        ));
    }
    chain.append(&mut rest);
    if chain != as_written {
        odd.push(format!(
            "the certificates in {} are not in order, the server's own first and then who issued the one before; they are served in the right one",
            path.display()
        ));
    }
    Ok((chain, facts, odd))
}

/// What stands behind every `-----BEGIN `.
fn labels(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let begins = text
        .lines()
        .filter_map(|line| line.split_once("-----BEGIN "));
    begins
        .map(|(_, label)| label.trim_end_matches(['-', '\r', ' ']).to_owned())
        .collect()
}

/// Without the mark that some editors put before a text.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

fn utf_16(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        ": it is written in UTF-16; save it as plain text (UTF-8)"
    } else {
        ", which begins with -----BEGIN"
    }
}

fn cut(path: &Path) -> String {
    format!(
        "{} is cut off: something in it begins (-----BEGIN) and does not end (-----END); copy it anew",
        path.display()
    )
}

fn damaged(path: &Path) -> String {
    format!(
        "{} is damaged: what stands between -----BEGIN and -----END cannot be read; copy it anew",
        path.display()
    )
}

/// Whether it begins as PKCS#12 does: a sequence, version 3, and a PKCS#7 object identifier soon.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(40)];
    let holds = |part: &[u8]| start.windows(part.len()).any(|window| window == part);
    start.first() == Some(&0x30)
        && holds(&[0x02, 0x01, 0x03, 0x30])
        && holds(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07])
}
