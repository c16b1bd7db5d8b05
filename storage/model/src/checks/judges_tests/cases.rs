//! The files that are put before the judges, each with what we find in it.

use crate::checks::Rule;
use crate::checks::Rule as R;
use stemvault_codec::audio::made::{self, Extra, Form, STEREO24};

/// Sample frames in every file that is whole.
pub(super) const FRAMES: usize = 4000;

/// A file, how many sample frames a judge has to play of it, and what we find in it.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) file: Vec<u8>,
    pub(super) frames: usize,
    pub(super) found: Vec<Rule>,
}

/// Cases of one format; the first is a plain file of it.
#[derive(Default)]
pub(super) struct Docket(pub(super) Vec<Case>);

impl Docket {
    pub(super) fn add(&mut self, name: &str, file: Vec<u8>, found: &[Rule]) {
        self.of(name, file, FRAMES, found);
    }

    pub(super) fn of(&mut self, name: &str, file: Vec<u8>, frames: usize, found: &[Rule]) {
        self.0.push(Case {
            name: name.to_owned(),
            file,
            frames,
            found: found.to_vec(),
        });
    }
}

/// Two channels of 24 bits that are not silent.
pub(super) fn samples() -> Vec<u8> {
    let one = |n: usize| {
        let value = i32::try_from(n * 7919 % 65_536).unwrap() * 64 - (1 << 21);
        value.to_le_bytes()[..3].to_vec()
    };
    (0..FRAMES * 2).flat_map(one).collect()
}

pub(super) fn put(mut file: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

pub(super) fn wavs() -> Docket {
    let samples = samples();
    let plain = made::wav(STEREO24, &[], &samples, &[]);
    let right = u32::try_from(samples.len()).unwrap();
    let riff = right + 36;
    let sized = |riff: u32, data: u32| {
        let file = put(plain.clone(), 4, &riff.to_le_bytes());
        put(file, 40, &data.to_le_bytes())
    };
    let mut all = Docket::default();
    all.add("plain.wav", plain.clone(), &[]);
    for (whole, data, found) in [
        (8, 0, &[R::OddHeader][..]),
        (riff, 0, &[R::OddHeader]),
        (0, right, &[]),
        (riff, u32::MAX, &[]),
        (u32::MAX, u32::MAX, &[]),
        (0x7FFF_FFFF, 0x7FFF_FFFF, &[R::OddHeader]),
        (0x7FFF_F024, 0x7FFF_F000, &[R::OddHeader]),
        (0x8000_0024, 0x8000_0000, &[R::OddHeader]),
        (0xFFFF_FFBF, 0xFFFF_FF9B, &[R::OddHeader]),
        (u32::MAX, right, &[]),
        (riff, right + 8, &[R::OddHeader]),
        (riff, right * 2, &[R::OddHeader]),
        (riff + 5000, right + 5000, &[R::Truncated]),
    ] {
        let frames = if whole == riff + 5000 {
            FRAMES + 833
        } else {
            FRAMES
        };
        let name = format!("riff {whole:x} data {data:x}.wav");
        all.of(&name, sized(whole, data), frames, found);
    }
    for (align, found) in [
        (0u16, &[][..]),
        (4, &[R::OddHeader]),
        (3, &[R::OddHeader]),
        (12, &[]),
    ] {
        let file = put(plain.clone(), 32, &align.to_le_bytes());
        // What ffmpeg loses at the end is less than a tenth of a second.
        all.of(
            &format!("{align} bytes per frame.wav"),
            file,
            FRAMES - 4,
            found,
        );
    }
    for (rate, name) in [(0u32, "0"), (u32::MAX, "4 GB")] {
        let file = put(plain.clone(), 28, &rate.to_le_bytes());
        all.add(&format!("{name} bytes per second.wav"), file, &[]);
    }
    for (at, name) in [(20, "no format"), (22, "no channels"), (34, "no bits")] {
        let file = put(plain.clone(), at, &[0, 0]);
        all.add(&format!("{name}.wav"), file, &[R::UnreadableAudio]);
    }
    all.add(
        "no rate.wav",
        put(plain.clone(), 24, &[0; 4]),
        &[R::UnreadableAudio],
    );
    all.add("20 bits in 24.wav", put(plain.clone(), 34, &[20, 0]), &[]);
    let half = put(put(plain.clone(), 20, &[3]), 34, &[16, 0]);
    all.add("float of 16 bits.wav", half, &[R::UnreadableAudio]);
    all.add(
        "extensible.wav",
        made::wav_extensible(STEREO24, 24, &samples),
        &[],
    );
    let wide = Form {
        bits: 32,
        ..STEREO24
    };
    let file = made::wav_extensible(wide, 24, &samples);
    all.of("24 bits in 32.wav", file, FRAMES * 3 / 4, &[]);
    let with = |front: &[Extra<'_>]| made::wav(STEREO24, front, &samples, &[(b"LIST", b"INFO")]);
    all.add("JUNK first.wav", with(&[(b"JUNK", &[0; 28])]), &[]);
    let odd = with(&[(b"bext", &[7; 603])]);
    all.add("odd chunk.wav", odd.clone(), &[]);
    // The pad byte is missing: the chunks behind it are found by nobody.
    let unpadded = [&odd[..12 + 8 + 603], &odd[12 + 8 + 604..]].concat();
    all.add(
        "odd chunk without its pad byte.wav",
        unpadded,
        &[R::UnreadableAudio],
    );
    let (fmt, data) = (&plain[12..36], &plain[36..]);
    let late = [&plain[..12], data, fmt].concat();
    all.add("data before fmt.wav", late, &[]);
    let fmt18 = [&plain[..16], &[18, 0, 0, 0], &plain[20..36], &[0, 0], data].concat();
    all.add("fmt of 18 bytes.wav", fmt18, &[]);
    all.add("junk behind.wav", [&plain[..], &[b'x'; 1000]].concat(), &[]);
    let tag = [tag_of(20), plain.clone()].concat();
    all.add("tag in front.wav", tag, &[]);
    all.add(
        "two bytes in front.wav",
        [&[0, 0], &plain[..]].concat(),
        &[R::UnreadableAudio],
    );
    let swapped = rifx(&plain);
    all.add("big-endian.wav", swapped, &[]);
    let cut = plain[..plain.len() / 2].to_vec();
    all.add("half of it.wav", cut, &[R::Truncated]);
    all.add("words.wav", b"hello ".repeat(2000), &[R::UnreadableAudio]);
    all.add("zeros.wav", vec![0; 5000], &[R::UnreadableAudio]);
    all.add("its header only.wav", plain[..44].to_vec(), &[R::Truncated]);
    all
}

/// The plain WAV with every number turned round.
fn rifx(plain: &[u8]) -> Vec<u8> {
    let mut file = plain.to_vec();
    file[3] = b'X';
    for (at, length) in [
        (4, 4),
        (16, 4),
        (20, 2),
        (22, 2),
        (24, 4),
        (28, 4),
        (32, 2),
        (34, 2),
        (40, 4),
    ] {
        file[at..at + length].reverse();
    }
    for sample in file[44..].chunks_mut(3) {
        sample.reverse();
    }
    file
}

pub(super) fn large_wavs() -> [Docket; 2] {
    let samples = samples();
    let plain = made::rf64(STEREO24, &samples, &[]);
    let mut rf64 = Docket::default();
    rf64.add("plain RF64.wav", plain.clone(), &[]);
    rf64.add(
        "RF64 of zeros.wav",
        put(plain.clone(), 20, &[0; 16]),
        &[R::Truncated],
    );
    let most = i64::MAX.to_le_bytes();
    let endless = put(plain.clone(), 20, &[most, most].concat());
    rf64.add("RF64 of the largest number.wav", endless, &[R::OddHeader]);
    rf64.add(
        "RF64 of a wrong whole.wav",
        put(plain.clone(), 20, &[0; 8]),
        &[],
    );
    let without = [&plain[..12], &plain[48..]].concat();
    rf64.add("RF64 without its sizes.wav", without, &[R::UnreadableAudio]);

    let plain = made::w64(STEREO24, &samples, &[]);
    let sized = |whole: u64, data: u64| {
        let file = put(plain.clone(), 16, &whole.to_le_bytes());
        put(file, 104, &data.to_le_bytes())
    };
    let mut w64 = Docket::default();
    w64.add("plain.w64", plain.clone(), &[]);
    let (right, most) = (samples.len() as u64 + 24, i64::MAX as u64);
    w64.add("most.w64", sized(most, most), &[R::OddHeader]);
    w64.add("zeros.w64", sized(0, 0), &[R::OddHeader]);
    w64.add("ones.w64", sized(u64::MAX, u64::MAX), &[]);
    w64.add("whole of zeros.w64", sized(0, right), &[]);
    w64.add(
        "half.w64",
        plain[..plain.len() / 2].to_vec(),
        &[R::Truncated],
    );
    [rf64, w64]
}

pub(super) fn apples() -> [Docket; 2] {
    let big: Vec<u8> = samples()
        .chunks(3)
        .flat_map(|it| [it[2], it[1], it[0]])
        .collect();
    let of = |late| made::aiff(STEREO24, None, late, &big, &[]);
    let plain = of(false);
    let (form, sound) = (
        u32::try_from(plain.len() - 8).unwrap(),
        made::size_field(&plain, b"SSND"),
    );
    let right = u32::try_from(big.len() + 8).unwrap();
    let sized = |form: u32, ssnd: u32| {
        let file = put(plain.clone(), 4, &form.to_be_bytes());
        put(file, sound, &ssnd.to_be_bytes())
    };
    // Where COMM says how many frames there are; the maker says bytes.
    let frames = |count: u32| put(plain.clone(), 22, &count.to_be_bytes());
    let mut aiff = Docket::default();
    aiff.add("plain.aif", plain.clone(), &[]);
    aiff.add("COMM behind.aif", of(true), &[]);
    for (whole, ssnd, found) in [
        (0, right, &[][..]),
        (u32::MAX, right, &[]),
        (form, 0, &[R::OddHeader]),
        (form, u32::MAX, &[]),
        (form, 0x7FFF_FFFF, &[R::OddHeader]),
        (0x7F00_002E, 0x7F00_0008, &[R::OddHeader]),
    ] {
        let name = format!("form {whole:x} ssnd {ssnd:x}.aif");
        aiff.add(&name, sized(whole, ssnd), found);
    }
    // Where the first sample is, counted from there.
    let begins = |at: u32| put(plain.clone(), sound + 4, &at.to_be_bytes());
    for (at, found) in [
        (right - 8, &[R::UnreadableAudio][..]),
        (5_000_000, &[R::UnreadableAudio]),
        (u32::MAX, &[R::UnreadableAudio]),
    ] {
        aiff.add(&format!("begins at {at}.aif"), begins(at), found);
    }
    aiff.of("begins at 6000.aif", begins(6000), FRAMES - 1000, &[]);
    aiff.add("no frames.aif", frames(0), &[]);
    aiff.add("many frames.aif", frames(0x7FFF_FFFF), &[]);
    aiff.add("20 bits.aif", put(plain.clone(), 26, &[0, 20]), &[]);
    let late = [&plain[..plain.len() - 1][..20_000], &[]].concat();
    aiff.add("part of it.aif", late, &[R::Truncated]);
    let sowt = made::aiff(STEREO24, Some(b"sowt"), false, &samples(), &[]);
    aiff.add("little-endian.aifc", sowt, &[]);
    let name: [Extra<'_>; 1] = [(b"NAME", b"abc")];
    aiff.add(
        "name behind.aif",
        made::aiff(STEREO24, None, false, &big, &name),
        &[],
    );

    let of = |open| made::caf(STEREO24, open, &samples(), b"");
    let plain = of(false);
    let mut caf = Docket::default();
    caf.add("plain.caf", plain.clone(), &[]);
    caf.add("open.caf", of(true), &[]);
    caf.add(
        "no packets.caf",
        put(plain.clone(), 36, &[0; 4]),
        &[R::UnreadableAudio],
    );
    caf.add("part.caf", plain[..9000].to_vec(), &[R::Truncated]);
    [aiff, caf]
}

/// An ID3 tag with so many bytes (under 128) behind its head.
pub(super) fn tag_of(bytes: u8) -> Vec<u8> {
    [&b"ID3\x03\0\0\0\0\0"[..], &[bytes], &vec![0; bytes.into()]].concat()
}
