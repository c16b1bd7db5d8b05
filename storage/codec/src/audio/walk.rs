//! Follows packed audio from piece to piece, to see whether it comes to the end that it promises:
//! the boxes of an MP4, the pages of an Ogg, the blocks of a WavPack, the frames of a FLAC, and what
//! an MP3 says of its own length in its first frame.
//!
//! Nothing is decoded. Pure and incremental, as the [`HeaderReader`](super::HeaderReader) that it is
//! part of; it changes nothing of where samples lie. Where it loses its way it says nothing more.

use serde::{Deserialize, Serialize};

use super::flac::Frames;
use super::sniff::id3_length;
use super::{Format, Packed, array, sniff};

/// A frame of MPEG audio has no more bytes: by so many an encoder may miscount its own.
const LONGEST_FRAME: u64 = 1441;

/// See the module. By default it does not walk: of a file that was begun before anybody did, the
/// beginning is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Walk {
    on: On,
    /// Where the record begins that is gathered; bytes before it are passed over.
    begin: u64,
    /// Bytes that the record has.
    want: u8,
    held: Vec<u8>,
    /// Where what was promised so far ends; 0 if nothing was.
    end: u64,
}

/// What is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
enum On {
    #[default]
    Nothing,
    Start,
    /// The head of a tag that stands in front; some files have several.
    Tag,
    /// Boxes; whether the one was seen without which nobody knows what the others hold.
    Boxes(bool),
    /// Pages; whether the one before was the last of its stream.
    Pages(bool),
    /// The lengths that end the head of a page: how many are to come, and the sum of those before.
    Lacing(bool, u8, u64),
    /// Blocks: samples that are promised, if that is known, and where those of the last one ended.
    Blocks(Option<u64>, u64),
    Metadata(Frames),
    Frames(Frames),
    FirstFrame,
}

impl Walk {
    /// At the first byte of a file.
    pub(super) fn begin() -> Self {
        Self {
            on: On::Start,
            want: 8,
            ..Self::default()
        }
    }

    pub(super) fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }

    /// Takes the next bytes of the file, which begin at offset `at`.
    pub(super) fn push(&mut self, mut at: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.on {
                On::Nothing => return,
                _ if at < self.begin => {
                    usize::try_from(self.begin - at).map_or(bytes.len(), |far| far.min(bytes.len()))
                }
                On::Frames(frames) => return frames.push(bytes),
                On::Lacing(_, left, sum) => {
                    let now = bytes.len().min(usize::from(*left));
                    *left -= u8::try_from(now).unwrap_or(*left);
                    *sum += bytes[..now].iter().map(|&it| u64::from(it)).sum::<u64>();
                    now
                }
                _ => {
                    let missing = usize::from(self.want).saturating_sub(self.held.len());
                    let now = bytes.len().min(missing);
                    self.held.extend_from_slice(&bytes[..now]);
                    now
                }
            };
            at = at.saturating_add(taken as u64);
            bytes = &bytes[taken..];
            self.look(at);
        }
    }

    /// What is to be said of the file; `length` if all of it was pushed.
    pub(super) fn says(&self, length: Option<u64>) -> Packed {
        if self.end > length.unwrap_or(0) {
            return Packed::AtLeast(self.end);
        }
        let Some(length) = length else {
            return Packed::Unknown;
        };
        match &self.on {
            On::Boxes(false) => Packed::Broken,
            On::Pages(false) | On::Lacing(..) => Packed::Open,
            On::Blocks(Some(promised), there) if there < promised && self.begin == length => {
                Packed::Short {
                    promised: *promised,
                    there: *there,
                }
            }
            On::Frames(frames) => frames.says(),
            _ => Packed::Unknown,
        }
    }

    /// Goes on if the record is there; `at` is the offset behind it.
    fn look(&mut self, at: u64) {
        if let On::Lacing(last, 0, sum) = self.on {
            self.end = at.saturating_add(sum);
            self.next(On::Pages(last), self.end, 27);
        } else if self.want > 0 && at >= self.begin && self.held.len() >= usize::from(self.want) {
            let record = std::mem::take(&mut self.held);
            let on = std::mem::take(&mut self.on);
            // What cannot be understood leaves it on nothing.
            let _lost = self.read(on, record, at);
        }
    }

    fn next(&mut self, on: On, begin: u64, want: u8) {
        (self.on, self.begin, self.want) = (on, begin, want);
        self.held.clear();
    }

    /// Gathers more of the same record.
    fn more(&mut self, on: On, record: Vec<u8>, want: u8) {
        (self.on, self.want, self.held) = (on, want, record);
    }

    fn read(&mut self, on: On, record: Vec<u8>, at: u64) -> Option<()> {
        match on {
            On::Start => match &record[..] {
                [b'f', b'L', b'a', b'C', ..] => {
                    self.more(On::Metadata(Frames::default()), record, 42);
                }
                [b'I', b'D', b'3', ..] => self.more(On::Tag, record, 10),
                [b'O', b'g', b'g', b'S', ..] => self.more(On::Pages(false), record, 27),
                [b'w', b'v', b'p', b'k', ..] => self.more(On::Blocks(None, 0), record, 32),
                _ => match sniff(&record)? {
                    Format::Mp4 => self.boxed(false, record)?,
                    Format::Mp3 => self.more(On::FirstFrame, record, 52),
                    _ => {}
                },
            },
            On::Tag => {
                let next = self.begin.saturating_add(id3_length(&record)?);
                self.next(On::Start, next, 8);
            }
            On::Boxes(known) => self.boxed(known, record)?,
            On::Pages(_) => {
                let segments = *record.get(26).filter(|_| record.starts_with(b"OggS"))?;
                self.next(On::Lacing(record[5] & 4 != 0, segments, 0), at, 0);
                self.look(at);
            }
            On::Blocks(promised, there) => self.block(promised, there, &record)?,
            On::Metadata(frames) => self.metadata(frames, &record, at)?,
            On::FirstFrame => self.end = self.begin + told(&record)?.saturating_sub(LONGEST_FRAME),
            On::Nothing | On::Lacing(..) | On::Frames(_) => {}
        }
        Some(())
    }

    fn boxed(&mut self, known: bool, record: Vec<u8>) -> Option<()> {
        let name: [u8; 4] = array(&record, 4)?;
        if !name.iter().all(|it| matches!(it, b' '..=b'~' | 0xA9)) {
            return None;
        }
        let size = match u32::from_be_bytes(array(&record, 0)?) {
            1 if record.len() == 8 => {
                self.more(On::Boxes(known), record, 16);
                return Some(());
            }
            1 => u64::from_be_bytes(array(&record, 8)?),
            // To the end of the file.
            0 => u64::MAX,
            size => size.into(),
        };
        let next = (size >= 8).then(|| self.begin.saturating_add(size))?;
        if matches!(&name, b"moov" | b"moof" | b"mdat") && size != u64::MAX {
            self.end = next;
        }
        self.next(On::Boxes(known || name == *b"moov"), next, 8);
        Some(())
    }

    fn block(&mut self, promised: Option<u64>, there: u64, record: &[u8]) -> Option<()> {
        let le32 = |at| array(record, at).map(u32::from_le_bytes).map(u64::from);
        let size = le32(4).filter(|size| record.starts_with(b"wvpk") && *size >= 24)?;
        let [high_index, high_all] = array(record, 10)?;
        let (all, index, here) = (le32(12)?, le32(16)?, le32(20)?);
        let index = u64::from(high_index) << 32 | index;
        // Only the first block is bound to tell the truth of all.
        let all = (all != 0xFFFF_FFFF && index == 0).then_some(u64::from(high_all) << 32 | all);
        let there = if here > 0 { index + here } else { there };
        self.end = self.begin.saturating_add(8 + size);
        self.next(On::Blocks(promised.or(all), there), self.end, 32);
        Some(())
    }

    fn metadata(&mut self, frames: Frames, record: &[u8], at: u64) -> Option<()> {
        let is_first = record.len() == 42;
        let head: [u8; 4] = array(record, if is_first { 4 } else { 0 })?;
        let frames = if is_first {
            Frames::of(record)?
        } else {
            frames
        };
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]);
        let length = if is_first { 0 } else { length.into() };
        let next = at.saturating_add(length);
        self.end = next;
        if head[0] & 0x80 == 0 {
            self.next(On::Metadata(frames), next, 4);
        } else {
            self.next(On::Frames(frames), next, 0);
        }
        Some(())
    }
}

/// Bytes from its first frame on, as an MP3 tells them in that frame: encoders leave it silent and
/// write there what they know.
fn told(frame: &[u8]) -> Option<u64> {
    let is_first_version = frame.get(1)? & 8 != 0;
    let is_mono = frame.get(3)? >> 6 == 3;
    let at = match (is_first_version, is_mono) {
        (true, false) => 36,
        (true, true) | (false, false) => 21,
        (false, true) => 13,
    };
    let be32 = |at| array(frame, at).map(u32::from_be_bytes);
    let counts = match &array::<4>(frame, at)? {
        b"Xing" | b"Info" => be32(at + 4)?,
        _ if array::<4>(frame, 36)? == *b"VBRI" => return be32(46).map(u64::from),
        _ => return None,
    };
    // Frames come first, if they are told.
    let bytes = at + 8 + if counts & 1 != 0 { 4 } else { 0 };
    if counts & 2 != 0 {
        be32(bytes).map(u64::from)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
