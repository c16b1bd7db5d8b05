//! Looks for MPEG audio that does not begin at the first byte: behind zeros, an unknown tag, or the
//! rest of a frame that a stream was cut in.
//!
//! Three frames that follow upon each other are no chance. Pure and incremental, as the
//! [`HeaderReader`](super::HeaderReader) that it is part of; it changes nothing of where samples lie.

use serde::{Deserialize, Serialize};

/// How far is looked: preflight sees no more.
const REACH: u64 = 60 << 10;
/// Frames in a row that are enough.
const ENOUGH: u8 = 3;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MpegSearch {
    /// Bytes taken.
    at: u64,
    /// The last four of them.
    window: u32,
    /// Where the next frame has to begin.
    next: u64,
    /// What all frames of a stream have in common.
    kind: u32,
    /// Frames in a row; 0 while none was seen.
    run: u8,
}

impl MpegSearch {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.is_over() {
                return;
            }
            self.at += 1;
            self.window = self.window << 8 | u32::from(byte);
            if self.at >= 4 {
                self.look(self.at - 4);
            }
        }
    }

    pub(super) fn is_new(&self) -> bool {
        self.at == 0
    }

    /// Whether there is MPEG audio.
    pub(super) fn is_found(self) -> bool {
        self.run >= ENOUGH
    }

    /// Whether nothing more can be found.
    pub(super) fn is_over(self) -> bool {
        self.is_found() || self.at >= REACH
    }

    /// The window stands at `begin`.
    fn look(&mut self, begin: u64) {
        if self.run > 0 && begin < self.next {
            return;
        }
        let frame = frame(self.window).filter(|(kind, _)| self.run == 0 || *kind == self.kind);
        match frame {
            Some((kind, length)) => {
                (self.kind, self.next) = (kind, begin + length);
                self.run += 1;
            }
            None => self.run = 0,
        }
    }
}

/// Version, layer and rate of a frame of layer II or III, and its length, if this is its head.
fn frame(head: u32) -> Option<(u32, u64)> {
    const ONE: [[u64; 15]; 2] = [
        [
            0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
        ],
        [
            0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ],
    ];
    const TWO: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    if head >> 21 != 0x7FF {
        return None;
    }
    let (version, layer) = (head >> 19 & 3, head >> 17 & 3);
    let (rate, padding) = (head >> 10 & 3, u64::from(head >> 9 & 1));
    let bitrate = usize::try_from(head >> 12 & 15).ok()?;
    let is_two = layer == 2;
    if version == 1 || !matches!(layer, 1 | 2) || rate == 3 || !(1..15).contains(&bitrate) {
        return None;
    }
    let hertz = [44_100, 48_000, 32_000][rate as usize] / [4, 0, 2, 1][version as usize];
    let kilobits = match (version, is_two) {
        (3, true) => ONE[0][bitrate],
        (3, false) => ONE[1][bitrate],
        _ => TWO[bitrate],
    };
    let samples = if version == 3 || is_two { 1152 } else { 576 };
    Some((
        head >> 10 & 0x7DC3,
        samples / 8 * kilobits * 1000 / hertz + padding,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 44.1 kHz, 128 kbit/s, silence: 417 bytes.
    fn frames(count: usize) -> Vec<u8> {
        let one = [&[0xFF, 0xFB, 0x90, 0x64][..], &[0; 413]].concat();
        one.repeat(count)
    }

    fn found(file: &[u8], step: usize) -> MpegSearch {
        let mut search = MpegSearch::default();
        for piece in file.chunks(step) {
            search.push(piece);
        }
        search
    }

    #[test]
    fn frames_are_found_behind_anything() {
        for (front, name) in [
            (vec![], "nothing"),
            (vec![0], "a zero"),
            (vec![0; 40_000], "many"),
            (frames(1)[200..].to_vec(), "the end of a frame"),
            (vec![0xFF; 99], "what looks like the start of one"),
            (frames(1)[..100].to_vec(), "the start of another"),
        ] {
            let file = [front, frames(5)].concat();
            assert!(found(&file, 7).is_found(), "{name}");
            assert_eq!(found(&file, 7), found(&file, usize::MAX), "{name}");
        }
        let far = [vec![0; 100_000], frames(5)].concat();
        let far = found(&far, 1000);
        assert!(far.is_over() && !far.is_found());
        for none in [&b"hello".repeat(2000), &frames(2), &vec![0xFF; 5000]] {
            assert!(!found(none, 100).is_found());
        }
    }

    #[test]
    fn frames_have_the_lengths_that_encoders_give_them() {
        let length = |head| frame(head).unwrap().1;
        assert_eq!(length(0xFFFB_9064), 417);
        assert_eq!(length(0xFFFB_9264), 418, "padded");
        assert_eq!(length(0xFFFD_8400), 384, "layer II, 48 kHz, 128 kbit/s");
        assert_eq!(
            length(0xFFF3_8400),
            192,
            "MPEG-2 layer III, 24 kHz, 64 kbit/s"
        );
        assert_eq!(frame(0xFFFE_9064), None, "UTF-16");
    }
}
