//! The `fmt ` chunk that WAV, RF64 and W64 share (`WAVEFORMAT` to `WAVEFORMATEXTENSIBLE`).

use super::{ByteOrder, Coding, SampleFormat, Tag, array};

const EXTENSIBLE: u16 = 0xFFFE;
/// The tail of every sub-format GUID whose first two bytes are an ordinary format tag.
const TAG_GUID: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// The same for the ambisonic B-format GUIDs.
const B_FORMAT_GUID: [u8; 14] = [
    0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0,
];

/// The form of the samples, from the first bytes (at least 16, 40 if it has them) of a `fmt ` chunk.
pub(super) fn samples(bytes: &[u8]) -> Option<SampleFormat> {
    let short = |at| array(bytes, at).map(u16::from_le_bytes);
    let (mut tag, channels, align) = (short(0)?, short(2)?, short(12)?);
    let sample_rate = u32::from_le_bytes(array(bytes, 4)?);
    let container_bits = short(14)?;
    let (mut bits, mut guid) = (container_bits, None);
    if tag == EXTENSIBLE
        && let Some(sub) = array::<16>(bytes, 24)
    {
        let valid = short(18).unwrap_or(0);
        if (1..container_bits).contains(&valid) {
            bits = valid;
        }
        let [low, high, tail @ ..] = sub;
        if tail == TAG_GUID || tail == B_FORMAT_GUID {
            tag = u16::from_le_bytes([low, high]);
        } else {
            guid = Some(sub);
        }
    }
    let coding = if guid.is_some() {
        Coding::Unknown
    } else {
        coding(tag)
    };
    let block_align = match (coding, u32::from(align)) {
        (Coding::Pcm | Coding::Float, 0) => {
            u32::from(channels) * u32::from(container_bits.div_ceil(8))
        }
        (_, align) => align,
    };
    Some(SampleFormat {
        tag: guid.map_or(Tag::Wave(tag), Tag::Guid),
        coding,
        byte_order: ByteOrder::Little,
        channels: channels.into(),
        sample_rate,
        bits,
        block_align,
    })
}

fn coding(tag: u16) -> Coding {
    match tag {
        0x0001 => Coding::Pcm,
        0x0003 => Coding::Float,
        // WMA lossless; FLAC.
        0x0163 | 0xF1AC => Coding::Lossless,
        // ADPCM of several makers, A-law and µ-law, GSM, MPEG, MP3, WMA, AAC, AC-3, DTS, Vorbis.
        0x0002
        | 0x0006
        | 0x0007
        | 0x0010..=0x0017
        | 0x0020..=0x0022
        | 0x0031
        | 0x0040
        | 0x0045
        | 0x0050
        | 0x0055
        | 0x0061
        | 0x0062
        | 0x0092
        | 0x00FF
        | 0x0160..=0x0162
        | 0x0270
        | 0x1600
        | 0x1610
        | 0x2000
        | 0x2001
        | 0x674F..=0x6751
        | 0x676F..=0x6771 => Coding::Lossy,
        _ => Coding::Unknown,
    }
}
