//! In which language a page speaks, and its words: the messages of `messages/`, in Project Fluent's
//! format. English has all of them; another language that lacks one says it in English.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, which everybody gets who asks for nothing that we speak.
    #[default]
    English,
    /// French.
    French,
}

/// All of them, with the source of their messages.
const ALL: [(Language, &str, &str); 2] = [
    (
        Language::English,
        "en",
        include_str!("../messages/en/pages.ftl"),
    ),
    (
        Language::French,
        "fr",
        include_str!("../messages/fr/pages.ftl"),
    ),
];

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<[Bundle; 2]> =
    LazyLock::new(|| ALL.map(|(_, tag, source)| bundle(tag, source)));

fn bundle(tag: &str, source: &str) -> Bundle {
    let tag = tag.parse().expect("a language tag of ours");
    let mut bundle = Bundle::new_concurrent(vec![tag]);
    // Nothing is written from right to left here, and marks of direction would be copied along.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(source.to_owned());
    let resource = resource.expect("message files are read by a test");
    bundle
        .add_resource(resource)
        .expect("no message stands twice: a test");
    bundle
}

impl Language {
    /// The one that a request asks for first among those that we speak (`Accept-Language`, RFC 9110,
    /// section 12.5.4).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let asked = headers.get_all(header::ACCEPT_LANGUAGE).iter();
        let asked: Vec<_> = asked.filter_map(|value| value.to_str().ok()).collect();
        let wanted = accept_language::parse_with_quality(&asked.join(","));
        // A quality of 0 says that a language is not wanted.
        let mut wanted = wanted.iter().filter(|(_, quality)| *quality > 0.0);
        wanted
            .find_map(|(tag, _)| Self::of_tag(tag))
            .unwrap_or_default()
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?;
        let ours = ALL
            .iter()
            .find(|(_, ours, _)| primary.eq_ignore_ascii_case(ours));
        ours.map(|(language, ..)| *language)
    }

    /// Its tag (BCP 47), for `lang` and for the page's script.
    #[must_use]
    pub fn tag(self) -> &'static str {
        ALL[self as usize].1
    }

    /// A message without arguments.
    #[must_use]
    pub fn say(self, id: &str) -> String {
        self.fill(id, None)
    }

    /// A message with what belongs into it.
    #[must_use]
    pub fn with<'a, const N: usize>(
        self,
        id: &str,
        args: [(&'a str, FluentValue<'a>); N],
    ) -> String {
        self.fill(id, Some(&FluentArgs::from_iter(args)))
    }

    fn fill(self, id: &str, args: Option<&FluentArgs<'_>>) -> String {
        let ours = [self, Self::English].map(|language| &BUNDLES[language as usize]);
        let found = ours.iter().find_map(|bundle| {
            let pattern = bundle.get_message(id)?.value()?;
            Some((bundle, pattern))
        });
        let Some((bundle, pattern)) = found else {
            debug_assert!(false, "there is no message {id}");
            return id.to_owned();
        };
        let mut errors = Vec::new();
        let text = bundle
            .format_pattern(pattern, args, &mut errors)
            .into_owned();
        debug_assert!(errors.is_empty(), "message {id}: {errors:?}");
        text
    }

    /// Bytes as people read them, in powers of ten as disks are sold.
    #[must_use]
    pub fn size(self, bytes: u64) -> String {
        let (unit, id) = match bytes {
            0..1_000 => return self.with("size-bytes", [("amount", bytes.into())]),
            1_000..1_000_000 => (1_000, "size-kilobytes"),
            1_000_000..1_000_000_000 => (1_000_000, "size-megabytes"),
            _ => (1_000_000_000, "size-gigabytes"),
        };
        let tenths = u128::from(bytes) * 10 / unit;
        let point = match self {
            Self::English => '.',
            Self::French => ',',
        };
        let amount = format!("{}{point}{}", tenths / 10, tenths % 10);
        self.with(id, [("amount", amount.into())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, value.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn the_first_language_that_is_spoken_here_is_taken() {
        for french in [
            "fr",
            "fr-CA",
            "FR-fr",
            "de, fr;q=0.5, en;q=0.3",
            "en;q=0.2, fr;q=0.9",
        ] {
            assert_eq!(asked(french), Language::French, "{french}");
        }
        for english in [
            "",
            "en",
            "en-GB, fr;q=0.9",
            "de",
            "frr",
            ";;",
            "q=1",
            "*",
            "fr;q=0",
            "fr;q=x",
        ] {
            assert_eq!(asked(english), Language::English, "{english}");
        }
        // One list, however many lines it came in.
        let mut headers = HeaderMap::new();
        for line in ["de", "fr"] {
            headers.append(header::ACCEPT_LANGUAGE, line.parse().unwrap());
        }
        assert_eq!(Language::of(&headers), Language::French);
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        let sizes = [999, 1_000, 1_250_000, 49_999_999_999];
        let english = sizes.map(|size| Language::English.size(size));
        assert_eq!(english, ["999 bytes", "1.0 kB", "1.2 MB", "49.9 GB"]);
        let french = sizes.map(|size| Language::French.size(size));
        assert_eq!(french, ["999 octets", "1,0 ko", "1,2 Mo", "49,9 Go"]);
    }

    #[test]
    fn a_language_has_its_place() {
        for (place, (language, tag, _)) in ALL.into_iter().enumerate() {
            assert_eq!((language as usize, language.tag()), (place, tag));
        }
    }
}
