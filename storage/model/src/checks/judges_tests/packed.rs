//! Packed files for the judges: whole, and broken off where they may break off.

use std::path::Path;
use std::process::{Command, Stdio};

use super::cases::{Docket, FRAMES, put, samples, tag_of};
use crate::checks::Rule as R;
use stemvault_codec::audio::made::{self, STEREO24};

pub(super) fn packed(folder: &Path) -> [Docket; 5] {
    let wav = folder.join("source.wav");
    std::fs::write(&wav, made::wav(STEREO24, &[], &samples(), &[])).unwrap();
    let encoded = |end: &str, words: &[&str]| {
        let into = folder.join(format!("encoded.{end}"));
        let ran = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i"])
            .arg(&wav)
            .args(words)
            .arg(&into)
            .stdin(Stdio::null())
            .output();
        let ran = ran.expect("ffmpeg is installed by ./tests/run");
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        std::fs::read(into).unwrap()
    };
    let flac = encoded("flac", &[]);
    let mut flacs = Docket::default();
    flacs.add("plain.flac", flac.clone(), &[]);
    flacs.add(
        "tag in front.flac",
        [tag_of(20), flac.clone()].concat(),
        &[],
    );
    flacs.add("count of zero.flac", put(flac.clone(), 22, &[0; 4]), &[]);
    flacs.add(
        "noise.flac",
        [b"fLaC", &samples()[..3000]].concat(),
        &[R::UnreadableAudio],
    );
    let long = put(flac[..242].to_vec(), 22, &[1, 0xB7, 0x74, 0]);
    flacs.add("200 bytes of 10 minutes.flac", long, &[R::Truncated]);
    let many = encoded("flac", &["-frame_size", "576"]);
    flacs.add("many frames.flac", many.clone(), &[]);
    for (part, name) in [(2, "half"), (3, "a third")] {
        let cut = many[..many.len() / part].to_vec();
        flacs.add(&format!("{name}.flac"), cut, &[R::Truncated]);
    }
    let tagged = [tag_of(20).as_slice(), &many[..many.len() / 2]].concat();
    flacs.add("half behind a tag.flac", tagged, &[R::Truncated]);
    let first = many.windows(2).position(|it| it == [0xFF, 0xF8]).unwrap();
    let noise = [&many[..first], &samples()].concat();
    flacs.add("no frames.flac", noise, &[R::UnreadableAudio]);

    let wv = encoded("wv", &[]);
    let mut wavpack = Docket::default();
    wavpack.add("plain.wv", wv.clone(), &[]);
    wavpack.add(
        "noise.wv",
        [b"wvpk", &samples()[..3000]].concat(),
        &[R::UnreadableAudio],
    );
    wavpack.add("stump.wv", wv[..200].to_vec(), &[R::Truncated]);
    wavpack.add("half.wv", wv[..wv.len() / 2].to_vec(), &[R::Truncated]);

    let frame = [&[0xFF, 0xFB, 0x90, 0x64][..], &[0; 413]].concat();
    let music = frame.repeat(60);
    let mut mp3 = Docket::default();
    let lossy = [R::LossyFormat];
    for (name, front) in [
        ("plain", &[][..]),
        ("a zero", &[0]),
        ("many zeros", &[0; 3000]),
        ("rest of a frame", &frame[200..]),
        ("line", b"\r\n"),
    ] {
        // What a decoder takes to begin with is not counted.
        mp3.of(
            &format!("{name}.mp3"),
            [front, &music].concat(),
            58 * 1152,
            &lossy,
        );
    }
    let long = encoded("mp3", &["-b:a", "128k", "-af", LONG]);
    mp3.of("long.mp3", long.clone(), LONG_FRAMES, &lossy);
    let cut = [R::LossyFormat, R::Truncated];
    let half = long[..long.len() / 2].to_vec();
    let tagged = [tag_of(100), half.clone()].concat();
    mp3.of("half.mp3", half, LONG_FRAMES, &cut);
    mp3.of("half behind a tag.mp3", tagged, LONG_FRAMES, &cut);
    mp3.add("words.mp3", b"hello ".repeat(2000), &[R::UnreadableAudio]);

    let mut ogg = Docket::default();
    ogg.of(
        "plain.ogg",
        encoded("ogg", &["-c:a", "flac"]),
        FRAMES,
        &[R::NameMismatch][..0],
    );
    ogg.add(
        "noise.ogg",
        [b"OggS, and noise", &samples()[..3000]].concat(),
        &[R::UnreadableAudio, R::LossyFormat],
    );
    let long = encoded("ogg", &["-c:a", "flac", "-af", LONG]);
    ogg.of(
        "half.ogg",
        long[..long.len() / 2].to_vec(),
        LONG_FRAMES,
        &[R::Truncated],
    );
    let last = long.windows(4).rposition(|it| it == b"OggS").unwrap();
    ogg.of(
        "no last page.ogg",
        long[..last].to_vec(),
        LONG_FRAMES,
        &[R::OddHeader],
    );
    ogg.of(
        "two in a row.ogg",
        [&long[..], &long].concat(),
        LONG_FRAMES,
        &[],
    );

    let mut m4a = Docket::default();
    let usual = encoded("m4a", &["-c:a", "aac", "-af", LONG]);
    let front = encoded(
        "m4a",
        &["-c:a", "aac", "-af", LONG, "-movflags", "+faststart"],
    );
    for (name, file) in [("usual", usual.clone()), ("table in front", front)] {
        let half = file[..file.len() / 2].to_vec();
        m4a.of(&format!("{name}.m4a"), file, LONG_FRAMES, &lossy);
        m4a.of(&format!("half, {name}.m4a"), half, LONG_FRAMES, &cut);
    }
    let table = usual.windows(4).rposition(|it| it == b"moov").unwrap() - 4;
    let nothing = [R::UnreadableAudio, R::LossyFormat];
    m4a.of(
        "no table.m4a",
        usual[..table].to_vec(),
        LONG_FRAMES,
        &nothing,
    );
    m4a.of(
        "part of the table.m4a",
        usual[..table + 99].to_vec(),
        LONG_FRAMES,
        &cut,
    );
    [flacs, wavpack, mp3, ogg, m4a]
}

/// What ffmpeg makes a longer sound of the same samples by, and its length.
const LONG: &str = "aloop=loop=19:size=4000";
const LONG_FRAMES: usize = 20 * FRAMES;
