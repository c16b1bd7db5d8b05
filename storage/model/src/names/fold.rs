//! When two names are one to a Mac or to Windows.

use unicode_normalization::UnicodeNormalization;

/// Equal for two normalised paths that are one file to a Mac or to Windows: without regard to case,
/// and to the full stops and spaces at the end of a name, which Windows drops.
/// For comparing only: it is no path, and `ß` and `ss` are equal in it as Unicode has it.
#[must_use]
pub fn collation_key(normalised: &str) -> String {
    let mut key = String::with_capacity(normalised.len());
    for (at, name) in normalised.split('/').enumerate() {
        if at > 0 {
            key.push('/');
        }
        // A name of nothing else stays what it is.
        let kept = Some(name.trim_end_matches(['.', ' '])).filter(|kept| !kept.is_empty());
        // Up, then down: the three forms of sigma fall together. The dotless ı would become an i
        // on the way, and it is a letter of its own.
        let folded = kept.unwrap_or(name);
        if folded.is_ascii() {
            // Nearly every name, and every look at an order asks for all of them.
            key.extend(folded.chars().map(|it| it.to_ascii_lowercase()));
            continue;
        }
        let folded = folded.chars();
        key.extend(
            folded
                .flat_map(|it| Fold::of(it).flat_map(char::to_lowercase))
                .nfc(),
        );
    }
    key
}

/// One character in upper case, or left alone.
enum Fold {
    Upper(std::char::ToUppercase),
    Alone(Option<char>),
}

impl Fold {
    fn of(it: char) -> Self {
        if it == 'ı' {
            Self::Alone(Some(it))
        } else {
            Self::Upper(it.to_uppercase())
        }
    }
}

impl Iterator for Fold {
    type Item = char;
    fn next(&mut self) -> Option<char> {
        match self {
            Self::Upper(upper) => upper.next(),
            Self::Alone(it) => it.take(),
        }
    }
}
