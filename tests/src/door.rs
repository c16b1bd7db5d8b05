//! The door: HTTPS with the studio's own certificate as the only root, with and without token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::studio::PATIENCE;

/// A way into a running server.
#[derive(Debug, Clone)]
pub struct Door {
    /// `https://127.0.0.1:PORT/`.
    pub base: Url,
    /// The API token of the studio.
    pub token: String,
    /// The certificate to trust.
    pub ca: PathBuf,
    client: reqwest::Client,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

impl Answer {
    /// A header as text; empty if absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of a successful answer as JSON.
    ///
    /// # Errors
    /// With status and body, if it is no success or no JSON.
    pub fn json(&self) -> Result<Value> {
        ensure!(
            self.status / 100 == 2,
            "answered {}: {}",
            self.status,
            self.text()
        );
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }

    /// The answer itself, if its status is `status`.
    ///
    /// # Errors
    /// With status and body, if it is another.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status == status,
            "answered {}, not {status}: {}",
            self.status,
            self.text()
        );
        Ok(self)
    }
}

impl Door {
    /// Reads what the server left for the command line in its data directory.
    ///
    /// # Errors
    /// If that is not there yet or makes no sense.
    pub fn open(data_dir: &Path, port: u16) -> Result<Self> {
        let told = data_dir.join("cli.toml");
        let told: toml::Table = std::fs::read_to_string(&told)
            .with_context(|| format!("reading {}", told.display()))?
            .parse()?;
        let word = |key: &str| {
            let value = told.get(key).and_then(toml::Value::as_str);
            value
                .map(str::to_owned)
                .with_context(|| format!("cli.toml does not say {key}"))
        };
        let ca = PathBuf::from(word("ca")?);
        let server = word("server")?;
        let base = Url::parse(&format!("https://127.0.0.1:{port}/"))?;
        ensure!(
            server.contains(&format!(":{port}")),
            "cli.toml says {server}, the server listens on {port}"
        );
        Ok(Self {
            base,
            token: word("token")?,
            client: client(&ca, false)?,
            ca,
        })
    }

    /// The same server by another address: what a proxy in front of it listens on.
    #[must_use]
    pub fn through(&self, base: Url) -> Self {
        Self {
            base,
            ..self.clone()
        }
    }

    /// Asks `/readyz` until it says yes.
    pub async fn wait_until_ready(&self) {
        while !matches!(self.ask(Method::GET, "readyz", &[], None).await, Ok(a) if a.status == 200)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether nobody listens any more.
    pub async fn is_gone(&self) -> bool {
        self.ask(Method::GET, "healthz", &[], None).await.is_err()
    }

    /// One request without a token; `path` may be a whole URL.
    ///
    /// # Errors
    /// If there is no complete answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer> {
        let body = body.map(reqwest::Body::from);
        self.ask_with(method, path, headers, body).await
    }

    /// The same with a body that is made on its way.
    ///
    /// # Errors
    /// If there is no complete answer.
    pub async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<reqwest::Body>,
    ) -> Result<Answer> {
        let url = self.url(path)?;
        let mut request = self
            .client
            .request(method, url)
            .headers(header_map(headers)?);
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await?;
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.bytes().await?,
        })
    }

    /// One request whose answer may end early: status, headers, the bytes that came, whether the
    /// body was complete. An HTTP/2 stream that was reset before its head was read is an answer of
    /// status 0: the reset overtakes what was sent before it.
    ///
    /// # Errors
    /// If no answer comes, nor a reset.
    pub async fn ask_partial(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Answer, bool)> {
        let request = self
            .client
            .get(self.url(path)?)
            .headers(header_map(headers)?);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if format!("{error:?}").contains("INTERNAL_ERROR") => {
                let (headers, body) = (HeaderMap::new(), Bytes::new());
                return Ok((
                    Answer {
                        status: 0,
                        headers,
                        body,
                    },
                    false,
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut body = Vec::new();
        let complete = loop {
            match answer.chunk().await {
                Ok(Some(bytes)) => body.extend(bytes),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Ok((
            Answer {
                status,
                headers,
                body: body.into(),
            },
            complete,
        ))
    }

    /// The header that carries the studio's token.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// A call of the API with the studio's token and, if given, a JSON body.
    ///
    /// # Errors
    /// If there is no complete answer.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let bearer = self.bearer();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let body = body.map(|body| Bytes::from(body.to_string()));
        self.ask(method, &format!("api/v1/{path}"), &headers, body)
            .await
    }

    /// GET of the API, as JSON.
    ///
    /// # Errors
    /// If the answer is no success.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.api(Method::GET, path, None).await?;
        answer.json().with_context(|| format!("GET {path}"))
    }

    /// POST to the API, as JSON.
    ///
    /// # Errors
    /// If the answer is no success.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.api(Method::POST, path, Some(body)).await?;
        answer.json().with_context(|| format!("POST {path}"))
    }

    /// The sum of all samples of a metric, 0 if it has never been touched.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let page = self
            .ask(Method::GET, "metrics", &[], None)
            .await?
            .expect(200)?
            .text();
        Ok(page
            .lines()
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with([' ', '{']))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// `path` on this server; a whole URL stays what it is but for the port.
    ///
    /// # Errors
    /// If it is no URL.
    pub fn url(&self, path: &str) -> Result<Url> {
        let mut url = self
            .base
            .join(path)
            .with_context(|| format!("{path:?} is no URL"))?;
        // A link made before a restart names the old port.
        if url.set_port(self.base.port()).is_err() {
            url = self.base.clone();
        }
        Ok(url)
    }
}

fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
    }
    Ok(map)
}

/// A client that trusts `ca` and nothing else; with `one`, HTTP/1.1 only.
///
/// # Errors
/// If the certificate cannot be read.
pub fn client(ca: &Path, one: bool) -> Result<reqwest::Client> {
    let root = reqwest::Certificate::from_pem(&std::fs::read(ca)?)?;
    // A request on an HTTP/2 connection that dies in this moment may never be answered, not even with an
    // error (reqwest #1323): without an end of its own it would hold the test for ever.
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .read_timeout(4 * PATIENCE);
    if one {
        builder = builder.http1_only();
    }
    Ok(builder.build()?)
}
