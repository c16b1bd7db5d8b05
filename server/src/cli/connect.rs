//! How a client command finds its server: flags, then the environment, then `cli.toml`.
//!
//! A server writes `cli.toml` into its data directory on first start, so that on its own machine
//! no flag is needed. A token from there is used for that server only.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;
use stemvault_storage::ids::Token;
use url::Url;

use stemvault_client::connection::{Address, Connection};

/// The flags of every command that talks to a server.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ConnectArgs {
    /// The server, for example `https://vault.studio.example`
    #[arg(long, value_name = "URL", env = "STEMVAULT_SERVER")]
    pub server: Option<Url>,
    /// A file that holds the API token (or put the token itself into STEMVAULT_TOKEN)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates to trust besides those of this system, in PEM form
    #[arg(long, value_name = "FILE", env = "STEMVAULT_CA")]
    pub ca: Option<PathBuf>,
    /// The data directory of a server on this machine, where cli.toml is looked for
    #[arg(long, value_name = "DIR", env = "STEMVAULT_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What a server leaves for the commands on its own machine.
#[derive(Debug, Default, Deserialize)]
struct CliFile {
    server: Option<Url>,
    token: Option<String>,
    ca: Option<PathBuf>,
}

impl ConnectArgs {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// If a file that was named cannot be read or understood.
    pub fn connection(&self) -> anyhow::Result<Connection> {
        let token = std::env::var("STEMVAULT_TOKEN")
            .ok()
            .filter(|token| !token.is_empty());
        Connection::new(self.address(token, self.cli_file()?)?)
    }

    fn address(&self, from_environment: Option<String>, file: CliFile) -> anyhow::Result<Address> {
        let server = self.server.clone().or_else(|| file.server.clone());
        let at_home =
            matches!((&server, &file.server), (Some(a), Some(b)) if a.origin() == b.origin());
        let token = match &self.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the token file {}", path.display()))?;
                Some(text.trim().to_owned())
            }
            None => from_environment.or(file.token.filter(|_| at_home)),
        };
        Ok(Address {
            server,
            token: token.as_deref().map(Token::presented),
            ca: self.ca.clone().or(file.ca),
        })
    }

    fn cli_file(&self) -> anyhow::Result<CliFile> {
        let Some(folder) = self.data_dir.clone().or_else(default_data_dir) else {
            return Ok(CliFile::default());
        };
        let path = folder.join("cli.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("in {}", path.display())),
            // Another account's server, or none: then the flags have to say it.
            Err(_) => Ok(CliFile::default()),
        }
    }
}

fn default_data_dir() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    data.map(|data| data.join("stemvault"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> CliFile {
        toml::from_str(
            "server = 'https://127.0.0.1:8443'\ntoken = 'home'\nca = '/data/tls/cert.pem'\n",
        )
        .unwrap()
    }

    fn server(url: &str) -> ConnectArgs {
        ConnectArgs {
            server: Some(url.parse().unwrap()),
            ..ConnectArgs::default()
        }
    }

    #[test]
    fn on_the_servers_machine_nothing_needs_to_be_said() {
        let address = ConnectArgs::default().address(None, file()).unwrap();
        assert_eq!(address.server.unwrap().as_str(), "https://127.0.0.1:8443/");
        assert_eq!(address.token.unwrap().reveal(), "home");
        assert_eq!(address.ca.unwrap(), PathBuf::from("/data/tls/cert.pem"));
    }

    #[test]
    fn a_token_is_never_taken_to_another_server() {
        let address = server("https://elsewhere.example")
            .address(None, file())
            .unwrap();
        assert!(address.token.is_none());
        let same = server("https://127.0.0.1:8443/").address(None, file());
        assert!(same.unwrap().token.is_some());
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "from-file\n").unwrap();
        let environment = || Some("from-environment".to_owned());
        let address = ConnectArgs::default().address(environment(), file());
        assert_eq!(address.unwrap().token.unwrap().reveal(), "from-environment");
        let args = ConnectArgs {
            token_file: Some(path),
            ..ConnectArgs::default()
        };
        let address = args.address(environment(), file()).unwrap();
        assert_eq!(address.token.unwrap().reveal(), "from-file");
    }
}
