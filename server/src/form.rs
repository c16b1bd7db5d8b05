//! The form of the studio's terms: which fields it has, and what is wrong with one that was filled
//! in.
//!
//! Seven fields are known by name; a setting says which ones must be filled in, and may ask for
//! others, which are then plain text. A draft may be as incomplete as it likes.

use stemvault_storage::refusal::{Refusal, RefusalKind};
use stemvault_storage::session::Form;

use crate::language::Language;
pub use left_out::{LEFT_OUT, LeftOut};

mod left_out;

/// The longest form, names and values together, in bytes: it travels in the order's row.
pub const FORM_MAX: usize = 4096;

/// The name under which a manifest keeps why an engineer submitted an incomplete form.
pub const INCOMPLETE: &str = "incomplete";

/// What may be entered in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// One line.
    Text,
    /// Several lines.
    LongText,
    /// Beats per minute.
    Number,
    /// One ISRC.
    Isrc,
}

impl Entry {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::LongText => "longtext",
            Self::Number => "number",
            Self::Isrc => "isrc",
        }
    }
}

/// A field of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the form, the manifest and the settings.
    pub name: String,
    /// What stands beside it.
    pub label: String,
    /// What helps to fill it in.
    pub hint: Option<String>,
    /// What may be entered.
    pub entry: Entry,
    /// Whether a client must fill it in.
    pub required: bool,
}

/// What they are called and what helps to fill them in stands in the messages, by these names.
const KNOWN: [(&str, Entry); 7] = [
    ("song", Entry::Text),
    ("artist", Entry::Text),
    ("notes", Entry::LongText),
    ("credits", Entry::LongText),
    ("isrc", Entry::Isrc),
    ("tempo", Entry::Number),
    ("key", Entry::Text),
];

/// All fields, in the order of the page: the known ones, then others that are required.
#[must_use]
pub fn fields(required: &[String], words: Language) -> Vec<Field> {
    let known = KNOWN.into_iter().map(|(name, entry)| Field {
        name: name.to_owned(),
        label: label(name, words),
        hint: Some(words.with("form-hint", [("field", name.into())])),
        entry,
        required: required.iter().any(|it| it == name),
    });
    let others = required
        .iter()
        .filter(|name| KNOWN.iter().all(|(known, _)| known != name));
    let others = others.map(|name| Field {
        name: name.clone(),
        label: capital(name),
        hint: None,
        entry: Entry::Text,
        required: true,
    });
    known.chain(others).collect()
}

/// The label of a field, for receipts.
#[must_use]
pub fn label(name: &str, words: Language) -> String {
    let known = KNOWN.iter().any(|(known, _)| *known == name);
    if known {
        words.with("form-label", [("field", name.into())])
    } else {
        capital(name)
    }
}

/// What is wrong with a field as it was filled in, if anything: a sentence without its name.
#[must_use]
pub fn problem(field: &Field, form: &Form) -> Option<&'static str> {
    let value = form.get(&field.name).map_or("", |value| value.trim());
    match field.entry {
        _ if value.is_empty() => field
            .required
            .then_some("the studio cannot do without it: fill it in"),
        Entry::Isrc if !is_isrc(value) => Some(
            "not an ISRC: it has twelve characters, two letters, three letters or digits, seven digits, as in DE-A12-26-00001",
        ),
        Entry::Number if !is_tempo(value) => {
            Some("not a tempo: write beats per minute as a number from 20 to 400, as in 97.5")
        }
        _ => None,
    }
}

/// A form without blanks around its values and without empty ones.
#[must_use]
pub fn trimmed(form: Form) -> Form {
    form.into_iter()
        .map(|(name, value)| (name, value.trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Checks what holds for drafts as well: length, and plain text.
///
/// # Errors
/// What is wrong with it.
pub fn check_plain(form: &Form) -> Result<(), Refusal> {
    let length: usize = form
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if length > FORM_MAX {
        return Err(bad(format!(
            "the form has {length} bytes, at most {FORM_MAX} fit: shorten it, or send the text as a file"
        )));
    }
    if let Some(ours) = [INCOMPLETE, LEFT_OUT]
        .iter()
        .find(|it| form.contains_key(**it))
    {
        return Err(bad(format!(
            "{ours:?} is no field of the form: leave it out"
        )));
    }
    let odd = |text: &str| {
        text.chars()
            .any(|c| c.is_control() && !"\r\n\t".contains(c))
    };
    match form.iter().find(|(name, value)| odd(name) || odd(value)) {
        Some((name, _)) => Err(bad(format!(
            "{name:?} in the form has control characters in it: write it as plain text"
        ))
        .of_fields([name.clone()])),
        None => Ok(()),
    }
}

/// Checks what is required, and what was entered.
///
/// # Errors
/// Names every field that is to be filled in or mended.
pub fn check_complete(form: &Form, required: &[String]) -> Result<(), Refusal> {
    let fields = fields(required, Language::English);
    let wrong: Vec<_> = fields
        .iter()
        .filter_map(|field| Some((field, problem(field, form)?)))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let is_empty = |field: &Field| form.get(&field.name).is_none_or(|it| it.trim().is_empty());
    let missing: Vec<_> = wrong
        .iter()
        .filter(|(field, _)| is_empty(field))
        .map(|(field, _)| format!("{:?}", field.name))
        .collect();
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!(
            "the studio's form wants {} as well: fill it in, then submit",
            missing.join(", ")
        ));
    }
    for (field, problem) in wrong.iter().filter(|(field, _)| !is_empty(field)) {
        said.push(format!("{:?} in the form is {problem}", field.name));
    }
    let names = wrong.iter().map(|(field, _)| field.name.clone());
    Err(bad(said.join("; ")).of_fields(names))
}

/// ISO 3901: two letters, three letters or digits, two digits of the year, five digits; with or
/// without hyphens between them.
fn is_isrc(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let code = match parts[..] {
        [whole] => whole.to_owned(),
        [country, registrant, year, designation]
            if [
                country.len(),
                registrant.len(),
                year.len(),
                designation.len(),
            ] == [2, 3, 2, 5] =>
        {
            parts.concat()
        }
        _ => return false,
    };
    let code = code.as_bytes();
    code.len() == 12
        && code[..2].iter().all(u8::is_ascii_alphabetic)
        && code[2..5].iter().all(u8::is_ascii_alphanumeric)
        && code[5..].iter().all(u8::is_ascii_digit)
}

/// With a full stop or a comma, as people write it.
fn is_tempo(text: &str) -> bool {
    text.len() <= 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".,".contains(&byte))
        && text
            .replace(',', ".")
            .parse::<f64>()
            .is_ok_and(|tempo| (20.0..=400.0).contains(&tempo))
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}

fn bad(message: String) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_the_form_lacks_is_named() {
        let required = ["artist".to_owned(), "song".to_owned(), "label".to_owned()];
        let said = check_complete(&form(&[("artist", " "), ("label", "x")]), &required);
        let said = said.unwrap_err();
        assert!(said.message.contains("\"song\", \"artist\""), "{said}");
        assert_eq!(*said.missing, ["song", "artist"]);
        let whole = form(&[("artist", "x"), ("song", "y"), ("label", "z")]);
        assert!(check_complete(&whole, &required).is_ok());
        let fields = fields(&required, Language::English);
        assert_eq!(fields.len(), KNOWN.len() + 1);
        assert_eq!(fields.last().unwrap().label, "Label");
    }

    #[test]
    fn a_form_is_short_and_plain() {
        assert!(check_plain(&form(&[("notes", "two\nlines\t")])).is_ok());
        assert!(check_plain(&form(&[("notes", "\u{1b}[31m")])).is_err());
        assert!(check_plain(&form(&[("notes", &"x".repeat(FORM_MAX))])).is_err());
        assert!(check_plain(&form(&[(INCOMPLETE, "x")])).is_err());
        assert!(check_plain(&form(&[(LEFT_OUT, "x")])).is_err());
        assert_eq!(
            trimmed(form(&[("a", " x\n"), ("b", " ")])),
            form(&[("a", "x")])
        );
    }

    #[test]
    fn what_was_entered_makes_sense_or_is_named() {
        let wrong = |name: &str, value: &str| check_complete(&form(&[(name, value)]), &[]).is_err();
        for isrc in ["DE-A12-26-00001", "USRC17607839", "gb-abc-99-99999"] {
            assert!(!wrong("isrc", isrc), "{isrc}");
        }
        for isrc in [
            "DE-A12-26-0001",
            "DEA-12-26-00001",
            "D1-A12-26-00001",
            "DE A12 26 00001",
            "DEA122600001X",
            "DE-Ä1-26-00001",
            "-DEA122600001",
        ] {
            assert!(wrong("isrc", isrc), "{isrc}");
        }
        for tempo in ["20", "400", "97.5", "97,5", " 120 "] {
            assert!(!wrong("tempo", tempo), "{tempo}");
        }
        for tempo in [
            "19.9", "400.1", "fast", "1e2", "nan", "-120", "1.2.3", "inf",
        ] {
            assert!(wrong("tempo", tempo), "{tempo}");
        }
        let said = check_complete(&form(&[("isrc", "x")]), &["song".to_owned()]).unwrap_err();
        assert_eq!(*said.missing, ["song", "isrc"]);
        assert!(said.message.contains("not an ISRC"), "{said}");
    }
}
