//! Packed blocks that were written once and must be read for ever: `tests/golden/codec`.
//!
//! A file there is never changed and never removed. What it holds is made anew here, from integers
//! and exact floats only, so today's encoder is compared with it as well. `sums` in the same folder
//! is for decoders in other languages: codec, plain length, BLAKE3 of the plain bytes, file.

use std::path::PathBuf;

use super::tests::{Chance, form, tone};
use super::*;
use crate::audio::ByteOrder;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/codec")
}

struct Case {
    name: &'static str,
    samples: Option<Samples>,
    plain: Vec<u8>,
}

fn case(name: &'static str, samples: Samples, plain: Vec<u8>) -> Case {
    Case {
        name,
        samples: Some(samples),
        plain,
    }
}

/// The lowest `width` bytes of every value.
fn little(values: impl IntoIterator<Item = i64>, width: usize) -> Vec<u8> {
    let bytes = values.into_iter().map(i64::to_le_bytes);
    bytes
        .flat_map(|bytes| bytes.into_iter().take(width))
        .collect()
}

fn cases() -> Vec<Case> {
    let mut cases = integers();
    cases.extend(floats());
    cases.push(Case {
        name: "text",
        samples: None,
        plain: b"tempo 120; key D minor. ".repeat(9),
    });
    cases.push(Case {
        name: "noise",
        samples: None,
        plain: Chance::new(20).bytes(300),
    });
    cases
}

fn integers() -> Vec<Case> {
    let sound = |seed, length| {
        tone(&mut Chance::new(seed), length)
            .into_iter()
            .map(i64::from)
    };
    let signed = |bytes, channels| form(Number::Signed, bytes, channels);
    let both = |value: i64, at: usize| {
        if at.is_multiple_of(2) {
            value
        } else {
            value / 2
        }
    };
    // One side is nearly the other, so that the pair has something in common.
    let stereo = sound(1, 4300).flat_map(|value| [value >> 4, (value >> 4) + value % 5]);
    let mut big = little(sound(2, 900), 3);
    big.chunks_exact_mut(3).for_each(<[u8]>::reverse);
    big.extend([1, 2]);
    let rests = sound(3, 3000)
        .enumerate()
        .map(|(at, value)| if at < 1900 { value >> 5 } else { 7 });
    let loud = sound(4, 700)
        .enumerate()
        .map(|(at, value)| (value << 8) ^ (at as i64 % 251));
    let jumps = (0..700).map(|at| {
        if at % 50 < 25 {
            i64::from(i32::MIN)
        } else {
            i64::from(i32::MAX)
        }
    });
    vec![
        case("s16-stereo", signed(2, 2), little(stereo, 2)),
        case(
            "s24-big-tail",
            Samples {
                byte_order: ByteOrder::Big,
                ..signed(3, 1)
            },
            big,
        ),
        case(
            "s24-high-rate",
            Samples {
                sample_rate: 96_000,
                ..signed(3, 2)
            },
            little(sound(5, 1600), 3),
        ),
        case(
            "u8",
            form(Number::Unsigned, 1, 1),
            little(sound(6, 1500).map(|it| (it >> 11) + 128), 1),
        ),
        case("s16-rests", signed(2, 1), little(rests, 2)),
        case(
            "s24-padded-3",
            signed(3, 3),
            little(sound(7, 1500).map(|it| it >> 8 << 8), 3),
        ),
        case("s32-loud", signed(4, 2), little(loud, 4)),
        case("s32-jumps", signed(4, 1), little(jumps, 4)),
        case(
            "s48",
            signed(6, 2),
            little(
                sound(8, 800).enumerate().map(|(at, it)| both(it, at) << 24),
                6,
            ),
        ),
        case(
            "s64",
            signed(8, 1),
            little(sound(9, 400).map(|it| it << 40), 8),
        ),
        case("silence", signed(3, 2), vec![0; 60_000]),
    ]
}

fn floats() -> Vec<Case> {
    let float = |bytes, channels| form(Number::Float, bytes, channels);
    let sound = |seed, length| tone(&mut Chance::new(seed), length).into_iter();
    let exact = |value: i32| value as f32 / 8_388_608.0;
    let narrow = |values: Vec<f32>| {
        values
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let wide = |values: Vec<f64>| {
        values
            .into_iter()
            .flat_map(f64::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let mut signed: Vec<f32> = sound(11, 1200).map(exact).collect();
    signed[100..200].fill(-0.0);
    (signed[300], signed[301]) = (f32::NAN, f32::NEG_INFINITY);
    let faded = sound(12, 1600).map(|it| exact(it) * 0.708).collect();
    let mut moved: Vec<f32> = sound(13, 1200)
        .enumerate()
        .map(|(at, it)| exact(it) * (at as f32 / 1200.0))
        .collect();
    (moved[500], moved[501], moved[502]) = (f32::INFINITY, 1e-42, -0.0);
    let faded_wide = sound(14, 600)
        .map(|it| f64::from(it) * 0.123_456_789)
        .collect();
    let curved = sound(15, 600)
        .map(|it| f64::from(it) * (1.0 + f64::from(it) * 1e-9) / 1e7)
        .collect();
    let noise = Chance::new(16).bytes(2000).into_iter().enumerate();
    let noise = noise
        .map(|(at, byte)| if at % 4 == 3 { 0x3F } else { byte })
        .collect();
    vec![
        case("f32-exact-odd", float(4, 2), narrow(signed)),
        case("f32-faded", float(4, 2), narrow(faded)),
        case("f32-moved", float(4, 1), narrow(moved)),
        case(
            "f64-narrow",
            float(8, 1),
            wide(sound(17, 500).map(|it| f64::from(exact(it))).collect()),
        ),
        case("f64-faded", float(8, 1), wide(faded_wide)),
        case("f64-curved", float(8, 1), wide(curved)),
        case("f32-planes", float(4, 1), noise),
    ]
}

#[test]
fn what_was_written_once_is_read_for_ever() {
    let sums = std::fs::read_to_string(folder().join("sums")).unwrap();
    let cases = cases();
    assert_eq!(sums.lines().count(), cases.len(), "a case has no file");
    for line in sums.lines() {
        let [codec, length, hash, name] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let codec = match codec {
            "0" => Codec::Stored,
            "1" => Codec::Zstd,
            _ => Codec::Predicted,
        };
        let packed = std::fs::read(folder().join(name)).unwrap();
        let plain = decode(codec, &packed, length.parse().unwrap()).unwrap();
        assert_eq!(blake3::hash(&plain).to_hex().as_str(), hash, "{name}");
        let case = cases
            .iter()
            .find(|case| case.name == name)
            .expect("a case for every file");
        assert!(plain == case.plain, "{name}");
        let (codec, again) = encode(&plain, case.samples.as_ref());
        assert!(
            decode(codec, &again, plain.len()).as_deref() == Ok(&plain),
            "{name}"
        );
    }
}

/// Writes the files of new cases, and only those.
#[test]
#[ignore = "writes into the source tree"]
fn write_what_is_missing() {
    use std::fmt::Write as _;
    std::fs::create_dir_all(folder()).unwrap();
    let mut sums = std::fs::read_to_string(folder().join("sums")).unwrap_or_default();
    for case in cases() {
        let file = folder().join(case.name);
        if !file.exists() {
            let (codec, packed) = encode(&case.plain, case.samples.as_ref());
            std::fs::write(file, &packed).unwrap();
            let (codec, length, hash) = (codec as u8, case.plain.len(), blake3::hash(&case.plain));
            writeln!(sums, "{codec} {length} {} {}", hash.to_hex(), case.name).unwrap();
        }
    }
    std::fs::write(folder().join("sums"), sums).unwrap();
}
