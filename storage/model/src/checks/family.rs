//! What the name of a file claims it to be.

use super::facts::FileFacts;
use stemvault_codec::audio::{Container, Format};

/// Audio formats that share their extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Wav,
    W64,
    Aiff,
    Caf,
    Au,
    Flac,
    WavPack,
    Ape,
    Dsd,
    Mpeg,
    Aac,
    Ogg,
    Wma,
}

impl Family {
    /// What the extension of `path` claims; `None` for everything that is not audio. Video counts as
    /// not audio: it comes as a reference.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match extension(path)?.to_ascii_lowercase().as_str() {
            "wav" | "wave" | "bwf" | "rf64" | "bw64" => Self::Wav,
            "w64" => Self::W64,
            "aif" | "aiff" | "aifc" | "aff" => Self::Aiff,
            "caf" => Self::Caf,
            "au" => Self::Au,
            "flac" => Self::Flac,
            "wv" => Self::WavPack,
            "ape" => Self::Ape,
            "dsf" | "dff" => Self::Dsd,
            "mp3" | "mp2" => Self::Mpeg,
            "m4a" | "m4b" | "aac" => Self::Aac,
            "ogg" | "oga" | "opus" => Self::Ogg,
            "wma" => Self::Wma,
            _ => return None,
        })
    }

    /// Whether content of this format may go by that extension.
    pub(super) fn holds(self, format: Format) -> bool {
        use Container as C;
        match format {
            Format::Samples(C::Wav | C::Rf64) | Format::Rifx => self == Self::Wav,
            Format::Samples(C::W64) => self == Self::W64,
            Format::Samples(C::Aiff | C::Aifc) => self == Self::Aiff,
            Format::Samples(C::Caf) => self == Self::Caf,
            Format::Au => self == Self::Au,
            Format::Flac => matches!(self, Self::Flac | Self::Ogg),
            Format::WavPack => self == Self::WavPack,
            Format::Ape => self == Self::Ape,
            Format::Dsd => self == Self::Dsd,
            Format::Mp3 => self == Self::Mpeg,
            Format::Aac | Format::Mp4 => self == Self::Aac,
            Format::Ogg | Format::Opus => self == Self::Ogg,
            Format::Wma => self == Self::Wma,
            _ => false,
        }
    }
}

/// Whether the extension says that it is audio.
pub(super) fn is_named_audio(path: &str) -> bool {
    Family::of(path).is_some()
}

/// Whether a file is to be judged as audio: by its extension; without one (old Macintosh sessions) by
/// its first bytes, where they leave no doubt.
pub(super) fn is_audio(path: &str, facts: &FileFacts) -> bool {
    is_named_audio(path)
        || extension(path).is_none()
            && facts.format.is_some_and(|format| {
                format.is_audio() && !matches!(format, Format::Mp3 | Format::Aac)
            })
}

/// What follows the last dot of the last name, as written.
pub(crate) fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.')
        .filter(|(stem, _)| !stem.is_empty())
        .map(|(_, extension)| extension)
}
