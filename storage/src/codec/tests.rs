//! What goes in comes out: every form of samples, any bytes.

use super::*;
use crate::audio::ByteOrder;

/// Every form, with `channels`.
fn forms(channels: u16) -> impl Iterator<Item = Samples> {
    let integers = (1..=8).flat_map(|bytes| [(Number::Signed, bytes), (Number::Unsigned, bytes)]);
    let numbers = integers.chain([(Number::Float, 4), (Number::Float, 8)]);
    numbers.flat_map(move |(number, bytes)| {
        [ByteOrder::Little, ByteOrder::Big].map(|byte_order| Samples {
            number,
            byte_order,
            bytes,
            channels,
            sample_rate: 48_000,
        })
    })
}

/// The same bytes for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn comes_back(plain: &[u8], samples: Option<&Samples>) -> Codec {
    let (codec, packed) = encode(plain, samples);
    assert!(packed.len() <= plain.len(), "{samples:?}");
    assert_eq!(decode(codec, &packed, plain.len()).as_deref(), Ok(plain));
    codec
}

#[test]
fn any_bytes_come_back_in_any_form() {
    for channels in [1, 2, 3, 7] {
        for samples in forms(channels) {
            for length in [0, 1, 2, 61, 1000, 40_000] {
                comes_back(&noise(7, length), Some(&samples));
                comes_back(&vec![0; length], Some(&samples));
                // Silence that ends in noise.
                let mut half = vec![0; length];
                half.extend(noise(9, 700));
                comes_back(&half, Some(&samples));
            }
        }
    }
}

#[test]
fn sound_is_predicted() {
    let samples = Samples {
        number: Number::Signed,
        byte_order: ByteOrder::Little,
        bytes: 2,
        channels: 2,
        sample_rate: 44_100,
    };
    let wave = |at: f64| (10_000.0 * (at * 0.031).sin() + 4000.0 * (at * 0.0071).sin()) as i16;
    let plain: Vec<u8> = (0..20_000)
        .flat_map(|at| [wave(f64::from(at)), wave(f64::from(at) + 3.0)])
        .flat_map(i16::to_le_bytes)
        .collect();
    assert_eq!(comes_back(&plain, Some(&samples)), Codec::Predicted);
    let (_, packed) = encode(&plain, Some(&samples));
    assert!(
        packed.len() * 2 < plain.len(),
        "{} of {}",
        packed.len(),
        plain.len()
    );
    assert_eq!(comes_back(&noise(3, 5000), None), Codec::Stored);
    assert_eq!(comes_back(&[5; 5000], None), Codec::Zstd);
}
