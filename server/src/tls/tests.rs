//! Every way in which the two files of a certificate can be wrong, in the words that say it; and what is
//! served while they are replaced.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use stemvault_storage::clock::StoppedClock;

use super::*;

const HOST: &str = "vault.example";

struct Made {
    pem: String,
    der: CertificateDer<'static>,
    key: String,
}

fn made(change: impl FnOnce(&mut CertificateParams)) -> Made {
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Made {
        pem: certificate.pem(),
        der: certificate.der().clone(),
        key: key.serialize_pem(),
    }
}

fn at(folder: &Path) -> Certificate {
    Certificate {
        chain: folder.join("cert.pem"),
        key: folder.join("key.pem"),
        self_signed: false,
        made: false,
    }
}

fn write(folder: &Path, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
    std::fs::write(folder.join("cert.pem"), chain).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::defaults(folder).unwrap();
    settings.server.certificate = Some(folder.join("cert.pem"));
    settings.server.private_key = Some(folder.join("key.pem"));
    settings.server.public_url = Some(format!("https://{HOST}").parse().unwrap());
    settings
}

fn keeper(folder: &Path) -> anyhow::Result<Keeper> {
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    Keeper::new(&settings(folder), &[], Arc::new(StoppedClock::new(now)))
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let good = made(|_| ());
    let other = made(|_| ());
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let labelled = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let pkcs12 = [
        0x30, 0x82, 0x09, 0x51, 0x02, 0x01, 0x03, 0x30, 0x82, 0x09, 0x17, 0x06, 0x09, 0x2a, 0x86,
        0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
    ];
    let key_der = KeyPair::generate().unwrap().serialize_der();
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let utf_16 = std::iter::once(0xfeff).chain(good.pem.encode_utf16());
    let utf_16: Vec<u8> = utf_16.flat_map(u16::to_le_bytes).collect();
    let cases: Vec<(Vec<u8>, Vec<u8>, &str)> = vec![
        (Vec::new(), good.key.clone().into(), "cert.pem is empty"),
        (good.pem.clone().into(), Vec::new(), "key.pem is empty"),
        (
            half(&good.pem).into(),
            good.key.clone().into(),
            "cert.pem is cut off",
        ),
        (
            good.pem.clone().into(),
            half(&good.key).into(),
            "key.pem is cut off",
        ),
        (
            labelled("CERTIFICATE").into(),
            good.key.clone().into(),
            "certificate 1 in",
        ),
        (
            good.der.to_vec(),
            good.key.clone().into(),
            "openssl x509 -inform der",
        ),
        (pkcs12.to_vec(), good.key.clone().into(), "openssl pkcs12"),
        (good.pem.clone().into(), pkcs12.to_vec(), "openssl pkcs12"),
        (good.pem.clone().into(), key_der, "openssl pkey -inform der"),
        (
            labelled("PKCS7").into(),
            good.key.clone().into(),
            "openssl pkcs7",
        ),
        (
            labelled("TRUSTED CERTIFICATE").into(),
            good.key.clone().into(),
            "OpenSSL's own form",
        ),
        (
            labelled("CERTIFICATE REQUEST").into(),
            good.key.clone().into(),
            "is the request",
        ),
        (
            good.key.clone().into(),
            good.pem.clone().into(),
            "exchanged?",
        ),
        (
            good.pem.clone().into(),
            good.pem.clone().into(),
            "exchanged?",
        ),
        (utf_16, good.key.clone().into(), "UTF-16"),
        (
            "hello\n".into(),
            good.key.clone().into(),
            "no certificate in PEM form",
        ),
        (
            good.pem.clone().into(),
            "hello\n".into(),
            "no private key in PEM form",
        ),
        (
            good.pem.clone().into(),
            labelled("ENCRYPTED PRIVATE KEY").into(),
            "passphrase",
        ),
        (good.pem.clone().into(), legacy.into(), "passphrase"),
        (
            good.pem.clone().into(),
            labelled("OPENSSH PRIVATE KEY").into(),
            "SSH",
        ),
        (
            good.pem.clone().into(),
            labelled("PUBLIC KEY").into(),
            "the public key",
        ),
        (
            good.pem.clone().into(),
            labelled("PRIVATE KEY").into(),
            "damaged, or of a kind",
        ),
        (
            good.pem.clone().into(),
            other.key.into(),
            "does not belong to",
        ),
    ];
    for (chain, key, words) in cases {
        write(home.path(), chain, key);
        let said = keeper(home.path()).unwrap_err().to_string();
        assert!(said.contains(words), "{words}: {said}");
    }
    std::fs::remove_file(home.path().join("key.pem")).unwrap();
    let said = keeper(home.path()).unwrap_err().to_string();
    assert!(said.contains("is not there: server.private_key"), "{said}");
    std::fs::create_dir(home.path().join("key.pem")).unwrap();
    let said = keeper(home.path()).unwrap_err().to_string();
    assert!(said.contains("is a folder"), "{said}");
    std::fs::remove_dir(home.path().join("key.pem")).unwrap();
    write(home.path(), format!("\u{feff}{}", good.pem), &good.key);
    keeper(home.path()).unwrap();
}

#[test]
fn what_works_and_is_odd_is_said() {
    let home = tempfile::tempdir().unwrap();
    let ca =
        |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let nobody = |params: &mut CertificateParams| params.subject_alt_names.clear();
    let ended = |params: &mut CertificateParams| params.not_after = date_time_ymd(2026, 2, 1);
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(2026, 12, 1);
    for (made, words) in [
        (made(ca), "CA:TRUE"),
        (made(nobody), "no subjectAltName"),
        (made(ended), "ended on 2026-02-01"),
        (made(early), "not valid before 2026-12-01"),
    ] {
        write(home.path(), made.pem, made.key);
        let odd = keeper(home.path()).unwrap().odd();
        assert!(odd.len() == 1 && odd[0].contains(words), "{words}: {odd:?}");
    }
    let good = made(|_| ());
    write(home.path(), good.pem, good.key);
    let keeper = keeper(home.path()).unwrap();
    assert_eq!(keeper.odd(), Vec::<String>::new());
    let mut settings = settings(home.path());
    settings.server.public_url = Some("https://elsewhere.example".parse().unwrap());
    let clock = Arc::new(StoppedClock::new(DateTime::UNIX_EPOCH));
    let stranger = Keeper::new(&settings, &[], clock.clone())
        .unwrap()
        .standing();
    let says = stranger.stranger.unwrap();
    assert!(
        says.contains("elsewhere.example") && says.contains(HOST),
        "{says}"
    );
    settings.server.plain_http = vec!["127.0.0.1:0".parse().unwrap()];
    let proxied = Keeper::new(&settings, &[], clock).unwrap().standing();
    assert!(proxied.stranger.is_none(), "a proxy shows its own");
}

#[test]
fn a_chain_is_served_in_its_order_whatever_the_file_says() {
    let home = tempfile::tempdir().unwrap();
    let authority = |name: &str| {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("the root"), key()).unwrap();
    let middle = CertifiedIssuer::signed_by(authority("the middle"), key(), &root).unwrap();
    let own_key = key();
    let params = CertificateParams::new([HOST.to_owned()]).unwrap();
    let own = params.signed_by(&own_key, &middle).unwrap();
    let wanted = [own.der().clone(), middle.der().clone(), root.der().clone()];
    for (order, is_odd) in [
        ([&own.pem(), &middle.pem(), &root.pem()], false),
        ([&root.pem(), &middle.pem(), &own.pem()], true),
        ([&own.pem(), &root.pem(), &middle.pem()], true),
    ] {
        let pem: String = order.into_iter().map(String::as_str).collect();
        write(home.path(), pem, own_key.serialize_pem());
        let pair = Files::read(&at(home.path())).unwrap();
        let pair = pair.pair(&at(home.path())).unwrap();
        assert_eq!(pair.key.cert, wanted);
        assert_eq!(pair.odd.len(), usize::from(is_odd), "{:?}", pair.odd);
    }
    write(home.path(), own.pem(), own_key.serialize_pem());
    let alone = Files::read(&at(home.path())).unwrap();
    let odd = alone.pair(&at(home.path())).unwrap().odd;
    assert!(
        odd[0].contains("the middle") && odd[0].contains("fullchain"),
        "{odd:?}"
    );
}

#[test]
fn a_renewed_pair_is_served_as_soon_as_it_is_whole_and_a_bad_one_never() {
    let home = tempfile::tempdir().unwrap();
    let (first, second, third) = (made(|_| ()), made(|_| ()), made(|_| ()));
    write(home.path(), &first.pem, &first.key);
    let keeper = keeper(home.path()).unwrap();
    let serves = |made: &Made| keeper.served().pair.key.cert[0] == made.der;
    assert!(serves(&first));
    // Certificate first, key later: the old pair goes on, and nothing is wrong yet.
    write(home.path(), &second.pem, &first.key);
    let fault = keeper.look(&Fault::default());
    assert!(serves(&first) && keeper.standing().wrong.is_none());
    write(home.path(), &second.pem, &second.key);
    keeper.look(&fault);
    assert!(serves(&second));
    // One that stays wrong is said to be, and the old one goes on.
    write(home.path(), "", &third.key);
    let mut fault = Fault::default();
    for _ in 0..LOOKS {
        assert!(keeper.standing().wrong.is_none());
        fault = keeper.look(&fault);
    }
    let wrong = keeper.standing().wrong.unwrap();
    assert!(serves(&second) && wrong.contains("is empty"), "{wrong}");
    // So is one that holds at another time, while the old one holds now.
    let ended = made(|params| params.not_after = date_time_ymd(2026, 2, 1));
    write(home.path(), &ended.pem, &ended.key);
    for _ in 0..LOOKS {
        fault = keeper.look(&fault);
    }
    let wrong = keeper.standing().wrong.unwrap();
    assert!(serves(&second) && wrong.contains("ended on"), "{wrong}");
    write(home.path(), &third.pem, &third.key);
    keeper.look(&fault);
    assert!(serves(&third) && keeper.standing().wrong.is_none());
}

#[test]
fn what_lasts_shortly_is_looked_after_later() {
    let home = tempfile::tempdir().unwrap();
    let short = made(|params| {
        params.not_before = date_time_ymd(2026, 11, 20);
        params.not_after = date_time_ymd(2026, 11, 28);
    });
    write(home.path(), &short.pem, &short.key);
    let Standing { soon, ends, .. } = keeper(home.path()).unwrap().standing();
    assert_eq!(ends - soon, TimeDelta::days(2));
    let long = made(|_| ());
    write(home.path(), &long.pem, &long.key);
    let Standing { soon, ends, .. } = keeper(home.path()).unwrap().standing();
    assert_eq!(ends - soon, SOON);
}
