//! A real S3 server, versitygw over a folder: started here on a port of its own, with buckets and
//! credentials of its own, and ended with the test. Its objects are plain files in
//! [`folder`](S3::folder), where a test can look at them and damage them.
//!
//! Stands on nothing else of this crate: the store's own tests (storage/tests/stores.rs) use it too.

use std::fs;
use std::io::{Error, Result};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How often it is looked whether it listens; only a failure looks so often.
const LOOKS: usize = 3000;

/// How long it has between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The server and its folder.
#[derive(Debug)]
pub struct S3 {
    home: TempDir,
    port: u16,
    secret: String,
    server: Option<Child>,
}

impl S3 {
    /// Starts a server with these buckets, all empty.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start(buckets: &[&str]) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("s3-").tempdir()?;
        for bucket in buckets {
            fs::create_dir_all(home.path().join("buckets").join(bucket))?;
        }
        fs::create_dir(home.path().join("about"))?;
        // As random as the name of the folder.
        let name = home.path().file_name().unwrap_or_default();
        let secret = format!("secret-of-{}", name.to_string_lossy());
        let mut server = Self {
            home,
            port: 0,
            secret,
            server: None,
        };
        server.go_on()?;
        Ok(server)
    }

    /// Ends the server as a power cut of its process; its objects stay.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill()?;
            server.wait()?;
        }
        Ok(())
    }

    /// Starts it again, on the port that it had.
    ///
    /// # Errors
    /// If it does not start.
    pub fn go_on(&mut self) -> Result<()> {
        let fresh = self.port == 0;
        for _ in 0..5 {
            if fresh {
                // Somebody else may take the port in between; then another is tried.
                self.port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            }
            let mut server = self.command()?.spawn()?;
            for _ in 0..LOOKS {
                if server.try_wait()?.is_some() {
                    break;
                }
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                    self.server = Some(server);
                    return Ok(());
                }
                std::thread::sleep(PAUSE);
            }
            server.kill()?;
            server.wait()?;
        }
        Err(Error::other("the S3 server ended at its start"))
    }

    fn command(&self) -> Result<Command> {
        let program = program()?;
        let mut command = Command::new(program);
        command
            .args(["--quiet", "--keep-alive", "--port"])
            .arg(format!("127.0.0.1:{}", self.port))
            .args(["posix", "--sidecar"])
            .arg(self.home.path().join("about"))
            .arg(self.home.path().join("buckets"))
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", &self.secret)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(command)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder in which the objects of a bucket lie, as files under their own names.
    #[must_use]
    pub fn folder(&self, bucket: &str) -> PathBuf {
        self.home.path().join("buckets").join(bucket)
    }

    /// The options of a store on it that is reached at `address`.
    #[must_use]
    pub fn options(&self, address: &str) -> Vec<(String, String)> {
        [
            ("region", "us-east-1"),
            ("endpoint", &format!("http://{address}")),
            ("allow_http", "true"),
            ("access_key_id", ACCESS_KEY),
            ("secret_access_key", &self.secret),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        let _ = self.stop();
    }
}

const ACCESS_KEY: &str = "stemvault-tests";

fn program() -> Result<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/versitygw/versitygw");
    if program.is_file() {
        return Ok(program);
    }
    let advice = format!("{} is missing: ./tests/run installs it", program.display());
    Err(Error::other(advice))
}
