//! One of a few words: log format, and what becomes of a session that breaks an intake rule.

use super::{Kind, Wrong, quoted, text};
use crate::file::Raw;
use crate::nearest::nearest;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// What happens when a file breaks an intake rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is said.
    Ignore,
    /// The session is taken and the finding stands in its report.
    Warn,
    /// Submit is refused, naming the files.
    Refuse,
}

/// A check of the files of a session when it is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A file with an audio name does not open as audio.
    UnreadableAudio,
    /// A file opens, but as another format than its name says.
    NameMismatch,
    /// A file is in a lossy format (MP3, AAC, Ogg Vorbis, ...).
    LossyFormat,
    /// A file has no bytes.
    EmptyFile,
    /// The audio files of one session have different sample rates.
    MixedSampleRates,
    /// The audio files of one session have different bit depths.
    MixedBitDepths,
    /// A file ends before its header says.
    Truncated,
    /// A header says something odd, and programs play the file all the same.
    OddHeader,
    /// A file stands for another that is still in a cloud or on its way.
    Placeholder,
    /// A name that Windows or a Mac does not take as it is.
    Names,
}

impl Rule {
    /// Every rule, in the order of the sample.
    pub const ALL: [Self; 10] = [
        Self::UnreadableAudio,
        Self::Truncated,
        Self::EmptyFile,
        Self::NameMismatch,
        Self::LossyFormat,
        Self::MixedSampleRates,
        Self::MixedBitDepths,
        Self::OddHeader,
        Self::Placeholder,
        Self::Names,
    ];

    /// The rule's name in settings and findings: `unreadable_audio`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnreadableAudio => "unreadable_audio",
            Self::NameMismatch => "name_mismatch",
            Self::LossyFormat => "lossy_format",
            Self::EmptyFile => "empty_file",
            Self::MixedSampleRates => "mixed_sample_rates",
            Self::MixedBitDepths => "mixed_bit_depths",
            Self::Truncated => "truncated",
            Self::OddHeader => "odd_header",
            Self::Placeholder => "placeholder",
            Self::Names => "names",
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One of a few words and what each means.
pub(crate) struct Choice<T: 'static>(&'static [(&'static str, T)]);

impl Choice<LogFormat> {
    pub(crate) const LOG_FORMAT: Self =
        Self(&[("human", LogFormat::Human), ("json", LogFormat::Json)]);
}

impl Choice<Severity> {
    pub(crate) const SEVERITY: Self = Self(&[
        ("refuse", Severity::Refuse),
        ("warn", Severity::Warn),
        ("ignore", Severity::Ignore),
    ]);
}

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, raw: &Raw) -> Result<T, Wrong> {
        let typed = text(raw, self.0[0].0)?;
        let words: Vec<&str> = self.0.iter().map(|(word, _)| *word).collect();
        let found = self.0.iter().find(|(word, _)| *word == typed);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let instead = nearest(typed, words.iter().copied()).map_or_else(
                || {
                    let all: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                    format!("write one of {}", all.join(", "))
                },
                |near| format!("write {}", quoted(near)),
            );
            Wrong::new(format!("{} is not a choice here", quoted(typed)), instead)
        })
    }

    fn show(&self, value: &T) -> String {
        let found = self.0.iter().find(|(_, known)| known == value);
        quoted(found.map_or("", |(word, _)| word))
    }
}
