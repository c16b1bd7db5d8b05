//! A sender that never gives up: one file, in one of the dialects, slowly, through any number of
//! deaths of the server; and who holds it to every offset that it acknowledged.

mod rival;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{future, stream};
use reqwest::{Body, Method};

use crate::door::{Answer, Door};
use crate::order::text;

/// How a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// tus: one PATCH for all that is missing.
    Whole,
    /// tus: pieces.
    Pieces,
    /// tus: all of it with the creation.
    WithCreation,
    /// tus: pieces, and the length with the last of them.
    Deferred,
    /// tus: pieces, each with its SHA-256.
    Checksum,
    /// tus: three parts at once, then the file.
    Parts,
    /// The IETF draft: pieces, and the SHA-256 of the whole with the creation.
    Draft,
    /// The IETF draft: all of it with the creation, and its SHA-512.
    DraftAtOnce,
    /// tus: one PATCH for all, and before it ends another that takes over.
    Rivals,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Whole,
        Self::Pieces,
        Self::WithCreation,
        Self::Deferred,
        Self::Checksum,
        Self::Parts,
        Self::Draft,
        Self::DraftAtOnce,
        Self::Rivals,
    ];

    fn is_draft(self) -> bool {
        matches!(self, Self::Draft | Self::DraftAtOnce)
    }
}

/// One file on its way.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The way in.
    pub door: Door,
    /// The order's number.
    pub number: String,
    /// The order's upload link.
    pub link: String,
    /// The file's path; a part has none.
    pub path: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
    /// In what it is sent.
    pub dialect: Dialect,
    /// Bytes of one request, where it is sent in pieces.
    pub piece: usize,
    /// Rest before every 64 KiB.
    pub pace: Duration,
    /// How often an answer did not come, over all who share this.
    pub unheard: Arc<AtomicUsize>,
    /// Bodies under way, over all who share this; not of those who get in their own way.
    pub under_way: Option<Arc<AtomicUsize>>,
}

/// Bytes that leave this side at once.
const STEP: usize = 64 << 10;

/// What became of a request.
enum Heard {
    Answer(Answer),
    /// None came, or the server is out of order.
    Nothing,
}

/// Counts a body from the moment at which a connection takes it up to the moment before its last bytes
/// leave: who dies meanwhile cannot have answered it.
struct UnderWay(Option<Arc<AtomicUsize>>);

impl UnderWay {
    fn begin(count: &Option<Arc<AtomicUsize>>) -> Self {
        if let Some(count) = count {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// An upload, as far as its sender was told.
#[derive(Debug, Default)]
struct Told {
    url: Option<String>,
    offset: u64,
}

impl Sender {
    /// Sends it to its end; the address of the upload and the file's hash as the server says it.
    ///
    /// # Errors
    /// If the server takes anything back, or refuses what is right.
    pub async fn send(&self) -> Result<(String, String)> {
        let sending = async {
            if self.dialect == Dialect::Parts {
                return self.send_parts().await;
            }
            self.send_one().await
        };
        let (dialect, path) = (self.dialect, &self.path);
        sending
            .await
            .with_context(|| format!("{dialect:?} {path:?}"))
    }

    /// Creates it and sends what one request brings; then nothing more.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn give_up(&self) -> Result<()> {
        let mut told = Told::default();
        self.create(&mut told, None).await?;
        if told.url.is_some() {
            self.go_on(&mut told).await?;
        }
        Ok(())
    }

    async fn send_one(&self) -> Result<(String, String)> {
        let mut told = Told::default();
        loop {
            let Some(url) = told.url.clone() else {
                self.create(&mut told, None).await?;
                continue;
            };
            if let Some(hash) = self.go_on(&mut told).await? {
                return Ok((url, hash));
            }
        }
    }

    async fn send_parts(&self) -> Result<(String, String)> {
        let third = self.bytes.len() / 3;
        let ends = [third, 2 * third, self.bytes.len()];
        let parts = ends.iter().zip([0, third, 2 * third]).map(|(end, begin)| {
            let part = Self {
                path: None,
                bytes: self.bytes.slice(begin..*end),
                ..self.clone()
            };
            async move { part.send_one().await }
        });
        let parts = future::try_join_all(parts).await?;
        let addresses: Vec<_> = parts.into_iter().map(|(url, _)| url).collect();
        let concat = format!("final;{}", addresses.join(" "));
        let mut told = Told::default();
        loop {
            let Some(url) = told.url.clone() else {
                self.create(&mut told, Some(&concat)).await?;
                continue;
            };
            let Some(head) = self.head(&url).await? else {
                continue;
            };
            if let Some(hash) = hash_of(&head) {
                return Ok((url, hash));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Creates the upload, or finds it: an answer may have been lost.
    async fn create(&self, told: &mut Told, concat: Option<&str>) -> Result<()> {
        if let Some(path) = &self.path {
            let list = format!("api/v1/orders/{}/uploads", self.number);
            let bearer = self.door.bearer();
            let headers = [("authorization", &*bearer)];
            let Heard::Answer(list) = self.hear(Method::GET, &list, &headers, None).await? else {
                return Ok(());
            };
            let list = list.expect(200)?.json()?;
            let list = list["uploads"].as_array().context("a list")?;
            if let Some(known) = list.iter().find(|upload| upload["path"] == path.as_str()) {
                told.url = Some(format!("{}/{}", self.link, text(known, "id")?));
                return Ok(());
            }
        }
        let (all, length) = (self.bytes.clone(), self.bytes.len().to_string());
        let name = self.path.as_deref().unwrap_or_default();
        let metadata = format!("filename {}", STANDARD.encode(name));
        let digest = self.repr_digest();
        let mut headers = vec![];
        let mut body = None;
        let mut place = self.link.clone();
        if self.dialect.is_draft() {
            place = format!("{place}?filename={name}");
            headers.push(("upload-draft-interop-version", "8"));
            headers.push(("repr-digest", &digest));
            let at_once = self.dialect == Dialect::DraftAtOnce;
            headers.push(("upload-complete", if at_once { "?1" } else { "?0" }));
            body = at_once.then_some(all);
        } else {
            headers.push(("tus-resumable", "1.0.0"));
            match concat {
                Some(concat) => headers.push(("upload-concat", concat)),
                None if self.path.is_none() => headers.push(("upload-concat", "partial")),
                None => {}
            }
            if self.path.is_some() {
                headers.push(("upload-metadata", &metadata));
            }
            if self.dialect == Dialect::Deferred {
                headers.push(("upload-defer-length", "1"));
            } else if concat.is_none() {
                headers.push(("upload-length", &length));
            }
            if self.dialect == Dialect::WithCreation {
                headers.push(("content-type", "application/offset+octet-stream"));
                body = Some(all);
            }
        }
        let heard = self.hear(Method::POST, &place, &headers, body).await?;
        let Heard::Answer(answer) = heard else {
            return Ok(());
        };
        ensure!(matches!(answer.status, 200 | 201), "created: {answer:?}");
        let place = self.door.url(&place)?;
        told.url = Some(place.join(answer.header("location"))?.to_string());
        told.offset = answer.header("upload-offset").parse().unwrap_or(0);
        Ok(())
    }

    /// Asks where the upload stands and sends what comes next; its hash once it is whole.
    async fn go_on(&self, told: &mut Told) -> Result<Option<String>> {
        let url = told.url.clone().context("it was created")?;
        let Some(head) = self.head(&url).await? else {
            return Ok(None);
        };
        let offset: u64 = head.header("upload-offset").parse()?;
        ensure!(
            offset >= told.offset,
            "{} bytes were acknowledged, {offset} are there",
            told.offset
        );
        told.offset = offset;
        if let Some(hash) = hash_of(&head) {
            ensure!(
                offset == self.bytes.len() as u64,
                "whole with {offset} bytes"
            );
            return Ok(Some(hash));
        }
        if self.dialect == Dialect::Rivals {
            self.overtake(told).await?;
            return Ok(None);
        }
        let at = usize::try_from(offset)?;
        let end = match self.dialect {
            Dialect::Whole | Dialect::WithCreation | Dialect::DraftAtOnce => self.bytes.len(),
            _ => self.bytes.len().min(at + self.piece),
        };
        ensure!(at <= end, "{at} bytes of a file of {end}");
        let (body, last) = (self.bytes.slice(at..end), end == self.bytes.len());
        let (offset, length) = (offset.to_string(), self.bytes.len().to_string());
        let sum = digest::digest(&digest::SHA256, &body);
        let sum = format!("sha256 {}", STANDARD.encode(sum));
        let mut headers = vec![("upload-offset", &*offset)];
        if self.dialect.is_draft() {
            headers.push(("upload-draft-interop-version", "8"));
            headers.push(("content-type", "application/partial-upload"));
            headers.push(("upload-complete", if last { "?1" } else { "?0" }));
        } else {
            headers.push(("tus-resumable", "1.0.0"));
            headers.push(("content-type", "application/offset+octet-stream"));
        }
        if self.dialect == Dialect::Checksum {
            headers.push(("upload-checksum", &sum));
        }
        if self.dialect == Dialect::Deferred && last {
            headers.push(("upload-length", &length));
        }
        let heard = self.hear(Method::PATCH, &url, &headers, Some(body)).await?;
        let Heard::Answer(answer) = heard else {
            return Ok(None);
        };
        // 409: a request that nobody heard the answer of had brought more than HEAD knew.
        ensure!(matches!(answer.status, 200 | 204 | 409), "sent: {answer:?}");
        if answer.status != 409 {
            let offset: u64 = answer.header("upload-offset").parse()?;
            ensure!(offset == end as u64, "{end} bytes sent: {answer:?}");
            told.offset = offset;
        }
        Ok(None)
    }

    async fn head(&self, url: &str) -> Result<Option<Answer>> {
        let version = if self.dialect.is_draft() {
            ("upload-draft-interop-version", "8")
        } else {
            ("tus-resumable", "1.0.0")
        };
        match self.hear(Method::HEAD, url, &[version], None).await? {
            Heard::Nothing => Ok(None),
            Heard::Answer(answer) if matches!(answer.status, 200 | 204) => Ok(Some(answer)),
            Heard::Answer(answer) => bail!("an acknowledged upload is not there: {answer:?}"),
        }
    }

    /// One request; if the server is gone, returns when it is back.
    async fn hear(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Heard> {
        let length = body.as_ref().map_or(0, Bytes::len).to_string();
        let mut all = headers.to_vec();
        if !matches!(method, Method::GET | Method::HEAD) {
            all.push(("content-length", &length));
        }
        let body = body.map(|body| self.slowly(&body));
        match self.door.ask_with(method, url, &all, body).await {
            Ok(answer) if answer.status != 503 => Ok(Heard::Answer(answer)),
            _ => {
                self.unheard.fetch_add(1, Ordering::Relaxed);
                self.door.wait_until_ready().await;
                Ok(Heard::Nothing)
            }
        }
    }

    fn repr_digest(&self) -> String {
        let (key, algorithm) = match self.dialect {
            Dialect::Draft => ("sha-256", &digest::SHA256),
            _ => ("sha-512", &digest::SHA512),
        };
        let sum = STANDARD.encode(digest::digest(algorithm, &self.bytes));
        format!("{key}=:{sum}:")
    }

    fn slowly(&self, body: &Bytes) -> Body {
        let (pace, count) = (self.pace, self.under_way.clone());
        let steps = stream::unfold((body.clone(), None), move |(mut rest, begun)| {
            // Not before it is asked for: then there is a connection, with who serves it.
            let ask = || begun.unwrap_or_else(|| UnderWay::begin(&count));
            let begun = (!rest.is_empty()).then(ask);
            async move {
                let begun = begun?;
                tokio::time::sleep(pace).await;
                let step = rest.split_to(rest.len().min(STEP));
                let begun = (!rest.is_empty()).then_some(begun);
                Some((anyhow::Ok(step), (rest, begun)))
            }
        });
        Body::wrap_stream(steps)
    }
}

fn hash_of(answer: &Answer) -> Option<String> {
    let hash = answer.header("stemvault-hash");
    (!hash.is_empty()).then(|| hash.to_owned())
}
