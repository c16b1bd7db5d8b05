//! What becomes of names on other machines: files that nobody misses, and names that will not
//! travel.
//!
//! Nothing here is refused. A name is the client's; they are told what it may do to them. Paths that
//! are one name together, and what is refused: [`namesakes`](crate::names::namesakes).

mod fold;
pub mod namesakes;

pub use fold::collation_key;

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

/// How the names of Sound Designer II files end.
const SOUND_DESIGNER: &str = ".sd2";
/// How the names of files end that a cloud keeps elsewhere.
const CLOUD: [&str; 4] = [".icloud", ".nextcloud", ".owncloud", ".cloudf"];
/// How the names of files end that have not wholly come.
const UNFINISHED: [&str; 11] = [
    ".crdownload",
    ".part",
    ".partial",
    ".download",
    ".opdownload",
    ".filepart",
    ".aria2",
    ".!ut",
    ".!qb",
    ".!sync",
    ".bc!",
];
/// How the names of files end that lead to others.
const LINKS: [&str; 5] = [".lnk", ".gdoc", ".gsheet", ".gslides", ".glink"];

/// Names that Windows keeps for devices, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Characters that Windows does not take.
const ODD: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];
/// Characters in a path beyond which Windows programs fail once it is unpacked somewhere: they take
/// 260 with the folder in front.
const LONG: usize = 200;
/// Bytes in a path beyond which a Mac fails in the same way: it takes 1024.
const LONG_MAC: usize = 800;

/// Whether a path, accepted or not, is what computers leave in folders by themselves. Nobody misses
/// it: it is not uploaded, and no check looks at it.
#[must_use]
pub fn is_junk(path: &str) -> bool {
    let mut names = path.split(['/', '\\']);
    let name = names.next_back().unwrap_or(path);
    let is_one_of = |known: &[&str], name: &str| known.contains(&name.to_lowercase().as_str());
    let is_left = BEGINNINGS.iter().any(|begin| name.starts_with(begin));
    is_left && !is_half(name)
        || is_one_of(&FILES, name)
        || is_one_of(&FOLDERS, name)
        || names.any(|folder| is_one_of(&FOLDERS, folder))
}

/// Whether it is the half of a Sound Designer II file without which the other is nothing.
fn is_half(name: &str) -> bool {
    name.starts_with("._") && name.to_lowercase().ends_with(SOUND_DESIGNER)
}

/// The path of the other half of a Sound Designer II file, where a disk that is no Mac's has it.
#[must_use]
pub fn other_half(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_one = name.to_lowercase().ends_with(SOUND_DESIGNER) && !name.starts_with("._");
    let slash = if folder.is_empty() { "" } else { "/" };
    is_one.then(|| format!("{folder}{slash}._{name}"))
}

/// Why a file is none, but stands for one that is somewhere else or not yet here: a sentence without
/// the path. `is_link` if its first bytes say so.
#[must_use]
pub fn placeholder(path: &str, is_link: bool) -> Option<String> {
    let lower = path.to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let ends = |ends: &[&str]| {
        ends.iter()
            .any(|end| name.ends_with(end) && name.len() > end.len())
    };
    let syncing = ["~syncthing~", ".syncthing."];
    let said = if ends(&CLOUD) {
        "only the place of a file that is still in the cloud. Let it be downloaded, then send the file itself."
    } else if ends(&UNFINISHED)
        || lower.contains(".download/")
        || name.ends_with(".tmp") && syncing.iter().any(|begin| name.starts_with(begin))
    {
        "a download or a copy that has not come to its end. Let it finish, then send the file itself."
    } else if is_link || ends(&LINKS) {
        "a link to a file, not the file. Send what it leads to."
    } else {
        return None;
    };
    Some(said.to_owned())
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

/// Why a normalised path will not arrive everywhere under its name: sentences without the path, each
/// with what to do, and alike for files that share their trouble.
#[must_use]
pub fn hazards(path: &str) -> Vec<String> {
    let mut hazards = Vec::new();
    let last = path.split('/').count() - 1;
    for (at, name) in path.split('/').enumerate() {
        let what = if at == last {
            "its name".to_owned()
        } else {
            format!("its folder {name:?}")
        };
        let stem = name.split('.').next().unwrap_or(name).trim_end();
        if is_device(&stem.to_lowercase()) {
            hazards.push(format!(
                "{what} is one that Windows keeps for itself: nobody can open it there. Rename it."
            ));
        }
        if name.ends_with(['.', ' ']) || name.starts_with(' ') {
            hazards.push(format!(
                "{what} begins or ends with a space, or ends with a full stop: Windows drops it, and then the file is not found. Rename it."
            ));
        }
        if let Some(odd) = name.chars().find(|c| ODD.contains(c)) {
            hazards.push(format!(
                "{what} has a {odd:?} in it, which Windows does not take. Rename it."
            ));
        }
        if let Some(hidden) = name.chars().find(|c| is_deceptive(*c)) {
            hazards.push(format!(
                "{what} has a character in it that nobody sees (U+{:04X}): it looks like another name than it is. Rename it.",
                u32::from(hidden)
            ));
        }
        if name.chars().any(is_no_character) {
            hazards.push(format!(
                "{what} has a code in it that stands for no character, which a Mac does not take. Rename it."
            ));
        }
    }
    let length = path.chars().count();
    if length > LONG {
        let mac = if path.len() > LONG_MAC {
            ", and on a Mac as well"
        } else {
            ""
        };
        hazards.push(format!(
            "its path has {length} characters: on Windows many programs fail beyond {LONG}{mac}. Use fewer or shorter folders."
        ));
    }
    hazards
}

/// Whether a character is seen by nobody and changes what is seen: it turns the direction of the text
/// around it, breaks the line, or stands between letters without any width. Joiners that scripts and
/// emoji need are not meant.
#[must_use]
pub fn is_deceptive(it: char) -> bool {
    matches!(
        it,
        '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// What Unicode keeps for nobody, for ever.
fn is_no_character(it: char) -> bool {
    matches!(it, '\u{fdd0}'..='\u{fdef}') || u32::from(it) & 0xFFFE == 0xFFFE
}

/// Whether Windows takes a name for a device: of its part before the first full stop, in small letters.
#[must_use]
pub fn is_device(stem: &str) -> bool {
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
    use crate::path::SessionPath;

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
        assert!(!is_junk("S/._Kick.sd2") && is_junk("S/._Kick.sd2.asd"));
        assert_eq!(other_half("S/Kick.SD2").as_deref(), Some("S/._Kick.SD2"));
        assert_eq!(other_half("Kick.sd2").as_deref(), Some("._Kick.sd2"));
        assert_eq!(other_half("S/._Kick.sd2"), None);
        let told = junk();
        assert!(told.contains(&".ds_store".to_owned()) && told.contains(&"._*".to_owned()));
    }

    #[test]
    fn what_stands_for_another_file_is_known() {
        for (path, word) in [
            ("S/.Kick.wav.icloud", "cloud"),
            ("Kick.wav.nextcloud", "cloud"),
            ("Bass.wav.crdownload", "finish"),
            ("Gtr.wav.PART", "finish"),
            ("Keys.wav.download/Keys.wav", "finish"),
            ("~syncthing~Keys.wav.tmp", "finish"),
            (".syncthing.Keys.wav.tmp", "finish"),
            ("Vox.wav.lnk", "link"),
            ("Lyrics.gdoc", "link"),
        ] {
            let said = placeholder(path, false).expect(path);
            assert!(said.contains(word), "{path}: {said}");
        }
        assert!(placeholder("Vox alias", true).is_some());
        for path in [
            "Kick.wav",
            ".part",
            "part.wav",
            "a.tmp",
            "Song.part1.rar",
            "downloads/a.wav",
        ] {
            assert_eq!(placeholder(path, false), None, "{path}");
        }
    }

    #[test]
    fn names_that_will_not_travel_are_told_why() {
        let said = |raw: &str| hazards(SessionPath::parse(raw).unwrap().as_str());
        for raw in [
            "Drums/Kick.wav",
            "console.wav",
            "com10.wav",
            "Com.wav",
            "歌/🎸 solo….wav",
            "👩\u{200d}🎤 می\u{200c}خواهم.wav",
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
            ("A:B mix.wav", "':'"),
            ("S/A:B mix.wav", "':'"),
            ("a\u{202e}vaw.exe", "U+202E"),
            ("\u{200b}.wav", "U+200B"),
            ("S/\u{e0041}.txt", "U+E0041"),
            ("a\u{ffff}", "no character"),
            ("Take 1:2/a.wav", "folder \"Take 1:2\""),
        ] {
            let said = said(raw);
            assert!(said.len() == 1 && said[0].contains(word), "{raw}: {said:?}");
        }
        let deep = vec!["Äpfel"; 34].join("/");
        assert_eq!(said(&deep).len(), 1);
        assert_eq!(said(&deep[..100]).len(), 0);
    }
}
