//! Names that cross the wire: which of them may become a file here, and under which name.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// `path` in composed form (NFC): how two spellings of one name are compared.
#[must_use]
pub fn composed(path: &str) -> String {
    path.nfc().collect()
}

/// The place of a session path below a folder, or why it has none.
///
/// # Errors
/// A sentence for every path that is empty, absolute, climbs, or that this system would read as
/// something else than names separated by `/`.
pub fn place(path: &str) -> Result<PathBuf, String> {
    let refuse = |why: &str| Err(format!("the path {path:?} {why}; it is not written"));
    let mut place = PathBuf::new();
    for name in path.split('/') {
        match name {
            "" => return refuse("is not a relative path"),
            "." | ".." => return refuse("would leave the folder"),
            _ if name.contains('\0') => return refuse("is no file name here"),
            _ if cfg!(windows) && name.contains(['\\', ':', '<', '>', '|', '?', '*', '"']) => {
                return refuse("is no file name here");
            }
            _ => place.push(name),
        }
    }
    Ok(place)
}

/// The file name in a `Content-Disposition` header: `filename*` before `filename`, and of either
/// only what follows the last separator.
#[must_use]
pub fn from_disposition(header: &[u8]) -> Option<String> {
    let header = String::from_utf8_lossy(header);
    let mut plain = None;
    for (key, value) in parameters(&header) {
        if key.eq_ignore_ascii_case("filename*") {
            let mut parts = value.splitn(3, '\'');
            let (charset, encoded) = (parts.next()?, parts.nth(1));
            if let Some(encoded) = encoded.filter(|_| charset.eq_ignore_ascii_case("utf-8")) {
                let name = percent_decode_str(encoded).decode_utf8().ok();
                if let Some(name) = name.and_then(|name| last_name(&name)) {
                    return Some(name);
                }
            }
        } else if key.eq_ignore_ascii_case("filename") {
            plain = last_name(&value);
        }
    }
    plain
}

fn last_name(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '\\']).next()?.trim();
    let usable = place(name).is_ok() && !name.chars().any(char::is_control);
    usable.then(|| name.to_owned())
}

/// The `key=value` parts after the first `;`, quotes undone.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ';', '\t']).to_owned();
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, left) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), left)
            }
        };
        found.push((key, value));
        rest = left;
    }
    found
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_folder_have_no_place() {
        for path in [
            "",
            "/etc/passwd",
            "a//b",
            "a/",
            "..",
            "a/../b",
            "./a",
            "a\0b",
        ] {
            assert!(place(path).is_err(), "{path:?}");
        }
        assert_eq!(
            place("Drums/Kick ..wav").unwrap(),
            PathBuf::from("Drums/Kick ..wav")
        );
    }

    #[test]
    fn content_disposition_gives_a_bare_name() {
        let name = |header: &str| from_disposition(header.as_bytes());
        assert_eq!(
            name("attachment; filename=\"K_rper.wav\"; filename*=UTF-8''K%C3%B6rper.wav").unwrap(),
            "Körper.wav"
        );
        assert_eq!(
            name(r#"attachment; filename="a \"b\"; c.wav""#).unwrap(),
            r#"a "b"; c.wav"#
        );
        assert_eq!(name("attachment;filename=plain.wav").unwrap(), "plain.wav");
        assert_eq!(
            name("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd").unwrap(),
            "passwd"
        );
        assert_eq!(
            name("attachment; filename*=latin1''x; filename=y").unwrap(),
            "y"
        );
        for header in [
            "attachment",
            "attachment; filename=\"..\"",
            "inline; filename*=UTF-8''%1b%5b",
        ] {
            assert_eq!(name(header), None, "{header}");
        }
    }

    #[test]
    fn two_spellings_of_one_name_are_one_name() {
        assert_eq!(composed("Ko\u{308}rper"), composed("K\u{f6}rper"));
    }
}
