//! The cut is a format promise; see the module.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use stemvault_codec::audio::made::{self, STEREO24};

const MAX: u64 = BLOCK_MAX as u64;
/// A full block of 24-bit stereo samples: 4 MiB rounded down to whole frames of six bytes.
const FULL: u64 = 4_194_300;

/// The ends of all blocks, given the file in one piece.
fn ends(file: &[u8]) -> Vec<u64> {
    ends_in_pieces(file, |_| usize::MAX, |_| false)
}

/// The ends, given the file in pieces of the sizes that `size` says, stored and restored when told.
fn ends_in_pieces(
    file: &[u8],
    mut size: impl FnMut(u64) -> usize,
    mut restore: impl FnMut(u64) -> bool,
) -> Vec<u64> {
    let (mut cut, mut ends) = (Cut::new(), Vec::new());
    let mut rest = file;
    while !rest.is_empty() {
        if restore(cut.offset()) {
            let stored = serde_json::to_string(&cut).unwrap();
            assert!(stored.len() < 1000, "{} bytes: {stored}", stored.len());
            let back: Cut = serde_json::from_str(&stored).unwrap();
            assert_eq!(back, cut);
            cut = back;
        }
        let piece = &rest[..size(cut.offset()).min(rest.len())];
        let before = cut.offset();
        let taken = cut.next_end(piece).inspect(|_| ends.push(cut.offset()));
        assert!(taken != Some(0));
        assert_eq!(cut.offset() - before, taken.unwrap_or(piece.len()) as u64);
        rest = &rest[taken.unwrap_or(piece.len())..];
    }
    assert_eq!(cut.offset(), file.len() as u64);
    if cut.block_len() > 0 {
        assert!(cut.block_start() == ends.last().copied().unwrap_or(0));
        ends.push(cut.offset());
    }
    ends
}

/// A small file is one block, also after it was stored; one that was begun under version 1 keeps its
/// boundaries.
#[test]
fn a_small_file_is_one_block() {
    for (samples, length, expected) in [
        (200_000, Some(200_044), &[][..]),
        (262_100, Some(262_144), &[]),
        (262_101, Some(262_145), &[44, 262_145]),
        (200_000, None, &[44, 200_044]),
    ] {
        let wav = made::wav(STEREO24, &[], &vec![0; samples], &[]);
        let mut cut = Cut::of(length);
        assert_eq!(cut.next_end(&wav[..20]), None);
        let stored = serde_json::to_string(&cut).unwrap();
        let mut cut: Cut = serde_json::from_str(&stored).unwrap();
        let (mut ends, mut rest) = (Vec::new(), &wav[20..]);
        while let Some(taken) = cut.next_end(rest) {
            ends.push(cut.offset());
            rest = &rest[taken..];
        }
        assert_eq!(ends, expected, "{length:?}");
    }
    let stored = serde_json::to_string(&Cut::new()).unwrap();
    let old = stored.replace("\"version\":2", "\"version\":1");
    assert_ne!(old, stored);
    assert_eq!(serde_json::from_str::<Cut>(&old).unwrap(), Cut::new());
}

/// Blocks cover the file, none is empty, none too long.
fn assert_sound(file: &[u8], ends: &[u64]) {
    let mut last = 0;
    for end in ends {
        assert!(*end > last && end - last <= MAX, "{ends:?}");
        last = *end;
    }
    assert_eq!(last, file.len() as u64, "{ends:?}");
}

fn noise(rng: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A format promise: these numbers may not change while version 2 is written.
#[test]
fn golden_boundaries_of_version_2() {
    assert_eq!((CUT_VERSION, BLOCK_MAX, SMALL), (2, 4_194_304, 262_144));
    let samples = vec![0; 9_000_000];
    let list: [made::Extra<'_>; 1] = [(b"LIST", b"INFOISFT")];
    let wav = made::wav(STEREO24, &[], &samples, &list);
    assert_eq!(ends(&wav), [44, 4_194_344, 8_388_644, 9_000_044, 9_000_060]);
    let rf64 = made::rf64(STEREO24, &samples, &list);
    assert_eq!(
        ends(&rf64),
        [80, 4_194_380, 8_388_680, 9_000_080, 9_000_096]
    );
    let w64 = made::w64(STEREO24, &samples, &[5; 13]);
    assert_eq!(
        ends(&w64),
        [112, 4_194_412, 8_388_712, 9_000_112, 9_000_152]
    );
    let aiff = made::aiff(STEREO24, None, false, &samples, &list);
    assert_eq!(
        ends(&aiff),
        [54, 4_194_354, 8_388_654, 9_000_054, 9_000_070]
    );
    let late = made::aiff(STEREO24, None, true, &samples, &list);
    assert_eq!(
        ends(&late),
        [28, 4_194_332, 8_388_636, 9_000_028, 9_000_070]
    );
    let aifc = made::aiff(STEREO24, Some(b"sowt"), false, &samples, &list);
    assert_eq!(
        ends(&aifc),
        [60, 4_194_360, 8_388_660, 9_000_060, 9_000_076]
    );
    let caf = made::caf(STEREO24, false, &samples, b"x");
    assert_eq!(ends(&caf), [68, 4_194_368, 8_388_668, 9_000_068, 9_000_081]);
    let live = made::caf(STEREO24, true, &samples, b"");
    assert_eq!(ends(&live), [68, 4_194_368, 8_388_668, 9_000_080]);
    assert_eq!(ends(&samples), [4_194_304, 8_388_608, 9_000_000]);
    assert_eq!(ends(&[]), [0u64; 0]);
    assert_eq!(ends(b"x"), [1]);
    // An ID3 tag in front is part of the header.
    let tagged = [b"ID3\x04\0\0\0\0\0\x05hello".as_slice(), &wav].concat();
    assert_eq!(
        ends(&tagged),
        [59, 4_194_359, 8_388_659, 9_000_059, 9_000_075]
    );
    // Samples are looked for in the first 4,096 chunks.
    for (empty, expected) in [(4_094, vec![32_796, 32_802]), (4_095, vec![32_810])] {
        let junk: Vec<made::Extra<'_>> = vec![(b"junk", b""); empty];
        assert_eq!(
            ends(&made::wav(STEREO24, &junk, &samples[..6], &[])),
            expected
        );
    }
    // Odd data: the pad byte belongs to the tail.
    let odd = made::wav(STEREO24, &[], &samples[..5], &[]);
    assert_eq!(ends(&odd), [44, 49, 50]);
}

#[test]
fn a_new_header_leaves_the_blocks_of_samples_alone() {
    let mut rng = StdRng::seed_from_u64(1);
    let samples = noise(&mut rng, 9_000_000);
    let before = made::wav(STEREO24, &[], &samples, &[]);
    let after = made::wav(
        STEREO24,
        &[(b"bext", &[1; 701])],
        &samples,
        &[(b"iXML", b"<x/>")],
    );
    let blocks = |file: &[u8]| -> Vec<blake3::Hash> {
        let mut start = 0;
        let hash = |end: &u64| {
            let block = &file[start..usize::try_from(*end).unwrap()];
            start += block.len();
            blake3::hash(block)
        };
        ends(file).iter().map(hash).collect()
    };
    let (before, after) = (blocks(&before), blocks(&after));
    assert_eq!(before[1..], after[1..4]);
}

#[test]
fn boundaries_do_not_depend_on_the_pieces_nor_on_restores() {
    let mut rng = StdRng::seed_from_u64(2);
    let samples = noise(&mut rng, 4_500_000);
    for (name, file, data) in made::one_of_each(&samples) {
        let whole = ends(&file);
        assert_sound(&file, &whole);
        assert_eq!(whole[0], data, "{name}");
        let full = if name == "late.aiff" { MAX } else { FULL };
        assert_eq!(whole[1] - whole[0], full, "{name}");
        for _ in 0..20 {
            // Single bytes while there are headers about, large pieces elsewhere.
            let mut size = StdRng::seed_from_u64(rng.random());
            let mut restore = StdRng::seed_from_u64(rng.random());
            let small = rng.random_range(1..40);
            let near = |at: u64| at < data + 100 || at > data + 4_500_000 - 100;
            let pieces = ends_in_pieces(
                &file,
                |at| size.random_range(1..=if near(at) { small } else { 400_000 }),
                |at| near(at) || restore.random_range(0..4) == 0,
            );
            assert_eq!(pieces, whole, "{name}");
        }
    }
}

#[test]
fn any_bytes_are_cut_soundly_and_the_same_in_any_pieces() {
    let mut rng = StdRng::seed_from_u64(3);
    let originals = made::one_of_each(&noise(&mut rng, 700));
    for round in 0..6_000 {
        let (_, original, data) = &originals[round % originals.len()];
        let mut file = original.clone();
        let data = usize::try_from(*data).unwrap();
        for _ in 0..rng.random_range(0..6) {
            let at = rng.random_range(0..data.min(file.len()));
            match rng.random_range(0..4) {
                0 => file[at] = rng.random(),
                1 => file[at] = [0, 0xFF, 0x7F, 0x80][rng.random_range(0..4)],
                2 => {
                    let to = (at + 4).min(file.len());
                    file[at..to].fill([0, 0xFF][rng.random_range(0..2)]);
                }
                _ => file.truncate(rng.random_range(0..=file.len()).max(data)),
            }
        }
        if round % 3 == 0 {
            file.truncate(rng.random_range(0..=file.len()));
        }
        let whole = ends(&file);
        assert_sound(&file, &whole);
        let mut size = StdRng::seed_from_u64(rng.random());
        let pieces = ends_in_pieces(&file, |_| size.random_range(1..30), |at| at % 16 == 0);
        assert_eq!(pieces, whole, "{file:02x?}");
    }
}

#[test]
fn lies_and_giants_cost_ratio_only() {
    let samples = vec![1; 6_000_000];
    // A header over 4 MiB: cut every 4 MiB, and where the samples begin.
    let giant = vec![2; 5_000_001];
    let file = made::wav(STEREO24, &[(b"junk", &giant)], &samples, &[]);
    let data = 44 + 8 + 5_000_002;
    assert_eq!(ends(&file), [MAX, data, data + FULL, data + 6_000_000]);
    // A tail over 4 MiB is cut from its own start.
    let file = made::wav(STEREO24, &[], &samples, &[(b"junk", &giant)]);
    let tail = 44 + 6_000_000;
    assert_eq!(
        ends(&file),
        [44, 44 + FULL, tail, tail + MAX, file.len() as u64]
    );
    // Sizes that say nothing: samples until the end.
    let tail: [made::Extra<'_>; 1] = [(b"LIST", b"INFOISFT")];
    for size in [[0; 4], [0xFF; 4]] {
        let mut file = made::wav(STEREO24, &[], &samples, &tail);
        let at = made::size_field(&file, b"data");
        file[at..at + 4].copy_from_slice(&size);
        assert_eq!(ends(&file), [44, 44 + FULL, file.len() as u64]);
    }
    // Promised more than there is; promised less.
    for (size, end) in [(u32::MAX - 9, 44 + 6_000_016), (600, 644)] {
        let mut file = made::wav(STEREO24, &[], &samples, &tail);
        let at = made::size_field(&file, b"data");
        file[at..at + 4].copy_from_slice(&size.to_le_bytes());
        assert!(ends(&file).contains(&end), "{:?}", ends(&file));
        assert_sound(&file, &ends(&file));
    }
    // Frames of 0 bytes and of 65,535 bytes.
    for (align, full) in [(0u16, FULL), (65_535, 64 * 65_535)] {
        let mut file = made::wav(STEREO24, &[], &samples, &[]);
        file[32..34].copy_from_slice(&align.to_le_bytes());
        assert_eq!(ends(&file), [44, 44 + full, file.len() as u64]);
    }
    // A CAF frame larger than a block.
    let mut file = made::caf(STEREO24, false, &samples, b"");
    file[36..40].copy_from_slice(&[0xFF; 4]);
    assert_eq!(ends(&file)[..2], [68, 68 + MAX]);
    // Samples that begin far behind their chunk's head (AIFF offset), and nowhere in it.
    for (offset, data) in [(1000u32, 1054), (u32::MAX, 54)] {
        let mut file = made::aiff(STEREO24, None, false, &samples, &[]);
        file[46..50].copy_from_slice(&offset.to_be_bytes());
        assert_eq!(ends(&file)[..2], [data, data + FULL]);
    }
    // Millions of empty chunks: given up after a while, and cut as what it is.
    let zeros = [b"RIFF\0\0\0\0WAVE".as_slice(), &vec![0; 9_000_000]].concat();
    assert_eq!(ends(&zeros), [MAX, 2 * MAX, 9_000_012]);
}

#[test]
fn states_that_were_never_stored_are_errors_or_harmless() {
    let mut cut = Cut::new();
    assert_eq!(cut.next_end(&[0; 1000]), None);
    let good = serde_json::to_string(&cut).unwrap();
    for (from, to) in [
        ("\"version\":2", "\"version\":3"),
        ("\"start\":0", "\"start\":1001"),
        ("\"at\":1000", "\"at\":4194304"),
        ("\"at\":1000", "\"at\":18446744073709551615"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(serde_json::from_str::<Cut>(&bad).is_err(), "{bad}");
    }
    // Numbers at random in every place of the state: an error, or a cut that still works.
    let mut rng = StdRng::seed_from_u64(4);
    let (mut restored, mut tried) = (0, 0);
    for (_, file, data) in made::one_of_each(&[0; 600]) {
        for at in (0..data).step_by(5) {
            let mut cut = Cut::new();
            cut.next_end(&file[..usize::try_from(at).unwrap()]);
            let mut state: serde_json::Value = serde_json::to_value(&cut).unwrap();
            let header = state["header"].as_object_mut().unwrap();
            let name = header
                .keys()
                .nth(rng.random_range(0..header.len()))
                .unwrap()
                .clone();
            if header[&name].is_number() {
                header[&name] = [0, 3, 255, 1 << 40, u64::MAX][rng.random_range(0..5)].into();
            }
            tried += 1;
            let Ok(mut cut) = serde_json::from_value::<Cut>(state) else {
                continue;
            };
            restored += 1;
            let mut rest = file.as_slice();
            while let Some(taken) = cut.next_end(rest) {
                assert!((1..=BLOCK_MAX).contains(&taken));
                rest = &rest[taken..];
            }
        }
    }
    assert!(restored > 20 && restored < tried, "{restored} of {tried}");
}
