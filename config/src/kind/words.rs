//! Plain values: counts, lists of names, the time zone, the log level, and "nothing".

use chrono_tz::{TZ_VARIANTS, Tz};

use super::{Kind, Wrong, bare, items, quoted, quoted_list, text};
use crate::file::Raw;
use crate::nearest::nearest;

/// A whole number within a range.
pub(crate) struct Count<T> {
    pub(crate) from: T,
    pub(crate) to: T,
}

impl<T> Kind for Count<T>
where
    T: TryFrom<u64> + PartialOrd + Copy + std::fmt::Display,
{
    type Value = T;

    fn parse(&self, raw: &Raw) -> Result<T, Wrong> {
        let (from, to) = (self.from, self.to);
        let instead = format!("write a whole number from {from} to {to}");
        let number = match raw {
            Raw::Integer(number) => u64::try_from(*number).ok(),
            Raw::Plain(text) => match bare(text).replace('_', "").parse() {
                Ok(number) => Some(number),
                Err(_) => {
                    let wrong = format!("{} is not a whole number", quoted(text));
                    return Err(Wrong::new(wrong, instead));
                }
            },
            Raw::Text(text) => {
                let wrong = format!("{} is a text, not a number", quoted(text));
                let instead = match text.trim().parse::<u64>() {
                    Ok(number) => format!("write {number} without quotes"),
                    Err(_) => instead,
                };
                return Err(Wrong::new(wrong, instead));
            }
            _ => return Err(Wrong::new("is not a whole number", instead)),
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| (from..=to).contains(number))
            .ok_or_else(|| {
                let shown = match raw {
                    Raw::Integer(number) => number.to_string(),
                    Raw::Plain(text) => bare(text).to_owned(),
                    _ => "the number".to_owned(),
                };
                Wrong::new(format!("{shown} is out of range"), instead)
            })
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// A list of names, perhaps empty; none twice, each of letters, digits, `_` and `-`.
pub(crate) struct Words(pub(crate) &'static str);

impl Kind for Words {
    type Value = Vec<String>;

    fn parse(&self, raw: &Raw) -> Result<Vec<String>, Wrong> {
        let words = items(raw, self.0)?;
        for (position, word) in words.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if word.is_empty() || !word.chars().all(plain) {
                return Err(Wrong::new(
                    format!("{} is not a name of letters, digits, _ and -", quoted(word)),
                    format!("write {}", self.0),
                ));
            }
            if words[..position].contains(word) {
                return Err(Wrong::new(
                    format!("{} is there twice", quoted(word)),
                    "take one of them out",
                ));
            }
        }
        Ok(words)
    }

    fn show(&self, value: &Vec<String>) -> String {
        quoted_list(value)
    }
}

/// A time zone by its IANA name.
pub(crate) struct TimeZone;

impl Kind for TimeZone {
    type Value = Tz;

    fn parse(&self, raw: &Raw) -> Result<Tz, Wrong> {
        let typed = text(raw, "Europe/Berlin")?;
        typed.parse().map_err(|_| {
            let known = TZ_VARIANTS.iter().map(|zone| zone.name());
            let near = nearest(typed, known).unwrap_or("Europe/Berlin");
            Wrong::new(
                format!("{} is not a time zone", quoted(typed)),
                format!("write a region and a city, as in {}", quoted(near)),
            )
        })
    }

    fn show(&self, value: &Tz) -> String {
        quoted(value.name())
    }
}

/// What is logged: a level, or levels for single parts ("info,stemvault_storage=debug").
pub(crate) struct LogLevel;

impl Kind for LogLevel {
    type Value = String;

    fn parse(&self, raw: &Raw) -> Result<String, Wrong> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let typed = text(raw, "info")?;
        for part in typed.split(',') {
            let (target, level) = part.trim().split_once('=').unwrap_or(("all", part.trim()));
            let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            if !LEVELS.contains(&level) || target.is_empty() || !target.chars().all(named) {
                let near = nearest(level, LEVELS).unwrap_or("info");
                return Err(Wrong::new(
                    format!("{} is not a log level", quoted(part)),
                    format!("write {} (levels: {})", quoted(near), LEVELS.join(", ")),
                ));
            }
        }
        Ok(typed.to_owned())
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// An order number to show as an example; check.rs asks whether the pattern takes it.
pub(crate) struct NumberExample;

impl Kind for NumberExample {
    type Value = String;

    fn parse(&self, raw: &Raw) -> Result<String, Wrong> {
        text(raw, "2026-0117").map(str::to_owned)
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// A value that may be missing: `""` is nothing.
pub(crate) struct Optional<K>(pub(crate) K);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;

    fn parse(&self, raw: &Raw) -> Result<Self::Value, Wrong> {
        match raw {
            Raw::Plain(text) | Raw::Text(text) if bare(text).is_empty() => Ok(None),
            _ => self.0.parse(raw).map(Some),
        }
    }

    fn show(&self, value: &Self::Value) -> String {
        value
            .as_ref()
            .map_or_else(|| quoted(""), |value| self.0.show(value))
    }
}
