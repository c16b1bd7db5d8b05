//! What a first start makes, and how it says so. Files that matter are written whole and durably.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stemvault_config::{MasterKeySource, Origin, Settings};
use stemvault_storage::catalog::Catalog;
use stemvault_storage::ids::Token;
use stemvault_storage::link::{ApiToken, Digest};
use stemvault_storage::tables::{self, load};
use stemvault_storage::{Vault, paths};
use url::Url;

use crate::api::tokens;
use crate::tls::Certificate;
use stemvault_client::disk::WholeFile;
use stemvault_client::part::folder_of;

/// For whoever finds the bucket.
const README: &str = "This is the bucket of a Stemvault server: the recordings that a studio received, mixed and keeps.

Everything in it but this file is sealed (AES-256-GCM): manifests and records as well as audio.
It opens only with the key store and the master key, which are kept elsewhere, and should never be
copied to the same place as this bucket.

  orders/<order>/working/    files as they were uploaded, in blocks
  orders/<order>/archive/    the same, compressed and proven, kept after the working files go
  orders/<order>/sessions/   which files belong together, and their hashes
  orders/<order>/record/     what became of the order
  tombstones/<order>         what is left of an order whose key was destroyed
  snapshots/                 what the server's catalog said, night by night

With this bucket, the key store and the master key, `stemvault rebuild` makes a running server
again. Do not rename, move or delete anything in here by hand.
";

/// What the commands on the server's machine read: where it is, and what opens it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CliFile {
    /// The server, as it is reached from its own machine.
    pub server: Option<Url>,
    /// An API token.
    pub token: Option<String>,
    /// The certificate to trust.
    pub ca: Option<PathBuf>,
}

impl CliFile {
    /// Where it lies.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("cli.toml")
    }

    /// What it says; nothing if it is not there.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let path = Self::path(data_dir);
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| {
                format!(
                    "in {}; delete it, and the next start makes it anew",
                    path.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Stores it, readable by the server's account alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).expect("texts are TOML");
        let text = format!(
            "# For `stemvault` commands on this machine. The token opens everything: keep this file to yourself.\n{text}"
        );
        write_durably(&Self::path(data_dir), text.as_bytes(), 0o600)
    }

    /// Sees to it that the token opens something now; makes one if it does not.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn renew_token(
        &mut self,
        catalog: &dyn Catalog,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        if let Some(token) = &self.token {
            let digest = Digest(Token::presented(token).digest());
            let known = load::<ApiToken>(catalog, &tables::token(digest)).await?;
            if known.is_some_and(|(row, _)| row.expires_at.is_none_or(|end| now < end)) {
                return Ok(false);
            }
        }
        // Without an end: it lies beside the master key and is guarded as that is.
        let (_, token) =
            tokens::make(catalog, "commands on the server's machine", now, None).await?;
        self.token = Some(token.reveal().to_owned());
        Ok(true)
    }
}

/// Says what the bucket is to whoever finds it.
///
/// # Errors
/// When the store does not take it.
pub async fn put_readme(vault: &Vault) -> anyhow::Result<()> {
    vault.core.marks.expect_stores().await?;
    for store in [vault.core.working(), vault.core.archive()] {
        let there = store.get_opt(&paths::readme()).await?;
        if there.is_none_or(|there| there != README) {
            store.put_now(&paths::readme(), README.into()).await?;
        }
    }
    Ok(())
}

/// Writes a file whole: under another name, synced, then renamed, and the folder synced. It keeps
/// the owner of the one that it replaces: a server must be able to read what root changed.
///
/// # Errors
/// When the system does not let it; names the file, the cause, and what to do.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    WholeFile::begin(path, mode)?.end(bytes)
}

/// Makes a folder, and those above it, for this account alone; leaves one that is there as it is.
///
/// # Errors
/// When the system does not let it; names the folder.
pub fn make_private_folder(path: &Path) -> anyhow::Result<()> {
    let make = || {
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            sync_folder(path)?;
        }
        Ok::<_, std::io::Error>(())
    };
    make().with_context(|| format!("making the folder {}", path.display()))
}

fn sync_folder(of: &Path) -> std::io::Result<()> {
    File::open(folder_of(of))?.sync_all()
}

/// What a first start has to tell.
#[derive(Debug)]
pub struct Told<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// The certificate.
    pub certificate: &'a Certificate,
    /// Whether a settings file was read.
    pub configured: bool,
    /// How clients reach the server.
    pub public_url: &'a Url,
}

impl Told<'_> {
    /// Everything, in plain words, for the first start.
    #[must_use]
    pub fn whole(&self) -> String {
        let home = &self.settings.data_dir;
        let show = |name: &str| home.join(name).display().to_string();
        let master = match &self.settings.keys.master_key {
            MasterKeySource::File(path) => path.display().to_string(),
            MasterKeySource::Environment(_) => "(in STEMVAULT_MASTER_KEY)".to_owned(),
        };
        let stores = &self.settings.stores;
        let example = &self.settings.orders.number_example;
        let elsewhere = self.elsewhere();
        let mut text = format!(
            "
This is the first start of Stemvault here. It made:

  everything        {home}
  bucket            {bucket}   (all sessions, sealed)
  master key        {master}   (opens the key store)
  key store         {keys}   (one key for each order)
  catalog           {catalog}   (can be rebuilt from the three above)
  certificate       {certificate}
  commands' token   {cli}   (for `stemvault` on this machine)

Keep safe: the master key AND the key store. Without both, nobody can read the bucket again, and
nobody can help. Copy the master key now, to a place where the bucket is not; and once a week
`stemvault keys backup FILE`, which makes a backup of the key store. Such a backup must be
destroyed after 30 days, or a purged order is not gone.
",
            home = home.display(),
            bucket = at(&stores.working.url),
            keys = at(&stores.keys.url),
            catalog = show("catalog"),
            certificate = self.certificate.chain.display(),
            cli = show("cli.toml"),
        );
        text.push_str("\nStill missing:\n");
        for missing in self.missing() {
            text.push_str(&format!("  - {missing}\n"));
        }
        text.push_str(&format!(
            "
Next, in another terminal:

  stemvault order create {example} --client \"The Band\" --title \"The Song\"{elsewhere}

That prints an upload link, which you can send to the client.
"
        ));
        text
    }

    /// What a command has to say to find this server, unless it is where commands look anyway.
    fn elsewhere(&self) -> String {
        let settings = self.settings.describe().iter();
        let usual = settings
            .filter(|setting| setting.key == "data_dir")
            .any(|setting| setting.origin == Origin::Default);
        if usual {
            return String::new();
        }
        format!(" --data-dir {}", self.settings.data_dir.display())
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = vec![
            "a second copy of the bucket on another machine, and a backup of the key store apart from it".to_owned(),
        ];
        if self.certificate.self_signed {
            missing.push("a real certificate (server.certificate, server.private_key): browsers will warn about this one".to_owned());
        }
        let host = self.public_url.host_str().unwrap_or_default();
        if matches!(host, "127.0.0.1" | "[::1]" | "localhost") {
            missing.push(format!("an address that clients can reach (server.listen, server.public_url): links begin with {} now", self.public_url));
        }
        missing.push("mail: notices to clients are not sent yet".to_owned());
        if !self.configured {
            missing.push(format!(
                "a settings file: `stemvault config sample > {}` shows every setting",
                self.settings.data_dir.join("stemvault.toml").display()
            ));
        }
        missing
    }

    /// One line, for every later start.
    #[must_use]
    pub fn short(&self) -> String {
        let warning = if self.certificate.self_signed {
            "; the certificate is self-signed"
        } else {
            ""
        };
        format!("Stemvault on {}{warning}", self.settings.data_dir.display())
    }
}

fn at(url: &Url) -> String {
    match url.to_file_path() {
        Ok(path) if url.scheme() == "file" => path.display().to_string(),
        _ => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_whole_and_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        make_private_folder(&folder).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let file = folder.join("key");
        write_durably(&file, b"one", 0o600).unwrap();
        write_durably(&file, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let nowhere = home.path().join("none/key");
        let said = format!("{:#}", write_durably(&nowhere, b"x", 0o600).unwrap_err());
        assert!(said.contains("none/key"), "{said}");
    }

    #[test]
    fn the_first_start_says_what_matters() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings::defaults(home.path()).unwrap();
        let certificate = Certificate {
            chain: home.path().join("tls/cert.pem"),
            key: home.path().join("tls/key.pem"),
            self_signed: true,
            made: true,
        };
        let public_url = Url::parse("https://127.0.0.1:8443").unwrap();
        let told = Told {
            settings: &settings,
            certificate: &certificate,
            configured: false,
            public_url: &public_url,
        };
        let words = told.whole();
        for word in [
            "master.key",
            "backup",
            "second copy",
            "real certificate",
            "mail",
        ] {
            assert!(words.contains(word), "{word} is missing in {words}");
        }
        assert!(words.contains("stemvault order create 2026-0117"));
        assert!(words.contains(&format!("--data-dir {}", home.path().display())));
        assert!(!told.short().contains("order create"));
    }
}
