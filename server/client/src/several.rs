//! Several small files in one request, each whole, as an upload link takes them.
//!
//! A file is the length of a JSON object (4 bytes, big-endian), the object, the length of its bytes, and
//! those. The answer says of each what the answer to its own creation would have said.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use super::answer::{Failure, accept};
use super::collect::LocalFile;
use super::connection::{below, parse};
use super::records::maybe_number;
use super::tus::{Endpoint, Position, SHARED};

const FILES: &str = "application/vnd.stemvault.files";

/// What became of one file.
pub type Created = Result<(Url, Position), Failure>;

/// A file as it travels among others.
#[derive(Debug)]
pub struct Frame {
    head: Vec<u8>,
    bytes: Bytes,
}

impl Frame {
    /// A file with all of its bytes.
    ///
    /// # Panics
    /// Never in practice: what goes among others is small.
    #[must_use]
    pub fn new(file: &LocalFile, bytes: Bytes) -> Self {
        let said = serde_json::json!({
            "path": file.path, "length": bytes.len().to_string(), "modified": file.modified(),
        });
        let said = said.to_string();
        let be32 = |length: usize| u32::try_from(length).expect("small").to_be_bytes();
        let head = [&be32(said.len()), said.as_bytes(), &be32(bytes.len())].concat();
        Self { head, bytes }
    }

    /// How much of a request it is.
    #[must_use]
    pub fn length(&self) -> usize {
        self.head.len() + self.bytes.len()
    }
}

/// What the server answers.
#[derive(Deserialize)]
struct Answer {
    files: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    status: u16,
    #[serde(default)]
    upload: Option<String>,
    #[serde(default, deserialize_with = "maybe_number")]
    offset: Option<u64>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, deserialize_with = "maybe_number")]
    retry_after: Option<u64>,
}

impl Endpoint {
    /// Creates the uploads of several small files, whose bytes all come with them: what became of each, in
    /// their order. Only an upload link takes them.
    ///
    /// # Errors
    /// If the request broke off, was refused as a whole, or its answer cannot be read.
    pub async fn create_several(&self, files: &[Frame]) -> Result<Vec<Created>, Failure> {
        let mut body = Vec::with_capacity(files.iter().map(Frame::length).sum());
        for file in files {
            body.extend_from_slice(&file.head);
            body.extend_from_slice(&file.bytes);
        }
        let at = below(&self.creation, &["files"]);
        let request = self.connection.small_request(Method::POST, &at);
        let request = request.header(CONTENT_TYPE, FILES).body(body);
        let response = accept(request.timeout(SHARED).send().await?).await?;
        let answer: Answer = parse(&response.bytes().await?)?;
        if answer.files.len() != files.len() {
            let (said, sent) = (answer.files.len(), files.len());
            let message =
                format!("{sent} files were sent, and the server's answer is about {said}");
            return Err(Failure::Unreadable(message));
        }
        Ok(answer.files.into_iter().map(|one| self.one(one)).collect())
    }

    /// What its own answer would have said.
    fn one(&self, one: One) -> Created {
        let status = StatusCode::from_u16(one.status)
            .map_err(|_| Failure::Unreadable(format!("there is no status {}", one.status)))?;
        if !status.is_success() {
            let retry_after = one.retry_after.map(Duration::from_secs);
            let said = one.message.unwrap_or_default();
            return Err(Failure::refused(status, &said, retry_after));
        }
        let id = one.upload.filter(|id| !id.is_empty());
        let id =
            id.ok_or_else(|| Failure::Unreadable("the server did not say where to send".into()))?;
        let offset = one.offset.unwrap_or(0);
        let hash = one.hash;
        Ok((self.upload(&id), Position { offset, hash }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::connection::{Address, Connection, link};

    #[test]
    fn a_file_travels_with_its_name_its_length_and_its_time() {
        let file = LocalFile {
            disk: "x".into(),
            path: "S/K\u{f6}.wav".into(),
            length: 3,
            changed: SystemTime::UNIX_EPOCH,
        };
        let frame = Frame::new(&file, Bytes::from_static(b"abc"));
        let (length, rest) = frame.head.split_first_chunk::<4>().unwrap();
        let (said, bytes) = rest.split_at(u32::from_be_bytes(*length) as usize);
        let said: serde_json::Value = serde_json::from_slice(said).unwrap();
        let wanted = serde_json::json!({
            "path": "S/K\u{f6}.wav", "length": "3", "modified": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(said, wanted);
        assert_eq!(bytes, [0, 0, 0, 3]);
        assert_eq!(frame.length(), frame.head.len() + 3);
    }

    #[test]
    fn an_answer_says_of_each_file_what_its_own_would() {
        let connection = Connection::new(Address::default()).unwrap();
        let at = link("https://studio.example/u/link").unwrap();
        let endpoint = Endpoint::new(connection, at);
        let of = |one: serde_json::Value| endpoint.one(serde_json::from_value(one).unwrap());
        let (upload, position) =
            of(serde_json::json!({"status": 201, "upload": "ab", "offset": "7", "hash": "cd"}))
                .unwrap();
        assert_eq!(upload.as_str(), "https://studio.example/u/link/ab");
        assert_eq!((position.offset, position.hash.as_deref()), (7, Some("cd")));
        let failure = of(serde_json::json!({
            "status": 429, "message": "not \u{1b}[31mso many", "retry_after": "9",
        }))
        .unwrap_err();
        assert_eq!(failure.status(), Some(429));
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(9)));
        assert!(!failure.to_string().contains('\u{1b}'), "{failure}");
        let silent = of(serde_json::json!({"status": 413})).unwrap_err();
        assert!(silent.to_string().contains("413"), "{silent}");
        for none in [
            serde_json::json!({"status": 201}),
            serde_json::json!({"status": 7}),
        ] {
            assert!(matches!(of(none), Err(Failure::Unreadable(_))));
        }
    }
}
