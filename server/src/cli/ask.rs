//! One question to a server's API, and its answer as JSON or for people.

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::connect::ConnectArgs;
use super::table::print;
use stemvault_client::answer::accept;
use stemvault_client::connection::Connection;
use stemvault_client::shown::printable_json;

/// The flags of every command that asks a server.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AskArgs {
    /// Print the server's answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Where the server is
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// The way to a server's API.
#[derive(Debug)]
pub struct Ask {
    connection: Connection,
    json: bool,
}

impl AskArgs {
    /// Prepares the way; nothing is sent yet.
    ///
    /// # Errors
    /// If a file that was named cannot be read or understood.
    pub fn ask(&self) -> anyhow::Result<Ask> {
        Ok(Ask {
            connection: self.connect.connection()?,
            json: self.json,
        })
    }
}

impl Ask {
    /// The address of something below /api/v1.
    ///
    /// # Errors
    /// If no server, or no token for it, is known.
    pub fn url(&self, path: &[&str]) -> anyhow::Result<Url> {
        self.connection.api(&[&["api", "v1"], path].concat())
    }

    /// GET.
    ///
    /// # Errors
    /// The server's refusal in its own words.
    pub async fn get(&self, path: &[&str]) -> anyhow::Result<Value> {
        Ok(self.connection.get(&self.url(path)?).await?)
    }

    /// GET with one word of a query.
    ///
    /// # Errors
    /// The server's refusal in its own words.
    pub async fn query(&self, path: &[&str], key: &str, value: &str) -> anyhow::Result<Value> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().append_pair(key, value);
        Ok(self.connection.get(&url).await?)
    }

    /// POST.
    ///
    /// # Errors
    /// The server's refusal in its own words.
    pub async fn post(&self, path: &[&str], body: Value) -> anyhow::Result<Value> {
        Ok(self.connection.post(&self.url(path)?, &body).await?)
    }

    /// POST, answered with a file.
    ///
    /// # Errors
    /// The server's refusal in its own words; a file that does not come whole.
    pub async fn bytes(&self, path: &[&str]) -> anyhow::Result<bytes::Bytes> {
        use stemvault_client::answer::Failure;
        let request = self.connection.request(Method::POST, &self.url(path)?);
        let answer = request.send().await.map_err(Failure::from)?;
        Ok(accept(answer).await?.bytes().await.map_err(Failure::from)?)
    }

    /// DELETE.
    ///
    /// # Errors
    /// The server's refusal in its own words.
    pub async fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        let request = self.connection.request(Method::DELETE, &self.url(path)?);
        let answer = request
            .send()
            .await
            .map_err(stemvault_client::answer::Failure::from)?;
        accept(answer).await?;
        Ok(())
    }

    /// Prints an answer: as it is with `--json`, else in words.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn show(&self, answer: &Value, words: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(answer).context("JSON is text")?;
            return print(&printable_json(&text));
        }
        print(&words(answer))
    }

    /// Prints that something was done that has no answer.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn done(&self, words: &str) -> anyhow::Result<()> {
        self.show(&serde_json::json!({"done": words}), |_| words.to_owned())
    }
}
