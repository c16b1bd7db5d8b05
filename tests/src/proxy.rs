//! The reverse proxies whose samples lie in `deploy/proxies`, as programs of this machine: each
//! runs its sample, in which nothing but addresses and certificates is another.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::door::Door;
use crate::process::{Process, free_port};
use crate::studio::{PATIENCE, Setup, Studio};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// Caddy.
    Caddy,
    /// HAProxy.
    Haproxy,
}

/// How a proxy shows the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// At the top.
    Nothing,
    /// Under a path that it passes on.
    Kept,
    /// Under a path that it takes off.
    Stripped,
}

/// A studio behind a running proxy.
#[derive(Debug)]
pub struct Proxied {
    /// The studio; its own door goes past the proxy.
    pub studio: Studio,
    /// The way in through the proxy.
    pub door: Door,
    proxy: Process,
}

impl Proxied {
    /// Starts both.
    ///
    /// # Errors
    /// If the program is not installed, or does not begin to answer; with what it printed.
    pub async fn start(kind: Kind, under: Under) -> Result<Self> {
        // The studio has to know it before the proxy can know the studio's.
        let port = free_port()?;
        let path = if under == Under::Nothing {
            ""
        } else {
            "vault/"
        };
        let url = format!("https://127.0.0.1:{port}/{path}");
        let settings =
            format!("\n[server]\npublic_url = \"{url}\"\nplain_http = [\"127.0.0.1:0\"]\n");
        let studio = Studio::open(Setup {
            settings,
            ..Setup::default()
        })
        .await?;
        let said = studio.log();
        let (_, rest) = said
            .split_once("http://127.0.0.1:")
            .context("no address without encryption")?;
        let plain: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let command = kind.command(studio.scratch(), &studio.data_dir(), port, &plain, under)?;
        let proxy = Process::start(command)?;
        let door = studio.door().through(url.parse()?);
        let answers = tokio::time::timeout(PATIENCE, door.wait_until_ready()).await;
        if answers.is_err() {
            bail!("{kind:?} does not answer:\n{}", proxy.lines().join("\n"));
        }
        Ok(Self {
            studio,
            door,
            proxy,
        })
    }

    /// The end of a test.
    ///
    /// # Errors
    /// If something went wrong meanwhile; the proxy's log is printed then.
    pub async fn done(mut self) -> Result<()> {
        self.proxy.kill()?;
        self.studio.done().await
    }
}

impl Kind {
    /// The program over its sample.
    fn command(
        self,
        home: &Path,
        data: &Path,
        port: u16,
        plain: &str,
        under: Under,
    ) -> Result<Command> {
        let (name, sample) = match self {
            Self::Nginx => ("nginx", "nginx.conf"),
            Self::Caddy => ("caddy", "Caddyfile"),
            Self::Haproxy => ("haproxy", "haproxy.cfg"),
        };
        let program = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"]
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|program| program.exists());
        let program =
            program.with_context(|| format!("{name} is not installed: ./tests/run does that"))?;
        let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy/proxies")
            .join(sample);
        let sample = std::fs::read_to_string(&sample)?;
        let (chain, key) = (data.join("tls/cert.pem"), data.join("tls/key.pem"));
        let config = match self {
            Self::Nginx => nginx(&sample, home, [&chain, &key], port, under)?,
            Self::Caddy => caddy(&sample, [&chain, &key], port, under)?,
            Self::Haproxy => haproxy(&sample, home, [&chain, &key], port, under)?,
        };
        let config = replaced(&config, "127.0.0.1:8080", &format!("127.0.0.1:{plain}"))?;
        let file = home.join("proxy.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new(program);
        match self {
            Self::Nginx => command.arg("-p").arg(home).arg("-c").arg(file),
            Self::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(file)
                .env("HOME", home)
                .env("XDG_DATA_HOME", home)
                .env("XDG_CONFIG_HOME", home),
            Self::Haproxy => command.args(["-db", "-f"]).arg(file),
        };
        Ok(command)
    }
}

/// A sample is tested as it stands: what is to be put in its place must be there.
fn replaced(text: &str, old: &str, new: &str) -> Result<String> {
    ensure!(text.contains(old), "the sample has no {old:?}:\n{text}");
    Ok(text.replace(old, new))
}

fn nginx(
    sample: &str,
    home: &Path,
    [chain, key]: [&PathBuf; 2],
    port: u16,
    under: Under,
) -> Result<String> {
    let text = replaced(
        sample,
        "listen 443 ssl",
        &format!("listen 127.0.0.1:{port} ssl"),
    )?;
    let place = |path: &Path| path.display().to_string();
    let text = replaced(
        &text,
        "/etc/ssl/upload.example.com/fullchain.pem",
        &place(chain),
    )?;
    let text = replaced(
        &text,
        "/etc/ssl/upload.example.com/privkey.pem",
        &place(key),
    )?;
    let text = match under {
        Under::Nothing => text,
        Under::Kept => replaced(&text, "location / {", "location /vault/ {")?,
        Under::Stripped => {
            let text = replaced(&text, "location / {", "location /vault/ {")?;
            let (old, new) = (
                "proxy_pass http://stemvault;",
                "proxy_pass http://stemvault/;",
            );
            replaced(&text, old, new)?
        }
    };
    let home = place(home);
    // What the system's own nginx.conf has around it.
    Ok(format!(
        "daemon off; master_process off; user root; pid {home}/nginx.pid; error_log stderr;\n\
         events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;\n\
         fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n\
         {text}\n}}\n"
    ))
}

fn caddy(sample: &str, [chain, key]: [&PathBuf; 2], port: u16, under: Under) -> Result<String> {
    let site = format!(
        "https://127.0.0.1:{port} {{\n\ttls {} {}",
        chain.display(),
        key.display()
    );
    let text = replaced(sample, "upload.example.com {", &site)?;
    let around = match under {
        Under::Nothing => None,
        Under::Kept => Some("handle"),
        Under::Stripped => Some("handle_path"),
    };
    let text = match around {
        None => text,
        Some(word) => {
            let opened = format!("{word} /vault/* {{\n\treverse_proxy 127.0.0.1:8080 {{");
            let text = replaced(&text, "reverse_proxy 127.0.0.1:8080 {", &opened)?;
            text + "}\n"
        }
    };
    Ok(format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}"))
}

fn haproxy(
    sample: &str,
    home: &Path,
    [chain, key]: [&PathBuf; 2],
    port: u16,
    under: Under,
) -> Result<String> {
    let both = home.join("haproxy.pem");
    let pem = std::fs::read_to_string(chain)? + &std::fs::read_to_string(key)?;
    std::fs::write(&both, pem)?;
    let text = replaced(sample, "bind :443 ", &format!("bind 127.0.0.1:{port} "))?;
    let text = replaced(
        &text,
        "/etc/haproxy/upload.example.com.pem",
        &both.display().to_string(),
    )?;
    match under {
        Under::Nothing => Ok(text),
        Under::Kept => replaced(
            &text,
            "default_backend stemvault",
            "use_backend stemvault if { path_beg /vault/ }",
        ),
        Under::Stripped => replaced(
            &text,
            "# http-request replace-path",
            "http-request replace-path",
        ),
    }
}
