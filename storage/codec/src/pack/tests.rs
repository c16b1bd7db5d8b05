//! What goes in comes out: every form of samples, any bytes. What is broken is an error, or other
//! bytes; never a panic.

use super::*;
use crate::audio::ByteOrder;

/// The same numbers for the same seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Something that sounds, in 24 bits: a resonance that noise excites. Integers only, so that it is
/// the same everywhere.
pub(super) fn tone(chance: &mut Chance, length: usize) -> Vec<i32> {
    let (mut last, mut before) = (0_i64, 0_i64);
    let next = || {
        let noise = (chance.next() >> 52) as i64 - 2048;
        let value = (last * 32_100 - before * 16_300) / 16_384 + noise;
        (before, last) = (last, value.clamp(-8_388_608, 8_388_607));
        last as i32
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(super) fn form(number: Number, bytes: u8, channels: u16) -> Samples {
    Samples {
        number,
        byte_order: ByteOrder::Little,
        bytes,
        channels,
        sample_rate: 48_000,
    }
}

/// Every form, with `channels`.
fn forms(channels: u16) -> impl Iterator<Item = Samples> {
    let integers = (1..=8).flat_map(|bytes| [(Number::Signed, bytes), (Number::Unsigned, bytes)]);
    let numbers = integers.chain([(Number::Float, 4), (Number::Float, 8)]);
    numbers.flat_map(move |(number, bytes)| {
        [ByteOrder::Little, ByteOrder::Big].map(|byte_order| Samples {
            byte_order,
            sample_rate: if bytes == 3 { 96_000 } else { 48_000 },
            ..form(number, bytes, channels)
        })
    })
}

/// Bytes of samples of that form, of one of several kinds.
fn material(samples: &Samples, chance: &mut Chance, frames: usize) -> Vec<u8> {
    let count = frames * usize::from(samples.channels);
    let kind = chance.below(6);
    let mut sound = tone(chance, count);
    if kind == 1 {
        sound[count / 3..].fill(0);
    }
    if kind == 2 {
        sound.iter_mut().for_each(|it| *it &= !0xFF);
    }
    let mut bytes = Vec::new();
    for value in sound {
        let odd = kind == 3 && chance.below(40) == 0;
        let wide = match (samples.number, samples.bytes) {
            _ if odd => chance.next(),
            (Number::Float, 4) => u64::from(float(kind, value, chance).to_bits()),
            (Number::Float, _) => f64::from(float(kind, value, chance)).to_bits(),
            (_, width @ 1..=3) => u64::from(value as u32 >> (24 - 8 * width)),
            (_, width) if kind == 4 => (i64::from(value) << (8 * width - 24)) as u64,
            _ => i64::from(value) as u64,
        };
        let mut sample = wide.to_le_bytes()[..usize::from(samples.bytes)].to_vec();
        if samples.byte_order == ByteOrder::Big {
            sample.reverse();
        }
        bytes.extend(sample);
    }
    bytes
}

fn float(kind: usize, value: i32, chance: &mut Chance) -> f32 {
    const ODD: [f32; 7] = [
        -0.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-45,
        f32::MAX,
        f32::MIN_POSITIVE,
    ];
    let exact = value as f32 / 8_388_608.0;
    match kind {
        0 => exact,
        1 | 2 => exact * 0.708,
        4 if chance.below(300) == 0 => ODD[chance.below(ODD.len())],
        4 => exact,
        _ => exact * (1.0 + value as f32 * 1e-9),
    }
}

fn comes_back(plain: &[u8], samples: &Samples) -> Codec {
    let (codec, packed) = encode(plain, Some(samples));
    assert!(packed.len() <= plain.len(), "{samples:?}");
    assert!(decode(codec, &packed, plain.len()).as_deref() == Ok(plain));
    codec
}

#[test]
fn any_bytes_come_back_in_any_form() {
    let mut chance = Chance::new(1);
    for channels in [1, 2, 3, 7] {
        for samples in forms(channels) {
            for length in [0, 1, 2, 61, 3000, 14_000] {
                comes_back(&chance.bytes(length), &samples);
                // Silence that ends in noise.
                let mut half = vec![0; length];
                half.extend(chance.bytes(length / 7));
                comes_back(&half, &samples);
            }
        }
    }
}

#[test]
fn sound_of_any_form_comes_back_and_is_predicted() {
    let mut chance = Chance::new(2);
    for channels in [1, 2, 5] {
        for samples in forms(channels) {
            for frames in [1, 2, 33, 700, 4096 + 37] {
                let mut plain = material(&samples, &mut chance, frames);
                let rest = chance.below(samples.frame());
                plain.extend(chance.bytes(rest));
                let codec = comes_back(&plain, &samples);
                if frames > 4000 && samples.number == Number::Signed && samples.bytes == 3 {
                    assert_eq!(codec, Codec::Predicted, "{samples:?}");
                }
                // As if the header had lied.
                let at = chance.below(plain.len());
                comes_back(&plain[at..], &samples);
                let other = forms(2).nth(chance.below(36)).unwrap();
                comes_back(&plain, &other);
            }
        }
    }
}

#[test]
fn what_is_predicted_needs_no_choice_of_lengths() {
    let mut chance = Chance::new(3);
    for samples in [form(Number::Signed, 3, 2), form(Number::Float, 4, 3)] {
        let plain = material(&samples, &mut chance, 900);
        for (span, partition) in [(16, 16), (64, 1024), (512, 64), (65_536, 65_536)] {
            let packed = predicted::pack_by(&plain, &samples, span, partition).unwrap();
            assert!(decode(Codec::Predicted, &packed, plain.len()).as_deref() == Ok(&plain));
        }
    }
}

#[test]
fn extremes_come_back() {
    let square = |at: usize, low: i32, high: i32| {
        if (at / 9).is_multiple_of(2) {
            low
        } else {
            high
        }
    };
    for bytes in 1..=8_u8 {
        let (low, high) = match bytes {
            1..=4 => (i32::MIN >> (32 - 8 * bytes), i32::MAX >> (32 - 8 * bytes)),
            _ => (i32::MIN, i32::MAX),
        };
        let wide = |at| i64::from(square(at, low, high));
        let width = usize::from(bytes);
        let plain: Vec<u8> = (0..9000)
            .flat_map(|at| wide(at).to_le_bytes()[..width].to_vec())
            .collect();
        comes_back(&plain, &form(Number::Signed, bytes, 1));
        comes_back(&plain, &form(Number::Signed, bytes, 2));
    }
}

#[test]
fn floats_that_are_integers_are_as_small_as_those() {
    let mut chance = Chance::new(4);
    let sound = tone(&mut chance, 9000);
    let integers: Vec<u8> = sound
        .iter()
        .flat_map(|it| it.to_le_bytes()[..3].to_vec())
        .collect();
    let (_, least) = encode(&integers, Some(&form(Number::Signed, 3, 2)));
    let exact = |value: &i32| *value as f32 / 8_388_608.0;
    let faded = |value: &i32| exact(value) * 0.7079;
    let narrow = |float: &dyn Fn(&i32) -> f32| {
        sound
            .iter()
            .flat_map(|it| float(it).to_le_bytes())
            .collect::<Vec<_>>()
    };
    let wide: Vec<u8> = sound
        .iter()
        .flat_map(|it| f64::from(faded(it)).to_le_bytes())
        .collect();
    for (bytes, plain) in [(4, narrow(&exact)), (4, narrow(&faded)), (8, wide)] {
        let (_, packed) = encode(&plain, Some(&form(Number::Float, bytes, 2)));
        assert!(
            packed.len() < least.len() + 100,
            "{} and {}",
            packed.len(),
            least.len()
        );
    }
}

#[test]
fn what_is_no_sound_is_plain_zstd_or_stored() {
    let noise = Chance::new(5).bytes(5000);
    assert_eq!(encode(&noise, None), (Codec::Stored, noise.clone()));
    assert_eq!(encode(&[5; 5000], None).0, Codec::Zstd);
    let repeated = noise.repeat(20);
    assert_eq!(
        comes_back(&repeated, &form(Number::Signed, 3, 1)),
        Codec::Zstd
    );
    assert_eq!(
        encode(b"", Some(&form(Number::Signed, 3, 1))),
        (Codec::Stored, Vec::new())
    );
}

#[test]
fn what_is_broken_is_refused_or_other_bytes() {
    let mut chance = Chance::new(6);
    for samples in [
        form(Number::Signed, 2, 2),
        form(Number::Float, 4, 1),
        form(Number::Float, 8, 1),
    ] {
        let plain = material(&samples, &mut chance, 300);
        let packed = predicted::pack_by(&plain, &samples, 64, 16).unwrap();
        for end in 0..packed.len() {
            assert!(decode(Codec::Predicted, &packed[..end], plain.len()).is_err());
        }
        for length in [0, 1, plain.len() - 1, plain.len() + 1, usize::MAX] {
            assert!(decode(Codec::Predicted, &packed, length).is_err());
        }
        for _ in 0..600 {
            let mut bad = packed.clone();
            for _ in 0..=chance.below(3) {
                let at = chance.below(bad.len());
                bad[at] ^= 1 << chance.below(8);
            }
            if let Ok(other) = decode(Codec::Predicted, &bad, plain.len()) {
                assert_eq!(other.len(), plain.len());
            }
        }
        for at in 0..80 {
            for byte in (0..=255).step_by(17) {
                let mut bad = packed.clone();
                bad[at] = byte;
                let _ = decode(Codec::Predicted, &bad, plain.len());
            }
        }
    }
}

#[test]
fn a_form_is_what_the_header_says() {
    use crate::audio::{Coding, SampleFormat, Tag};
    let format = SampleFormat {
        tag: Tag::Wave(1),
        coding: Coding::Pcm,
        byte_order: ByteOrder::Little,
        channels: 2,
        sample_rate: 96_000,
        bits: 20,
        block_align: 6,
    };
    let samples = Samples::of(&format).unwrap();
    assert_eq!((samples.number, samples.bytes), (Number::Signed, 3));
    let eight = SampleFormat {
        bits: 8,
        block_align: 2,
        ..format
    };
    assert_eq!(Samples::of(&eight).unwrap().number, Number::Unsigned);
    let aiff = SampleFormat {
        tag: Tag::FourCc(*b"NONE"),
        ..eight
    };
    assert_eq!(Samples::of(&aiff).unwrap().number, Number::Signed);
    let float = SampleFormat {
        coding: Coding::Float,
        ..format
    };
    assert_eq!(Samples::of(&float), None, "no float of three bytes");
    let lossy = SampleFormat {
        coding: Coding::Lossy,
        ..format
    };
    assert_eq!(Samples::of(&lossy), None);
    let broken = SampleFormat {
        channels: 0,
        ..format
    };
    assert_eq!(Samples::of(&broken), None);
    let odd = SampleFormat {
        channels: 3,
        ..format
    };
    assert_eq!(Samples::of(&odd), None, "two bytes hold no 20 bits");
}
