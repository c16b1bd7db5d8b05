//! A tus 1.0 client that does exactly what a test says: so many bytes, then silence or the end.
//!
//! Everyday uploads go through [`Door`]; an upload that breaks off writes its own HTTP/1.1 over
//! TLS, because only then it is known which bytes have left this side.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::{Method, Url};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::door::{Answer, Door};

/// What HEAD says of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Bytes that the server has.
    pub offset: u64,
    /// Bytes it will have, if that is known.
    pub length: Option<u64>,
    /// BLAKE3 of the whole file, once it is complete.
    pub hash: Option<String>,
}

/// A place to upload to: an order's upload link, or `/files/` with token and order number.
#[derive(Debug, Clone)]
pub struct Place {
    door: Door,
    pub(crate) url: Url,
    token: Option<String>,
    pub(crate) order: Option<String>,
}

impl Place {
    /// An upload link, as a client has it: nothing but the URL.
    ///
    /// # Errors
    /// If `url` is no URL.
    pub fn link(door: &Door, url: &str) -> Result<Self> {
        Ok(Self {
            url: door.url(url)?,
            door: door.clone(),
            token: None,
            order: None,
        })
    }

    /// `/files/` for an order, with the studio's token.
    ///
    /// # Errors
    /// Never in practice.
    pub fn files(door: &Door, order: &str) -> Result<Self> {
        Ok(Self {
            url: door.url("files/")?,
            door: door.clone(),
            token: Some(door.bearer()),
            order: Some(order.to_owned()),
        })
    }

    /// The same place after the server has moved to another door.
    ///
    /// # Errors
    /// Never in practice.
    pub fn through(&self, door: &Door) -> Result<Self> {
        Ok(Self {
            url: door.url(self.url.as_str())?,
            door: door.clone(),
            ..self.clone()
        })
    }

    /// Creates an upload; the answer whatever it is.
    ///
    /// # Errors
    /// If there is none.
    pub async fn try_create(&self, path: &str, length: u64, first: Bytes) -> Result<Answer> {
        let mut metadata = vec![("filename", path.rsplit('/').next().unwrap_or(path))];
        metadata.push(("relativePath", path));
        if let Some(order) = &self.order {
            metadata.push(("order", order));
            metadata.push(("kind", "material"));
        }
        let metadata: Vec<_> = metadata
            .iter()
            .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)))
            .collect();
        let (metadata, length) = (metadata.join(","), length.to_string());
        let mut headers = vec![("upload-length", &*length), ("upload-metadata", &*metadata)];
        if !first.is_empty() {
            headers.push(("content-type", "application/offset+octet-stream"));
        }
        self.send(Method::POST, self.url.as_str(), &headers, Some(first))
            .await
    }

    /// Creates an upload and returns its URL.
    ///
    /// # Errors
    /// If it is refused, with the reason.
    pub async fn create(&self, path: &str, length: u64) -> Result<Url> {
        let answer = self
            .try_create(path, length, Bytes::new())
            .await?
            .expect(201)?;
        let location = answer.header("location");
        self.url
            .join(location)
            .with_context(|| format!("location {location:?}"))
    }

    /// What the server has of an upload.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn head(&self, upload: &Url) -> Result<Head> {
        let answer = self.try_head(upload).await?;
        ensure!(
            matches!(answer.status, 200 | 204),
            "HEAD answered {}",
            answer.status
        );
        let number = |name: &str| answer.header(name).parse().ok();
        Ok(Head {
            offset: number("upload-offset").context("HEAD without Upload-Offset")?,
            length: number("upload-length"),
            hash: hash_of(&answer),
        })
    }

    /// HEAD, whatever it answers.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_head(&self, upload: &Url) -> Result<Answer> {
        self.send(Method::HEAD, upload.as_str(), &[], None).await
    }

    /// One PATCH; the answer whatever it is.
    ///
    /// # Errors
    /// If there is none.
    pub async fn try_patch(&self, upload: &Url, offset: u64, body: Bytes) -> Result<Answer> {
        let offset = offset.to_string();
        let headers = [
            ("upload-offset", &*offset),
            ("content-type", "application/offset+octet-stream"),
        ];
        self.send(Method::PATCH, upload.as_str(), &headers, Some(body))
            .await
    }

    /// One PATCH that must be taken whole; the new offset and, at the end, the file's hash.
    ///
    /// # Errors
    /// If it is refused, with the reason.
    pub async fn patch(&self, upload: &Url, offset: u64, body: Bytes) -> Result<Head> {
        let sent = offset + body.len() as u64;
        let answer = self.try_patch(upload, offset, body).await?.expect(204)?;
        let offset = answer.header("upload-offset").parse()?;
        ensure!(
            offset == sent,
            "{sent} bytes are there, the answer says {offset}"
        );
        Ok(Head {
            offset,
            length: None,
            hash: hash_of(&answer),
        })
    }

    /// Ends an upload (DELETE).
    ///
    /// # Errors
    /// If it is refused.
    pub async fn terminate(&self, upload: &Url) -> Result<()> {
        self.send(Method::DELETE, upload.as_str(), &[], None)
            .await?
            .expect(204)?;
        Ok(())
    }

    /// Uploads a whole file in pieces of at most `piece` bytes; its hash as the server says it.
    ///
    /// # Errors
    /// If anything is refused.
    pub async fn upload(&self, path: &str, bytes: &Bytes, piece: usize) -> Result<String> {
        let upload = self.create(path, bytes.len() as u64).await?;
        self.finish(&upload, bytes, piece)
            .await
            .with_context(|| format!("uploading {path}"))
    }

    /// Sends what the server does not have yet; the file's hash as the server says it.
    ///
    /// # Errors
    /// If anything is refused.
    pub async fn finish(&self, upload: &Url, bytes: &Bytes, piece: usize) -> Result<String> {
        let mut head = self.head(upload).await?;
        while (head.offset as usize) < bytes.len() {
            let at = head.offset as usize;
            let body = bytes.slice(at..bytes.len().min(at + piece));
            head = self.patch(upload, head.offset, body).await?;
        }
        if head.hash.is_none() {
            head = self.head(upload).await?;
        }
        head.hash
            .context("a complete upload without Stemvault-Hash")
    }

    /// Opens a connection of its own and sends the head of a PATCH of `announced` bytes, then
    /// `body`, all of which has left this side when it returns. The connection stays open.
    ///
    /// # Errors
    /// If the server ends it first.
    pub async fn begin_patch(
        &self,
        upload: &Url,
        offset: u64,
        announced: u64,
        body: &[u8],
    ) -> Result<Hanging> {
        let upload = self.door.url(upload.as_str())?;
        let mut stream = connect(&self.door).await?;
        let token = self
            .token
            .as_ref()
            .map(|token| format!("authorization: {token}\r\n"));
        let head = format!(
            "PATCH {} HTTP/1.1\r\nhost: 127.0.0.1\r\ntus-resumable: 1.0.0\r\n\
             content-type: application/offset+octet-stream\r\nupload-offset: {offset}\r\n\
             content-length: {announced}\r\n{}\r\n",
            upload.path(),
            token.unwrap_or_default(),
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        stream.flush().await?;
        Ok(Hanging { stream })
    }

    /// Opens a connection of its own and says this on it, whatever it is.
    ///
    /// # Errors
    /// If the server ends it first.
    pub async fn say(&self, text: &[u8]) -> Result<Hanging> {
        let mut hanging = Hanging {
            stream: connect(&self.door).await?,
        };
        hanging.send(text).await?;
        Ok(hanging)
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer> {
        let mut all = vec![("tus-resumable", "1.0.0")];
        if let Some(token) = &self.token {
            all.push(("authorization", token));
        }
        all.extend(headers);
        self.door.ask(method, url, &all, body).await
    }
}

/// A PATCH whose client has said something and nothing since.
#[derive(Debug)]
pub struct Hanging {
    stream: TlsStream<TcpStream>,
}

impl Hanging {
    /// Sends more of the body.
    ///
    /// # Errors
    /// If the server has ended the connection.
    pub async fn send(&mut self, body: &[u8]) -> Result<()> {
        self.stream.write_all(body).await?;
        Ok(self.stream.flush().await?)
    }

    /// Ends the connection in good order: everything sent arrives, and nothing after it. Returns
    /// when the server has ended its side.
    ///
    /// # Errors
    /// If the server was quicker.
    pub async fn cut(mut self) -> Result<()> {
        self.stream.shutdown().await?;
        // Closing with something unread would reset the connection and drop what is under way.
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        Ok(())
    }

    /// What the server answers, as it stands on the wire, up to the end of the connection.
    ///
    /// # Errors
    /// If nothing readable comes.
    pub async fn answer(mut self) -> Result<String> {
        self.head().await
    }

    /// The next head of an answer, and what came with it.
    ///
    /// # Errors
    /// If nothing readable comes.
    pub async fn head(&mut self) -> Result<String> {
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => text.extend(&buffer[..n]),
            }
            if text.windows(4).any(|four| four == b"\r\n\r\n") {
                break;
            }
        }
        Ok(String::from_utf8(text)?)
    }
}

async fn connect(door: &Door) -> Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&door.ca)?)?;
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()?
    .with_root_certificates(roots)
    .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let port = door.base.port().context("a door with a port")?;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?)
}

pub(crate) fn hash_of(answer: &Answer) -> Option<String> {
    Some(answer.header("stemvault-hash").to_owned()).filter(|hash| !hash.is_empty())
}
