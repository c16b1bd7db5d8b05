//! Paths that are one name somewhere, and names that cannot be handed on: what of a session no disk,
//! or not every one, can hold beside each other.
//!
//! A Mac and Windows go by neither case nor normal form, and Windows drops full stops and spaces at
//! the end of a name ([`collation_key`]). A file and a folder of one name cannot be on any disk, so
//! such a session is not sealed; two files of which one disk would keep one are told to their sender.

use super::collation_key;
use crate::refusal::{Refusal, RefusalKind};

/// Some paths, in an order in which those that are one name stand side by side.
#[derive(Debug)]
pub struct Namesakes {
    /// Keys with `/` as the least character, and the places of their paths.
    keys: Vec<(String, usize)>,
}

impl Namesakes {
    /// Looks through normalised paths.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let key = |(at, path)| (collation_key(path).replace('/', "\0"), at);
        let mut keys: Vec<_> = paths.into_iter().enumerate().map(key).collect();
        keys.sort_unstable();
        Self { keys }
    }

    /// The places of paths that are one name, for each such name; at least two of each.
    pub fn same(&self) -> impl Iterator<Item = Vec<usize>> {
        let groups = self.keys.chunk_by(|(a, _), (b, _)| a == b);
        groups
            .filter(|group| group.len() > 1)
            .map(|group| group.iter().map(|(_, at)| *at).collect())
    }

    /// Files in whose place a folder has to be: the place of the file, and of one in the folder.
    #[must_use]
    pub fn file_and_folder(&self) -> Vec<(usize, usize)> {
        let groups: Vec<_> = self.keys.chunk_by(|(a, _), (b, _)| a == b).collect();
        // Right behind a name stand all that begin with it and a slash.
        let pairs = groups.windows(2).filter_map(|two| {
            let ((name, _), (below, inside)) = (&two[0][0], &two[1][0]);
            let rest = below.strip_prefix(name.as_str())?;
            rest.starts_with('\0').then_some((two[0], *inside))
        });
        let each = |(files, inside): (&[(String, usize)], usize)| {
            let files = files.iter();
            files.map(|(_, at)| (*at, inside)).collect::<Vec<_>>()
        };
        pairs.flat_map(each).collect()
    }
}

/// Why the file `file` cannot stand beside `inside`, which is in the folder of its name.
#[must_use]
pub fn in_its_folder(file: &str, inside: &str) -> String {
    let exact = inside
        .strip_prefix(file)
        .is_some_and(|rest| rest.starts_with('/'));
    let where_ = if exact {
        "no disk can hold both"
    } else {
        "to a Mac and to Windows they have one name, and no such disk can hold both"
    };
    format!(
        "there is a folder of the same name, with {inside:?} in it: {where_}. Rename one of them."
    )
}

/// Why a name cannot be handed on, whatever the disk; a sentence without the path.
#[must_use]
pub fn breaks_lists(path: &str) -> Option<String> {
    let found = path
        .chars()
        .find(|it| matches!(it, '\u{2028}' | '\u{2029}'))?;
    Some(format!(
        "an invisible line break (U+{:04X}) is in its name: the list of files in a bag would break off there. Rename it.",
        u32::from(found)
    ))
}

/// Whether files of these normalised paths can be sealed together.
///
/// # Errors
/// [`RefusalKind::BadRequest`] with the first of those that cannot, and how many more there are.
pub fn check_sealable(paths: &[&str]) -> Result<(), Refusal> {
    let namesakes = Namesakes::of(paths.iter().copied());
    let clashes = namesakes.file_and_folder();
    let mut wrong: Vec<_> = clashes
        .into_iter()
        .map(|(file, inside)| (paths[file], in_its_folder(paths[file], paths[inside])))
        .collect();
    wrong.extend(
        paths
            .iter()
            .filter_map(|path| Some((*path, breaks_lists(path)?))),
    );
    let Some((first, why)) = wrong.first() else {
        return Ok(());
    };
    let more = match wrong.len() - 1 {
        0 => String::new(),
        more => format!(" The same is wrong with {more} more."),
    };
    let message = format!(
        "{first:?} cannot be submitted: {why}{more} Remove what has the wrong name, send it under another, then submit"
    );
    Err(Refusal::new(RefusalKind::BadRequest, message).of_file(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'a>(paths: &[&'a str]) -> Vec<(&'a str, &'a str)> {
        let found = Namesakes::of(paths.iter().copied()).file_and_folder();
        found
            .into_iter()
            .map(|(file, inside)| (paths[file], paths[inside]))
            .collect()
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_found() {
        assert_eq!(pairs(&["S", "S/x"]), [("S", "S/x")]);
        assert_eq!(pairs(&["a/S/x/y", "a/S"]), [("a/S", "a/S/x/y")]);
        assert_eq!(pairs(&["Drums", "drums/Kick.wav"]).len(), 1, "case");
        assert_eq!(pairs(&["Café", "CAFE\u{301}/x"]).len(), 1, "normal form");
        assert_eq!(
            pairs(&["Take 1.", "Take 1/x"]).len(),
            1,
            "Windows drops the full stop"
        );
        // Between a name and what is below it stands whatever sorts between.
        assert_eq!(
            pairs(&["S", "S 2", "S-3/x", "S.wav", "S\u{1}", "S/x"]).len(),
            1
        );
        assert_eq!(pairs(&["S", "S", "s", "S/x"]).len(), 3, "each of the files");
        for fine in [
            &["S/x", "S/y"][..],
            &["S.wav", "S/x"],
            &["Drums", "Drums 2/x"],
            &[],
        ] {
            assert_eq!(pairs(fine), [], "{fine:?}");
        }
    }

    #[test]
    fn files_of_one_name_are_found() {
        let paths = ["Kick.wav", "b", "KICK.wav", "B. ", "c"];
        let same: Vec<_> = Namesakes::of(paths).same().collect();
        assert_eq!(same, [vec![1, 3], vec![0, 2]]);
    }

    #[test]
    fn what_cannot_be_handed_on_is_refused_by_name() {
        let said = |paths: &[&str]| check_sealable(paths).unwrap_err().message;
        let exact = said(&["S", "S/x", "T", "T/y"]);
        assert!(
            exact.contains("\"S\"") && exact.contains("no disk"),
            "{exact}"
        );
        assert!(exact.contains("1 more"), "{exact}");
        assert!(said(&["s", "S/x"]).contains("Windows"));
        assert!(said(&["a\u{2028}b"]).contains("U+2028"));
        assert!(check_sealable(&["Kick.wav", "KICK.wav", "8:30?.wav"]).is_ok());
    }
}
