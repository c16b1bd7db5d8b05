//! Our verdict beside that of the programs everybody plays files with: ffmpeg, SoX, libsndfile.
//!
//! What all of them play in full is not refused, at most warned of; what none of them opens is. Each
//! file was made here or by one of them, each is small. A judge that does not know a format at all
//! (it does not play a plain file of it) has no say in it.

mod cases;
mod packed;

use std::path::Path;
use std::process::{Command, Stdio};

use super::Rule as R;
use super::*;
use crate::upload::cut::Cut;
use cases::{Case, Docket, apples, large_wavs, samples, wavs};
use packed::packed;
use stemvault_codec::audio::made::{self, STEREO24};

fn facts(file: &[u8]) -> FileFacts {
    let mut cut = Cut::new();
    let mut rest = file;
    while let Some(taken) = cut.next_end(rest) {
        rest = &rest[taken..];
    }
    cut.facts()
}

/// Bytes that a program writes to its standard output.
fn written(command: &mut Command) -> usize {
    let ran = command.stdin(Stdio::null()).output();
    let ran = ran.expect("ffmpeg, sox and sndfile-programs are installed by ./tests/run");
    ran.stdout.len()
}

/// Sample frames that each judge plays.
fn played(file: &Path) -> [usize; 3] {
    let ffmpeg = written(
        Command::new("ffmpeg")
            .args(["-v", "quiet", "-i"])
            .arg(file)
            .args(["-map", "0:a:0", "-ac", "1", "-f", "s16le", "-"]),
    );
    let sox = written(
        Command::new("sox")
            .arg("-V0")
            .arg(file)
            .args(["-D", "-c", "1", "-t", "s16", "-"]),
    );
    let au = file.with_extension("au");
    written(
        Command::new("sndfile-convert")
            .arg("-pcm16")
            .args([file, &au]),
    );
    let sndfile = std::fs::read(&au).map_or(0, |au| {
        let field = |at| u32::from_be_bytes(*au[at..].first_chunk().unwrap()) as usize;
        (au.len() - field(4)) / 2 / field(20).max(1)
    });
    let _ = std::fs::remove_file(&au);
    [ffmpeg / 2, sox / 2, sndfile]
}

/// As the settings have it by themselves.
fn usual(rule: Rule) -> Severity {
    match rule {
        R::UnreadableAudio | R::Truncated | R::EmptyFile | R::Placeholder => Severity::Refuse,
        _ => Severity::Warn,
    }
}

/// What is wrong with our verdict on a case, and the line that shows it beside the others'.
fn verdict(case: &Case, folder: &Path, knows: &mut Option<[bool; 3]>) -> (String, Option<String>) {
    let file = folder.join(&case.name);
    std::fs::write(&file, &case.file).unwrap();
    let played = played(&file);
    let full = played.map(|frames| frames >= case.frames);
    let knows = *knows.get_or_insert(full);
    let say = |judge: usize| match (knows[judge], full[judge], played[judge]) {
        (false, ..) => "-".to_owned(),
        (_, true, _) => "plays".to_owned(),
        (_, _, 0) => "nothing".to_owned(),
        (_, _, frames) => format!("{frames} of {}", case.frames),
    };
    let facts = facts(&case.file);
    let found = check([(case.name.as_str(), &facts)], usual);
    let rules: Vec<_> = found.iter().map(|it| it.rule).collect();
    let refused = found.iter().any(|it| it.severity == Severity::Refuse);
    let line = format!(
        "{:<40} {:<14} {:<14} {:<14} {}",
        case.name,
        say(0),
        say(1),
        say(2),
        rules
            .iter()
            .map(|rule| rule.name())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let judges = || (0..3).filter(|&judge| knows[judge]);
    let wrong = if rules != case.found {
        Some(format!("{}: {rules:?}, not {:?}", case.name, case.found))
    } else if judges().next().is_none() {
        Some(format!("{}: nobody plays the plain file", case.name))
    } else if refused && judges().all(|judge| full[judge]) {
        Some(format!(
            "{}: everybody plays it, and it is refused",
            case.name
        ))
    } else if !refused && judges().all(|judge| played[judge] == 0) {
        Some(format!(
            "{}: nobody opens it, and it is not refused",
            case.name
        ))
    } else {
        None
    };
    (line, wrong)
}

#[test]
fn what_everybody_plays_is_not_refused_and_what_nobody_opens_is() {
    let home = tempfile::tempdir().unwrap();
    let mut dockets = vec![wavs()];
    dockets.extend(large_wavs());
    dockets.extend(apples());
    dockets.extend(packed(home.path()));
    let judged = std::thread::scope(|threads| {
        let judge = |(at, docket): (usize, &Docket)| {
            let folder = home.path().join(at.to_string());
            std::fs::create_dir(&folder).unwrap();
            let mut knows = None;
            let cases = docket.0.iter();
            cases
                .map(|case| verdict(case, &folder, &mut knows))
                .collect::<Vec<_>>()
        };
        let running: Vec<_> = dockets
            .iter()
            .enumerate()
            .map(|docket| threads.spawn(move || judge(docket)))
            .collect();
        let done = running.into_iter().map(|it| it.join().unwrap());
        done.flatten().collect::<Vec<_>>()
    });
    println!(
        "{:<40} {:<14} {:<14} {:<14} our findings",
        "file", "ffmpeg", "SoX", "libsndfile"
    );
    for (line, _) in &judged {
        println!("{line}");
    }
    let wrong: Vec<_> = judged.into_iter().filter_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the judges themselves write into a pipe, where they cannot go back to the header.
#[test]
fn what_programs_write_into_a_pipe_is_not_refused() {
    let home = tempfile::tempdir().unwrap();
    let wav = home.path().join("source.wav");
    std::fs::write(&wav, made::wav(STEREO24, &[], &samples(), &[])).unwrap();
    let pipes = [
        ("sox", "wav"),
        ("sox", "aiff"),
        ("sox", "aifc"),
        ("sox", "au"),
        ("ffmpeg", "wav"),
        ("ffmpeg", "w64"),
        ("ffmpeg", "aiff"),
        ("ffmpeg", "caf"),
        ("ffmpeg", "au"),
        ("ffmpeg", "flac"),
    ];
    for (program, form) in pipes {
        let mut command = Command::new(program);
        match program {
            "sox" => command.arg("-V0").arg(&wav).args(["-t", form, "-"]),
            _ => command
                .args(["-v", "quiet", "-i"])
                .arg(&wav)
                .args(["-f", form, "pipe:"]),
        };
        let written = command.stdin(Stdio::null()).output().unwrap().stdout;
        assert!(written.len() > 4000, "{program} writes no {form}");
        let name = format!("by {program}.{form}");
        let facts = facts(&written);
        let found = check([(name.as_str(), &facts)], usual);
        let refused = found.iter().find(|it| it.severity == Severity::Refuse);
        assert_eq!(refused, None, "{name}");
        assert!(facts.format.is_some(), "{name}");
    }
}
