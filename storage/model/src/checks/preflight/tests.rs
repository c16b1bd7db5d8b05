//! No second opinion: what preflight says of the start of a file is what submit says of the whole.

use super::*;
use crate::checks::{Finding, check};
use crate::upload::cut::Cut;
use stemvault_codec::audio::made::{self, STEREO24};

/// What submit knows of a whole file: as its blocks were cut.
fn submitted(file: &[u8]) -> FileFacts {
    let mut cut = Cut::new();
    let mut rest = file;
    while let Some(taken) = cut.next_end(rest) {
        rest = &rest[taken..];
    }
    cut.facts()
}

fn candidate(path: &str, file: &[u8], head: usize) -> Candidate {
    let mut start = Start::new(path.to_owned(), file.len() as u64);
    for piece in file[..head.min(file.len())].chunks(1000) {
        start.push(piece);
    }
    start.candidate()
}

fn warn(_: Rule) -> Severity {
    Severity::Warn
}

fn told(candidates: &[Candidate]) -> Preflight {
    preflight(candidates, &[], None, warn)
}

/// The findings of preflight about one file, by rules of submit and in submit's words.
fn remarks(said: &Preflight, path: &str) -> Vec<(&'static str, String)> {
    let of_submit: Vec<_> = Rule::ALL.into_iter().map(Rule::name).collect();
    let files = said.files.iter().flat_map(|file| &file.findings);
    files
        .filter(|remark| of_submit.contains(&remark.rule))
        .map(|remark| (remark.rule, format!("{path}: {}", remark.message)))
        .collect()
}

fn findings(found: &[Finding]) -> Vec<(&'static str, String)> {
    let pair = |it: &Finding| (it.rule.name(), it.message.clone());
    found.iter().map(pair).collect()
}

/// For starts of every length: what is final is what submit will know; then the findings are the
/// same, word for word; before that none is said that submit would not say.
pub(in crate::checks) fn agree(path: &str, file: &[u8]) {
    let whole = submitted(file);
    let expected = findings(&check([(path, &whole)], warn));
    let mut last = Known::Length;
    let few = 0..file.len().min(400);
    let mut heads: Vec<_> = few.chain((400..file.len()).step_by(9_973)).collect();
    heads.extend([file.len().min(HEAD_MAX), file.len()]);
    heads.sort_unstable();
    for head in heads {
        let start = candidate(path, file, head);
        assert!(start.known >= last, "{path}: knows less after {head} bytes");
        last = start.known;
        let known = start.known;
        if known == Known::Header {
            assert_eq!(start.facts, whole, "{path} after {head} bytes");
        }
        let said = told(&[start]);
        if SessionPath::parse(path).is_err() {
            continue;
        }
        let said = remarks(&said, path);
        if known == Known::Header {
            assert_eq!(said, expected, "{path} after {head} bytes");
        }
        for (rule, message) in said {
            let there = expected.iter().any(|(it, _)| *it == rule);
            assert!(there, "{path} after {head} bytes: {message}");
        }
    }
    assert_eq!(last, Known::Header, "{path}");
}

/// A chunk that no start of 64 KiB reaches over.
static LONG: [u8; 100_000] = [7; 100_000];

#[test]
fn files_longer_than_their_start_are_judged_by_the_said_length() {
    let wav = made::wav(STEREO24, &[], &[1; 300_000], &[(b"LIST", b"INFO")]);
    let hidden = made::wav(STEREO24, &[(b"bext", &LONG)], &[1; 600], &[]);
    let tagged = {
        let mut file = b"ID3\x03\0\0\0\x06\x0D\x20".to_vec();
        file.extend([0; 100_000]);
        file.extend([0xFF, 0xFB, 0x90, 0x64].repeat(100));
        file
    };
    for (path, file, known, rules) in [
        ("a.wav", wav.as_slice(), Known::Header, &[][..]),
        ("a.wav", &wav[..200_000], Known::Header, &["truncated"]),
        ("a.aif", &wav, Known::Header, &["name_mismatch"]),
        ("a.wav", &hidden, Known::Format, &[]),
        ("a.aif", &hidden, Known::Format, &["name_mismatch"]),
        ("a.wav", &hidden[..90_000], Known::Format, &[]),
        ("a.mp3", &tagged, Known::Length, &[]),
        ("a.wav", &[0; 70_000], Known::Header, &["unreadable_audio"]),
        ("a.mp3", &[7; 70_000], Known::Header, &["unreadable_audio"]),
    ] {
        agree(path, file);
        let start = candidate(path, file, HEAD_MAX);
        assert_eq!(start.known, known, "{path}");
        let said = remarks(&told(&[start]), path);
        let said: Vec<_> = said.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(said, rules, "{path}");
    }
}

#[test]
fn every_container_is_known_from_its_start() {
    for (name, file, _) in made::one_of_each(&[1; 200_000]) {
        let start = candidate(name, &file, HEAD_MAX);
        assert_eq!(start.facts.length, file.len() as u64);
        if start.known == Known::Header {
            assert_eq!(start.facts, submitted(&file), "{name}");
        }
        agree(name, &file);
    }
}

#[test]
fn a_session_is_judged_as_a_whole_and_beside_what_is_here() {
    let form = |rate| made::Form { rate, ..STEREO24 };
    let file = |rate| made::wav(form(rate), &[], &[1; 120_000], &[]);
    let here = |path: &str, file: &[u8]| Here {
        path: SessionPath::parse(path).unwrap(),
        facts: submitted(file),
        known: Known::Header,
    };
    let (odd, even) = (file(44_100), file(48_000));
    let sent = [
        candidate("Kick.wav", &odd, HEAD_MAX),
        candidate("Snare.wav", &even, HEAD_MAX),
        candidate("Bass.wav", &even, HEAD_MAX),
    ];
    let said = told(&sent);
    let facts: Vec<_> = sent.iter().map(|it| (it.path.as_str(), it.facts)).collect();
    let found = check(facts.iter().map(|(path, facts)| (*path, facts)), warn);
    let together: Vec<_> = said
        .session
        .iter()
        .map(|it| (it.rule, it.message.clone()))
        .collect();
    assert_eq!(together, findings(&found));
    assert_eq!(said.session[0].files, ["Kick.wav"]);
    // The other way round once two others are here; a file that is to be replaced does not count.
    let stays = [
        here("Gtr 1.wav", &odd),
        here("Gtr 2.wav", &odd),
        here("Bass.wav", &odd[..9_000]),
    ];
    let said = preflight(&sent, &stays, None, warn);
    assert_eq!(said.session[0].files, ["Snare.wav", "Bass.wav"]);
    // What has arrived is not sent again, but is judged.
    let short = &even[..100_000];
    let said = preflight(
        &[candidate("Snare.wav", short, HEAD_MAX)],
        &[here("Snare.wav", short)],
        None,
        warn,
    );
    assert_eq!(said.files[0].action, Action::AlreadyHere);
    assert_eq!(said.files[0].findings[0].rule, "truncated");
    // Of what is not audio by its name the first bytes are enough.
    let of = |path| candidate(path, &[7; 70_000], 4096).known;
    assert_eq!(
        (of("a.txt"), of("a"), of("a.mp3")),
        (Known::Header, Known::Header, Known::Format)
    );
    // An ignored rule is not looked for.
    let said = preflight(&sent, &[], None, |_| Severity::Ignore);
    assert!(said.session.is_empty() && said.files.iter().all(|it| it.findings.is_empty()));
}

#[test]
fn names_junk_and_limits_are_said_before_the_first_byte() {
    let of = |path: &str, length| Start::new(path.to_owned(), length).candidate();
    let here = [Here {
        path: SessionPath::parse("gtr.wav").unwrap(),
        facts: of("", 10).facts,
        known: Known::Length,
    }];
    let room = Room {
        max_file: 100,
        max_order: 150,
        max_files: 9,
        used_bytes: 10,
        used_files: 1,
        max_open: None,
        space: Some(139),
    };
    let sent = [
        of("S/.DS_Store", 6148),
        of("a\nb.wav", 5),
        of("../up.wav", 5),
        of("S/aux.wav", 5),
        of("S/Caf\u{e9}.wav", 5),
        of("S/Cafe\u{301}.wav", 5),
        of("Gtr.wav", 10),
        of("twice.wav", 1),
        of("twice.wav", 1),
        of("long.wav", 101),
    ];
    let said = preflight(&sent, &here, Some(&room), warn);
    let of_files: Vec<_> = said
        .files
        .iter()
        .map(|it| {
            let rules: Vec<_> = it.findings.iter().map(|it| it.rule).collect();
            (it.path.as_str(), it.action.name(), rules.join(" "))
        })
        .collect();
    let line = |path, action, rules: &str| (path, action, rules.to_owned());
    assert_eq!(
        of_files,
        [
            line("S/.DS_Store", "skip", "junk"),
            line("S/aux.wav", "upload", "names"),
            line("S/Caf\u{e9}.wav", "upload", "same_name"),
            line("S/Cafe\u{301}.wav", "upload", "same_name"),
            line("Gtr.wav", "upload", "names"),
            line("twice.wav", "upload", ""),
            line("twice.wav", "upload", ""),
            line("long.wav", "upload", "limit"),
        ]
    );
    let forbidden: Vec<_> = said
        .forbidden
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(forbidden, ["a\nb.wav", "../up.wav"]);
    let limits: Vec<_> = said.session.iter().map(|it| it.rule).collect();
    assert_eq!(limits, [] as [&str; 0]);
    assert!(said.refuses());
    let more = [
        sent.as_slice(),
        &[of("more.wav", 30), of("b", 1), of("c", 1)],
    ]
    .concat();
    let said = preflight(&more, &here, Some(&room), warn);
    let limits: Vec<_> = said.session.iter().map(|it| it.rule).collect();
    assert_eq!(limits, ["limit", "limit", "limit"]);
    // What was begun has its place on the server as well.
    let mut begun = room;
    let of_space = |room| preflight(&[of("x", 150)], &here, Some(&room), warn).session;
    assert!(of_space(begun)[0].message.contains("has room for 139"));
    begun.free(11);
    assert_eq!(of_space(begun), []);
    let calm = preflight(&sent[3..4], &here, Some(&room), warn);
    assert!(!calm.refuses());
}

#[test]
fn what_no_disk_can_hold_is_refused_before_the_first_byte() {
    let of = |path: &str| Start::new(path.to_owned(), 5).candidate();
    let here = [Here {
        path: SessionPath::parse("Bass").unwrap(),
        facts: of("").facts,
        known: Known::Length,
    }];
    let sent = [
        of("Drums"),
        of("drums/Kick.wav"),
        of("BASS/a.wav"),
        of("AC\\DC tribute.wav"),
        of("a\u{2028}b.wav"),
        of("Gtr.wav"),
    ];
    let said = preflight(&sent, &here, None, |_| Severity::Ignore);
    let brief = said.files.iter().map(|it| {
        let findings = it.findings.iter();
        let rules = findings
            .map(|it| (it.rule, it.severity))
            .collect::<Vec<_>>();
        (it.path.as_str(), rules)
    });
    let refused = || vec![("same_name", Severity::Refuse)];
    assert_eq!(
        brief.collect::<Vec<_>>(),
        [
            ("Drums", refused()),
            ("drums/Kick.wav", vec![]),
            ("BASS/a.wav", refused()),
            ("AC\\DC tribute.wav", vec![("folder", Severity::Warn)]),
            ("a\u{2028}b.wav", refused()),
            ("Gtr.wav", vec![]),
        ]
    );
    let said = &said.files[2].findings[0].message;
    assert!(said.contains("\"Bass\""), "{said}");
}
