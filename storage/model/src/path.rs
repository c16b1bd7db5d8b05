//! What a client sent as the path of a file: checked, and in one form that can be compared.
//!
//! A [`SessionPath`] is relative, stays inside the session, and is short enough for every file
//! system. It keeps what was sent byte for byte; everything else goes by the normalised form (NFC),
//! because a Mac writes `é` as two characters and a Windows machine as one.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

pub use crate::names::collation_key;
use crate::names::is_junk;

/// Most bytes of a normalised path.
pub const PATH_MAX: usize = 1024;
/// Most bytes of one name in it.
pub const NAME_MAX: usize = 255;
/// Most bytes of a path as sent: decomposed characters are longer than composed ones.
const RAW_MAX: usize = 4 * PATH_MAX;

/// A path that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionPath {
    normalised: String,
    raw: String,
}

/// Why a path was not accepted, in words for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathRefused {
    /// Nothing in it.
    #[error("the file has no name; send its name, with its folder if it is in one")]
    Empty,
    /// It begins at a root.
    #[error(
        "{0:?} is an absolute path; send the path inside the session folder, without a leading slash"
    )]
    Absolute(String),
    /// It begins with a drive letter.
    #[error("{0:?} begins with a drive letter; send the path inside the session folder")]
    Drive(String),
    /// It leads out of the session.
    #[error("{0:?} leads out of the session folder; remove the \"..\" from the path")]
    Outside(String),
    /// It ends in a slash.
    #[error("{0:?} names a folder; send the files in it, folders are made by themselves")]
    Folder(String),
    /// NUL, line feed and the like.
    #[error(
        "{0:?} has an invisible control character in its name; rename the file and send it again"
    )]
    Control(String),
    /// A name in it is longer than [`NAME_MAX`].
    #[error(
        "the name {name:?} has {bytes} bytes, {NAME_MAX} are the most that disks take; shorten it"
    )]
    LongName {
        /// The name, cut short.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// It is longer than [`PATH_MAX`].
    #[error(
        "the path {path:?} has {bytes} bytes, {PATH_MAX} are the most; use fewer or shorter folders"
    )]
    LongPath {
        /// The path, cut short.
        path: String,
        /// Its length.
        bytes: usize,
    },
}

impl SessionPath {
    /// Checks and normalises what a client sent: backslashes become slashes, empty and `.` components
    /// go, the rest is composed to NFC. Any script and any symbol is welcome.
    ///
    /// # Errors
    /// [`PathRefused`], with what to do about it.
    pub fn parse(raw: &str) -> Result<Self, PathRefused> {
        let shown = || shortened(raw);
        if raw.len() > RAW_MAX {
            return Err(PathRefused::LongPath {
                path: shown(),
                bytes: raw.len(),
            });
        }
        if raw.chars().any(char::is_control) {
            return Err(PathRefused::Control(shown()));
        }
        let slashed: String = raw
            .nfc()
            .map(|it| if it == '\\' { '/' } else { it })
            .collect();
        if slashed.starts_with('/') {
            return Err(PathRefused::Absolute(shown()));
        }
        let names: Vec<&str> = slashed
            .split('/')
            .filter(|name| !matches!(*name, "" | "."))
            .collect();
        if names.len() > 1 && is_drive(names[0]) {
            return Err(PathRefused::Drive(shown()));
        }
        // Windows drops blanks at the end of a name, so ".. " is a way up as well.
        if names.iter().any(|name| name.trim() == "..") {
            return Err(PathRefused::Outside(shown()));
        }
        if names.iter().all(|name| name.trim().is_empty()) {
            return Err(PathRefused::Empty);
        }
        if slashed.ends_with('/') || slashed.ends_with("/.") {
            return Err(PathRefused::Folder(shown()));
        }
        if let Some(name) = names.iter().find(|name| name.len() > NAME_MAX) {
            return Err(PathRefused::LongName {
                name: shortened(name),
                bytes: name.len(),
            });
        }
        let normalised = names.join("/");
        if normalised.len() > PATH_MAX {
            return Err(PathRefused::LongPath {
                path: shown(),
                bytes: normalised.len(),
            });
        }
        Ok(Self {
            normalised,
            raw: raw.to_owned(),
        })
    }

    /// As it was sent.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Normalised: relative, `/` between names, NFC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.normalised
    }

    /// The last name in it.
    #[must_use]
    pub fn file_name(&self) -> &str {
        file_name(&self.normalised)
    }

    /// Whether it is what computers leave behind by themselves; see [`is_junk`].
    #[must_use]
    pub fn is_junk(&self) -> bool {
        is_junk(&self.normalised)
    }

    /// Equal for two paths that are one file to a Mac or to Windows; see [`collation_key`].
    #[must_use]
    pub fn collation_key(&self) -> String {
        collation_key(&self.normalised)
    }
}

impl std::fmt::Display for SessionPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.normalised)
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// `C:` as a folder. A letter and a colon with more behind them are a name: what a Mac shows as
/// `A/B mix.wav` is called `A:B mix.wav` on its disk, and is judged alike alone and in a folder.
fn is_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

/// Enough of it to be recognised in a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn normal(raw: &str) -> String {
        SessionPath::parse(raw)
            .unwrap_or_else(|why| panic!("{why}"))
            .as_str()
            .to_owned()
    }

    #[test]
    fn paths_are_normalised_and_kept_as_sent() {
        assert_eq!(normal("Drums/Kick.wav"), "Drums/Kick.wav");
        assert_eq!(normal("Drums\\\\Kick.wav"), "Drums/Kick.wav");
        assert_eq!(normal("./Drums//./Kick.wav"), "Drums/Kick.wav");
        assert_eq!(normal("Cafe\u{301}/Ü.wav"), "Café/Ü.wav");
        assert_eq!(normal("歌/🎸 solo….wav"), "歌/🎸 solo….wav");
        assert_eq!(normal("a/...wav"), "a/...wav");
        let path = SessionPath::parse(".\\Cafe\u{301}.wav").unwrap();
        assert_eq!(path.raw(), ".\\Cafe\u{301}.wav");
        assert_eq!(path.file_name(), "Café.wav");
        let stored = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<SessionPath>(&stored).unwrap(), path);
    }

    #[test]
    fn what_could_do_harm_is_refused_by_name() {
        use PathRefused as R;
        let refused = |raw: &str| SessionPath::parse(raw).expect_err(raw);
        for raw in ["", ".", "./.", " ", "./ "] {
            assert_eq!(refused(raw), R::Empty, "{raw:?}");
        }
        for raw in ["/etc/passwd", "\\\\server\\share\\a.wav", "//a"] {
            assert!(matches!(refused(raw), R::Absolute(_)), "{raw:?}");
        }
        for raw in ["C:\\a.wav", "c:/a.wav", ".\\C:\\a.wav"] {
            assert!(matches!(refused(raw), R::Drive(_)), "{raw:?}");
        }
        for raw in ["A:B mix.wav", "S/A:B mix.wav", "z:a.wav", "S/C:/a.wav"] {
            assert_eq!(normal(raw), raw);
        }
        for raw in ["..", "../a", "a/../b", "a\\..\\..\\b", "a/..", "a/.. /b"] {
            assert!(matches!(refused(raw), R::Outside(_)), "{raw:?}");
        }
        for raw in ["a/", "a/b\\", "a/."] {
            assert!(matches!(refused(raw), R::Folder(_)), "{raw:?}");
        }
        for raw in ["a\0.wav", "a\nb", "Icon\r", "\u{7f}", "a\u{85}"] {
            assert!(matches!(refused(raw), R::Control(_)), "{raw:?}");
        }
        assert!(!refused("a\n").to_string().contains('\n'));
    }

    #[test]
    fn lengths_are_those_of_the_normalised_form() {
        assert!(SessionPath::parse(&"a".repeat(255)).is_ok());
        assert!(matches!(
            SessionPath::parse(&"a".repeat(256)),
            Err(PathRefused::LongName { bytes: 256, .. })
        ));
        // 127 é: 254 bytes composed, 381 as a Mac sends them.
        assert!(SessionPath::parse(&"e\u{301}".repeat(127)).is_ok());
        let deep = vec!["a".repeat(204); 5].join("/");
        assert_eq!(deep.len(), 1024);
        assert!(SessionPath::parse(&deep).is_ok());
        assert!(matches!(
            SessionPath::parse(&format!("{deep}b")),
            Err(PathRefused::LongPath { bytes: 1025, .. })
        ));
        assert!(SessionPath::parse(&"./".repeat(1 << 20)).is_err());
    }

    #[test]
    fn names_that_differ_only_in_case_have_one_key() {
        let key = |raw: &str| SessionPath::parse(raw).unwrap().collation_key();
        assert_eq!(key("Drums/KICK.wav"), key("drums/Kick.WAV"));
        assert_eq!(key("CAFÉ"), key("cafe\u{301}"));
        assert_eq!(key("ΟΔΟΣ"), key("οδος"));
        assert_eq!(key("οδοσ"), key("οδος"));
        assert_eq!(key("Straße"), key("STRASSE"));
        assert_ne!(key("ısı"), key("isi"));
        assert_ne!(key("Kick 1"), key("Kick 2"));
        assert_eq!(key("Take 1./a. "), key("take 1/A"));
        assert_ne!(key("a/..."), key("a/...."), "nothing else in it");
        assert_ne!(key("\u{ff21}"), key("A"), "no disk folds widths");
    }

    #[test]
    fn whatever_is_accepted_is_harmless_and_stable() {
        let mut rng = StdRng::seed_from_u64(5);
        let parts = [
            "a",
            ".",
            "..",
            "/",
            "\\",
            "C:",
            "\0",
            "é",
            "e\u{301}",
            " ",
            "\u{1e9b}\u{323}",
            "ß",
            "\n",
        ];
        let mut accepted = 0;
        for _ in 0..20_000 {
            let raw: String = (0..rng.random_range(0..8))
                .map(|_| parts[rng.random_range(0..parts.len())])
                .collect();
            let Ok(path) = SessionPath::parse(&raw) else {
                continue;
            };
            accepted += 1;
            let normal = path.as_str();
            assert!(
                !normal.contains(['\\', '\0', '\n']) && !normal.starts_with('/'),
                "{raw:?}"
            );
            assert!(
                normal.split('/').all(|it| !matches!(it, "" | "." | "..")),
                "{raw:?}"
            );
            assert_eq!(
                SessionPath::parse(normal).unwrap().as_str(),
                normal,
                "{raw:?}"
            );
        }
        assert!(accepted > 1_000, "{accepted}");
    }
}
