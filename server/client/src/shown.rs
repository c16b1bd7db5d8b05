//! The one place that makes text safe to show: names, a server's sentences, raw errors, JSON.
//!
//! A terminal obeys control characters, and shows a name that turns its direction or hides letters
//! as another name. Nothing of that kind leaves this program for a terminal.

use std::fmt::Write;

use stemvault_model::names::is_deceptive;

/// Whether a character is never printed as it is.
fn is_unsafe(it: char) -> bool {
    it.is_control() || is_deceptive(it)
}

/// `text` in one line, without characters that a terminal could obey or that deceive who reads.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = |it| if is_unsafe(it) { '\u{fffd}' } else { it };
    text.chars().map(shown).collect()
}

/// The same for text of several lines, whose breaks are ours.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let shown = |it| match it {
        '\n' | '\t' => it,
        it if is_unsafe(it) => '\u{fffd}',
        it => it,
    };
    text.chars().map(shown).collect()
}

/// JSON that says the same and holds no such character: they are escaped.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for it in json.chars() {
        // JSON has no control characters below a space but those between its parts.
        if it > ' ' && is_unsafe(it) {
            for unit in it.encode_utf16(&mut [0; 2]) {
                write!(shown, "\\u{unit:04x}").expect("a string takes everything");
            }
        } else {
            shown.push(it);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\u{1b}[31m\u{9b}32m\r\nFAKE\u{202e}gpj.\u{200b}\u{e0041}\u{2028}é";

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let line = printable(EVIL);
        assert_eq!(line.matches('\u{fffd}').count(), 8, "{line}");
        assert!(line.starts_with("a\u{fffd}[31m") && line.ends_with('é'));
        assert_eq!(
            printable_lines("one\n\ttwo\r\u{1b}"),
            "one\n\ttwo\u{fffd}\u{fffd}"
        );
        for fine in ["歌 🎸 solo… مو\u{200c}سیقی 👩\u{200d}🎤", "AC/DC"] {
            assert_eq!(printable(fine), fine);
        }
    }

    #[test]
    fn json_says_the_same_and_is_safe() {
        let value = serde_json::json!({ EVIL: [EVIL, 1] });
        for json in [value.to_string(), format!("{value:#}")] {
            let shown = printable_json(&json);
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
                value
            );
            assert!(
                shown.chars().all(|it| it == '\n' || !is_unsafe(it)),
                "{shown}"
            );
        }
    }
}
