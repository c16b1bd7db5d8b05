//! POST to `/u/{link}/files`: several small files, each whole, in one request.
//!
//! Each is a creation with upload as it would be alone ([`create`]), and is answered as that would
//! be: what is refused of one says nothing of the others. A folder of thousands of small files takes
//! a browser longer in requests than in bytes.

use std::future::Future;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http_body_util::BodyExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Refused, TUS_RESUMABLE, UPLOAD_OFFSET, VERSION};
use super::append::OCTETS;
use super::create::create;
use crate::app::App;
use crate::frames::{Frame, Row, Said};
use crate::pace::Cost;
use crate::upload::door::{Door, Mount};
use crate::upload::receive::SharedBody;
use crate::upload::standing::HASH;

/// Files of one request that are written at once; the next ones are read when one of them is.
const AT_ONCE: usize = 16;

/// A sentence is no longer than this.
const SAID_MAX: usize = 4 << 10;

/// One file of a request, whole.
pub(crate) struct Small {
    said: Said,
    bytes: BytesMut,
}

impl Frame for Small {
    const NAME: &'static str = "the row of files";
    const MEDIA: &'static str = "application/vnd.stemvault.files";
    const FILES_MAX: usize = 256;
    const BODY_MAX: usize = 4 << 20;
    const BYTES_MAX: usize = 256 << 10;
    type File = (Said, Bytes);

    fn begin(said: Said, length: u64, bytes: usize) -> Result<Self, String> {
        if bytes as u64 != length {
            return Err(format!(
                "{bytes} bytes of it come, and it has {length}: small files come whole, larger ones in requests of their own"
            ));
        }
        let bytes = BytesMut::with_capacity(bytes);
        Ok(Self { said, bytes })
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn end(self) -> Self::File {
        (self.said, self.bytes.freeze())
    }
}

/// What became of each file, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Several {
    /// One for each.
    pub files: Vec<One>,
}

/// What became of a file: what the answer to its own request would say.
#[derive(Debug, Serialize, ToSchema)]
pub struct One {
    /// The path as it was sent.
    pub path: String,
    /// The status: 201 where there is an upload now.
    pub status: u16,
    /// The upload's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// How many bytes of it are safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// BLAKE3 of the file, once it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Why it was refused, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Seconds after which to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
}

/// Answers a request. What began is written down also if the request breaks off.
pub(super) async fn create_several(
    app: &App,
    mount: &Mount,
    headers: &HeaderMap,
    body: &SharedBody,
) -> Result<Response, Refused> {
    // The link first: what a stranger sends is not read.
    Door::open(app, mount, headers).await?;
    let mut row = Row::<Small>::of(app, headers, body)?;
    let mut files = Vec::new();
    let mut running = FuturesUnordered::new();
    let end = loop {
        tokio::select! {
            biased;
            Some((at, one)) = running.next() => files[at] = Some(one),
            come = row.next(), if running.len() < AT_ONCE => match come {
                Err(failure) => break Err(failure),
                Ok(None) => break Ok(()),
                Ok(Some(come)) => for (said, bytes) in come {
                    running.push(numbered(files.len(), create_one(app, mount, said, bytes)));
                    files.push(None);
                }
            },
        }
    };
    while let Some((at, one)) = running.next().await {
        files[at] = Some(one);
    }
    end?;
    let files: Vec<One> = files.into_iter().flatten().collect();
    let cost = Cost(files.len() as u64);
    let mut answer = (StatusCode::OK, Json(Several { files })).into_response();
    answer.extensions_mut().insert(cost);
    Ok(answer)
}

async fn numbered<T>(at: usize, work: impl Future<Output = T>) -> (usize, T) {
    (at, work.await)
}

async fn create_one(app: &App, mount: &Mount, said: Said, bytes: Bytes) -> One {
    let headers = headers(&said, bytes.len());
    let body = SharedBody::new(Body::from(bytes));
    let created = create(app, mount, &headers, &body).await;
    let answer = created.unwrap_or_else(|refused| refused.into_response(&axum::http::Method::POST));
    told(said.path, answer).await
}

/// The request that would create it alone.
fn headers(said: &Said, length: usize) -> HeaderMap {
    let name = said.path.rsplit('/').next().unwrap_or_default();
    let mut metadata = format!(
        "filename {},relativePath {}",
        STANDARD.encode(name),
        STANDARD.encode(&said.path)
    );
    if let Some(modified) = &said.modified {
        metadata.push_str(&format!(",modified {}", STANDARD.encode(modified)));
    }
    let metadata = HeaderValue::try_from(metadata).expect("base64 is plain ASCII");
    HeaderMap::from_iter([
        (TUS_RESUMABLE, VERSION),
        (HeaderName::from_static("upload-length"), length.into()),
        (HeaderName::from_static("upload-metadata"), metadata),
        (header::CONTENT_TYPE, HeaderValue::from_static(OCTETS)),
        (header::CONTENT_LENGTH, length.into()),
    ])
}

async fn told(path: String, answer: Response) -> One {
    let (parts, body) = answer.into_parts();
    let said = |name: HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let location = said(header::LOCATION);
    let message = if parts.status.is_success() {
        None
    } else {
        let limited = http_body_util::Limited::new(body, SAID_MAX);
        let text = limited
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        text.ok()
            .map(|text| String::from_utf8_lossy(&text).trim().to_owned())
    };
    One {
        path,
        status: parts.status.as_u16(),
        upload: location.and_then(|at| at.rsplit('/').next().map(str::to_owned)),
        offset: said(UPLOAD_OFFSET),
        hash: said(HASH),
        message,
        retry_after: said(header::RETRY_AFTER),
    }
}
