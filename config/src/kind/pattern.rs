//! What an order number of this studio looks like.

use regex::Regex;

use super::{Kind, Wrong, quoted, text};
use crate::file::Raw;

/// A pattern that a whole order number must match, from its first to its last character.
#[derive(Debug, Clone)]
pub struct NumberPattern {
    written: String,
    whole: Regex,
}

impl NumberPattern {
    /// Whether all of `number` has the studio's form.
    #[must_use]
    pub fn is_match(&self, number: &str) -> bool {
        self.whole.is_match(number)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// See [`NumberPattern`].
pub(crate) struct PatternKind;

impl Kind for PatternKind {
    type Value = NumberPattern;

    fn parse(&self, raw: &Raw) -> Result<NumberPattern, Wrong> {
        let example = "write a regular expression, as in '[0-9]{4}-[0-9]{4}'";
        let typed = text(raw, "[0-9]{4}-[0-9]{4}")?;
        // The pattern alone must be whole: "a)|(b" would break out of the group below.
        let whole = Regex::new(typed)
            .and_then(|_| Regex::new(&format!(r"\A(?:{typed})\z")))
            .map_err(|_| {
                Wrong::new(
                    format!("{} is not a regular expression", quoted(typed)),
                    example,
                )
            })?;
        if whole.is_match("") {
            return Err(Wrong::new(
                format!("{} lets an order have no number at all", quoted(typed)),
                example,
            ));
        }
        Ok(NumberPattern {
            written: typed.to_owned(),
            whole,
        })
    }

    fn show(&self, value: &NumberPattern) -> String {
        quoted(&value.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_number_must_match() {
        let pattern = PatternKind
            .parse(&Raw::Text("[0-9]{4}-[0-9]{4}|demo".to_owned()))
            .expect("a valid pattern");
        for (number, matches) in [
            ("2026-0117", true),
            ("demo", true),
            ("x2026-0117", false),
            ("2026-0117/../x", false),
            ("2026-0117\n", false),
            ("demos", false),
        ] {
            assert_eq!(pattern.is_match(number), matches, "{number:?}");
        }
    }

    #[test]
    fn broken_and_empty_patterns_are_refused() {
        for bad in ["[0-9", "a)|(b", ".*", ""] {
            assert!(
                PatternKind.parse(&Raw::Text(bad.to_owned())).is_err(),
                "{bad}"
            );
        }
    }
}
