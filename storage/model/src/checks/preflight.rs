//! Preflight: what submit would say of files, before the first of their bytes is uploaded.
//!
//! Pure, and no second opinion: the header reader of intake takes the first [`HEAD_MAX`] bytes of a
//! file, the checks of submit judge what it learned, with the studio's severities and in the same
//! words. What those bytes do not show yet is not held against a file. Beside that, what concerns
//! files on their way only: junk, names that will not travel, limits, and what is here already.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::facts::{FileFacts, Known};
use super::family::is_named_audio;
use super::room::Room;
use super::{Judged, Rule, Scope, Severity, judge};
use crate::names::is_junk;
use crate::names::namesakes::{Namesakes, breaks_lists, in_its_folder};
use crate::path::SessionPath;
use stemvault_codec::audio::{Format, HeaderReader, SampleFormat};

/// Bytes of a file's beginning that preflight can make use of: 64 KiB.
pub const HEAD_MAX: usize = 64 << 10;

/// A file whose first bytes are being read.
#[derive(Debug, Clone)]
pub struct Start {
    path: String,
    length: u64,
    header: HeaderReader,
    seen: Option<Seen>,
}

/// What of a file's content is compared with that of others: whoever asks about many files is told it of
/// each, and sends it back to have all of them compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What its first bytes are.
    #[serde(default)]
    format: Option<Format>,
    /// The form of its samples.
    #[serde(default)]
    samples: Option<SampleFormat>,
}

/// A file that somebody wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its path as its sender has it.
    pub path: String,
    /// What its first bytes and its length say.
    pub facts: FileFacts,
    /// How much of that is final.
    pub known: Known,
}

impl Start {
    /// A file of this path and length, of which nothing was read yet.
    #[must_use]
    pub fn new(path: String, length: u64) -> Self {
        Self {
            path,
            length,
            header: HeaderReader::new(),
            seen: None,
        }
    }

    /// The same of which this was seen before, and nothing is read any more.
    #[must_use]
    pub fn seen(self, seen: Option<Seen>) -> Self {
        Self { seen, ..self }
    }

    /// Takes the next bytes of the file; they are not kept.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.header.push(bytes);
            bytes = &bytes[taken..];
        }
    }

    /// What was learned.
    #[must_use]
    pub fn candidate(self) -> Candidate {
        let (mut facts, mut known) = FileFacts::of_start(&self.header, self.length);
        if let Some(Seen { format, samples }) = self.seen {
            (facts.format, facts.samples, known) = (format, samples, Known::Format);
        }
        // In what is not named as audio nobody looks for an MP3: more of it would tell nothing.
        if known == Known::Format && self.header.searches() && !is_named_audio(&self.path) {
            known = Known::Header;
        }
        Candidate {
            path: self.path,
            facts,
            known,
        }
    }
}

/// A file that a submit would take as things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Where it stands in the session.
    pub path: SessionPath,
    /// What its header says.
    pub facts: FileFacts,
    /// How much of that is known here: to the server all, to whoever asked it for a list the length.
    pub known: Known,
}

/// What to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it.
    Upload,
    /// Nothing: a file of this path and length has arrived.
    AlreadyHere,
    /// Leave it out: it is junk.
    Skip,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::AlreadyHere => "already_here",
            Self::Skip => "skip",
        }
    }
}

/// Something to say of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// A [`Rule`]'s name, or `junk`, `folder`, `same_name`, `limit`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what to do, without the file's name.
    pub message: String,
    /// Whether it was found by comparing the file with others.
    pub compared: bool,
}

/// What is to be said of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The path as it was given.
    pub path: String,
    /// The path that the session would have.
    pub normalised: String,
    /// What to do with it.
    pub action: Action,
    /// How much of it was known; more of its bytes would tell more unless this is `Header`.
    pub known: Known,
    /// What is needed to compare it with files of other requests.
    pub seen: Option<Seen>,
    /// What is wrong with it.
    pub findings: Vec<Remark>,
}

/// Something to say of several files together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Together {
    /// A [`Rule`]'s name, or `limit`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Which files, by their normalised paths.
    pub files: Vec<String>,
    /// Which files, what is wrong, what to do.
    pub message: String,
}

/// What preflight says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preflight {
    /// One for each file that can be named in a session, in the order given.
    pub files: Vec<Verdict>,
    /// What is wrong with all of them together, and with those that are here.
    pub session: Vec<Together>,
    /// Paths that cannot be uploaded, each with its reason.
    pub forbidden: Vec<(String, String)>,
}

impl Preflight {
    /// Whether something in it would be refused or returned.
    #[must_use]
    pub fn refuses(&self) -> bool {
        let of_files = self.files.iter().flat_map(|file| &file.findings);
        let mut severities = of_files
            .map(|remark| remark.severity)
            .chain(self.session.iter().map(|together| together.severity));
        !self.forbidden.is_empty() || severities.any(|it| it == Severity::Refuse)
    }
}

/// Judges files that are to be sent beside those that are here. Without `room` no limit is looked at.
pub fn preflight(
    candidates: &[Candidate],
    here: &[Here],
    room: Option<&Room>,
    severity: impl Fn(Rule) -> Severity,
) -> Preflight {
    preflight_of(Scope::All, candidates, here, room, severity)
}

/// The same of files that may be some of more.
pub fn preflight_of(
    scope: Scope,
    candidates: &[Candidate],
    here: &[Here],
    room: Option<&Room>,
    severity: impl Fn(Rule) -> Severity,
) -> Preflight {
    let by_path: BTreeMap<_, _> = here.iter().map(|it| it.path.as_str()).zip(0..).collect();
    let mut said = Preflight::default();
    // Those to be uploaded: the place of the verdict, the path, the candidate.
    let mut coming: Vec<(usize, SessionPath, &Candidate)> = Vec::new();
    // The verdicts on files that are here, by their places among those.
    let mut known_here = BTreeMap::new();
    for candidate in candidates {
        let verdict = |normalised: &str, action, known| Verdict {
            path: candidate.path.clone(),
            normalised: normalised.to_owned(),
            action,
            known,
            seen: (candidate.known >= Known::Format).then_some(Seen {
                format: candidate.facts.format,
                samples: candidate.facts.samples,
            }),
            findings: Vec::new(),
        };
        if is_junk(&candidate.path) {
            let mut verdict = verdict(&candidate.path, Action::Skip, Known::Header);
            verdict.findings.push(Remark {
                rule: "junk",
                severity: Severity::Warn,
                message: "left out: the computer made it, it is no part of a session.".to_owned(),
                compared: false,
            });
            said.files.push(verdict);
            continue;
        }
        let path = match SessionPath::parse(&candidate.path) {
            Ok(path) => path,
            Err(why) => {
                let refused = (candidate.path.clone(), why.to_string());
                said.forbidden.push(refused);
                continue;
            }
        };
        let same = |at: &usize| here[*at].facts.length == candidate.facts.length;
        if let Some(at) = by_path.get(path.as_str()).copied().filter(same) {
            known_here.insert(at, said.files.len());
            let verdict = verdict(path.as_str(), Action::AlreadyHere, Known::Header);
            said.files.push(verdict);
        } else {
            let verdict = verdict(path.as_str(), Action::Upload, candidate.known);
            coming.push((said.files.len(), path, candidate));
            said.files.push(verdict);
        }
    }
    let replaced: BTreeSet<_> = coming.iter().map(|(_, path, _)| path.as_str()).collect();
    let staying: Vec<_> = (0..)
        .zip(here)
        .filter(|(_, it)| !replaced.contains(it.path.as_str()))
        .collect();

    let judged: Vec<_> = staying
        .iter()
        .map(|(_, it)| (it.path.as_str(), &it.facts, it.known))
        .chain(
            coming
                .iter()
                .map(|(_, path, it)| (path.as_str(), &it.facts, it.known)),
        )
        .map(|(path, facts, known)| Judged { path, facts, known })
        .collect();
    let places: Vec<Option<usize>> = staying
        .iter()
        .map(|(at, _)| known_here.get(at).copied())
        .chain(coming.iter().map(|(at, ..)| Some(*at)))
        .collect();
    for trouble in judge(&judged, scope, severity) {
        let rule = trouble.rule.name();
        if trouble.rule.is_of_session() {
            let finding = trouble.finding(&judged);
            said.session.push(Together {
                rule,
                severity: trouble.severity,
                files: finding.files,
                message: finding.message,
            });
            continue;
        }
        for place in trouble.files.iter().filter_map(|&at| places[at]) {
            said.files[place].findings.push(Remark {
                rule,
                severity: trouble.severity,
                message: trouble.text.clone(),
                compared: trouble.compared,
            });
        }
    }

    let mut remark = |at: usize, rule, severity, message, compared| {
        let remark = Remark {
            rule,
            severity,
            message,
            compared,
        };
        let findings = &mut said.files[at].findings;
        findings.extend(Some(remark).filter(|_| scope.takes(compared)));
    };
    for (at, path, candidate) in &coming {
        if candidate.path.contains('\\') {
            let message = format!(
                "the backslash in its name makes folders of it, as on Windows: it will be {:?}. If that is not meant, rename it.",
                path.as_str()
            );
            remark(*at, "folder", Severity::Warn, message, false);
        }
        if let Some(message) = breaks_lists(path.as_str()) {
            remark(*at, "same_name", Severity::Refuse, message, false);
        }
    }
    for (at, rule, severity, message) in clashes(&coming, &staying) {
        remark(at, rule, severity, message, true);
    }
    if let Some(room) = room {
        for (at, path, it) in &coming {
            if it.facts.length > room.max_file {
                let message = room.too_long(path.as_str(), it.facts.length);
                remark(*at, "limit", Severity::Refuse, message, false);
            }
        }
        let bytes = coming.iter().map(|(_, _, it)| it.facts.length);
        let bytes = bytes.fold(0, u64::saturating_add);
        let too_much = room.too_much(coming.len() as u64, bytes).into_iter();
        said.session.extend(too_much.filter(|_| scope.takes(true)));
    }
    said
}

type Clash = (usize, &'static str, Severity, String);

/// Names that cannot stand beside each other, whatever the studio thinks of it.
fn clashes(coming: &[(usize, SessionPath, &Candidate)], staying: &[(usize, &Here)]) -> Vec<Clash> {
    let mut refused = Vec::new();
    let mut refuse = |place: usize, message: String| {
        if let Some((at, ..)) = coming.get(place) {
            refused.push((*at, "same_name", Severity::Refuse, message));
        }
    };
    let mut by_path = BTreeMap::<&str, Vec<usize>>::new();
    for (place, (_, path, _)) in coming.iter().enumerate() {
        by_path.entry(path.as_str()).or_default().push(place);
    }
    for same in by_path.values().filter(|same| same.len() > 1) {
        for &place in same {
            let (_, path, it) = &coming[place];
            let mine = (path.raw(), it.facts.length);
            let others = same.iter().map(|&other| &coming[other]);
            let mut others = others.map(|(_, path, it)| (path.raw(), it.facts.length));
            if let Some((other, _)) = others.find(|other| *other != mine) {
                let message = format!(
                    "another file of the same name is to be sent, {other:?}: the one that arrives last would replace the other. Rename one."
                );
                refuse(place, message);
            }
        }
    }
    let paths = coming.iter().map(|(_, path, _)| path.as_str());
    let paths: Vec<_> = paths
        .chain(staying.iter().map(|(_, it)| it.path.as_str()))
        .collect();
    for (file, inside) in Namesakes::of(paths.iter().copied()).file_and_folder() {
        let message = in_its_folder(paths[file], paths[inside]);
        // What is here already cannot be told; what comes beside it can.
        if file < coming.len() {
            refuse(file, message);
        } else {
            let message = format!(
                "a file here, {:?}, stands in the way: {message}",
                paths[file]
            );
            refuse(inside, message);
        }
    }
    refused
}

#[cfg(test)]
pub(super) mod tests;
