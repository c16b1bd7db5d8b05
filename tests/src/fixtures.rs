//! A client's session, made from real recordings: the same bytes on every machine and every run.
//!
//! Three takes of one song, one folder per sample rate, so that what the intake checks find in
//! one is explainable: 44.1 kHz / 16 bit, 48 kHz / 24 bit, 96 kHz / 24 bit. Stems are recordings
//! laid on a grid and summed; their samples are never resampled. Beside them: an AIFF as its
//! maker left it, notes, and the project file of a DAW.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::recordings::{self, Recording};
use crate::wav::{self, Header};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The 44.1 kHz take alone, one stem of more than one block: about 8 MB.
    Tiny,
    /// Everything, a few seconds of each: about 20 MB.
    Small,
    /// Everything, at song-like length: about 120 MB.
    Full,
}

impl std::str::FromStr for Scale {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "tiny" => Ok(Self::Tiny),
            "small" => Ok(Self::Small),
            "full" => Ok(Self::Full),
            _ => anyhow::bail!("{word:?} is no scale: tiny, small or full"),
        }
    }
}

struct Stem {
    path: &'static str,
    header: Header,
    kit: &'static str,
    sources: &'static [&'static str],
    /// Milliseconds from one recording's start to the next one's; 0: end to end.
    every: usize,
    /// Seconds at tiny, small and full scale; 0: not in it.
    seconds: [usize; 3],
}

/// The folder of the 44.1 kHz take; the only one at [`Scale::Tiny`].
pub const TAKE_44: &str = "Nachtzug 44.1 kHz 16 bit";
/// The folder of the 48 kHz take.
pub const TAKE_48: &str = "Nachtzug 48 kHz 24 bit";
/// The folder of the 96 kHz take.
pub const TAKE_96: &str = "Nachtzug 96 kHz 24 bit";

const STEMS: &[Stem] = &[
    Stem {
        path: "Nachtzug 44.1 kHz 16 bit/Drums/Schlagzeug Loop.wav",
        header: Header::Plain,
        kit: "sonic-pi",
        sources: &["loop_amen_full.flac", "loop_safari.flac"],
        every: 0,
        seconds: [27, 27, 40],
    },
    Stem {
        path: "Nachtzug 44.1 kHz 16 bit/Drums/Kick.wav",
        header: Header::Broadcast { title: "Kick" },
        kit: "sonic-pi",
        sources: &["drum_bass_hard.flac", "drum_bass_soft.flac"],
        every: 461,
        seconds: [3, 6, 40],
    },
    Stem {
        path: "Nachtzug 44.1 kHz 16 bit/Bass/Bass DI.wav",
        header: Header::Broadcast {
            title: "Bass DI, Takt 1 bis 16",
        },
        kit: "sonic-pi",
        sources: &[
            "bass_voxy_c.flac",
            "bass_woodsy_c.flac",
            "bass_thick_c.flac",
        ],
        every: 1844,
        seconds: [3, 6, 40],
    },
    Stem {
        path: "Nachtzug 44.1 kHz 16 bit/Gitarren & Stimmen/Gitarre Übung é.wav",
        header: Header::Extensible,
        kit: "sonic-pi",
        sources: &["guit_em9.flac", "guit_e_fifths.flac"],
        every: 3688,
        seconds: [3, 6, 40],
    },
    Stem {
        path: "Nachtzug 44.1 kHz 16 bit/Gitarren & Stimmen/ボーカル.wav",
        header: Header::Extensible,
        kit: "sonic-pi",
        sources: &["ambi_choir.flac", "ambi_haunted_hum.flac"],
        every: 0,
        seconds: [3, 6, 40],
    },
    Stem {
        path: "Nachtzug 48 kHz 24 bit/Drums/Overheads.wav",
        header: Header::Extensible,
        kit: "ForzeeStereo",
        sources: &[
            "Crash18-0.wav",
            "Ride-1.wav",
            "CrashRide18-2.wav",
            "China-0.wav",
        ],
        every: 2400,
        seconds: [0, 6, 40],
    },
    Stem {
        path: "Nachtzug 48 kHz 24 bit/Drums/Snare.wav",
        header: Header::Plain,
        kit: "ForzeeStereo",
        sources: &["Snare-0.wav", "Snare-2.wav", "SnareRim-1.wav"],
        every: 1200,
        seconds: [0, 4, 40],
    },
    Stem {
        path: "Nachtzug 48 kHz 24 bit/Drums/Hängetoms größer.wav",
        header: Header::Broadcast {
            title: "Toms, nur Fills",
        },
        kit: "ForzeeStereo",
        // Far apart on purpose: a stem is silent most of the time.
        sources: &["TomHigh-0.wav", "TomMid-1.wav", "TomLow-0.wav"],
        every: 4800,
        seconds: [0, 4, 40],
    },
    Stem {
        path: "Nachtzug 48 kHz 24 bit/Drums/Room mono.wav",
        header: Header::Plain,
        kit: "rumpf_kit_z01_h2",
        sources: &["beats_06-21.flac", "beats_02-10.flac", "beats_02-11.flac"],
        every: 0,
        seconds: [0, 4, 40],
    },
    Stem {
        path: "Nachtzug 96 kHz 24 bit/Gitarren & Stimmen/Akustik links.wav",
        header: Header::Broadcast {
            title: "Akustik links",
        },
        kit: "belofilms_GuitarStrums",
        sources: &["Cmajor_01.flac", "Aminor_00.flac", "Gmajor_DOWN_01.flac"],
        every: 1920,
        seconds: [0, 5, 30],
    },
    Stem {
        path: "Nachtzug 96 kHz 24 bit/Gitarren & Stimmen/Akustik rechts.wav",
        header: Header::Extensible,
        kit: "belofilms_GuitarStrums",
        sources: &["Aminor_UP_00.flac", "Gmajor_DOWN_01.flac", "Cmajor_01.flac"],
        every: 1920,
        seconds: [0, 3, 30],
    },
    Stem {
        path: "Nachtzug 96 kHz 24 bit/Gitarren & Stimmen/ギター.wav",
        header: Header::Plain,
        kit: "belofilms_GuitarStrums",
        sources: &["Amajor_DOWN_00.flac", "Amajor_UP_01.flac"],
        every: 960,
        seconds: [0, 2, 20],
    },
];

/// An AIFF with its maker's own chunks before and behind the samples, taken over as it is.
const AIFF: (&str, &str, &str) = (
    "Nachtzug 44.1 kHz 16 bit/Drums/Ride.aiff",
    "BJA_Pacific",
    "RD_05.aiff",
);

const NOTES: &str = "Nachtzug (Demo-Band)\n\
\n\
Tempo 130 bpm, e-Moll. Rohmix liegt bei Takt 17 etwas zu laut im Bass.\n\
Credits: Musik und Text Jürgen Übel, Gesang 夏目. ISRC DE-XXX-26-00117.\n\
Bitte die Gitarre (Übung é) im Refrain breiter.\n";

/// Writes the session into `folder`, which is made if it is not there.
///
/// # Errors
/// If a recording is not installed (with the package to install) or the folder cannot be written.
pub fn make(folder: &Path, scale: Scale) -> Result<()> {
    for stem in STEMS {
        let seconds = stem.seconds[scale as usize];
        if seconds > 0 {
            let sound = lay(stem, seconds).with_context(|| format!("making {}", stem.path))?;
            write(folder, stem.path, &wav::file(stem.header, &sound))?;
        }
    }
    let (path, kit, name) = AIFF;
    write(folder, path, &fs::read(recordings::locate(kit, name)?)?)?;
    for take in [TAKE_44, TAKE_48, TAKE_96] {
        if scale != Scale::Tiny || take == TAKE_44 {
            write(
                folder,
                &format!("{take}/Notizen für den Mix.txt"),
                NOTES.as_bytes(),
            )?;
            write(
                folder,
                &format!("{take}/Nachtzug.rpp"),
                project(take).as_bytes(),
            )?;
        }
    }
    Ok(())
}

/// The session at `scale`, made once per machine under `.cache/` and never written to again.
///
/// # Errors
/// As [`make`].
pub fn cached(scale: Scale) -> Result<PathBuf> {
    let sources = concat!(
        include_str!("fixtures.rs"),
        include_str!("recordings.rs"),
        include_str!("wav.rs")
    );
    let version = blake3::hash(sources.as_bytes()).to_hex();
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/fixtures");
    let folder = cache.join(format!("{scale:?}-{}", &version[..12]).to_lowercase());
    if !folder.is_dir() {
        fs::create_dir_all(&cache)?;
        let draft = tempfile::tempdir_in(&cache)?;
        make(draft.path(), scale)?;
        // Another test may have been quicker; what it made is the same.
        if fs::rename(draft.path(), &folder).is_ok() {
            let _moved = draft.keep();
        }
    }
    ensure!(folder.is_dir(), "{} cannot be made", folder.display());
    Ok(folder.canonicalize()?)
}

/// Every file under `folder`: path with `/` from there, and content; in order of path.
///
/// # Errors
/// If something there cannot be read.
pub fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder)?;
                let name = inside.to_str().context("a name that is not UTF-8")?;
                found.push((name.to_owned(), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn write(folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().context("a path inside the session")?)?;
    fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Lays the recordings of a stem on its grid, one after the other, until it is long enough.
fn lay(stem: &Stem, seconds: usize) -> Result<Recording> {
    let sources = stem
        .sources
        .iter()
        .map(|name| recordings::decode(stem.kit, name))
        .collect::<Result<Vec<_>>>()?;
    let format = sources[0].format;
    for (source, name) in sources.iter().zip(stem.sources) {
        let other = source.format;
        ensure!(
            other == format,
            "{name} is {other:?}, the first is {format:?}"
        );
    }
    let channels = usize::from(format.channels);
    let length = seconds * format.rate as usize * channels;
    let loudest = (1_i64 << (format.bits - 1)) - 1;
    let mut sum = vec![0_i64; length];
    let mut at = 0;
    for source in sources.iter().cycle() {
        if at >= length {
            break;
        }
        for (slot, sample) in sum[at..].iter_mut().zip(&source.samples) {
            *slot += i64::from(*sample);
        }
        at += match stem.every {
            0 => source.samples.len(),
            millis => millis * format.rate as usize / 1000 * channels,
        };
    }
    let samples = sum
        .into_iter()
        .map(|sample| {
            i32::try_from(sample.clamp(-loudest - 1, loudest)).expect("24 bits fit in 32")
        })
        .collect();
    Ok(Recording { format, samples })
}

/// The text of a DAW's project that plays the stems of one take.
fn project(take: &str) -> String {
    let mut text = String::from("<REAPER_PROJECT 0.1 \"7.0/linux\" 1768646700\n  TEMPO 130 4 4\n");
    for stem in STEMS {
        if let Some(path) = stem.path.strip_prefix(take) {
            let file = path.trim_start_matches('/');
            text += &format!("  <TRACK\n    NAME \"{file}\"\n    <ITEM\n      POSITION 0\n");
            text += &format!("      <SOURCE WAVE\n        FILE \"{file}\"\n      >\n    >\n  >\n");
        }
    }
    text + ">\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_make_the_same_bytes() -> Result<()> {
        let kept = cached(Scale::Tiny)?;
        let fresh = tempfile::tempdir()?;
        make(fresh.path(), Scale::Tiny)?;
        let (kept, fresh) = (files(&kept)?, files(fresh.path())?);
        assert_eq!(kept.len(), 8);
        assert_eq!(kept.len(), fresh.len());
        for ((name, one), (other_name, other)) in kept.iter().zip(&fresh) {
            assert_eq!(name, other_name);
            assert!(fs::read(one)? == fs::read(other)?, "{name} differs");
        }
        Ok(())
    }

    #[test]
    fn a_stem_holds_the_recording_itself() -> Result<()> {
        let folder = cached(Scale::Tiny)?;
        let stem = fs::read(folder.join(STEMS[0].path))?;
        let source = recordings::decode(STEMS[0].kit, STEMS[0].sources[0])?;
        let pcm: Vec<u8> = source
            .samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes()[..2].to_vec())
            .collect();
        assert!(stem[44..44 + pcm.len()] == pcm[..]);
        assert!(stem.len() > 4 << 20, "one stem is longer than a block");
        Ok(())
    }
}
