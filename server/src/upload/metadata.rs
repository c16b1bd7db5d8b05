//! `Upload-Metadata`: what a client says of a file before its first byte.
//!
//! What we do not need may be malformed, as with other servers; what we need may not: it is read
//! or refused by name. The header itself is kept as it was sent.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use stemvault_storage::path::SessionPath;
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::Kind;
use stemvault_storage::upload::Upload;

/// Under which name the header stands in the upload's record: no client can send such a name,
/// because it has a space in it.
const AS_SENT: &str = "as sent";
/// The name under which clients send when the file was last changed.
const MODIFIED: &str = "modified";

/// Padding or none: both are sent.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The header, taken apart.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Where a client is told to put what is missing.
    place: &'static str,
    header: String,
    /// In the order sent; `None` if the value is not base64 of UTF-8.
    pairs: Vec<(String, Option<String>)>,
}

impl Metadata {
    /// Takes the header of a request apart.
    ///
    /// # Errors
    /// When it is not plain text.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut lines = Vec::new();
        for line in headers.get_all("upload-metadata") {
            lines.push(line.to_str().map_err(|_| {
                bad("the Upload-Metadata header is not plain ASCII: send values in base64")
            })?);
        }
        let header = lines.join(",");
        let pairs = header.split(',').map(str::trim);
        let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = LENIENT.decode(value.trim()).ok();
            let value = value.and_then(|value| String::from_utf8(value).ok());
            (name.to_owned(), value)
        });
        let pairs = pairs.collect();
        Ok(Self {
            place: "Upload-Metadata",
            header,
            pairs,
        })
    }

    /// The same for clients that say it elsewhere.
    pub(crate) fn said_in(self, place: &'static str) -> Self {
        Self { place, ..self }
    }

    /// Where a client is told to put what is missing.
    pub(crate) fn place(&self) -> &'static str {
        self.place
    }

    /// Adds what was said elsewhere, as if it had been in the header.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let comma = if self.header.is_empty() { "" } else { "," };
        let encoded = LENIENT.encode(value);
        self.header.push_str(&format!("{comma}{name} {encoded}"));
        self.pairs.push((name.to_owned(), Some(value.to_owned())));
    }

    /// A value that we need. Sent twice, it must be the same.
    ///
    /// # Errors
    /// When it cannot be read, or two differ.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut found = None;
        for (_, value) in self.pairs.iter().filter(|(known, _)| known == name) {
            let Some(value) = value else {
                return Err(bad(&format!(
                    "the {name:?} in Upload-Metadata cannot be read: send it in UTF-8, encoded in base64"
                )));
            };
            if found.is_some_and(|found| found != value.as_str()) {
                return Err(bad(&format!(
                    "there are two different values of {name:?} in {}: send one",
                    self.place
                )));
            }
            found = Some(value.as_str());
        }
        Ok(found)
    }

    /// Where the file stands in its session: with its folders, if the client knows them.
    ///
    /// # Errors
    /// [`RefusalKind::BadMetadata`] without a name, [`RefusalKind::BadPath`].
    pub(crate) fn path(&self) -> Result<SessionPath, Refusal> {
        // Browsers' libraries send "null" for a file that was not in a folder.
        let folder = self.get("relativePath")?;
        let folder = folder.filter(|path| !path.is_empty() && *path != "null");
        let path = match folder {
            Some(path) => path,
            None => self.get("filename")?.ok_or_else(|| {
                bad(&format!(
                    "the file has no name: send it as \"filename\" in {}",
                    self.place
                ))
            })?,
        };
        SessionPath::parse(path)
            .map_err(|why| Refusal::new(RefusalKind::BadPath, why.to_string()).of_file(path))
    }

    /// Where a part says that its file stands; most clients leave that to the file itself.
    ///
    /// # Errors
    /// [`RefusalKind::BadPath`].
    pub(super) fn path_of_part(&self) -> Result<SessionPath, Refusal> {
        if self.get("relativePath")?.is_some() || self.get("filename")?.is_some() {
            return self.path();
        }
        Ok(SessionPath::parse("a part").expect("a plain name"))
    }

    /// What the file is part of.
    ///
    /// # Errors
    /// When there is no such kind.
    pub(crate) fn kind(&self) -> Result<Option<Kind>, Refusal> {
        let kind = self.get("kind")?.filter(|kind| !kind.is_empty());
        kind.map(str::parse)
            .transpose()
            .map_err(|why: String| bad(&why))
    }

    /// Checks the names that the studio requires.
    ///
    /// # Errors
    /// Names all that are missing.
    pub(crate) fn check_required(&self, required: &[String]) -> Result<(), Refusal> {
        let mut missing = Vec::new();
        for name in required {
            if self.get(name)?.is_none_or(|value| value.trim().is_empty()) {
                missing.push(format!("{name:?}"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(bad(&format!(
            "the studio wants {} with every file: add it to the upload and try again",
            missing.join(", ")
        )))
    }

    /// What the upload's record keeps.
    pub(crate) fn to_record(&self) -> BTreeMap<String, String> {
        let modified = self.get(MODIFIED).ok().flatten();
        let modified = modified.map(|at| (MODIFIED.to_owned(), at.to_owned()));
        let header = Some((AS_SENT.to_owned(), self.header.clone()));
        header
            .filter(|(_, header)| !header.is_empty())
            .into_iter()
            .chain(modified)
            .collect()
    }
}

/// The header of an upload, as it was sent.
pub(super) fn as_sent(upload: &Upload) -> Option<&str> {
    upload.metadata.get(AS_SENT).map(String::as_str)
}

fn bad(message: &str) -> Refusal {
    Refusal::new(RefusalKind::BadMetadata, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(header: &'static str) -> Metadata {
        let mut headers = HeaderMap::new();
        headers.insert("upload-metadata", header.parse().unwrap());
        Metadata::parse(&headers).unwrap()
    }

    fn no(refused: Result<impl std::fmt::Debug, Refusal>) -> String {
        refused.unwrap_err().message
    }

    #[test]
    fn a_folder_counts_more_than_a_name() {
        // a/b.wav, b.wav, "null"
        let path = |header| sent(header).path().map(|path| path.to_string());
        assert_eq!(
            path("filename Yi53YXY=,relativePath YS9iLndhdg=="),
            Ok("a/b.wav".into())
        );
        assert_eq!(
            path("relativePath bnVsbA==,filename Yi53YXY="),
            Ok("b.wav".into())
        );
        assert_eq!(path("relativePath,filename Yi53YXY"), Ok("b.wav".into()));
        assert!(no(path("filetype YQ==")).contains("no name"));
        // ../b.wav
        assert_eq!(
            sent("filename Li4vYi53YXY=").path().unwrap_err().kind,
            RefusalKind::BadPath
        );
    }

    #[test]
    fn what_is_needed_is_read_or_refused_and_the_rest_may_be_anything() {
        let metadata = sent("odd !!!,filename Yi53YXY=, ,thumb /9j/,order");
        assert_eq!(metadata.get("filename"), Ok(Some("b.wav")));
        assert_eq!(metadata.get("order"), Ok(Some("")));
        assert_eq!(metadata.get("absent"), Ok(None));
        assert!(no(metadata.get("odd")).contains("base64"));
        assert!(no(metadata.get("thumb")).contains("UTF-8"));
        assert_eq!(sent("a Yg==,a Yg==").get("a"), Ok(Some("b")));
        assert!(no(sent("a Yg==,a Yw==").get("a")).contains("two different"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let wanted = ["artist".to_owned(), "song".to_owned(), "isrc".to_owned()];
        let said = no(sent("artist Yg==,song").check_required(&wanted));
        assert!(said.contains("\"song\", \"isrc\""), "{said}");
        assert!(!said.contains("artist"), "{said}");
    }

    #[test]
    fn kinds_are_three() {
        assert_eq!(sent("kind c3RlbXM=").kind(), Ok(Some(Kind::Stems)));
        assert_eq!(sent("filename Yg==").kind(), Ok(None));
        assert!(no(sent("kind YmVlcg==").kind()).contains("material, delivery or stems"));
    }

    #[test]
    fn the_record_keeps_the_header_as_it_was_sent() {
        let header = "z,filename Yi53YXY=,modified MjAyNg==,thumb /9j/";
        let record = sent(header).to_record();
        assert_eq!(record[AS_SENT], header);
        assert_eq!(record[MODIFIED], "2026");
        assert_eq!(record.len(), 2);
    }
}
