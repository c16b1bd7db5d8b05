//! What a file is by its first bytes, whatever its name says.

use serde::{Deserialize, Serialize};

use super::{ByteOrder, Coding, Container, SampleFormat, Tag, array};

/// As many first bytes as [`sniff`] can make use of.
pub const SNIFF_LEN: usize = 48;

/// A file format that is recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain samples; the one kind whose header is read.
    Samples(Container),
    /// WAV with all numbers big-endian.
    Rifx,
    /// Sun and NeXT audio.
    Au,
    /// FLAC, bare or in Ogg.
    Flac,
    /// WavPack (lossless or hybrid).
    WavPack,
    /// Monkey's Audio.
    Ape,
    /// One-bit audio: DSF, DSDIFF.
    Dsd,
    /// MPEG layer II or III.
    Mp3,
    /// AAC in ADTS frames.
    Aac,
    /// MPEG-4 or QuickTime: nearly always AAC, rarely ALAC.
    Mp4,
    /// Vorbis, Speex and whatever else is in Ogg.
    Ogg,
    /// Opus in Ogg.
    Opus,
    /// Windows Media.
    Wma,
    /// Standard MIDI file.
    Midi,
    /// ZIP, and with it DAWproject, Studio One songs and much else.
    Zip,
    /// gzip, and with it Ableton sets.
    Gzip,
    /// RAR.
    Rar,
    /// 7-Zip.
    SevenZip,
    /// PDF.
    Pdf,
    /// JPEG, PNG or GIF.
    Picture,
    /// A web page: what a download that failed leaves under the name of the file.
    WebPage,
    /// The resource half of a Macintosh file (`._name`): no audio in it.
    AppleDouble,
    /// A link to a file: a shortcut of Windows, an alias of a Mac.
    Shortcut,
}

impl Format {
    /// Its name with an article, as in "this is … under another name".
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Samples(Container::Wav) => "a WAV file",
            Self::Samples(Container::Rf64) => "an RF64 (large WAV) file",
            Self::Samples(Container::W64) => "a W64 file",
            Self::Samples(Container::Aiff | Container::Aifc) => "an AIFF file",
            Self::Samples(Container::Caf) => "a CAF file",
            Self::Rifx => "a big-endian WAV (RIFX) file",
            Self::Au => "an AU file",
            Self::Flac => "a FLAC file",
            Self::WavPack => "a WavPack file",
            Self::Ape => "a Monkey's Audio file",
            Self::Dsd => "a DSD file",
            Self::Mp3 => "an MP3 file",
            Self::Aac => "an AAC file",
            Self::Mp4 => "an MP4 (M4A) file",
            Self::Ogg => "an Ogg file",
            Self::Opus => "an Opus file",
            Self::Wma => "a Windows Media file",
            Self::Midi => "a MIDI file",
            Self::Zip => "a ZIP archive",
            Self::Gzip => "a gzip archive",
            Self::Rar => "a RAR archive",
            Self::SevenZip => "a 7-Zip archive",
            Self::Pdf => "a PDF",
            Self::Picture => "a picture",
            Self::WebPage => "a web page",
            Self::AppleDouble => "the invisible half of a Macintosh file",
            Self::Shortcut => "a link to a file, not the file",
        }
    }

    /// Whether sound was lost on the way into it. MP4 counts: it is AAC unless someone took care.
    #[must_use]
    pub fn is_lossy(self) -> bool {
        matches!(
            self,
            Self::Mp3 | Self::Aac | Self::Mp4 | Self::Ogg | Self::Opus | Self::Wma
        )
    }

    /// Whether it holds audio.
    #[must_use]
    pub fn is_audio(self) -> bool {
        self.is_lossy()
            || matches!(
                self,
                Self::Samples(_)
                    | Self::Rifx
                    | Self::Au
                    | Self::Flac
                    | Self::WavPack
                    | Self::Ape
                    | Self::Dsd
            )
    }
}

/// Recognises a file by its first bytes, best by the first [`SNIFF_LEN`].
#[must_use]
pub fn sniff(head: &[u8]) -> Option<Format> {
    let at8 = head.get(8..).unwrap_or_default();
    let found = match head {
        [b'R', b'I', b'F', b'F', ..] if at8.starts_with(b"WAVE") => Format::Samples(Container::Wav),
        [b'R', b'F', b'6', b'4', ..] | [b'B', b'W', b'6', b'4', ..] if at8.starts_with(b"WAVE") => {
            Format::Samples(Container::Rf64)
        }
        [b'R', b'I', b'F', b'X', ..] if at8.starts_with(b"WAVE") => Format::Rifx,
        [b'.', b's', b'n', b'd', ..] => Format::Au,
        [b'F', b'O', b'R', b'M', ..] if at8.starts_with(b"AIFF") => {
            Format::Samples(Container::Aiff)
        }
        [b'F', b'O', b'R', b'M', ..] if at8.starts_with(b"AIFC") => {
            Format::Samples(Container::Aifc)
        }
        [b'r', b'i', b'f', b'f', 0x2E, 0x91, 0xCF, 0x11, ..] => Format::Samples(Container::W64),
        [b'c', b'a', b'f', b'f', 0, ..] => Format::Samples(Container::Caf),
        [b'f', b'L', b'a', b'C', ..] => Format::Flac,
        [b'w', b'v', b'p', b'k', ..] => Format::WavPack,
        [b'M', b'A', b'C', b' ', ..] => Format::Ape,
        [b'D', b'S', b'D', b' ', ..] | [b'F', b'R', b'M', b'8', ..] => Format::Dsd,
        [b'I', b'D', b'3', ..] => Format::Mp3,
        // Its tag behind the audio is the usual one; in front stands an MP3.
        [b'A', b'P', b'E', b'T', b'A', b'G', b'E', b'X', ..] => Format::Mp3,
        [b'A', b'D', b'I', b'F', ..] => Format::Aac,
        [b'O', b'g', b'g', b'S', ..] => match head.get(28..).unwrap_or_default() {
            [b'O', b'p', b'u', b's', b'H', ..] => Format::Opus,
            [0x7F, b'F', b'L', b'A', b'C', ..] => Format::Flac,
            _ => Format::Ogg,
        },
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Format::Mp4,
        // QuickTime before there were brands.
        [0, _, _, _, rest @ ..]
            if [b"moov", b"mdat", b"wide", b"free", b"skip"]
                .iter()
                .any(|name| rest.starts_with(*name)) =>
        {
            Format::Mp4
        }
        [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, ..] => Format::Wma,
        [b'M', b'T', b'h', b'd', ..] => Format::Midi,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Format::Zip,
        [0x1F, 0x8B, 8, ..] => Format::Gzip,
        [b'R', b'a', b'r', b'!', 0x1A, ..] => Format::Rar,
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => Format::SevenZip,
        [b'%', b'P', b'D', b'F', b'-', ..] => Format::Pdf,
        [0xFF, 0xD8, 0xFF, ..] | [0x89, b'P', b'N', b'G', ..] | [b'G', b'I', b'F', b'8', ..] => {
            Format::Picture
        }
        [0, 5, 0x16, 7, ..] => Format::AppleDouble,
        [0x4C, 0, 0, 0, 1, 0x14, 2, 0, ..] => Format::Shortcut,
        [
            b'b',
            b'o',
            b'o',
            b'k',
            0,
            0,
            0,
            0,
            b'm',
            b'a',
            b'r',
            b'k',
            ..,
        ] => Format::Shortcut,
        _ if is_web_page(head) => Format::WebPage,
        &[0xFF, second, third, ..] if second >= 0xE0 => return mpeg_frame(second, third),
        _ => return None,
    };
    Some(found)
}

fn is_web_page(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|start| {
            text.get(..start.len())
                .is_some_and(|it| it.eq_ignore_ascii_case(start))
        })
}

/// A frame header of MPEG audio: only its first bits are fixed, so every other is tested for values
/// that no encoder writes. Layer I is left out: it is extinct, and UTF-16 text begins like it.
fn mpeg_frame(second: u8, third: u8) -> Option<Format> {
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (bitrate, rate) = (third >> 4, third >> 2 & 3);
    match layer {
        0 if second & 0xF0 == 0xF0 && third >> 2 & 15 < 13 => Some(Format::Aac),
        1 | 2 if version != 1 && (1..15).contains(&bitrate) && rate != 3 => Some(Format::Mp3),
        _ => None,
    }
}

/// The length of an ID3v2 tag with its head of ten bytes, if `bytes` begin with one.
pub(super) fn id3_length(bytes: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = array::<10>(bytes, 0)? else {
        return None;
    };
    let size = size.iter().all(|byte| *byte < 0x80).then(|| {
        size.iter()
            .fold(0, |size, byte| size << 7 | u64::from(*byte))
    })?;
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    Some(10 + size + footer)
}

/// The form of the samples of a bare FLAC, from its first bytes: the stream info always comes first.
#[must_use]
pub fn flac_samples(head: &[u8]) -> Option<SampleFormat> {
    if !head.starts_with(b"fLaC") || head.get(4)? & 0x7F != 0 {
        return None;
    }
    // 20 bits of rate, 3 of channels - 1, 5 of bits - 1.
    let packed = u32::from_be_bytes(array(head, 18)?);
    let channels = (packed >> 9 & 7) + 1;
    let bits = (u16::from_be_bytes(array(head, 20)?) >> 4 & 31) + 1;
    Some(SampleFormat {
        tag: Tag::FourCc(*b"fLaC"),
        coding: Coding::Lossless,
        byte_order: ByteOrder::Big,
        channels,
        sample_rate: packed >> 12,
        bits,
        block_align: 0,
    })
}
