//! What becomes of names on other machines: files that nobody misses, and names that will not
//! travel.
//!
//! Nothing here is refused. A name is the client's; they are told what it may do to them.

use crate::path::SessionPath;

/// Names of files that systems leave behind by themselves, in small letters.
const FILES: [&str; 6] = [
    ".ds_store",
    ".localized",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
];
/// Names of folders of which nothing is part of a session, in small letters.
const FOLDERS: [&str; 6] = [
    "__macosx",
    ".spotlight-v100",
    ".trashes",
    ".fseventsd",
    "$recycle.bin",
    "system volume information",
];
/// How the names of invisible companions begin: the halves of Macintosh files, the locks of open
/// office documents.
const BEGINNINGS: [&str; 2] = ["._", "~$"];

/// Names that Windows keeps for devices, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Characters that Windows does not take.
const ODD: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];
/// Characters in a path beyond which Windows programs fail once it is unpacked somewhere: they take
/// 260 with the folder in front.
const LONG: usize = 200;

/// Whether a path, accepted or not, is what computers leave in folders by themselves. Nobody misses
/// it: it is not uploaded, and no check looks at it.
#[must_use]
pub fn is_junk(path: &str) -> bool {
    let mut names = path.split(['/', '\\']);
    let name = names.next_back().unwrap_or(path);
    let is_one_of = |known: &[&str], name: &str| known.contains(&name.to_lowercase().as_str());
    BEGINNINGS.iter().any(|begin| name.starts_with(begin))
        || is_one_of(&FILES, name)
        || is_one_of(&FOLDERS, name)
        || names.any(|folder| is_one_of(&FOLDERS, folder))
}

/// What [`is_junk`] goes by, for people: names of files and folders in small letters; one that ends
/// in `*` is a beginning.
#[must_use]
pub fn junk() -> Vec<String> {
    let names = FILES.iter().chain(&FOLDERS).map(|name| (*name).to_owned());
    names
        .chain(BEGINNINGS.iter().map(|begin| format!("{begin}*")))
        .collect()
}

/// Why a path that was accepted will not arrive everywhere under its name: sentences without the
/// path, each with what to do.
#[must_use]
pub fn hazards(path: &SessionPath) -> Vec<String> {
    let mut hazards = Vec::new();
    for name in path.as_str().split('/') {
        let stem = name.split('.').next().unwrap_or(name).trim_end();
        if is_device(&stem.to_lowercase()) {
            hazards.push(format!(
                "{name:?} is a name that Windows keeps for itself: nobody can open it there. Rename it."
            ));
        }
        if name.ends_with(['.', ' ']) || name.starts_with(' ') {
            hazards.push(format!(
                "the name {name:?} begins or ends with a space, or ends with a full stop: Windows drops it, and then the file is not found. Rename it."
            ));
        }
        if let Some(odd) = name.chars().find(|c| ODD.contains(c)) {
            hazards.push(format!(
                "the name {name:?} has a {odd:?} in it, which Windows does not take. Rename it."
            ));
        }
    }
    let length = path.as_str().chars().count();
    if length > LONG {
        hazards.push(format!(
            "its path has {length} characters: on Windows many programs fail beyond {LONG}. Use fewer or shorter folders."
        ));
    }
    hazards
}

/// Of the part of a name before its first full stop, in small letters.
fn is_device(stem: &str) -> bool {
    let numbered = |start: &str| {
        stem.strip_prefix(start).is_some_and(|rest| {
            let mut digits = rest.chars();
            matches!(
                (digits.next(), digits.next()),
                (Some('1'..='9' | '¹' | '²' | '³'), None)
            )
        })
    };
    DEVICES.contains(&stem) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_known_and_music_is_not_junk() {
        for raw in [
            ".DS_Store",
            "a/.DS_Store",
            "Thumbs.db",
            "x/THUMBS.DB",
            "__MACOSX/a/b.wav",
            "x\\__MACOSX\\b.wav",
            "._Kick.wav",
            "a\\._Kick.wav",
            "a/Icon\r",
            "a/desktop.ini",
            "notes/~$lyrics.docx",
            ".Spotlight-V100/Store",
            "$RECYCLE.BIN/x.wav",
        ] {
            assert!(is_junk(raw), "{raw:?}");
        }
        for raw in [
            "Kick.wav",
            ".hidden.wav",
            "_Kick.wav",
            "DS_Store.wav",
            "Icon.png",
            "~Kick.wav",
            "my __MACOSX/a.wav",
        ] {
            assert!(!SessionPath::parse(raw).unwrap().is_junk(), "{raw}");
        }
        let told = junk();
        assert!(told.contains(&".ds_store".to_owned()) && told.contains(&"._*".to_owned()));
    }

    #[test]
    fn names_that_will_not_travel_are_told_why() {
        let said = |raw: &str| hazards(&SessionPath::parse(raw).unwrap());
        for raw in [
            "Drums/Kick.wav",
            "console.wav",
            "com10.wav",
            "Com.wav",
            "歌/🎸 solo….wav",
            "...wav",
        ] {
            assert_eq!(said(raw), Vec::<String>::new(), "{raw}");
        }
        for (raw, word) in [
            ("con.wav", "Windows keeps"),
            ("AUX", "Windows keeps"),
            ("a/Lpt1 .mid", "Windows keeps"),
            ("COM³.x", "Windows keeps"),
            ("Take 1./a.wav", "full stop"),
            ("Kick.wav ", "space"),
            ("Take 1/ Kick.wav", "space"),
            ("Why?.wav", "'?'"),
            ("8:30.wav", "':'"),
        ] {
            let said = said(raw);
            assert!(said.len() == 1 && said[0].contains(word), "{raw}: {said:?}");
        }
        let deep = vec!["Äpfel"; 34].join("/");
        assert_eq!(said(&deep).len(), 1);
        assert_eq!(said(&deep[..100]).len(), 0);
    }
}
