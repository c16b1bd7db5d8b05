//! What the server says about sessions and uploads, as the client reads it.
//!
//! Lenient on purpose: fields that this program does not use may be absent or new, and a number
//! may come as a string (64-bit integers do) or as a number.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

/// The sealed session that a submit, or a download link, answers with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Receipt {
    /// The order's number.
    pub order: String,
    /// `material`, `delivery` or `stems`.
    #[serde(default)]
    pub kind: String,
    /// The session's id.
    pub session: String,
    /// When it was sealed.
    #[serde(default)]
    pub sealed_at: Option<DateTime<Utc>>,
    /// The files, in the order of the manifest.
    pub files: Vec<SealedFile>,
    /// What the checks found.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

impl Receipt {
    /// The sum of all lengths, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }
}

/// A file of a sealed session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SealedFile {
    /// The path inside the session, with `/`.
    pub path: String,
    /// Bytes.
    #[serde(deserialize_with = "number")]
    pub length: u64,
    /// BLAKE3, 64 hex digits.
    pub hash: String,
    /// When its sender's copy was last changed, as it said.
    #[serde(default)]
    pub modified: Option<String>,
}

/// Something that a check found worth saying.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Finding {
    /// Which rule.
    #[serde(default)]
    pub rule: String,
    /// `refuse`, `warn`.
    #[serde(default)]
    pub severity: String,
    /// The files that it is about.
    #[serde(default)]
    pub files: Vec<String>,
    /// What is wrong and what to do.
    #[serde(default)]
    pub message: String,
}

/// All uploads that an order, or a link, knows of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Uploads {
    /// The order's number.
    #[serde(default)]
    pub order: String,
    /// One for each upload, sealed ones included.
    pub uploads: Vec<Upload>,
    /// What each intake rule does: `ignore`, `warn`, `refuse`.
    #[serde(default)]
    pub rules: BTreeMap<String, String>,
    /// How much the order may hold, and holds.
    #[serde(default)]
    pub limits: Option<Limits>,
}

/// How much an order may hold, and holds; bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// In one file.
    #[serde(deserialize_with = "number")]
    pub max_file: u64,
    /// In all files.
    #[serde(deserialize_with = "number")]
    pub max_order: u64,
    /// Files.
    #[serde(deserialize_with = "number")]
    pub max_files: u64,
    /// Announced so far.
    #[serde(deserialize_with = "number")]
    pub used_bytes: u64,
    /// Uploads so far.
    #[serde(deserialize_with = "number")]
    pub used_files: u64,
    /// Files of this link that are not finished, at most; absent for who needs no link.
    #[serde(default, deserialize_with = "maybe_number")]
    pub max_open: Option<u64>,
    /// For which the server has room at this moment; absent if for more than the order takes.
    #[serde(default, deserialize_with = "maybe_number")]
    pub space: Option<u64>,
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    /// Bytes are missing.
    Open,
    /// All bytes are there.
    Finished,
    /// Part of a sealed session.
    Sealed,
}

/// One file in flight, or arrived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Upload {
    /// The last segment of the upload's URL.
    pub id: String,
    /// The path inside the session.
    pub path: String,
    /// The kind that it will be sealed as.
    #[serde(default)]
    pub kind: Option<String>,
    /// Bytes; absent while the sender has not said.
    #[serde(default, deserialize_with = "maybe_number")]
    pub length: Option<u64>,
    /// Bytes that are safe on the server.
    #[serde(deserialize_with = "number")]
    pub offset: u64,
    /// BLAKE3 of a finished file.
    #[serde(default)]
    pub hash: Option<String>,
    /// Where it stands.
    pub state: UploadState,
    /// The `modified` that its sender gave.
    #[serde(default)]
    pub modified: Option<String>,
}

/// The sessions of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderSessions {
    /// One line for each sealed session.
    #[serde(default)]
    pub sessions: Vec<SessionLine>,
}

/// A sealed session in the list of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionLine {
    /// The session's id.
    pub session: String,
    /// `material`, `delivery` or `stems`.
    #[serde(default)]
    pub kind: String,
    /// When it was sealed.
    #[serde(default)]
    pub sealed_at: Option<DateTime<Utc>>,
    /// What the engineer said of it.
    #[serde(default)]
    pub review: Option<ReviewLine>,
}

impl SessionLine {
    /// Whether its review is in this state.
    #[must_use]
    pub fn is(&self, state: &str) -> bool {
        self.review.as_ref().is_some_and(|it| it.state == state)
    }
}

/// What was said of a session, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReviewLine {
    /// `submitted`, `accepted` or `returned`.
    pub state: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Digits(u64),
    Text(String),
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    read(Number::deserialize(from)?)
}

pub(super) fn maybe_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Option::<Number>::deserialize(from)?.map(read).transpose()
}

fn read<E: serde::de::Error>(number: Number) -> Result<u64, E> {
    match number {
        Number::Digits(digits) => Ok(digits),
        Number::Text(text) => text
            .parse()
            .map_err(|_| E::custom(format!("{text:?} is not a number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_bits_survive_as_strings() {
        let upload: Upload = serde_json::from_str(
            r#"{"id":"ab","path":"a/b.wav","kind":"material","length":"18446744073709551615",
                "offset":7,"hash":null,"state":"open","modified":null,"expires_at":null,"new":1}"#,
        )
        .unwrap();
        assert_eq!(upload.length, Some(u64::MAX));
        assert_eq!(upload.offset, 7);
        assert!(
            serde_json::from_str::<Upload>(r#"{"id":"a","path":"p","offset":"-1","state":"open"}"#)
                .is_err()
        );
    }
}
