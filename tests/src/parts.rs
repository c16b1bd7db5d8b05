//! Files that come in parts (tus 1.0, concatenation).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::{Method, Url};

use crate::studio::PATIENCE;
use crate::tus::{Place, hash_of};

/// Who sends with a token says what it is.
const KIND: &str = "material";

impl Place {
    /// Uploads a part of no file yet, and returns its URL.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn part(&self, bytes: Bytes) -> Result<Url> {
        let length = bytes.len().to_string();
        let order = self.order.as_deref().unwrap_or_default();
        let [order, kind] = [order, KIND].map(|it| STANDARD.encode(it));
        let metadata = format!("order {order},kind {kind}");
        let headers = [
            ("upload-concat", "partial"),
            ("upload-length", &*length),
            ("upload-metadata", &*metadata),
        ];
        let made = self.send(Method::POST, self.url.as_str(), &headers, None);
        let made = made.await?.expect(201)?;
        let part = self.url.join(made.header("location"))?;
        self.patch(&part, 0, bytes).await?;
        Ok(part)
    }

    /// Makes a file of parts, and waits until it is whole; its hash as the server says it.
    ///
    /// # Errors
    /// If it is refused, or not whole in time.
    pub async fn join(&self, path: &str, parts: &[Url]) -> Result<String> {
        let parts: Vec<_> = parts.iter().map(Url::as_str).collect();
        let concat = format!("final;{}", parts.join(" "));
        let order = self.order.as_deref().unwrap_or_default();
        let [name, order, kind] = [path, order, KIND].map(|it| STANDARD.encode(it));
        let metadata = format!("filename {name},order {order},kind {kind}");
        let headers = [("upload-concat", &*concat), ("upload-metadata", &*metadata)];
        let made = self.send(Method::POST, self.url.as_str(), &headers, None);
        let made = made.await?.expect(201)?;
        let file = self.url.join(made.header("location"))?;
        let whole = tokio::time::timeout(PATIENCE, async {
            loop {
                // As long as it is not whole it has no offset, as tus wants it.
                if let Some(hash) = hash_of(&self.try_head(&file).await?) {
                    return anyhow::Ok(hash);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        match whole.await {
            Ok(hash) => hash.with_context(|| format!("joining {path}")),
            Err(_) => bail!("{path} is not whole after {PATIENCE:?}"),
        }
    }
}
