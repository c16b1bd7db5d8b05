//! WAV files with the headers that studios really send: plain, broadcast (`bext` in front and a
//! `LIST` behind the samples), and `WAVE_FORMAT_EXTENSIBLE`.
//!
//! The bytes are a pure function of the arguments; dates are fixed.

use crate::recordings::{Format, Recording};

/// What stands around the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// `fmt ` of 16 bytes and `data`: 44 bytes.
    Plain,
    /// A `bext` chunk in front and a `LIST` of `INFO` behind, as field recorders and DAWs write.
    Broadcast {
        /// Goes to `bext` Description and `INAM`, at most 255 bytes.
        title: &'static str,
    },
    /// `fmt ` of 40 bytes with valid bits, channel mask and sub-format.
    Extensible,
}

/// The whole file.
#[must_use]
pub fn file(header: Header, stem: &Recording) -> Vec<u8> {
    let format = stem.format;
    let mut body = Vec::new();
    if let Header::Broadcast { title } = header {
        chunk(&mut body, *b"bext", &bext(title, format));
    }
    chunk(
        &mut body,
        *b"fmt ",
        &fmt(format, header == Header::Extensible),
    );
    chunk(&mut body, *b"data", &pcm(stem));
    if let Header::Broadcast { title } = header {
        chunk(&mut body, *b"LIST", &info(title));
    }
    let mut file = Vec::with_capacity(body.len() + 12);
    file.extend(b"RIFF");
    file.extend(u32_of(body.len() + 4).to_le_bytes());
    file.extend(b"WAVE");
    file.append(&mut body);
    file
}

fn chunk(out: &mut Vec<u8>, id: [u8; 4], body: &[u8]) {
    out.extend(id);
    out.extend(u32_of(body.len()).to_le_bytes());
    out.extend(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).expect("stems are far below 4 GiB")
}

fn pcm(stem: &Recording) -> Vec<u8> {
    let width = usize::from(stem.format.bits / 8);
    let mut bytes = Vec::with_capacity(stem.samples.len() * width);
    for sample in &stem.samples {
        bytes.extend(&sample.to_le_bytes()[..width]);
    }
    bytes
}

fn fmt(format: Format, extensible: bool) -> Vec<u8> {
    let frame = u32_of(format.frame_bytes());
    let mut fmt = Vec::new();
    fmt.extend(if extensible { 0xFFFE_u16 } else { 1 }.to_le_bytes());
    fmt.extend(format.channels.to_le_bytes());
    fmt.extend(format.rate.to_le_bytes());
    fmt.extend((format.rate * frame).to_le_bytes());
    fmt.extend(u16::try_from(frame).expect("two channels").to_le_bytes());
    fmt.extend(format.bits.to_le_bytes());
    if extensible {
        // Front centre for one channel, front left and right for two.
        let speakers: u32 = if format.channels == 1 { 4 } else { 3 };
        fmt.extend(22_u16.to_le_bytes());
        fmt.extend(format.bits.to_le_bytes());
        fmt.extend(speakers.to_le_bytes());
        // KSDATAFORMAT_SUBTYPE_PCM
        fmt.extend([
            1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71,
        ]);
    }
    fmt
}

/// EBU Tech 3285, version 1: 602 bytes and the coding history.
fn bext(title: &str, format: Format) -> Vec<u8> {
    let mode = if format.channels == 1 {
        "mono"
    } else {
        "stereo"
    };
    let mut bext = Vec::new();
    text(&mut bext, title, 256);
    text(&mut bext, "Stemvault fixtures", 32);
    text(&mut bext, "DESTV20260117104500000000001", 32);
    text(&mut bext, "2026-01-17", 10);
    text(&mut bext, "10:45:00", 8);
    // One hour after midnight, counted in samples: where the stem stands on the timeline.
    bext.extend((u64::from(format.rate) * 3600).to_le_bytes());
    bext.extend(1_u16.to_le_bytes());
    bext.extend([0; 64 + 190]);
    let history = format!(
        "A=PCM,F={},W={},M={mode},T=Debian recordings\r\n",
        format.rate, format.bits
    );
    bext.extend(history.as_bytes());
    bext
}

fn text(out: &mut Vec<u8>, value: &str, width: usize) {
    assert!(value.len() <= width, "{value:?} is longer than {width}");
    out.extend(value.as_bytes());
    out.resize(out.len() + width - value.len(), 0);
}

fn info(title: &str) -> Vec<u8> {
    let mut list = b"INFO".to_vec();
    // Terminated strings; an odd one brings a pad byte, which has to survive as well.
    chunk(&mut list, *b"INAM", format!("{title}\0").as_bytes());
    chunk(&mut list, *b"ISFT", b"Stemvault fixtures\0");
    chunk(&mut list, *b"ICRD", b"2026-01-17\0");
    list
}
