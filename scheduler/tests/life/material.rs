//! What clients send: small WAV files, whose header, samples and tail are blocks of their own, and
//! files that are none.

use bytes::Bytes;

use crate::chance::Chance;

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    file.extend(name);
    file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend(body);
    file.extend(std::iter::repeat_n(0, body.len() % 2));
}

fn noise(chance: &mut Chance, length: u64) -> Vec<u8> {
    // A few values only, so that compression has something to do.
    (0..length)
        .map(|_| u8::try_from(chance.below(6)).unwrap())
        .collect()
}

/// A WAV of 16 bit, mono; often with a tail.
fn wav(chance: &mut Chance, samples: u64) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
    let fmt = [1, 0, 1, 0, 0x44, 0xAC, 0, 0, 0x88, 0x58, 1, 0, 2, 0, 16, 0];
    chunk(&mut file, b"fmt ", &fmt);
    let data = noise(chance, samples * 2);
    chunk(&mut file, b"data", &data);
    if chance.in_1000(700) {
        let length = chance.between(1, 60);
        let tail = noise(chance, length);
        chunk(&mut file, b"bext", &tail);
    }
    let size = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
    file[4..8].copy_from_slice(&size);
    file
}

/// A file: mostly some hundred bytes, sometimes enough for fragments that are objects.
pub fn file(chance: &mut Chance) -> Bytes {
    let it = match chance.below(20) {
        0 => Vec::new(),
        1 | 2 => {
            let length = chance.between(1, 200);
            noise(chance, length)
        }
        3..=6 => {
            let samples = chance.between(9_000, 15_000);
            wav(chance, samples)
        }
        _ => {
            let samples = chance.between(1, 200);
            wav(chance, samples)
        }
    };
    it.into()
}
