//! The frames of a FLAC, found by their heads: how far they reach beside how many samples there shall
//! be. A head has a number and a sum of its own, so few bytes that are none look like one; one that
//! does not go on from the frame before is passed over.

use serde::{Deserialize, Serialize};

use super::{Packed, array};

/// So many frames may be damaged in a row before the next is not believed any more.
const LOST: u64 = 64;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frames {
    /// Samples in each channel that there shall be; 0 if that is not known.
    promised: u64,
    /// Samples in a full frame.
    full: u64,
    /// Where the last frame ends, in samples.
    there: Option<u64>,
    /// What may be the head of a frame.
    held: Vec<u8>,
}

impl Frames {
    /// By the first 42 bytes, which are the stream info.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        Some(Self {
            promised: u64::from_be_bytes(array(head, 18)?) & 0xF_FFFF_FFFF,
            full: u16::from_be_bytes(array(head, 10)?).into(),
            ..Self::default()
        })
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.held.is_empty() && *first != 0xFF {
                let next = bytes.iter().position(|it| *it == 0xFF);
                bytes = &bytes[next.unwrap_or(bytes.len())..];
                continue;
            }
            self.held.push(*first);
            bytes = rest;
            self.look();
        }
    }

    /// What is to be said when there are no more bytes.
    pub(super) fn says(&self) -> Packed {
        match self.there {
            None => Packed::Broken,
            Some(there) if there < self.promised => Packed::Short {
                promised: self.promised,
                there,
            },
            Some(_) => Packed::Unknown,
        }
    }

    fn look(&mut self) {
        match head(&self.held) {
            Head::Open => return,
            Head::No => {}
            Head::Of { by, number, here } => {
                let start = match by {
                    By::Frames => number.saturating_mul(self.full),
                    By::Samples => number,
                };
                let goes_on = self.there.is_none_or(|there| {
                    (there..there.saturating_add(LOST * self.full.max(here))).contains(&start)
                });
                if goes_on {
                    self.there = Some(start.saturating_add(here));
                    self.held.clear();
                    return;
                }
            }
        }
        // Another may have begun behind the first of these bytes.
        let held = std::mem::take(&mut self.held);
        self.push(&held[1..]);
    }
}

/// What the number of a frame counts.
#[derive(Clone, Copy)]
enum By {
    Frames,
    Samples,
}

enum Head {
    /// Not all there.
    Open,
    No,
    /// `here` samples, in each channel.
    Of {
        by: By,
        number: u64,
        here: u64,
    },
}

/// The head of a frame, at most 16 bytes, if `bytes` are one to its last.
fn head(bytes: &[u8]) -> Head {
    match bytes {
        [] | [0xFF] => return Head::Open,
        [0xFF, 0xF8 | 0xF9, ..] => {}
        _ => return Head::No,
    }
    let (&[size, form], by) = match bytes {
        [_, kind, size, form, ..] => (
            &[*size, *form],
            if kind & 1 == 0 {
                By::Frames
            } else {
                By::Samples
            },
        ),
        _ => return Head::Open,
    };
    let (size, rate) = (size >> 4, size & 15);
    if size == 0 || rate == 15 || form >> 4 > 10 || form >> 1 & 7 == 3 || form & 1 != 0 {
        return Head::No;
    }
    let Some(&first) = bytes.get(4) else {
        return Head::Open;
    };
    // As UTF-8, on to seven bytes.
    let number_len = match first.leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return Head::No,
    };
    let size_at = 4 + number_len;
    let size_len = match size {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate_len = match rate {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    let all = size_at + size_len + rate_len + 1;
    if bytes.len() < all {
        return Head::Open;
    }
    if sum(&bytes[..all]) != 0 {
        return Head::No;
    }
    let keeps = if number_len == 1 {
        0x7F
    } else {
        (0x7Fu16 >> number_len) as u8
    };
    let number = bytes[5..size_at]
        .iter()
        .fold(u64::from(first & keeps), |number, byte| {
            number << 6 | u64::from(byte & 0x3F)
        });
    let told = bytes[size_at..size_at + size_len]
        .iter()
        .fold(0, |told, byte| told << 8 | u64::from(*byte));
    let here = match size {
        1 => 192,
        2..=5 => 576 << (size - 2),
        6 | 7 => told + 1,
        _ => 256 << (size - 8),
    };
    Head::Of { by, number, here }
}

/// The CRC-8 of a head; 0 with its own at the end.
fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ byte, |sum, _| {
            sum << 1 ^ if sum & 0x80 != 0 { 7 } else { 0 }
        })
    })
}
