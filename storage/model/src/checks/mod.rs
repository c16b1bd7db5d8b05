//! The header checks at submit: what is wrong with a session that one can see without listening.
//!
//! Pure: names and [`FileFacts`] in, findings out, in the order of the rules and of the files. Only
//! files that say that they are audio, by their name or (without an extension) by their first bytes,
//! are judged; of everything else only emptiness is said.

pub mod facts;
pub mod family;
mod file;
pub mod message;
pub mod preflight;
pub mod room;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::names::namesakes::Namesakes;
use crate::names::{hazards, is_junk, other_half, placeholder};
use facts::{FileFacts, Known};
use family::{Family, is_audio};
use file::troubles;
pub use message::about;
use message::{Depth, Wanted};
use stemvault_codec::audio::{Format, SampleFormat};

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// An audio file whose header no program will understand.
    UnreadableAudio,
    /// The content is another format than the name says.
    NameMismatch,
    /// Sound was lost on the way into this format.
    LossyFormat,
    /// No bytes, or no samples.
    EmptyFile,
    /// More than one sample rate in the session.
    MixedSampleRates,
    /// More than one bit depth in the session.
    MixedBitDepths,
    /// Less audio than the header promises, or a header that promises none of what is there.
    Truncated,
    /// A header that says something odd; programs play the file all the same.
    OddHeader,
    /// A file that stands for another: still in a cloud, half a download, a shortcut.
    Placeholder,
    /// A name that Windows or a Mac does not take as it is, alone or beside the others.
    Names,
}

impl Rule {
    /// All rules, in the order of findings.
    pub const ALL: [Self; 10] = [
        Self::UnreadableAudio,
        Self::NameMismatch,
        Self::LossyFormat,
        Self::EmptyFile,
        Self::MixedSampleRates,
        Self::MixedBitDepths,
        Self::Truncated,
        Self::OddHeader,
        Self::Placeholder,
        Self::Names,
    ];

    /// Its name in settings, receipts and on pages.
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

/// What a finding means for the submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Not looked for.
    Ignore,
    /// Shown to both sides.
    Warn,
    /// The session goes back to its sender at once; the engineer may still accept it.
    Refuse,
}

/// Something found, about one or several files that share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// The files it is about, in the order given.
    pub files: Vec<String>,
    /// For the musician: which files, what is wrong, what to do.
    pub message: String,
}

/// What of the files is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each, and all beside each other: they are all there are.
    #[default]
    All,
    /// Each by itself: there are more, and what is wrong beside those is not known.
    Part,
    /// All beside each other: each was looked at before.
    Together,
}

impl Scope {
    /// Whether what is found by comparing files, or in a file alone, is to be said.
    pub(super) fn takes(self, compared: bool) -> bool {
        match self {
            Self::All => true,
            Self::Part => !compared,
            Self::Together => compared,
        }
    }
}

/// A file to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Its normalised path.
    pub path: &'a str,
    /// What is known of it.
    pub facts: &'a FileFacts,
    /// How much of that is final.
    pub known: Known,
}

/// Something found, before it is put into one sentence with the names of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which rule.
    pub rule: Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong and what to do, without the names.
    pub text: String,
    /// Which of the files given, by their place.
    pub files: Vec<usize>,
    /// Whether it was found by comparing files.
    pub compared: bool,
}

impl Rule {
    /// Whether a file breaks it only together with others.
    #[must_use]
    pub fn is_of_session(self) -> bool {
        matches!(self, Self::MixedSampleRates | Self::MixedBitDepths)
    }
}

/// Checks a session: its files by path, in the order in which findings shall name them.
pub fn check<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a FileFacts)>,
    severity: impl Fn(Rule) -> Severity,
) -> Vec<Finding> {
    let judged = |(path, facts)| Judged {
        path,
        facts,
        known: Known::Header,
    };
    let files: Vec<_> = files.into_iter().map(judged).collect();
    let troubles = judge(&files, Scope::All, severity);
    troubles
        .iter()
        .map(|trouble| trouble.finding(&files))
        .collect()
}

impl Trouble {
    /// As receipts and pages have it.
    #[must_use]
    pub fn finding(&self, files: &[Judged<'_>]) -> Finding {
        let paths: Vec<_> = self.files.iter().map(|&at| files[at].path).collect();
        Finding {
            rule: self.rule,
            severity: self.severity,
            message: about(&paths, &self.text),
            files: paths.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Sentences, each with the places of its files, and whether these were compared.
type SameTrouble = Vec<(String, Vec<usize>, bool)>;

/// The same of files that may not all be known to their headers' ends: what is not known yet is not
/// held against a file.
pub fn judge(
    files: &[Judged<'_>],
    scope: Scope,
    severity: impl Fn(Rule) -> Severity,
) -> Vec<Trouble> {
    let files: Vec<_> = files
        .iter()
        .enumerate()
        .filter(|(_, file)| !is_junk(file.path))
        .collect();
    let audio: Vec<_> = files
        .iter()
        .copied()
        .filter(|(_, file)| file.known >= Known::Format && is_audio(file.path, file.facts))
        .collect();
    let rates = Census::of(&audio, |samples| Some(samples.sample_rate));
    let depths = Census::of(&audio, Depth::of);
    let wanted = Wanted {
        rate: rates.most,
        depth: depths.most,
    };

    // Files with the same trouble share one finding: eighty MP3s are one sentence, not eighty.
    let mut found = BTreeMap::<(Rule, Severity), SameTrouble>::new();
    let mut places = BTreeMap::<(Rule, Severity, String), usize>::new();
    let mut note_up_to = |most: Severity, compared, rule: Rule, trouble: String, at: usize| {
        if !scope.takes(compared) {
            return;
        }
        let severity = severity(rule).min(most);
        let same_rule = found.entry((rule, severity)).or_default();
        let place =
            places
                .entry((rule, severity, trouble))
                .or_insert_with_key(|(_, _, trouble)| {
                    same_rule.push((trouble.clone(), Vec::new(), compared));
                    same_rule.len() - 1
                });
        same_rule[*place].1.push(at);
    };
    for &(at, file) in files.iter().filter(|(_, file)| file.facts.length == 0) {
        if Family::of(file.path).is_some() {
            note_up_to(
                Severity::Refuse,
                false,
                Rule::EmptyFile,
                message::empty(),
                at,
            );
        } else {
            // A lock, a marker: programs leave such files in their bundles, and nobody can mend them.
            note_up_to(
                Severity::Warn,
                false,
                Rule::EmptyFile,
                message::nothing(),
                at,
            );
        }
    }
    let mut note =
        |rule, trouble, at, compared| note_up_to(Severity::Refuse, compared, rule, trouble, at);
    for &(at, file) in audio.iter().filter(|(_, file)| file.facts.length > 0) {
        for (rule, trouble) in troubles(file, &wanted) {
            note(rule, trouble, at, false);
        }
    }
    for (at, rate, most) in rates.others {
        let trouble = message::other_rate(rate, most, &wanted);
        note(Rule::MixedSampleRates, trouble, at, true);
    }
    for (at, depth, most) in depths.others {
        let trouble = message::other_depth(depth, most, &wanted);
        note(Rule::MixedBitDepths, trouble, at, true);
    }

    let paths: BTreeSet<_> = files.iter().map(|(_, file)| file.path).collect();
    for &(at, file) in &files {
        let is_link = file.known >= Known::Format && file.facts.format == Some(Format::Shortcut);
        if let Some(stands_for) = placeholder(file.path, is_link) {
            note(Rule::Placeholder, stands_for, at, false);
        }
        if let Some(half) = other_half(file.path)
            && !paths.contains(half.as_str())
        {
            let trouble = message::half(file.path, &wanted);
            note(Rule::UnreadableAudio, trouble, at, true);
        }
        for hazard in hazards(file.path) {
            note(Rule::Names, hazard, at, false);
        }
    }
    for same in Namesakes::of(files.iter().map(|(_, file)| file.path)).same() {
        let first = files[same[0]].1.path;
        // The same path twice is one file that was sent anew.
        if same.iter().any(|&it| files[it].1.path != first) {
            for it in same {
                note(Rule::Names, message::one_name(first), files[it].0, true);
            }
        }
    }

    let mut all = Vec::new();
    for ((rule, severity), troubles) in found {
        if severity == Severity::Ignore {
            continue;
        }
        all.extend(troubles.into_iter().map(|(text, files, compared)| Trouble {
            rule,
            severity,
            text,
            files,
            compared,
        }));
    }
    all
}

/// How many files have which value, and which ones differ from most.
struct Census<K> {
    /// The value of most files; of most bytes if two are equally frequent.
    most: Option<K>,
    /// The files with another value: theirs, and that of most.
    others: Vec<(usize, K, K)>,
}

impl<K: Ord + Copy> Census<K> {
    fn of(files: &[(usize, &Judged<'_>)], key: impl Fn(&SampleFormat) -> Option<K>) -> Self {
        let values: Vec<_> = files
            .iter()
            .filter_map(|(at, Judged { facts, .. })| {
                Some((*at, facts.length, key(&facts.usable_samples()?)?))
            })
            .collect();
        let mut votes = BTreeMap::<K, (usize, u64)>::new();
        for (_, length, value) in &values {
            let (count, bytes) = votes.entry(*value).or_default();
            *count += 1;
            *bytes = bytes.saturating_add(*length);
        }
        let most = votes
            .iter()
            .max_by_key(|(_, weight)| **weight)
            .map(|(value, _)| *value);
        let differs = |(at, _, value): &(usize, u64, K)| {
            most.filter(|most| most != value)
                .map(|most| (*at, *value, most))
        };
        Self {
            most,
            others: values.iter().filter_map(differs).collect(),
        }
    }
}

#[cfg(test)]
mod judges_tests;
#[cfg(test)]
mod tests;
