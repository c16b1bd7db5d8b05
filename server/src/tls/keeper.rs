//! The certificate that is being served: looked at again and again, so that a renewed one is served
//! without a restart.
//!
//! Certificate and key are two files, and whoever renews them writes one after the other. A pair is
//! served as soon as it is whole; until then, and if the new files are of no use, the old pair goes
//! on, and what is wrong is said once it has stayed so for a while. What is kept here only repeats
//! what the files say: every node of a studio has its own.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use stemvault_config::Settings;
use stemvault_storage::clock::SharedClock;

use super::{Certificate, RENEW, certificate};
use stemvault_client::certificate::facts::{Facts, speaks_for};
use stemvault_client::certificate::read::{Files, Pair};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// So many looks in a row have to find the same fault before it is one: two files take a moment.
const LOOKS: u32 = 5;

/// Before this much of a certificate's time is left somebody should look after it ...
const SOON: TimeDelta = TimeDelta::days(14);

/// ... or, of one that does not last long, before this part of its time is.
const PART: i32 = 4;

/// Serves a certificate and watches its files.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    names: Vec<String>,
    /// The machine's, which clients go by, not a demo's.
    clock: SharedClock,
    served: RwLock<Arc<Served>>,
    wrong: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Served {
    files: Digest,
    at: Certificate,
    pair: Pair,
}

/// What tells whether the files are others.
type Digest = blake3::Hash;

/// What the last looks found, if it was of no use.
#[derive(Debug, Default)]
struct Fault {
    says: String,
    looks: u32,
}

/// How the certificate stands.
#[derive(Debug)]
pub struct Standing {
    /// Before that it is not valid.
    pub begins: DateTime<Utc>,
    /// After that it is not valid.
    pub ends: DateTime<Utc>,
    /// The machine's time.
    pub now: DateTime<Utc>,
    /// From then on somebody should look after it.
    pub soon: DateTime<Utc>,
    /// Why the files are not what is served.
    pub wrong: Option<String>,
    /// That it does not speak for the host of the links.
    pub stranger: Option<String>,
}

impl Keeper {
    /// Reads the certificate, which must be one that can be served.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn new(settings: &Settings, names: &[String], clock: SharedClock) -> anyhow::Result<Self> {
        let at = certificate(settings, names, clock.now())?;
        let files = Files::read(&at).map_err(anyhow::Error::msg)?;
        let pair = files.pair(&at).map_err(anyhow::Error::msg)?;
        let served = Served {
            files: digest(&files),
            at,
            pair,
        };
        let keeper = Self {
            settings: settings.clone(),
            names: names.to_vec(),
            clock,
            served: RwLock::new(Arc::new(served)),
            wrong: Mutex::default(),
        };
        keeper.measure();
        Ok(keeper)
    }

    /// Where it came from.
    pub fn certificate(&self) -> Certificate {
        self.served().at.clone()
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        let served = self.served();
        let Facts { begins, ends, .. } = served.pair.facts;
        Standing {
            begins,
            ends,
            now: self.clock.now(),
            soon: ends - ((ends - begins) / PART).min(SOON),
            wrong: self.wrong().clone(),
            stranger: self.stranger(&served),
        }
    }

    /// What works and should be known all the same, each in a sentence.
    pub fn odd(&self) -> Vec<String> {
        let (served, now) = (self.served(), self.clock.now());
        if served.at.self_signed {
            return Vec::new();
        }
        let mut odd = served.pair.odd.clone();
        odd.extend(self.stranger(&served));
        let at = served.at.chain.display();
        let facts = &served.pair.facts;
        if facts.signs_others {
            odd.push(format!(
                "the certificate {at} says that it may sign others (CA:TRUE, which `openssl req -x509` writes when nothing else is asked for): Stemvault's commands take it with --ca, but some browsers and programs do not; make it anew with -addext basicConstraints=critical,CA:FALSE"
            ));
        }
        odd.extend(out_of_time(facts.begins, facts.ends, now));
        odd
    }

    /// Looks after the files for as long as the server runs.
    pub fn watch(self: &Arc<Self>) {
        let keeper = Arc::clone(self);
        tokio::spawn(async move {
            let mut fault = Fault::default();
            loop {
                tokio::time::sleep(LOOK).await;
                let keeper = Arc::clone(&keeper);
                let looked = tokio::task::spawn_blocking(move || keeper.look(&fault)).await;
                fault = looked.unwrap_or_default();
            }
        });
    }

    /// Looks once, knowing what was wrong the last time.
    fn look(&self, before: &Fault) -> Fault {
        let served = self.served();
        let says = match self.found(&served) {
            Ok(None) => {
                if self.wrong().take().is_some() {
                    tracing::info!(
                        "the files of the certificate are again the ones that are served"
                    );
                }
                self.measure();
                return Fault::default();
            }
            Ok(Some(new)) => {
                tracing::info!(
                    certificate = %new.at.chain.display(),
                    ends = %new.pair.facts.ends,
                    "a renewed certificate is served from now on"
                );
                if new.at.made {
                    tracing::warn!(
                        "the self-signed certificate was made anew: who trusts it by its file needs {}",
                        new.at.chain.display()
                    );
                }
                *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                self.wrong().take();
                for odd in self.odd() {
                    tracing::warn!("{odd}");
                }
                self.measure();
                return Fault::default();
            }
            Err(says) => says,
        };
        let looks = if says == before.says {
            before.looks + 1
        } else {
            1
        };
        if looks == LOOKS {
            tracing::error!(
                ends = %served.pair.facts.ends,
                "the certificate was replaced by one that cannot be served, and the old one goes on: {says}"
            );
            *self.wrong() = Some(says.clone());
            self.measure();
        }
        Fault { says, looks }
    }

    /// What the files hold, if it is something else than what is served.
    fn found(&self, served: &Served) -> Result<Option<Served>, String> {
        let now = self.clock.now();
        let mut at = served.at.clone();
        at.made = false;
        if at.self_signed && now + TimeDelta::days(RENEW) >= served.pair.facts.ends {
            at = certificate(&self.settings, &self.names, now).map_err(|e| format!("{e:#}"))?;
        }
        let files = Files::read(&at)?;
        let digest = digest(&files);
        if digest == served.files {
            return Ok(None);
        }
        let pair = files.pair(&at)?;
        let facts = &pair.facts;
        let ours = &served.pair.facts;
        if let Some(no) = out_of_time(facts.begins, facts.ends, now)
            && out_of_time(ours.begins, ours.ends, now).is_none()
        {
            return Err(no);
        }
        Ok(Some(Served {
            files: digest,
            at,
            pair,
        }))
    }

    /// That browsers will warn because the links bear another name. Behind a proxy they do not meet this
    /// certificate.
    fn stranger(&self, served: &Served) -> Option<String> {
        let server = &self.settings.server;
        let host = server.public_url.as_ref()?.host_str()?;
        let proxied = !server.plain_http.is_empty() || !server.trusted_proxies.is_empty();
        let leaf = served.pair.key.cert.first()?;
        if proxied || served.at.self_signed || speaks_for(leaf, host) {
            return None;
        }
        let hosts = &served.pair.facts.hosts;
        let whom = match hosts.is_empty() {
            true => "no host at all (it has no subjectAltName)".to_owned(),
            false => hosts.join(", "),
        };
        Some(format!(
            "links begin with {host}, and the certificate {} speaks for {whom}: browsers will warn; have it issued for {host}, or change server.public_url",
            served.at.chain.display()
        ))
    }

    fn measure(&self) {
        let ends = self.served().pair.facts.ends.timestamp();
        metrics::gauge!("stemvault_certificate_ends_timestamp_seconds").set(ends as f64);
        let wrong = f64::from(u8::from(self.wrong().is_some()));
        metrics::gauge!("stemvault_certificate_files_bad").set(wrong);
    }

    fn served(&self) -> Arc<Served> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&served)
    }

    fn wrong(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Keeper {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.served().pair.key))
    }
}

fn digest(files: &Files) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(files.chain.len() as u64).to_le_bytes());
    hasher.update(&files.chain).update(&files.key);
    hasher.finalize()
}

/// That a certificate does not hold at `now`.
pub(crate) fn out_of_time(
    begins: DateTime<Utc>,
    ends: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<String> {
    let day = |at: DateTime<Utc>| at.format("%F %R UTC");
    if now < begins {
        return Some(format!(
            "the certificate is not valid before {}, and this machine's clock says {}",
            day(begins),
            day(now)
        ));
    }
    (ends < now).then(|| {
        format!(
            "the certificate ended on {}: browsers refuse it; renew it, the new files are served without a restart",
            day(ends)
        )
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
