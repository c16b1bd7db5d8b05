//! Digest fields (RFC 9530), as the draft has uses for them: `Content-Digest` of one request,
//! `Repr-Digest` of the whole file, and `Want-Repr-Digest`.
//!
//! The content's is compared at its end, and nothing of it is kept if it has another one: so it has
//! to be short, as with a checksum of tus. That of the file comes with the creation and is carried
//! along in the record. What is wrong is said in the words of "HTTP Problem Types for Digest
//! Fields". A field that is there in none of the algorithms that we know is refused: its sender would
//! believe that something was compared.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stemvault_storage::refusal::Refusal;
use stemvault_storage::upload::sum::{Algorithm, Sum};

use super::answer::{Problem, Refused};
use super::fields;
use super::said::bad;
use crate::upload::checksum::{CHECKED_MAX, Checksum};

const CONTENT: &str = "Content-Digest";
const WHOLE: &str = "Repr-Digest";
const WANTED: &str = "Want-Repr-Digest";

/// A digest that a request says.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    algorithm: Algorithm,
    value: Vec<u8>,
}

/// What a request's content is said to sum up to.
///
/// # Errors
/// When it cannot be read or compared, or when the content is too long for it.
pub(super) fn of_content(
    headers: &HeaderMap,
    length: Option<u64>,
) -> Result<Option<Digest>, Refused> {
    let digest = said(headers, CONTENT)?;
    if digest.is_some() && length.is_some_and(|length| length > CHECKED_MAX) {
        return Err(too_much().into());
    }
    Ok(digest)
}

/// The sum of the whole file that is to be carried along: because it is said, or asked for.
///
/// # Errors
/// When what is said cannot be read or compared.
pub(super) fn of_whole(headers: &HeaderMap) -> Result<Option<Sum>, Refused> {
    if let Some(Digest { algorithm, value }) = said(headers, WHOLE)? {
        return Ok(Some(Sum::new(algorithm, Some(&value))));
    }
    let Some(wanted) = lines(headers, WANTED) else {
        return Ok(None);
    };
    let wanted = fields::preferences(&wanted).ok_or_else(|| malformed(WANTED, "sha-256=10"))?;
    let weight = |algorithm: Algorithm| {
        let mut wanted = wanted.iter();
        wanted
            .find(|(name, _)| name == algorithm.name())
            .map_or(0, |it| it.1)
    };
    // The first of equals.
    let best = Algorithm::ALL
        .into_iter()
        .rev()
        .max_by_key(|it| weight(*it));
    let best = best.filter(|best| weight(*best) > 0);
    Ok(best.map(|algorithm| Sum::new(algorithm, None)))
}

impl Digest {
    /// The sum to compare it with.
    pub(super) fn checksum(&self) -> Checksum {
        Checksum::sha(self.algorithm, &self.value)
    }

    /// The content has another one.
    pub(super) fn mismatch(&self, path: &str, kept: u64) -> Problem {
        let detail = format!(
            "the content does not have the digest that was sent with it, so nothing of it was kept: {kept} bytes of {path:?} are safe, send it again from there"
        );
        mismatch(detail, CONTENT, self.algorithm, &self.value)
    }
}

/// The whole file has another digest than was said: the upload is no more.
pub(super) fn another_file(sum: &Sum, refusal: &Refusal) -> Problem {
    let said = sum.said().unwrap_or_default();
    mismatch(refusal.message.clone(), WHOLE, sum.algorithm(), said)
}

/// A file of no bytes, with the digest of another one.
pub(super) fn not_empty(sum: &Sum, path: &str) -> Problem {
    let detail = format!(
        "{path:?} is to have no bytes, and the digest of a file that has some: check what was read"
    );
    mismatch(
        detail,
        WHOLE,
        sum.algorithm(),
        sum.said().unwrap_or_default(),
    )
}

/// The content is longer than what is compared.
pub(super) fn too_much() -> Refusal {
    crate::upload::checksum::too_long("a digest of its own (Content-Digest)")
}

/// A value as the fields bear it.
pub(super) fn field(algorithm: Algorithm, value: &[u8]) -> String {
    format!("{}={}", algorithm.name(), sequence(value))
}

fn sequence(value: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(value))
}

/// What a field says in the first algorithm that we know.
fn said(headers: &HeaderMap, name: &'static str) -> Result<Option<Digest>, Refused> {
    let Some(lines) = lines(headers, name) else {
        return Ok(None);
    };
    let example = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    let said = fields::digests(&lines).ok_or_else(|| malformed(name, example))?;
    for algorithm in Algorithm::ALL {
        let value = said.iter().find(|(name, _)| name == algorithm.name());
        let Some((_, value)) = value.cloned() else {
            continue;
        };
        if value.len() != algorithm.length() {
            let (key, length) = (algorithm.name(), algorithm.length());
            let reason = format!("a {key} has {length} bytes, this one has {}", value.len());
            let detail = format!("{name} cannot be right: {reason}");
            let digests = json!([{"algorithm": key, "header": name, "reason": reason}]);
            let kind = "digest-invalid-values";
            return Err(Problem::digest(kind, detail, ("invalid-digests", digests)).into());
        }
        return Ok(Some(Digest { algorithm, value }));
    }
    Err(unsupported(name, &said).into())
}

fn unsupported(name: &'static str, said: &[(String, Vec<u8>)]) -> Problem {
    let said = said
        .iter()
        .map(|(key, _)| json!({"algorithm": key, "header": name}));
    let said: Vec<Value> = said.collect();
    let detail = format!("{name} has no digest that can be compared here: send sha-256 or sha-512");
    let want = match name {
        CONTENT => HeaderName::from_static("want-content-digest"),
        _ => HeaderName::from_static("want-repr-digest"),
    };
    let kind = "digest-unsupported-algorithms";
    Problem::digest(kind, detail, ("unsupported-algorithms", said.into())).wanting(want)
}

fn mismatch(detail: String, header: &str, algorithm: Algorithm, said: &[u8]) -> Problem {
    let digests = json!([{
        "algorithm": algorithm.name(), "provided-digest": sequence(said), "header": header,
    }]);
    let kind = "digest-mismatching-values";
    Problem::digest(kind, detail, ("mismatching-digests", digests))
}

fn malformed(name: &str, example: &str) -> Refused {
    bad(&format!(
        "the {name} header cannot be read: send it like {name}: {example}"
    ))
}

/// A field's lines, which are one (RFC 9110, 5.3).
fn lines(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn the_digest_that_we_know_is_found_among_others() {
        let sha = |length| field(Algorithm::Sha256, &vec![7; length]);
        let (right, short) = (sha(32), sha(31));
        let of = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|it| ("content-digest", *it)).collect();
            of_content(&headers(&lines), None)
        };
        let found = of(&["md5=:AAAA:;x=1", &right]).unwrap().unwrap();
        assert_eq!(
            (found.algorithm, found.value),
            (Algorithm::Sha256, vec![7; 32])
        );
        let long = field(Algorithm::Sha512, &[1; 64]);
        assert_eq!(of(&[&long]).unwrap().unwrap().algorithm, Algorithm::Sha512);
        assert!(of(&[]).unwrap().is_none());
        for wrong in [
            &*short,
            "md5=:AAAA:",
            "",
            "sha-256=AAAA",
            "sha-256",
            "sha-256=:*:",
        ] {
            assert!(of(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_wanted_most_is_carried_along() {
        let of = |wants: &str| {
            let sum = of_whole(&headers(&[("want-repr-digest", wants)]));
            sum.unwrap().map(|sum| sum.algorithm())
        };
        assert_eq!(of("sha-512=3, sha-256=10"), Some(Algorithm::Sha256));
        assert_eq!(of("sha-512=4, sha-256=3, md5=9"), Some(Algorithm::Sha512));
        assert_eq!(of("sha-512=1, sha-256=1"), Some(Algorithm::Sha256));
        assert_eq!(of("sha-512=0"), None);
        assert_eq!(of("unixsum=1"), None);
        assert!(of_whole(&headers(&[("want-repr-digest", "sha-256=a")])).is_err());
    }
}
