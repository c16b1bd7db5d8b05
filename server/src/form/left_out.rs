//! What a sender left out of a submit: it stands on the receipt, as far as there is room for names.

use serde::Deserialize;
use utoipa::ToSchema;

/// The name under which a manifest keeps what the sender left out.
pub const LEFT_OUT: &str = "left_out";

/// How many bytes of names it keeps; the rest is counted.
const LEFT_OUT_MAX: usize = 2048;

/// What a sender left out, for the receipt.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Paths; the receipt names as many as fit.
    #[serde(default)]
    pub paths: Vec<String>,
    /// How many more there are.
    #[serde(default)]
    pub more: u32,
}

impl LeftOut {
    /// As people read it: as many paths as fit, and how many more there are.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let Self { paths, more } = self;
        let mut text = String::new();
        let mut named = 0;
        for path in paths {
            let plain = path.replace(char::is_control, "\u{fffd}");
            if text.len() + plain.len() + 2 > LEFT_OUT_MAX {
                break;
            }
            if named > 0 {
                text.push_str(", ");
            }
            text.push_str(&plain);
            named += 1;
        }
        match (named, u64::from(*more) + (paths.len() - named) as u64) {
            (0, 0) => None,
            (0, 1) => Some("1 file".to_owned()),
            (0, more) => Some(format!("{more} files")),
            (_, 0) => Some(text),
            (_, more) => Some(format!("{text} and {more} more")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_named_as_far_as_it_fits() {
        let of = |paths: &[String], more| {
            let paths = paths.to_vec();
            LeftOut { paths, more }.told()
        };
        assert_eq!(of(&[], 0), None);
        assert_eq!(of(&[], 1).unwrap(), "1 file");
        let two = ["a\n.wav".to_owned(), "b".to_owned()];
        assert_eq!(of(&two, 0).unwrap(), "a\u{fffd}.wav, b");
        assert_eq!(of(&two, 7).unwrap(), "a\u{fffd}.wav, b and 7 more");
        let paths: Vec<_> = (0..1000).map(|n| format!("S/Take {n}.wav")).collect();
        let many = of(&paths, 5).unwrap();
        assert!(many.len() < LEFT_OUT_MAX + 32, "{}", many.len());
        let named = many.matches(".wav").count();
        assert!(many.ends_with(&format!(" and {} more", 1005 - named)));
        assert_eq!(of(&["x".repeat(5000)], 1).unwrap(), "2 files");
    }
}
