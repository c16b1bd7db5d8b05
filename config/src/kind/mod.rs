//! What a setting may be: the syntaxes, each with its own refusals.
//!
//! A [`Kind`] reads text as people write it ("90 days"), refuses with what to write instead, and
//! shows a value as it would stand in the settings file.

mod choice;
mod cron;
mod network;
mod pattern;
mod place;
mod quantity;
mod words;

pub(crate) use choice::Choice;
pub(crate) use cron::CronKind;
pub(crate) use network::Networks;
pub(crate) use pattern::PatternKind;
pub(crate) use place::{Addresses, Origins, PlainAddresses, PublicUrl, WholePath};
pub(crate) use quantity::{days, months, size, span};
pub(crate) use words::{Count, LogLevel, NumberExample, Optional, TimeZone, Words};

pub use choice::{LogFormat, Rule, Severity};
pub use cron::Cron;
pub use pattern::NumberPattern;
pub use quantity::{Days, Months, parse_size, parse_span};

use crate::file::Raw;

/// A refusal: what is wrong with a value and what to write instead. The key is added by the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) wrong: String,
    pub(crate) instead: String,
}

impl Wrong {
    pub(crate) fn new(wrong: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            wrong: wrong.into(),
            instead: instead.into(),
        }
    }
}

/// The syntax and range of a setting.
pub(crate) trait Kind {
    /// What the rest of Stemvault gets.
    type Value;

    /// Reads a value, or says what to write instead.
    fn parse(&self, raw: &Raw) -> Result<Self::Value, Wrong>;

    /// The value as TOML: what one would write to get it.
    fn show(&self, value: &Self::Value) -> String;
}

/// The text of a value that must be text; `example` is shown to whoever wrote something else.
pub(crate) fn text<'a>(raw: &'a Raw, example: &str) -> Result<&'a str, Wrong> {
    let wrong = match raw {
        Raw::Plain(text) => return Ok(bare(text)),
        Raw::Text(text) => return Ok(text.trim()),
        Raw::Integer(number) => format!("{number} is a number, not a text"),
        Raw::Boolean(yes) => format!("{yes} is a yes or no, not a text"),
        Raw::List(_) => "is a list, not one text".to_owned(),
        Raw::Other(what) => format!("is {what}, not a text"),
    };
    Err(Wrong::new(wrong, format!("write {}", quoted(example))))
}

/// The items of a list; from the environment or a flag they are separated by commas.
pub(crate) fn items(raw: &Raw, example: &str) -> Result<Vec<String>, Wrong> {
    match raw {
        Raw::Plain(text) => Ok(without_brackets(text)
            .split(',')
            .map(|item| bare(item).to_owned())
            .filter(|item| !item.is_empty())
            .collect()),
        Raw::List(list) => list
            .iter()
            .map(|item| match item {
                Raw::Text(text) => Ok(text.clone()),
                _ => Err(Wrong::new(
                    "is a list of something other than texts",
                    format!("write {example}"),
                )),
            })
            .collect(),
        Raw::Text(one) => Err(Wrong::new(
            "is one text, not a list",
            format!("put it in brackets: [{}]", quoted(one)),
        )),
        _ => Err(Wrong::new(
            "is not a list of texts",
            format!("write {example}"),
        )),
    }
}

/// The inside of a list as TOML writes it; `[::1]:8443` alone is no list.
fn without_brackets(text: &str) -> &str {
    let text = bare(text);
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text)
}

/// A text from the environment without the quotes that shells take away and compose files leave.
pub(crate) fn bare(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(text)
}

/// A text in quotes, as it stands in TOML.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of texts as it stands in TOML.
pub(crate) fn quoted_list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}
