//! Whatever an upload made of a file, its archive is cut as if it had come in one piece.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::block::BLOCK_MAX;
use stemvault_codec::audio::made::{STEREO24, wav};

fn block(plain: &[u8]) -> BlockRef {
    anew(0, Bytes::copy_from_slice(plain)).block
}

/// The pieces of a file that came in blocks of these lengths.
fn recut(file: &[u8], lengths: &[usize]) -> (Vec<Piece>, String) {
    let (mut recut, mut pieces) = (Recut::new(), Vec::new());
    let mut rest = file;
    for &length in lengths {
        let (plain, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        if !plain.is_empty() {
            pieces.extend(recut.push(block(plain), &Bytes::copy_from_slice(plain)));
        }
    }
    assert!(rest.is_empty(), "the lengths cover the file");
    let (last, sha256) = recut.finish();
    pieces.extend(last);
    (pieces, sha256)
}

/// Lengths of the blocks of a file that came in one piece.
fn canonical(file: &[u8]) -> Vec<usize> {
    let (mut cut, mut lengths, mut rest) = (Cut::new(), Vec::new(), file);
    while let Some(end) = cut.next_end(rest) {
        lengths.push(end);
        rest = &rest[end..];
    }
    lengths.extend((!rest.is_empty()).then_some(rest.len()));
    lengths
}

fn noise(rng: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn sound(rng: &mut StdRng) -> Vec<u8> {
    let samples = noise(rng, 2 * BLOCK_MAX + 600);
    wav(STEREO24, &[], &samples, &[(b"LIST", b"behind")])
}

#[test]
fn a_file_that_came_in_one_piece_is_neither_copied_nor_hashed_again() {
    let file = sound(&mut StdRng::seed_from_u64(1));
    let (mut recut, mut at) = (Recut::new(), 0);
    let lengths = canonical(&file);
    assert!(lengths.len() >= 4, "header, samples, tail: {lengths:?}");
    for length in &lengths[..lengths.len() - 1] {
        // A name that its bytes do not have shows that nobody looked.
        let named = BlockRef {
            hash: BlockHash([9; 32]),
            length: u32::try_from(*length).unwrap(),
            crc32: 9,
        };
        let plain = Bytes::copy_from_slice(&file[at..at + length]);
        let pieces = recut.push(named, &plain);
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].block, pieces[0].start), (named, at as u64));
        assert_eq!(pieces[0].plain.as_ptr(), plain.as_ptr());
        at += length;
    }
    let named = block(&file[at..]);
    assert_eq!(recut.push(named, &Bytes::copy_from_slice(&file[at..])), []);
    let (last, _) = recut.finish();
    assert_eq!(last.unwrap().block, named);
}

#[test]
fn short_blocks_and_seams_of_parts_become_what_they_would_have_been() {
    let mut rng = StdRng::seed_from_u64(2);
    let files = [
        sound(&mut rng),
        noise(&mut rng, BLOCK_MAX + 5),
        noise(&mut rng, 3),
        Vec::new(),
    ];
    for file in files {
        let (whole, sha256) = recut(&file, &canonical(&file));
        for _ in 0..8 {
            let mut lengths = Vec::new();
            while lengths.iter().sum::<usize>() < file.len() {
                let most = *[1, 60, 70_000, BLOCK_MAX]
                    .get(rng.random_range(0..4))
                    .unwrap();
                lengths.push(if lengths.len() > 300 {
                    BLOCK_MAX
                } else {
                    rng.random_range(1..=most)
                });
            }
            let (pieces, again) = recut(&file, &lengths);
            assert_eq!((&pieces, &again), (&whole, &sha256), "{lengths:?}");
        }
        let plain: Vec<u8> = whole
            .iter()
            .flat_map(|piece| piece.plain.to_vec())
            .collect();
        assert!(plain == file);
        assert_eq!(
            sha256,
            hex::encode(aws_lc_rs::digest::digest(&SHA256, &file))
        );
    }
}
