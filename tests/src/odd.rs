//! Audio files of every form, and files that are not what they seem; each from the same samples.
//!
//! The bytes are a pure function of the arguments.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::order::Files;

/// `count` sample frames of stereo sound in 24 bits: two tones that fade, with some noise.
fn sound(count: usize) -> Vec<[i32; 2]> {
    let mut noise = StdRng::seed_from_u64(24);
    let frame = |at: usize| {
        let t = at as f64 / 48_000.0;
        let fade = (-t).exp() * 2_000_000.0;
        let left = (t * 440.0 * std::f64::consts::TAU).sin() * fade;
        let right = (t * 550.0 * std::f64::consts::TAU).sin() * fade + left / 3.0;
        [left, right].map(|value| value as i32 + (noise.next_u32() % 200) as i32 - 100)
    };
    (0..count).map(frame).collect()
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.extend(name);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out.resize(out.len().next_multiple_of(2), 0);
}

/// A WAV of these samples, whatever they are.
fn wav(tag: u16, channels: u16, bits: u16, data: &[u8], tail: &[u8]) -> Vec<u8> {
    let align = channels.wrapping_mul(bits.div_ceil(8));
    let mut fmt = [tag, channels].map(u16::to_le_bytes).concat();
    fmt.extend(48_000_u32.to_le_bytes());
    fmt.extend(48_000_u32.wrapping_mul(align.into()).to_le_bytes());
    fmt.extend([align, bits].map(u16::to_le_bytes).concat());
    let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
    chunk(&mut file, b"fmt ", &fmt);
    chunk(&mut file, b"data", data);
    file.extend(tail);
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

/// An RF64 that claims so many bytes of samples.
fn rf64(claimed: u64, data: &[u8]) -> Vec<u8> {
    let mut file = b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0".to_vec();
    for value in [claimed + 72, claimed, claimed / 6] {
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    let plain = wav(1, 2, 24, &[], &[]);
    file.extend(&plain[12..36]);
    file.extend(b"data\xFF\xFF\xFF\xFF");
    file.extend(data);
    file
}

/// An AIFF of 24 bits stereo.
fn aiff(frames: &[[i32; 2]]) -> Vec<u8> {
    let mut common = 2_u16.to_be_bytes().to_vec();
    common.extend((frames.len() as u32).to_be_bytes());
    common.extend(24_u16.to_be_bytes());
    // 48,000 as an 80-bit float.
    common.extend([0x40, 0x0E, 0xBB, 0x80, 0, 0, 0, 0, 0, 0]);
    let samples = frames
        .iter()
        .flatten()
        .flat_map(|it| it.to_be_bytes()[1..].to_vec());
    let mut sound = vec![0; 8];
    sound.extend(samples);
    let mut file = b"FORM\0\0\0\0AIFF".to_vec();
    for (name, body) in [(b"COMM", common), (b"SSND", sound)] {
        file.extend(name);
        file.extend((body.len() as u32).to_be_bytes());
        file.extend(body);
        file.resize(file.len().next_multiple_of(2), 0);
    }
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_be_bytes());
    file
}

fn floats(frames: &[[i32; 2]], of: impl Fn(i32) -> f32) -> Vec<u8> {
    frames
        .iter()
        .flatten()
        .flat_map(|it| of(*it).to_le_bytes())
        .collect()
}

fn files(all: Vec<(&str, Vec<u8>)>) -> Files {
    let name = |(path, bytes): (&str, Vec<u8>)| (path.to_owned(), Bytes::from(bytes));
    all.into_iter().map(name).collect()
}

/// What a studio gets: every width, integers and floats, and what is no sound at all.
#[must_use]
pub fn sound_files(frames: usize) -> Files {
    let frames = sound(frames);
    let bytes = |width: usize| -> Vec<u8> {
        let samples = frames.iter().flatten();
        let low = 4 - width;
        let sample = |it: &i32| (it << 8).to_le_bytes()[low..].to_vec();
        samples.flat_map(sample).collect()
    };
    let eight: Vec<u8> = frames
        .iter()
        .flatten()
        .map(|it| ((it >> 16) + 128) as u8)
        .collect();
    let same: Vec<_> = frames.iter().map(|[left, _]| [*left, *left]).collect();
    let double = |it: &i32| (f64::from(*it) / 1e7).to_le_bytes();
    let doubles = frames.iter().flatten().flat_map(double).collect::<Vec<_>>();
    files(vec![
        ("8.wav", wav(1, 2, 8, &eight, &[])),
        ("16.wav", wav(1, 2, 16, &bytes(2), b"LIST\x04\0\0\0INFO")),
        ("24.wav", wav(1, 2, 24, &bytes(3), &[])),
        ("32.wav", wav(1, 2, 32, &bytes(4), &[])),
        ("mono.wav", wav(1, 1, 24, &bytes(3), &[])),
        ("six channels.wav", wav(1, 6, 24, &bytes(3), &[])),
        (
            "dual mono.wav",
            wav(1, 2, 32, &floats(&same, |it| it as f32), &[]),
        ),
        (
            "float.wav",
            wav(
                3,
                2,
                32,
                &floats(&frames, |it| it as f32 / 8_388_608.0),
                &[],
            ),
        ),
        (
            "gain.wav",
            wav(3, 2, 32, &floats(&frames, |it| it as f32 * 1.3e-7), &[]),
        ),
        (
            "reverb.wav",
            wav(
                3,
                2,
                32,
                &floats(&frames, |it| (it as f32 / 8e6).sin()),
                &[],
            ),
        ),
        ("64.wav", wav(3, 2, 64, &doubles, &[])),
        (
            "silence.wav",
            wav(1, 2, 24, &vec![0; frames.len() * 6], &[]),
        ),
        ("big end.aiff", aiff(&frames)),
        ("rf64.wav", rf64(frames.len() as u64 * 6, &bytes(3))),
        (
            "Notes/read me.txt",
            "Bitte nicht normalisieren.\r\n".repeat(50).into_bytes(),
        ),
    ])
}

/// What nobody should send, and somebody does.
#[must_use]
pub fn hostile_files(frames: usize) -> Files {
    let frames = sound(frames);
    let samples = frames.iter().flatten();
    let data: Vec<u8> = samples
        .flat_map(|it| it.to_le_bytes()[..3].to_vec())
        .collect();
    let good = wav(1, 2, 24, &data, b"LIST\x04\0\0\0INFO");
    let with_size = |size: u32| {
        let mut file = good.clone();
        file[40..44].copy_from_slice(&size.to_le_bytes());
        file
    };
    let mut noise = vec![0; 200_000];
    StdRng::seed_from_u64(7).fill_bytes(&mut noise);
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        f32::MIN_POSITIVE / 3.0,
        f32::from_bits(0x7FA0_0001),
        f32::MAX,
    ];
    let mixed = frames.iter().flatten().enumerate().flat_map(|(at, it)| {
        let odd = (at % 97 == 0).then(|| odd[at / 97 % odd.len()]);
        odd.unwrap_or(*it as f32 / 8e6).to_le_bytes()
    });
    let no_format = [&good[..12], b"junk\x10\0\0\0no format at all", &good[36..]].concat();
    files(vec![
        ("truncated.wav", good[..good.len() * 2 / 3 + 1].to_vec()),
        ("header only.wav", good[..44].to_vec()),
        ("half a header.wav", good[..30].to_vec()),
        ("size too large.wav", with_size(0x7FFF_FFFF)),
        ("size too small.wav", with_size(1001)),
        ("size 0.wav", with_size(0)),
        ("size -1.wav", with_size(u32::MAX)),
        (
            "odd with its pad.wav",
            wav(1, 1, 24, &data[..9999], b"LIST\x04\0\0\0INFO"),
        ),
        (
            "odd without.wav",
            [&good[..44], &data[..9999], b"LIST\x04\0\0\0INFO"].concat(),
        ),
        ("no format.wav", no_format),
        ("no channels.wav", wav(1, 0, 24, &data, &[])),
        ("65535 channels.wav", wav(1, u16::MAX, 24, &data, &[])),
        ("frames of 5 bytes.wav", wav(1, 5, 8, &data, &[])),
        (
            "NaN and infinities.wav",
            wav(3, 2, 32, &mixed.collect::<Vec<_>>(), &[]),
        ),
        ("noise as floats.wav", wav(3, 2, 32, &noise, &[])),
        ("noise as doubles.wav", wav(3, 1, 64, &noise, &[])),
        ("noise in 32 bits.wav", wav(1, 2, 32, &noise, &[])),
        ("noise.wav", noise.clone()),
        ("claims 5 GB.wav", rf64(5_000_000_000, &data)),
        ("nothing.wav", Vec::new()),
        ("one byte.wav", vec![b'R']),
        ("zeros.wav", vec![0; 70_000]),
    ])
}

/// An RF64 of more than 4 GiB: its first bytes, one stretch of silence, how often that is repeated,
/// and what follows.
#[must_use]
pub fn beyond_4_gib() -> (Bytes, Bytes, usize, Bytes) {
    let (stretch, times) = (48 << 20, 86);
    let silence = Bytes::from(vec![0; stretch]);
    let head = rf64((stretch * times) as u64, &[]);
    (
        head.into(),
        silence,
        times,
        Bytes::from_static(b"LIST\x04\0\0\0INFO"),
    )
}
