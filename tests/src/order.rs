//! What a studio does with one order, each verb one call; and waiting for the jobs' work.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};

use crate::door::Door;
use crate::fixtures::{self, Scale};
use crate::tus::Place;

/// A session's files: path to bytes.
pub type Files = BTreeMap<String, Bytes>;

/// Reads a folder as the session it is uploaded as.
///
/// # Errors
/// If something there cannot be read.
pub fn read(folder: &Path) -> Result<Files> {
    let files = fixtures::files(folder)?;
    files
        .into_iter()
        .map(|(path, at)| Ok((path, std::fs::read(at)?.into())))
        .collect()
}

/// The shorter files of a real session: at least three, each of less than 400,000 bytes.
///
/// # Errors
/// As [`read`]; or if there are not so many.
pub fn small_files() -> Result<Files> {
    let mut files = read(&fixtures::cached(Scale::Tiny)?)?;
    files.retain(|_, bytes| bytes.len() < 400_000);
    ensure!(files.len() >= 3, "{:?}", files.keys());
    Ok(files)
}

/// One order of a studio, by its number.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The way in.
    pub door: &'a Door,
    /// The order's number.
    pub number: &'a str,
}

impl<'a> Job<'a> {
    /// Creates the order.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn create(door: &'a Door, number: &'a str) -> Result<Self> {
        let order = json!({"number": number, "client": "Demo-Band", "title": "Nachtzug"});
        door.post("orders", order).await?;
        Ok(Self { door, number })
    }

    /// The order as it is now.
    ///
    /// # Errors
    /// If the server does not know it.
    pub async fn order(&self) -> Result<Value> {
        self.door.get(&format!("orders/{}", self.number)).await
    }

    /// The order's stage.
    ///
    /// # Errors
    /// As [`Self::order`].
    pub async fn stage(&self) -> Result<String> {
        Ok(text(&self.order().await?, "stage")?.to_owned())
    }

    /// One of the order's verbs: complete, reopen, hold, release-hold, recall, end-recall.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn verb(&self, verb: &str, body: Value) -> Result<Value> {
        self.door
            .post(&format!("orders/{}/{verb}", self.number), body)
            .await
    }

    /// A new link; the URL as the client gets it.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn link(&self, scope: Value) -> Result<String> {
        let link = self
            .door
            .post(&format!("orders/{}/links", self.number), scope)
            .await?;
        Ok(text(&link, "url")?.to_owned())
    }

    /// Uploads a whole session through `/files/`.
    ///
    /// # Errors
    /// If anything is refused, or a hash is not what `b3sum` prints.
    pub async fn upload(&self, files: &Files) -> Result<()> {
        let place = Place::files(self.door, self.number)?;
        for (path, bytes) in files {
            let hash = place.upload(path, bytes, usize::MAX / 2).await?;
            ensure!(hash == b3(bytes), "{path}: the server says {hash}");
        }
        Ok(())
    }

    /// Submits and returns the receipt.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn submit(&self) -> Result<Value> {
        self.verb("submit", json!({"kind": "material"})).await
    }

    /// Accepts a session.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn accept(&self, session: &str) -> Result<Value> {
        let path = format!("orders/{}/sessions/{session}/accept", self.number);
        self.door.post(&path, json!({})).await
    }

    /// Accepts a session in spite of what was found.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn accept_because(&self, session: &str, reason: &str) -> Result<Value> {
        let path = format!("orders/{}/sessions/{session}/accept", self.number);
        self.door.post(&path, json!({ "reason": reason })).await
    }

    /// Uploads, submits, accepts and completes; the session's id.
    ///
    /// # Errors
    /// If anything is refused.
    pub async fn complete_with(&self, files: &Files) -> Result<String> {
        self.upload(files).await?;
        let receipt = self.submit().await?;
        let session = text(&receipt, "session")?.to_owned();
        self.accept(&session).await?;
        self.verb("complete", json!({})).await?;
        Ok(session)
    }

    /// Runs the retention jobs, letting a few minutes pass in between, until the order is at
    /// `stage`.
    ///
    /// # Errors
    /// If it does not get there, with what the last run said.
    pub async fn until(&self, stage: &str) -> Result<Value> {
        self.until_by(stage, json!({})).await
    }

    /// The same by runs as `request` says.
    ///
    /// # Errors
    /// If it does not get there, with what the last run said.
    pub async fn until_by(&self, stage: &str, request: Value) -> Result<Value> {
        let mut last = json!(null);
        for _ in 0..24 {
            let order = self.order().await?;
            if order["stage"] == stage {
                return Ok(order);
            }
            last = self.door.post("retention/run", request.clone()).await?;
            // Waits of the jobs (for late puts) count time that passes.
            self.door.post("clock", json!({"advance": "5m"})).await?;
        }
        bail!(
            "{} does not get to {stage}, it is {}; {last}",
            self.number,
            self.stage().await?
        )
    }

    /// One file of a session, whole, with the studio's token.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn file(&self, session: &str, path: &str) -> Result<Bytes> {
        let path = format!(
            "orders/{}/sessions/{session}/files/{}",
            self.number,
            escape(path)
        );
        Ok(self
            .door
            .api(Method::GET, &path, None)
            .await?
            .expect(200)?
            .body)
    }

    /// Bytes `from` to `to`, both included, of a file of a session.
    ///
    /// # Errors
    /// If it is refused, or is no part.
    pub async fn range(&self, session: &str, path: &str, from: usize, to: usize) -> Result<Bytes> {
        let path = format!(
            "api/v1/orders/{}/sessions/{session}/files/{}",
            self.number,
            escape(path)
        );
        let (bearer, range) = (self.door.bearer(), format!("bytes={from}-{to}"));
        let headers = [("authorization", &*bearer), ("range", &*range)];
        let answer = self.door.ask(Method::GET, &path, &headers, None);
        Ok(answer.await?.expect(206)?.body)
    }

    /// Compares every file of a session with what was sent.
    ///
    /// # Errors
    /// With the first path that differs.
    pub async fn compare(&self, session: &str, files: &Files) -> Result<()> {
        for (path, sent) in files {
            let got = self
                .file(session, path)
                .await
                .with_context(|| format!("reading {path}"))?;
            ensure!(
                got == *sent,
                "{path}: {} bytes differ from what was sent",
                got.len()
            );
        }
        Ok(())
    }
}

/// Lets time pass; `span` as `stemvault clock advance` takes it.
///
/// # Errors
/// If the server has no demo clock.
pub async fn advance(door: &Door, span: &str) -> Result<()> {
    door.post("clock", json!({"advance": span})).await?;
    Ok(())
}

/// Checks a receipt against what was sent: paths, lengths, hashes, totals.
///
/// # Errors
/// With what differs.
pub fn check_receipt(receipt: &Value, files: &Files) -> Result<()> {
    let listed = receipt["files"]
        .as_array()
        .context("a receipt without files")?;
    ensure!(
        listed.len() == files.len(),
        "{} files of {}",
        listed.len(),
        files.len()
    );
    for file in listed {
        let path = text(file, "path")?;
        let sent = files
            .get(path)
            .with_context(|| format!("{path} was never sent"))?;
        ensure!(
            text(file, "length")? == sent.len().to_string(),
            "{path}: {file}"
        );
        ensure!(text(file, "hash")? == b3(sent), "{path}: {file}");
    }
    let total: usize = files.values().map(Bytes::len).sum();
    ensure!(
        text(receipt, "total_bytes")? == total.to_string(),
        "{receipt}"
    );
    Ok(())
}

/// A text field of a JSON object.
///
/// # Errors
/// If it is not there.
pub fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    value[key]
        .as_str()
        .with_context(|| format!("no {key} in {value}"))
}

/// What `b3sum` prints.
#[must_use]
pub fn b3(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// A path as it stands in a URL: everything but letters, digits and `/-._~` percent-encoded.
#[must_use]
pub fn escape(path: &str) -> String {
    use std::fmt::Write;
    path.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            write!(url, "%{byte:02X}").expect("writing to a string");
        }
        url
    })
}
