//! The way to a server: TLS, the trusted certificates, and the token.
//!
//! The token leaves this machine only towards the server that it belongs to, and there only to
//! `/api/` and `/files`: a link carries its own right and may lead anywhere. Redirects are not
//! followed, so that neither bytes nor token end up where nobody asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use stemvault_model::ids::Token;
use url::Url;

use super::answer::{Failure, accept, printable};
use super::flow::MOST;
use super::shared::Shared;
use super::{proxy, trust};

/// How long a question without a large body may take.
const QUESTION: Duration = Duration::from_secs(60);
/// How long a submit may take: the server reads the header of every audio file.
const SUBMIT: Duration = Duration::from_secs(900);

/// With requests under way on a shared connection, it is asked so often whether it still lives ...
const ALIVE: Duration = Duration::from_secs(60);
/// ... and has so long to answer, behind everything that waits on a slow line.
const DEAD: Duration = Duration::from_secs(300);

/// Where the server is and what opens it.
#[derive(Debug, Clone, Default)]
pub struct Address {
    /// The server, without `/api`.
    pub server: Option<Url>,
    /// The API token for `server`.
    pub token: Option<Token>,
    /// A PEM file with certificates to trust besides those of the system.
    pub ca: Option<PathBuf>,
}

/// An HTTP client that knows its server.
#[derive(Debug, Clone)]
pub struct Connection {
    http: reqwest::Client,
    /// For many small requests at once: they share connections where the server lets them.
    shared: Arc<Shared>,
    server: Option<Url>,
    token: Option<HeaderValue>,
}

impl Connection {
    /// Prepares a client; nothing is sent yet.
    ///
    /// HTTP/1.1 on purpose: every large file in flight has a TCP connection of its own, so one slow
    /// file never holds up the others. Small files are as many requests under way on one HTTP/2
    /// connection.
    ///
    /// # Errors
    /// If the certificate file cannot be read, or the token holds characters that no header can.
    pub fn new(address: Address) -> anyhow::Result<Self> {
        let named = match &address.ca {
            Some(path) => trust::named(path)?,
            None => Vec::new(),
        };
        let tls = trust::client_config(named)?;
        let prepared = |protocols: &[&[u8]]| {
            let mut tls = tls.clone();
            tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(tls)
                .proxy(proxy::of_environment())
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("stemvault/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(20))
                .tcp_keepalive(Duration::from_secs(20))
                .http2_keep_alive_interval(ALIVE)
                .http2_keep_alive_timeout(DEAD);
            let client = match protocols {
                [_] => client.http1_only(),
                _ => client,
            };
            client.build().context("cannot prepare HTTPS")
        };
        let token = address
            .token
            .map(|token| {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
                    .context("the token is not one line of plain characters")?;
                value.set_sensitive(true);
                anyhow::Ok(value)
            })
            .transpose()?;
        let shared = (0..Shared::clients(MOST)).map(|_| prepared(&[b"h2", b"http/1.1"]));
        Ok(Self {
            http: prepared(&[b"http/1.1"])?,
            shared: Arc::new(Shared::new(shared.collect::<Result<_, _>>()?)),
            server: address.server,
            token,
        })
    }

    /// The server's address followed by `segments`, each of them escaped.
    ///
    /// # Errors
    /// If no server, or no token for it, is known.
    pub fn api(&self, segments: &[&str]) -> anyhow::Result<Url> {
        let server = self.server.as_ref().context(
            "which server? name it with --server URL (or STEMVAULT_SERVER), or run this on the \
             machine of the server",
        )?;
        anyhow::ensure!(
            self.token.is_some(),
            "{server} wants a token: pass --token-file FILE (or STEMVAULT_TOKEN); `stemvault token \
             create NAME` on the server's machine makes one"
        );
        Ok(below(server, segments))
    }

    /// A request, with the token where it belongs.
    pub fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.with_token(self.http.request(method, url.clone()), url)
    }

    /// The same for one of many small requests.
    pub fn small_request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.with_token(self.shared.next().request(method, url.clone()), url)
    }

    /// Opens as many connections as so many small requests to `url` need.
    pub fn widen(&self, requests: usize, url: &Url) {
        self.shared.widen(requests, url);
    }

    /// Opens the first connection for small requests to `url`.
    pub async fn open(&self, url: &Url) {
        self.shared.open(url).await;
    }

    fn with_token(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        match &self.token {
            Some(token) if self.wants_token(url) => request.header(AUTHORIZATION, token),
            _ => request,
        }
    }

    fn wants_token(&self, url: &Url) -> bool {
        let Some(server) = &self.server else {
            return false;
        };
        let base = server.path().trim_end_matches('/');
        server.origin() == url.origin()
            && url.path().strip_prefix(base).is_some_and(|path| {
                path.starts_with("/api/") || path == "/files" || path.starts_with("/files/")
            })
    }

    /// Asks for a JSON document.
    ///
    /// # Errors
    /// The server's refusal, no answer within a minute, or an answer of another shape.
    pub async fn get<T: DeserializeOwned>(&self, url: &Url) -> Result<T, Failure> {
        let response = self
            .request(Method::GET, url)
            .header("accept", "application/json")
            .timeout(QUESTION)
            .send()
            .await?;
        parse(&accept(response).await?.bytes().await?)
    }

    /// Sends a JSON document to an endpoint that may take its time, and reads the one it answers.
    ///
    /// # Errors
    /// As [`get`](Self::get), after at most 15 minutes.
    pub async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        body: &serde_json::Value,
    ) -> Result<T, Failure> {
        let response = self
            .request(Method::POST, url)
            .header("accept", "application/json")
            .json(body)
            .timeout(SUBMIT)
            .send()
            .await?;
        parse(&accept(response).await?.bytes().await?)
    }
}

/// Reads a JSON answer.
///
/// # Errors
/// [`Failure::Unreadable`] if it has another shape.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|problem| {
        if body.trim_ascii_start().starts_with(b"<") {
            return Failure::Unreadable(
                "a web page came where the studio's server should have answered: is the address \
                 right? in a hotel's or a train's network, log in to it first (open any page in a \
                 browser)"
                    .to_owned(),
            );
        }
        // What is wrong with an answer repeats a piece of it.
        let problem = printable(&problem.to_string());
        Failure::Unreadable(format!(
            "the server's answer is not what this program expects ({problem}); is the address \
             right, and are both of the same version?"
        ))
    })
}

/// `base` followed by `segments`, each of them escaped; query and fragment are dropped.
#[must_use]
pub fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Reads a link as it was pasted.
///
/// # Errors
/// If it is not an `http` or `https` address.
pub fn link(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text.trim())
        .with_context(|| format!("{text:?} is not a link; one begins with https://"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "{text:?} is not a link; one begins with https://"
    );
    Ok(below(&url, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection::new(Address {
            server: Some(Url::parse("https://studio.example/vault/").unwrap()),
            token: Some(Token::presented("secret")),
            ca: None,
        })
        .unwrap()
    }

    fn carries_token(url: &str) -> bool {
        connection()
            .request(Method::GET, &Url::parse(url).unwrap())
            .build()
            .unwrap()
            .headers()
            .contains_key(AUTHORIZATION)
    }

    #[test]
    fn the_token_goes_to_its_server_and_never_to_a_link() {
        assert!(carries_token("https://studio.example/vault/api/v1/orders"));
        assert!(carries_token("https://studio.example/vault/files/abc"));
        for url in [
            "https://studio.example/vault/u/link",
            "https://studio.example/vault/filesystem",
            "https://studio.example/other/api/v1/orders",
            "https://studio.example:444/vault/api/v1/orders",
            "http://studio.example/vault/api/v1/orders",
            "https://evil.example/vault/api/v1/orders",
        ] {
            assert!(!carries_token(url), "{url}");
        }
    }

    #[test]
    fn addresses_are_escaped_segment_by_segment() {
        let base = link(" https://a.example/d/x/?utm=1#top ").unwrap();
        assert_eq!(base.as_str(), "https://a.example/d/x");
        assert_eq!(
            below(&base, &["Dr ums", "50%#1?.wav"]).as_str(),
            "https://a.example/d/x/Dr%20ums/50%25%231%3F.wav"
        );
        assert!(link("studio.example/u/x").is_err());
        assert!(link("file:///etc/passwd").is_err());
    }

    #[test]
    fn a_missing_server_or_token_is_said_in_words() {
        let nobody = Connection::new(Address::default()).unwrap();
        assert!(
            nobody
                .api(&["api"])
                .unwrap_err()
                .to_string()
                .contains("--server")
        );
        let stranger = Connection::new(Address {
            server: Some(Url::parse("https://a.example").unwrap()),
            ..Address::default()
        })
        .unwrap();
        let said = stranger.api(&["api"]).unwrap_err().to_string();
        assert!(said.contains("--token-file"), "{said}");
    }
}
