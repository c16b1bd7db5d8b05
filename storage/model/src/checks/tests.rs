//! What musicians send, and what they are told.

use super::*;
use crate::upload::cut::Cut;
use stemvault_codec::audio::made::{self, Extra, STEREO24};

fn facts(file: &[u8]) -> FileFacts {
    let mut cut = Cut::new();
    let mut rest = file;
    while let Some(taken) = cut.next_end(rest) {
        rest = &rest[taken..];
    }
    cut.facts()
}

/// What is found in these files; and preflight must say the same of their starts.
fn found(files: &[(&str, &[u8])]) -> Vec<Finding> {
    for (path, file) in files {
        preflight::tests::agree(path, file);
    }
    let facts: Vec<_> = files
        .iter()
        .map(|(path, file)| (*path, facts(file)))
        .collect();
    check(facts.iter().map(|(path, facts)| (*path, facts)), |_| {
        Severity::Warn
    })
}

/// The rules that one file breaks.
fn rules(path: &str, file: &[u8]) -> Vec<Rule> {
    found(&[(path, file)])
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

const MP3: &[u8] = &[0xFF, 0xFB, 0x90, 0x64, 0, 0, 0, 0];
const M4A: &[u8] = b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x08moov";

fn wav() -> Vec<u8> {
    made::wav(STEREO24, &[], &[1; 600], &[(b"LIST", b"INFO")])
}

#[test]
fn good_files_and_foreign_files_are_left_alone() {
    for (name, file, _) in made::one_of_each(&[1; 600]) {
        assert_eq!(rules(name, &file), [], "{name}");
    }
    let utf16 = [0xFF, 0xFE, b'H', 0];
    for (path, file) in [
        ("notes.txt", utf16.as_slice()),
        ("Song.als", b"\x1f\x8b\x08\0"),
        ("Song.cpr", b"RIFF\0\0\0\0NUND"),
        ("tempo.mid", b"MThd\0\0\0\x06"),
        ("cover.jpg", MP3),
        ("reference.mp4", M4A),
        ("no extension", b"anything"),
        ("._Kick.wav", b"\0\x05\x16\x07\0\x02"),
        (".DS_Store", b""),
    ] {
        assert_eq!(rules(path, file), [], "{path}");
    }
    assert_eq!(found(&[]), []);
}

#[test]
fn each_rule_finds_what_it_is_for() {
    use Rule as R;
    let wav = wav();
    assert_eq!(rules("a.txt", b""), [R::EmptyFile]);
    assert_eq!(rules("a.wav", b""), [R::EmptyFile]);
    assert_eq!(rules("a.wav", b"hello"), [R::UnreadableAudio]);
    assert_eq!(rules("a.wav", &[0; 500]), [R::UnreadableAudio]);
    assert_eq!(rules("a.wav", &wav[..40]), [R::UnreadableAudio]);
    assert_eq!(rules("a.wav", b"<html><body>404"), [R::NameMismatch]);
    assert_eq!(rules("a.wav", b"PK\x03\x04"), [R::NameMismatch]);
    assert_eq!(rules("a.aiff", &wav), [R::NameMismatch]);
    assert_eq!(rules("a.WAV", MP3), [R::NameMismatch, R::LossyFormat]);
    assert_eq!(rules("a.mp3", MP3), [R::LossyFormat]);
    assert_eq!(rules("a.m4a", M4A), [R::LossyFormat]);
    assert_eq!(rules("Kick", &wav), [], "an old Macintosh session");
    assert_eq!(rules("Kick", &wav[..300]), [R::Truncated]);
    let lossy = made::wav(
        made::Form {
            tag: 0x55,
            ..STEREO24
        },
        &[],
        &[1; 60],
        &[],
    );
    assert_eq!(rules("a.wav", &lossy), [R::LossyFormat]);
    let unknown = made::wav(
        made::Form {
            tag: 0x7777,
            ..STEREO24
        },
        &[],
        &[1; 60],
        &[],
    );
    assert_eq!(rules("a.wav", &unknown), [R::UnreadableAudio]);
    for at in [22, 24, 32, 34] {
        let mut incoherent = wav.clone();
        incoherent[at..at + 2].fill(0);
        if at == 24 {
            incoherent[26..28].fill(0);
        }
        let expected: &[Rule] = if at == 32 { &[] } else { &[R::UnreadableAudio] };
        assert_eq!(rules("a.wav", &incoherent), expected, "{at}");
    }
}

#[test]
fn truncated_means_that_sound_is_missing() {
    use Rule as R;
    let wav = made::wav(STEREO24, &[], &[1; 601], &[]);
    assert_eq!(wav.len(), 44 + 602);
    assert_eq!(rules("a.wav", &wav), []);
    assert_eq!(
        rules("a.wav", &wav[..645]),
        [],
        "only the pad byte is missing"
    );
    assert_eq!(
        rules("a.wav", &wav[..644]),
        [],
        "a pad byte may have been counted"
    );
    assert_eq!(rules("a.wav", &wav[..643]), [R::Truncated]);
    assert_eq!(
        rules("a.wav", &wav[..44]),
        [R::Truncated],
        "nothing but the header arrived"
    );
    // Sizes of "until the end" are as good as any.
    let tail: [Extra<'_>; 1] = [(b"LIST", b"INFO")];
    let with = |size: [u8; 4], riff: Option<[u8; 4]>, samples: &[u8]| {
        let mut file = made::wav(STEREO24, &[], samples, &tail);
        file[40..44].copy_from_slice(&size);
        if let Some(riff) = riff {
            file[4..8].copy_from_slice(&riff);
        }
        file
    };
    assert_eq!(
        rules("a.wav", &with([0xFF; 4], Some([0xFF; 4]), &[1; 60])),
        []
    );
    // A recorder that was cut off; an export of nothing.
    assert_eq!(
        rules("a.wav", &with([0; 4], Some([0; 4]), &[1; 60])),
        [R::OddHeader]
    );
    assert_eq!(rules("a.wav", &with([0; 4], None, &[])), [R::EmptyFile]);
    assert_eq!(
        rules("a.wav", &made::wav(STEREO24, &[], &[], &[])),
        [R::EmptyFile]
    );
    // More than 4 GiB in a plain WAV.
    let mut large = facts(&made::wav(STEREO24, &[], &[1; 600], &[]));
    large.length += 1 << 32;
    let findings = check([("a.wav", &large)], |_| Severity::Refuse);
    assert_eq!((findings.len(), findings[0].rule), (1, R::Truncated));
}

#[test]
fn mixed_sessions_name_the_files_that_differ() {
    let at = |rate, bits, tag| {
        made::wav(
            made::Form {
                tag,
                channels: 1,
                rate,
                bits,
            },
            &[],
            &[1; 600],
            &[],
        )
    };
    let (most, slow) = (at(48_000, 24, 1), at(44_100, 24, 1));
    let (shallow, float) = (at(48_000, 16, 1), at(48_000, 32, 3));
    let findings = found(&[
        ("Drums/Kick.wav", &most),
        ("Drums/Snare.wav", &most),
        ("Bass.wav", &slow),
        ("Gtr.wav", &shallow),
        ("Vox.wav", &float),
        ("Vox 2.wav", &float),
        ("Keys.wav", &most),
        ("ref.mp3", MP3),
        ("late.aif", &made::aiff(STEREO24, None, true, &[1; 60], &[])),
    ]);
    let brief: Vec<_> = findings
        .iter()
        .map(|it| (it.rule, it.files.join("|"), it.message.as_str()))
        .collect();
    assert_eq!(brief.len(), 4, "{brief:#?}");
    assert_eq!(
        (brief[0].0, brief[0].1.as_str()),
        (Rule::LossyFormat, "ref.mp3")
    );
    assert_eq!(
        brief[1],
        (
            Rule::MixedSampleRates,
            "Bass.wav".into(),
            "Bass.wav: 44.1 kHz in a session that is mostly 48 kHz: it would play at the wrong speed \
             and pitch. Export it again from the session as WAV, 24 bit, 48 kHz."
        )
    );
    assert_eq!(
        (brief[2].0, brief[2].1.as_str()),
        (Rule::MixedBitDepths, "Gtr.wav")
    );
    assert_eq!(
        (brief[3].0, brief[3].1.as_str()),
        (Rule::MixedBitDepths, "Vox.wav|Vox 2.wav")
    );
    assert!(
        brief[3]
            .2
            .starts_with("Vox.wav, Vox 2.wav: 32 bit float in a session that is mostly 24")
    );
}

#[test]
fn messages_say_which_file_what_and_what_to_do() {
    let message = |path: &str, file: &[u8]| found(&[(path, file)]).remove(0).message;
    assert_eq!(
        message("Vox/Lead.wav", MP3),
        "Vox/Lead.wav: named .wav, but it is an MP3 file; the new name did not convert it. Export it \
         again from the session as WAV, 24 bit, at the session's sample rate."
    );
    let mut long = made::wav(STEREO24, &[], &[0; 600], &[]);
    long[40..44].copy_from_slice(&(48_000u32 * 6 * 192).to_le_bytes());
    long.resize(44 + 48_000 * 6 * 10, 0);
    let said = message("Kick.wav", &long);
    assert!(
        said.contains("promises 3:12.0 minutes, 0:10.0 minutes are there"),
        "{said}"
    );
    let cd = made::wav(
        made::Form {
            bits: 16,
            ..STEREO24
        },
        &[],
        &[0; 60],
        &[],
    );
    let lossy = found(&[("a.wav", &cd), ("b.mp3", MP3)]).remove(0).message;
    assert!(
        lossy.contains("as WAV, 24 bit, 48 kHz."),
        "never asks for fewer bits: {lossy}"
    );
    let many: Vec<String> = (1..=80).map(|at| format!("{at}.mp3")).collect();
    let many: Vec<_> = many.iter().map(|path| (path.as_str(), MP3)).collect();
    let findings = found(&many);
    assert_eq!((findings.len(), findings[0].files.len()), (1, 80));
    assert!(
        findings[0]
            .message
            .starts_with("1.mp3, 2.mp3, 3.mp3 and 77 more files: an MP3 file")
    );
}

#[test]
fn severities_come_from_outside_and_ignored_rules_are_silent() {
    let facts = facts(MP3);
    let by = |severity: &dyn Fn(Rule) -> Severity| check([("a.wav", &facts)], severity);
    assert_eq!(by(&|_| Severity::Ignore), []);
    let findings = by(&|rule| match rule {
        Rule::LossyFormat => Severity::Refuse,
        _ => Severity::Ignore,
    });
    assert_eq!(
        (findings.len(), findings[0].severity),
        (1, Severity::Refuse)
    );
    for rule in Rule::ALL {
        assert_eq!(
            serde_json::to_string(&rule).unwrap(),
            format!("\"{}\"", rule.name())
        );
    }
}

#[test]
fn facts_are_small() {
    for (name, file, _) in made::one_of_each(&[1; 600]) {
        let facts = facts(&file);
        let stored = serde_json::to_string(&facts).unwrap();
        assert!(stored.len() < 600, "{name}: {stored}");
        assert_eq!(serde_json::from_str::<FileFacts>(&stored).unwrap(), facts);
    }
}

/// An MP3 of silence: 44.1 kHz, 128 kbit/s.
fn mp3(front: &[u8], frames: usize) -> Vec<u8> {
    let frame = [&[0xFF, 0xFB, 0x90, 0x64][..], &[0; 413]].concat();
    [front, &frame.repeat(frames)].concat()
}

#[test]
fn an_mp3_need_not_begin_with_a_frame() {
    let ape = b"APETAGEX\xD0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\xA0\0\0\0\0\0\0\0\0";
    let rest = &mp3(&[], 1)[200..];
    for front in [&[0][..], &[0; 64], &[0; 40_000], ape, rest, b"\r\n"] {
        assert_eq!(rules("a.mp3", &mp3(front, 60)), [Rule::LossyFormat]);
        let found = rules("a.wav", &mp3(front, 60));
        assert_eq!(found, [Rule::NameMismatch, Rule::LossyFormat]);
    }
    assert_eq!(
        rules("a.mp3", &b"hello ".repeat(20_000)),
        [Rule::UnreadableAudio]
    );
    assert_eq!(rules("a.mp3", &[0; 70_000]), [Rule::UnreadableAudio]);
}

#[test]
fn packed_audio_that_is_none_or_a_stump_is_found() {
    let noise: Vec<u8> = (0..3000u32).map(|n| ((n * n) >> 3) as u8 | 1).collect();
    for (path, magic) in [
        ("a.flac", &b"fLaC"[..]),
        ("a.wv", b"wvpk"),
        ("a.ape", b"MAC "),
        ("a.dff", b"FRM8"),
        ("a.ogg", b"OggS"),
    ] {
        let file = [magic, &noise].concat();
        let found = rules(path, &file);
        assert!(found.contains(&Rule::UnreadableAudio), "{path}: {found:?}");
    }
    let mut stump = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\x0E\0\x3E\x80".to_vec();
    stump.extend((48_000u64 << 44 | 23 << 36 | (600 * 48_000)).to_be_bytes());
    stump.extend([0; 16]);
    stump.extend(&noise[..200]);
    assert_eq!(rules("a.flac", &stump), [Rule::Truncated]);
}

#[test]
fn half_a_pair_and_what_stands_for_a_file_are_named() {
    let samples = [1; 300];
    let rules_of = |files: &[(&str, &[u8])]| {
        let found = found(files);
        found
            .iter()
            .map(|it| (it.rule, it.files.join("|")))
            .collect::<Vec<_>>()
    };
    let half = [("S/Kick.sd2", &samples[..])];
    assert_eq!(
        rules_of(&half),
        [(Rule::UnreadableAudio, "S/Kick.sd2".into())]
    );
    assert_eq!(
        rules_of(&[half[0], ("S/._Kick.sd2", b"\0\x05\x16\x07")]),
        []
    );
    let shortcut =
        b"\x4C\0\0\0\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46 and so on, until it is long";
    let found = rules_of(&[
        ("S/.Kick.wav.icloud", b"bplist00"),
        ("Bass.wav.crdownload", &samples),
        ("Vox", shortcut),
        ("Snare.wav", &wav()),
    ]);
    let rules: Vec<_> = found.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, [Rule::Placeholder; 3]);
}

#[test]
fn names_that_are_one_name_are_told_together() {
    let wav = wav();
    let found = found(&[
        ("Kick.wav", &wav),
        ("Snare.wav", &wav),
        ("KICK.wav", &wav),
        ("Why?.wav", &wav),
    ]);
    let brief: Vec<_> = found
        .iter()
        .map(|it| (it.rule, it.files.join("|")))
        .collect();
    assert_eq!(
        brief,
        [
            (Rule::Names, "Why?.wav".into()),
            (Rule::Names, "Kick.wav|KICK.wav".into())
        ]
    );
}
