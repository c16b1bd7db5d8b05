//! `Upload-Checksum`: the sum that a client says its body has, and the sum that it has.
//!
//! The sum comes before the body. One that follows it (tus calls it checksum-trailer) is not
//! offered: no client sends it, proxies drop trailers, and the file's BLAKE3 says the same at its
//! end.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use axum::http::HeaderMap;
use base64::Engine;
use md5::{Digest, Md5};
use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::upload::sum::Algorithm;

use super::metadata::LENIENT;

/// The algorithms, by their names in tus, as `Tus-Checksum-Algorithm` lists them.
pub(super) const ALGORITHMS: &str = "sha1,sha256,md5,crc32";

/// The longest body with a checksum, in bytes. Nothing of it counts before its end, so a longer
/// one would be sent again from its start when a connection breaks; clients that send checksums
/// send pieces.
pub(crate) const CHECKED_MAX: u64 = 64 << 20;

/// What a client says of its body.
#[derive(Debug)]
pub(crate) struct Checksum {
    pub(super) sum: Sum,
    said: Vec<u8>,
}

/// A sum in the making.
pub(super) enum Sum {
    /// SHA-1, or one of the SHA-2.
    Sha(Context),
    /// MD5.
    Md5(Md5),
    /// CRC-32 (IEEE), the highest byte first.
    Crc32(crc32fast::Hasher),
}

impl Checksum {
    /// What the headers of a request with a body say.
    ///
    /// # Errors
    /// [`RefusalKind::BadRequest`] when it cannot be read; [`RefusalKind::TooLarge`] when the body
    /// is said to be longer than we check.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut said = headers.get_all("upload-checksum").iter();
        let Some(header) = said.next() else {
            return Ok(None);
        };
        let malformed = || {
            bad(
                "the Upload-Checksum header cannot be read: send one algorithm, a space, and the sum in base64, like \"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=\"",
            )
        };
        if said.next().is_some() {
            return Err(malformed());
        }
        let header = header.to_str().map_err(|_| malformed())?;
        let (name, sum) = header.trim().split_once(' ').ok_or_else(malformed)?;
        let Some((known, length)) = Sum::named(name) else {
            return Err(bad(&format!(
                "there is no checksum {name:?} here: send one of {ALGORITHMS}, or none"
            )));
        };
        let sum = LENIENT.decode(sum.trim()).map_err(|_| malformed())?;
        if sum.len() != length {
            return Err(bad(&format!(
                "a {name} has {length} bytes, the Upload-Checksum header has {}: send the sum itself in base64, not its hexadecimal text",
                sum.len()
            )));
        }
        let length = headers.get("content-length");
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > CHECKED_MAX) {
            return Err(too_much());
        }
        Ok(Some(Self {
            sum: known,
            said: sum,
        }))
    }

    /// A sum that was said in another dialect.
    pub(crate) fn sha(algorithm: Algorithm, said: &[u8]) -> Self {
        let algorithm = match algorithm {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        };
        Self {
            sum: Sum::Sha(Context::new(algorithm)),
            said: said.to_vec(),
        }
    }

    /// Takes the next bytes of the body.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.sum {
            Sum::Sha(sum) => sum.update(bytes),
            Sum::Md5(sum) => sum.update(bytes),
            Sum::Crc32(sum) => sum.update(bytes),
        }
    }

    /// Whether the body has the sum that was said.
    pub(crate) fn came_right(self) -> bool {
        let sum = match self.sum {
            Sum::Sha(sum) => sum.finish().as_ref().to_vec(),
            Sum::Md5(sum) => sum.finalize().to_vec(),
            Sum::Crc32(sum) => sum.finalize().to_be_bytes().to_vec(),
        };
        sum == self.said
    }
}

impl Sum {
    /// The algorithm of this name, and how long its sums are.
    fn named(name: &str) -> Option<(Self, usize)> {
        Some(match name {
            "sha1" => (Self::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)), 20),
            "sha256" => (Self::Sha(Context::new(&SHA256)), 32),
            "md5" => (Self::Md5(Md5::new()), 16),
            "crc32" => (Self::Crc32(crc32fast::Hasher::new()), 4),
            _ => return None,
        })
    }
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sha(_) => "SHA",
            Self::Md5(_) => "MD5",
            Self::Crc32(_) => "CRC-32",
        })
    }
}

/// The refusal of a body that is too long to be checked.
pub(super) fn too_much() -> Refusal {
    too_long("a checksum")
}

/// The same, in the words of any dialect.
pub(crate) fn too_long(sum: &str) -> Refusal {
    let message = format!(
        "a body with {sum} may have {CHECKED_MAX} bytes, because nothing of it counts before its end: send smaller pieces, or do without (the answer to the last piece names the BLAKE3 of the file)"
    );
    Refusal::new(RefusalKind::TooLarge, message)
}

fn bad(message: &str) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &'static str) -> Result<Option<Checksum>, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert("upload-checksum", header.parse().unwrap());
        Checksum::of(&headers)
    }

    #[test]
    fn known_sums_are_right() {
        for header in [
            "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
            "sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
            "md5 XrY7u+Ae7tCTyyK7j1rNww==",
            "crc32 DUoRhQ==",
        ] {
            let right = |bytes: &[&[u8]]| {
                let mut sum = of(header).unwrap().unwrap();
                for piece in bytes {
                    sum.update(piece);
                }
                sum.came_right()
            };
            assert!(right(&[b"hello", b" ", b"world"]), "{header}");
            assert!(!right(&[b"hello", b"world"]), "{header}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(Checksum::of(&HeaderMap::new()).unwrap().is_none());
        let no = |header| of(header).unwrap_err().message;
        assert!(no("sha1").contains("a space"));
        assert!(no("sha1 !!").contains("base64"));
        assert!(no("sha1 Kq5s").contains("20 bytes"));
        assert!(no("blake3 Kq5s").contains("sha1,sha256,md5,crc32"));
        // "5eb63bbbe01eeed093cb22bb8f5acdc3", a sum as text
        assert!(no("md5 NWViNjNiYmJlMDFlZWVkMDkzY2IyMmJiOGY1YWNkYzM=").contains("hexadecimal"));
        let mut headers = HeaderMap::new();
        headers.insert("upload-checksum", "crc32 DUoRhQ==".parse().unwrap());
        headers.insert("content-length", "67108865".parse().unwrap());
        let no = Checksum::of(&headers).unwrap_err();
        assert_eq!(no.kind, RefusalKind::TooLarge);
        headers.insert("content-length", "67108864".parse().unwrap());
        assert!(Checksum::of(&headers).unwrap().is_some());
    }
}
