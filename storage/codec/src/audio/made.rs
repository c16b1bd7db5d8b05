//! Small audio files made by hand, for tests here and of those who read such files.
//!
//! # Panics
//! Whatever is asked here fits: samples of a few megabytes.

/// A chunk around the sound chunk: its name and its body.
pub type Extra<'a> = (&'a [u8; 4], &'a [u8]);

/// The form of the samples.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The format tag of a WAV: 1 for integers, 3 for floats.
    pub tag: u16,
    /// How many.
    pub channels: u16,
    /// Frames a second.
    pub rate: u32,
    /// Bits of a sample.
    pub bits: u16,
}

/// 48 kHz, 24 bit, stereo: six bytes a frame.
pub const STEREO24: Form = Form {
    tag: 1,
    channels: 2,
    rate: 48_000,
    bits: 24,
};

impl Form {
    fn align(self) -> u16 {
        self.channels * self.bits.div_ceil(8)
    }

    fn fmt(self) -> Vec<u8> {
        let mut fmt = Vec::new();
        fmt.extend(self.tag.to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.rate.to_le_bytes());
        fmt.extend((self.rate * u32::from(self.align())).to_le_bytes());
        fmt.extend(self.align().to_le_bytes());
        fmt.extend(self.bits.to_le_bytes());
        fmt
    }

    /// The same as `WAVE_FORMAT_EXTENSIBLE` with `valid` bits.
    fn extensible(self, valid: u16) -> Vec<u8> {
        let mut fmt = self.fmt();
        fmt[..2].copy_from_slice(&[0xFE, 0xFF]);
        fmt.extend(22u16.to_le_bytes());
        fmt.extend(valid.to_le_bytes());
        fmt.extend(3u32.to_le_bytes());
        fmt.extend(self.tag.to_le_bytes());
        fmt.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        fmt
    }
}

fn riff_chunk(file: &mut Vec<u8>, (name, body): Extra<'_>) {
    file.extend(*name);
    file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend(body);
    file.extend(std::iter::repeat_n(0, body.len() % 2));
}

fn form_chunk(file: &mut Vec<u8>, (name, body): Extra<'_>) {
    file.extend(*name);
    file.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    file.extend(body);
    file.extend(std::iter::repeat_n(0, body.len() % 2));
}

fn set(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn wave(fmt: &[u8], front: &[Extra<'_>], samples: &[u8], tail: &[Extra<'_>]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
    for extra in front {
        riff_chunk(&mut file, *extra);
    }
    riff_chunk(&mut file, (b"fmt ", fmt));
    riff_chunk(&mut file, (b"data", samples));
    for extra in tail {
        riff_chunk(&mut file, *extra);
    }
    let size = u32::try_from(file.len() - 8).unwrap();
    set(&mut file, 4, &size.to_le_bytes());
    file
}

/// A WAV with `front` before `fmt ` and `tail` behind `data`.
#[must_use]
pub fn wav(form: Form, front: &[Extra<'_>], samples: &[u8], tail: &[Extra<'_>]) -> Vec<u8> {
    wave(&form.fmt(), front, samples, tail)
}

/// The same with `WAVE_FORMAT_EXTENSIBLE`.
#[must_use]
pub fn wav_extensible(form: Form, valid: u16, samples: &[u8]) -> Vec<u8> {
    wave(&form.extensible(valid), &[], samples, &[])
}

/// Offset of the size field of the `data` (or other) chunk, by looking for its name.
#[must_use]
pub fn size_field(file: &[u8], name: &[u8; 4]) -> usize {
    4 + file.windows(4).position(|it| it == name).unwrap()
}

/// An RF64 whose sizes are in `ds64`.
#[must_use]
pub fn rf64(form: Form, samples: &[u8], tail: &[Extra<'_>]) -> Vec<u8> {
    let mut file = wave(&form.fmt(), &[(b"ds64", &[0; 28])], samples, tail);
    set(&mut file, 0, b"RF64");
    set(&mut file, 4, &[0xFF; 4]);
    let (whole, data) = (file.len() as u64 - 8, samples.len() as u64);
    set(&mut file, 20, &whole.to_le_bytes());
    set(&mut file, 28, &data.to_le_bytes());
    let at = size_field(&file, b"data");
    set(&mut file, at, &[0xFF; 4]);
    file
}

/// A W64; `tail` is the body of a chunk behind the data.
#[must_use]
pub fn w64(form: Form, samples: &[u8], tail: &[u8]) -> Vec<u8> {
    const GUID: [u8; 12] = [
        0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A,
    ];
    let mut file = b"riff".to_vec();
    file.extend([
        0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0,
    ]);
    file.extend([0; 8]);
    file.extend(b"wave");
    file.extend(GUID);
    // 18 bytes, as most programs write it: six bytes of padding follow.
    let fmt = [form.fmt(), vec![0; 2]].concat();
    for (name, body) in [
        (b"fmt ", fmt.as_slice()),
        (b"data", samples),
        (b"bext", tail),
    ] {
        file.extend(name);
        file.extend(GUID);
        file.extend((body.len() as u64 + 24).to_le_bytes());
        file.extend(body);
        file.extend(std::iter::repeat_n(
            0,
            body.len().next_multiple_of(8) - body.len(),
        ));
    }
    let size = file.len() as u64;
    set(&mut file, 16, &size.to_le_bytes());
    file
}

/// An AIFF, or an AIFC with a compression type; `late` puts COMM behind SSND.
#[must_use]
pub fn aiff(
    form: Form,
    compression: Option<&[u8; 4]>,
    late: bool,
    samples: &[u8],
    tail: &[Extra<'_>],
) -> Vec<u8> {
    let mut comm = Vec::new();
    comm.extend(form.channels.to_be_bytes());
    comm.extend(u32::try_from(samples.len()).unwrap().to_be_bytes());
    comm.extend(form.bits.to_be_bytes());
    let power = 31 - form.rate.leading_zeros();
    comm.extend((16383 + u16::try_from(power).unwrap()).to_be_bytes());
    comm.extend((u64::from(form.rate) << (63 - power)).to_be_bytes());
    if let Some(compression) = compression {
        comm.extend(compression);
        comm.extend([0, 0]);
    }
    let sound = [&[0; 8], samples].concat();
    let mut chunks = vec![(b"COMM", comm.as_slice()), (b"SSND", &sound)];
    if late {
        chunks.reverse();
    }
    let mut file = b"FORM\0\0\0\0AIFF".to_vec();
    if compression.is_some() {
        set(&mut file, 8, b"AIFC");
    }
    for chunk in chunks.into_iter().chain(tail.iter().copied()) {
        form_chunk(&mut file, chunk);
    }
    let size = u32::try_from(file.len() - 8).unwrap();
    set(&mut file, 4, &size.to_be_bytes());
    file
}

/// A CAF; `open` writes -1 as the size of the data.
#[must_use]
pub fn caf(form: Form, open: bool, samples: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut desc = f64::from(form.rate).to_be_bytes().to_vec();
    desc.extend(b"lpcm");
    let flags = u32::from(form.tag == 3) | 2;
    for field in [
        flags,
        form.align().into(),
        1,
        form.channels.into(),
        form.bits.into(),
    ] {
        desc.extend(field.to_be_bytes());
    }
    let data = [&[0; 4], samples].concat();
    let mut file = b"caff\0\x01\0\0".to_vec();
    for (name, body) in [
        (b"desc", desc.as_slice()),
        (b"data", &data),
        (b"info", tail),
    ] {
        file.extend(name);
        file.extend((body.len() as i64).to_be_bytes());
        file.extend(body);
    }
    if open {
        let at = size_field(&file, b"data");
        set(&mut file, at, &[0xFF; 8]);
    }
    file
}

/// One of each, with samples in the given number of bytes and a tail: its name, the file, and where
/// its samples begin.
#[must_use]
pub fn one_of_each(samples: &[u8]) -> Vec<(&'static str, Vec<u8>, u64)> {
    let tail: [Extra<'_>; 1] = [(b"LIST", b"INFOISFT")];
    let bext = [7; 602];
    let form = STEREO24;
    vec![
        ("plain.wav", wav(form, &[], samples, &tail), 44),
        (
            "bext.wav",
            wav(form, &[(b"bext", &bext)], samples, &[]),
            44 + 8 + 602,
        ),
        (
            "odd.wav",
            wav(form, &[(b"junk", &[1; 7])], samples, &tail),
            44 + 8 + 8,
        ),
        ("ext.wav", wav_extensible(form, 24, samples), 68),
        ("big.wav", rf64(form, samples, &tail), 44 + 8 + 28),
        ("sony.w64", w64(form, samples, &[5; 13]), 40 + 24 + 24 + 24),
        (
            "apple.aif",
            aiff(form, None, false, samples, &tail),
            12 + 8 + 18 + 16,
        ),
        ("late.aiff", aiff(form, None, true, samples, &tail), 12 + 16),
        (
            "little.aifc",
            aiff(form, Some(b"sowt"), false, samples, &tail),
            12 + 8 + 24 + 16,
        ),
        (
            "core.caf",
            caf(form, false, samples, b"x"),
            8 + 12 + 32 + 12 + 4,
        ),
        (
            "live.caf",
            caf(form, true, samples, b""),
            8 + 12 + 32 + 12 + 4,
        ),
    ]
}
