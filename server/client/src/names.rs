//! Names that cross the wire: which of them may become a file here, and under which name.

use std::path::PathBuf;

use stemvault_model::names::is_device;
use stemvault_model::path::{NAME_MAX, SessionPath};
use unicode_normalization::UnicodeNormalization;

use crate::disposition::readable_names;

/// The longest name to which `.part` is added as it is.
const LONG_NAME: usize = 100;

/// `path` as the server has it in a session (composed, `/` between names): how two spellings of one
/// name are compared.
#[must_use]
pub fn composed(path: &str) -> String {
    SessionPath::parse(path).map_or_else(|_| path.nfc().collect(), |path| path.as_str().to_owned())
}

/// The name of a file that is still arriving, always the same one. It is longer than `name` only if
/// that is short: what a disk takes as a name, it takes as a part.
#[must_use]
pub fn part_name(name: &str) -> String {
    if name.len() <= LONG_NAME {
        return format!("{name}.part");
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let mut start = LONG_NAME - 22;
    while !name.is_char_boundary(start) {
        start -= 1;
    }
    format!("{}~{}.part", &name[..start], &hash[..16])
}

/// The place of a session path below a folder, or why it has none.
///
/// # Errors
/// A sentence for every path that is empty, absolute, climbs, that no session can have, or that this
/// system would read as something else than names separated by `/`.
pub fn place(path: &str) -> Result<PathBuf, String> {
    for name in path.split('/') {
        let why = match name {
            "" => Some("is not a relative path"),
            "." | ".." => Some("would leave the folder"),
            _ if name.chars().any(char::is_control) => {
                Some("has a control character in it, which no session has")
            }
            _ if name.len() > NAME_MAX => Some("has a longer name than disks take"),
            _ if cfg!(windows) && !is_windows_name(name) => Some("is no file name on Windows"),
            _ => None,
        };
        if let Some(why) = why {
            return Err(format!("the path {path:?} {why}; it is not written"));
        }
    }
    Ok(path.split('/').collect())
}

/// Whether Windows makes a file of exactly this name.
fn is_windows_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    !name.contains(['\\', ':', '<', '>', '|', '?', '*', '"'])
        && !name.ends_with(['.', ' '])
        && !is_device(&stem.to_lowercase())
}

/// The file name in a `Content-Disposition` header: `filename*` before `filename`, and of either
/// only what follows the last separator.
#[must_use]
pub fn from_disposition(header: &[u8]) -> Option<String> {
    let names = readable_names(header);
    names.iter().find_map(|name| last_name(name))
}

fn last_name(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '\\']).next()?.trim();
    let usable = place(name).is_ok() && !name.chars().any(char::is_control);
    usable.then(|| name.to_owned())
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
            "\u{1b}[31mred.txt",
            "new\nline.txt",
            "a/\u{9b}31m",
            "\r",
        ] {
            assert!(place(path).is_err(), "{path:?}");
        }
        assert!(place(&"x".repeat(256)).is_err());
        assert!(place(&"x".repeat(255)).is_ok());
        for name in ["CON", "nul.wav", "a:b", "a. ", "Why?", "a\\b"] {
            assert!(!is_windows_name(name), "{name}");
        }
        assert!(is_windows_name("console.wav"));
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
    fn a_part_has_a_name_where_its_file_has_one() {
        assert_eq!(part_name("Kick.wav"), "Kick.wav.part");
        let names = [
            "M".repeat(247) + ".wav",
            "録".repeat(83) + ".wav",
            "L".repeat(101),
        ];
        for name in &names {
            let part = part_name(name);
            assert!(part.len() <= LONG_NAME && part.ends_with(".part"), "{part}");
            assert_ne!(part, part_name(&format!("{name}2")));
        }
    }

    #[test]
    fn two_spellings_of_one_name_are_one_name() {
        assert_eq!(composed("AC\\DC tribute.wav"), "AC/DC tribute.wav");
        assert_eq!(composed("Ko\u{308}rper"), composed("K\u{f6}rper"));
    }
}
